/* The write-ahead log in the bucket (L1 to L5, W2, W3, W5) against a store that fails as stores do:
 * what is acknowledged is found by whoever fences the log, and nobody acknowledges after that. */
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "reactor/random.h"
#include "support_objects.h"
#include "unit/test.h"

#include <errno.h>

FIBER_TEST(what_is_acknowledged_is_found_by_who_fences)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    ASSERT_OK(objects_test_create(store, &wal));
    for (int i = 0; i < 20; i++) {
        ASSERT_OK(objects_test_append(wal, 100 + (size_t)i));
    }
    ASSERT(wal_used(wal) > 2000);
    uint32_t logs = 0;
    struct wal_test_seen *seen = objects_test_recover(store, &logs);
    ASSERT(seen);
    ASSERT_EQ(seen->count, 20);
    ASSERT_EQ(seen->recovery.records, 20);
    ASSERT_EQ(logs, 2); /* L5 */
    mem_free(seen);
    ASSERT_ERROR(objects_test_append(wal, 10), -EIO); /* L2, W2 */
    ASSERT_ERROR(objects_test_append(wal, 10), -EIO);
    ASSERT_ERROR(wal_close(wal), -EIO);
    ASSERT(mark_count("wal: objects: fenced") > 0);
    ASSERT(mark_count("wal: objects: broken") > 0);
    objectstore_close(store);
}

/* L5: a log that never began is fenced in its first slot, and cannot begin any more. */
FIBER_TEST(a_log_that_never_began_cannot_begin_after_the_fence)
{
    struct objectstore *store = objects_test_store();
    uint32_t logs = 99;
    struct wal_test_seen *seen = objects_test_recover(store, &logs);
    ASSERT(seen);
    ASSERT_EQ(seen->count, 0);
    ASSERT_EQ(logs, 0);
    mem_free(seen);
    struct wal *wal;
    ASSERT_ERROR(objects_test_create(store, &wal), -EEXIST);
    objectstore_close(store);
}

/* L1: the answer was lost: the same bytes again, and 412 is read back. */
FIBER_TEST(a_lost_answer_is_decided_by_the_same_bytes)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    ASSERT_OK(objects_test_create(store, &wal));
    uint64_t before = mark_count("wal: objects: our own object behind 412");
    ASSERT(objects_test_rule("put:wal/*:lost:n=1"));
    ASSERT(objects_test_rule("put:wal/*:409:n=1:skip=1"));
    ASSERT(objects_test_rule("put:wal/*:500:n=2:skip=2"));
    ASSERT(objects_test_rule("put:wal/*:503:n=1:skip=3:ms=1"));
    ASSERT(objects_test_rule("get:wal/*:truncated:n=1"));
    for (int i = 0; i < 8; i++) {
        ASSERT_OK(objects_test_append(wal, 50));
    }
    ASSERT(mark_count("wal: objects: our own object behind 412") > before);
    ASSERT(mark_count("wal: objects: undecided") > 0);
    ASSERT_EQ(objects_test_keys(store), 9);
    ASSERT_OK(wal_close(wal));
    struct wal_test_seen *seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    ASSERT_EQ(seen->count, 8);
    mem_free(seen);
    objectstore_close(store);
}

/* L1: what is settled early waits for the slot before it. */
FIBER_TEST(a_gap_acknowledges_nothing_behind_it)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    ASSERT_OK(objects_test_create(store, &wal));
    ASSERT(objects_test_rule("put:wal/*:slow:n=1:ms=300"));
    struct wal_append first;
    struct wal_append second;
    ASSERT_OK(objects_test_begin(wal, 10, &first));
    ASSERT_OK(fiber_sleep_ns(20 * (uint64_t)NS_PER_MS));
    ASSERT_OK(objects_test_begin(wal, 10, &second));
    uint64_t began = clock_mono_ns();
    while (objects_test_keys(store) < 2 && clock_mono_ns() - began < NS_PER_S) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    if (!first.done) { /* the dice may have been quick */
        ASSERT(!second.done);
    }
    ASSERT_OK(wal_wait(wal, &second));
    ASSERT(first.done);
    ASSERT_OK(wal_wait(wal, &first));
    ASSERT_OK(wal_close(wal));
    objectstore_close(store);
}

/* L2: the gap is fenced; what landed behind it was never acknowledged and does not count. */
FIBER_TEST(what_landed_behind_a_fenced_gap_does_not_count)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    ASSERT_OK(objects_test_create(store, &wal));
    ASSERT_OK(objects_test_append(wal, 10));
    ASSERT(objects_test_rule("put:wal/*3:409")); /* slot 3 never lands */
    struct wal_append waits[2];
    ASSERT_OK(objects_test_begin(wal, 10, &waits[0]));
    ASSERT_OK(fiber_sleep_ns(5 * (uint64_t)NS_PER_MS));
    ASSERT_OK(objects_test_begin(wal, 10, &waits[1]));
    uint64_t began = clock_mono_ns();
    while (objects_test_keys(store) < 3 && clock_mono_ns() - began < NS_PER_S) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    ASSERT_EQ(objects_test_keys(store), 3); /* slots 1, 2 and 4 */
    ASSERT(!waits[0].done && !waits[1].done);
    objects_test_heal();
    struct wal_test_seen *seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    /* Whoever was quicker in slot 3 has it: the writer, then all three count, or the fence. */
    int r = wal_wait(wal, &waits[0]);
    ASSERT(r == 0 || r == -EIO);
    ASSERT(r < 0 ? seen->count == 1 : seen->count >= 2);
    int second = wal_wait(wal, &waits[1]);
    ASSERT(second < 0 || seen->count == 3);
    mem_free(seen);
    (void)!wal_close(wal);
    objectstore_close(store);
}

/* L3: the newest settled object stays, and says where the log begins. */
FIBER_TEST(what_is_trimmed_leaves_the_bucket_but_for_the_newest)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    ASSERT_OK(objects_test_create(store, &wal));
    for (int i = 0; i < 30; i++) {
        ASSERT_OK(objects_test_append(wal, 1000));
    }
    wal_trim(wal, wal_next_sequence(wal));
    ASSERT_EQ(wal_used(wal), 0);
    uint64_t began = clock_mono_ns();
    while (objects_test_keys(store) > 1 && clock_mono_ns() - began < 5 * (uint64_t)NS_PER_S) {
        ASSERT_OK(fiber_sleep_ns(10 * (uint64_t)NS_PER_MS));
    }
    ASSERT_EQ(objects_test_keys(store), 1);
    ASSERT(mark_count("wal: objects: an empty one says what is trimmed") > 0);
    ASSERT_OK(objects_test_append(wal, 10));
    ASSERT_OK(objects_test_append(wal, 10));
    struct wal_test_seen *seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    ASSERT_EQ(seen->count, 2);
    ASSERT_EQ(seen->records[0].sequence, 31);
    mem_free(seen);
    ASSERT_ERROR(objects_test_append(wal, 10), -EIO);
    (void)!wal_close(wal);
    objectstore_close(store);
}

/* W3: a record that comes while an empty object waits for its turn is behind it, and no damage. */
FIBER_TEST(a_record_behind_an_empty_object_follows_it)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    struct wal_append one;
    ASSERT_OK(objects_test_create(store, &wal));
    ASSERT_OK(objects_test_append(wal, 10));
    wal->objects->gathering = objects_group_new_empty(wal);
    ASSERT(wal->objects->gathering);
    ASSERT_OK(objects_test_begin(wal, 10, &one));
    ASSERT_OK(wal_wait(wal, &one));
    ASSERT_OK(objects_test_append(wal, 10));
    ASSERT_EQ(objects_test_keys(store), 5);
    struct wal_test_seen *seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    ASSERT_EQ(seen->count, 3);
    ASSERT_EQ(seen->recovery.damaged_records, 0);
    mem_free(seen);
    (void)!wal_close(wal);
    objectstore_close(store);
}

/* L2, L3: after everything was trimmed the fence still meets the writer. */
FIBER_TEST(a_silent_writer_is_fenced_where_it_will_write)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    ASSERT_OK(objects_test_create(store, &wal));
    for (int i = 0; i < 5; i++) {
        ASSERT_OK(objects_test_append(wal, 100));
        wal_trim(wal, wal_next_sequence(wal));
    }
    ASSERT_OK(fiber_sleep_ns(100 * (uint64_t)NS_PER_MS));
    struct wal_test_seen *seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    mem_free(seen);
    ASSERT_ERROR(objects_test_append(wal, 10), -EIO);
    (void)!wal_close(wal);
    objectstore_close(store);
}

/* L4: the log was recovered and removed, the broker was asleep. Its create may succeed, and its
 * lease stops it then; where it has to look, it finds that the log is gone. */
FIBER_TEST(a_removed_log_breaks_a_writer_that_looks)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    ASSERT_OK(objects_test_create(store, &wal));
    ASSERT_OK(objects_test_append(wal, 10));
    ASSERT(objects_test_rule("put:wal/*:412:n=1"));
    ASSERT_ERROR(objects_test_append(wal, 10), -EIO);
    ASSERT(mark_count("wal: objects: the log was removed") > 0);
    (void)!wal_close(wal);
    objectstore_close(store);
}

/* L2: a listing that lacks the newest objects, and an answer that is lost, change nothing. */
FIBER_TEST(a_fence_finds_its_place_whatever_it_is_told)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    ASSERT_OK(objects_test_create(store, &wal));
    for (int i = 0; i < 12; i++) {
        ASSERT_OK(objects_test_append(wal, 10));
    }
    ASSERT(objects_test_rule("list:wal/*:stale:n=1:ms=60000"));
    ASSERT(objects_test_rule("put:wal/*:lost:n=1"));
    struct wal_test_seen *seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    ASSERT_EQ(seen->count, 12);
    mem_free(seen);
    ASSERT(mark_count("wal: objects: the writer was quicker than the fence") > 0);
    ASSERT(mark_count("wal: objects: a fence is undecided") > 0);
    seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    ASSERT_EQ(seen->count, 12);
    mem_free(seen);
    ASSERT(mark_count("wal: objects: a fence of an earlier attempt") > 0);
    ASSERT_ERROR(objects_test_append(wal, 10), -EIO);
    (void)!wal_close(wal);
    objectstore_close(store);
}

/* L2: no more than WAL_OBJECTS_IN_FLIGHT slots are begun behind one that is not settled. */
FIBER_TEST(the_window_bounds_what_is_in_flight)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    ASSERT_OK(objects_test_create(store, &wal));
    ASSERT(objects_test_rule("put:wal/*2:409")); /* slot 2 does not land */
    struct wal_append waits[20];
    for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
        ASSERT_OK(objects_test_begin(wal, 10, &waits[i]));
        ASSERT_OK(fiber_sleep_ns(2 * (uint64_t)NS_PER_MS));
    }
    ASSERT(mark_count("wal: objects: the window is full") > 0);
    ASSERT(wal->objects->next_slot <= 2 + WAL_OBJECTS_IN_FLIGHT);
    objects_test_heal();
    for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
        ASSERT_OK(wal_wait(wal, &waits[i]));
    }
    ASSERT_OK(wal_close(wal));
    objectstore_close(store);
}

/* W3: what cannot be read is reported, not skipped. */
FIBER_TEST(a_damaged_or_missing_object_is_reported)
{
    for (int kind = 0; kind < 3; kind++) {
        struct objectstore *store = objects_test_store();
        struct wal *wal;
        ASSERT_OK(objects_test_create(store, &wal));
        for (int i = 0; i < 6; i++) {
            ASSERT_OK(objects_test_append(wal, 100));
        }
        ASSERT_OK(kind == 0   ? objects_test_flip(store, 4, 200)
                  : kind == 1 ? objects_test_flip(store, 4, 121) /* the body's CRC in the header */
                              : objects_test_remove(store, 4));
        /* A missing one is where the fence goes: nobody but us removes what is wanted. */
        struct wal_test_seen *seen = objects_test_recover(store, NULL);
        ASSERT(seen);
        if (kind == 2) {
            ASSERT_EQ(seen->count, 2);
        } else {
            ASSERT_EQ(seen->count, 6);
            ASSERT(seen->records[2].damaged);
            ASSERT_EQ(seen->recovery.damaged_records, 1);
            ASSERT_EQ(seen->recovery.records, 5);
        }
        mem_free(seen);
        (void)!wal_close(wal);
        objectstore_close(store);
    }
    ASSERT(mark_count("wal: objects: an object cannot be read") > 0);
    ASSERT(mark_count("wal: objects: damaged range") > 0);
}

FIBER_TEST(a_log_of_another_cluster_is_refused)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    struct wal *former;
    ASSERT_OK(objects_test_create(store, &wal));
    struct wal_objects_options options = objects_test_options(store);
    options.log.cluster_id.bytes[0] = 1;
    ASSERT_ERROR(wal_objects_fence(&options, &former), -EMEDIUMTYPE);
    ASSERT_OK(objects_test_append(wal, 10));
    ASSERT_OK(wal_close(wal));
    objectstore_close(store);
}

/* W5 */
FIBER_TEST(a_full_log_waits_for_the_trim)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    struct wal_objects_options options = objects_test_options(store);
    options.capacity = 64 * KIB;
    ASSERT_OK(wal_objects_create(&options, &wal));
    ASSERT_EQ(wal_capacity(wal), 64 * KIB);
    struct wal_append big;
    ASSERT_ERROR(objects_test_begin(wal, 65 * KIB, &big), -EMSGSIZE);
    ASSERT_OK(objects_test_append(wal, 40 * KIB));
    struct fiber_group group;
    fiber_group_init(&group);
    uint64_t before = mark_count("wal: objects: full, append waits");
    struct wal_append second;
    wal_trim(wal, 2);
    ASSERT_OK(objects_test_begin(wal, 40 * KIB, &second));
    ASSERT_EQ(mark_count("wal: objects: full, append waits"), before);
    ASSERT_OK(wal_wait(wal, &second));
    ASSERT(!wal_objects_fit(wal, 40 * KIB));
    ASSERT_EQ(mark_count("wal: objects: full, append waits"), before + 1);
    wal_trim(wal, 3);
    ASSERT(wal_objects_fit(wal, 40 * KIB));
    ASSERT_OK(wal_close(wal));
    objectstore_close(store);
}

/* The interval bounds the rate of objects; what comes meanwhile shares one. */
FIBER_TEST(appends_within_an_interval_share_an_object)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal;
    struct wal_objects_options options = objects_test_options(store);
    options.interval_ns = 50 * (uint64_t)NS_PER_MS;
    ASSERT_OK(wal_objects_create(&options, &wal));
    struct wal_append many[50];
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        ASSERT_OK(objects_test_begin(wal, 10, &many[i]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        ASSERT_OK(wal_wait(wal, &many[i]));
    }
    ASSERT(objects_test_keys(store) <= 3);
    struct wal_stats stats;
    wal_stats_get(wal, &stats);
    ASSERT_EQ(stats.records, 50);
    ASSERT_OK(wal_close(wal));
    objectstore_close(store);
}

/* L2: a writer that lives is outrun, whatever it does. */
struct busy {
    struct wal *wal;
    uint64_t acknowledged;
    bool stop;
};

static int
busy_main(void *arg)
{
    struct busy *busy = arg;
    while (!busy->stop) {
        struct wal_append waits[4];
        size_t count = 0;
        while (count < ARRAY_SIZE(waits) && objects_test_begin(busy->wal, 20, &waits[count]) == 0) {
            count++;
            if (fiber_sleep_ns(random_below(NS_PER_MS)) < 0) {
                break;
            }
        }
        bool failed = count == 0;
        for (size_t i = 0; i < count; i++) {
            bool ok = wal_wait(busy->wal, &waits[i]) == 0;
            busy->acknowledged += ok;
            failed = failed || !ok;
        }
        if (failed) {
            break;
        }
    }
    return 0;
}

/* Many rounds of everything at once: a busy writer, a store with all faults, a fence in the middle.
 * L1, L2: each acknowledged record is found, in order. */
FIBER_TEST(no_acknowledged_record_is_missing_whatever_the_store_does)
{
    static const char *const rules[] = { "put:wal/*:lost:p=0.1", "put:wal/*:late:p=0.1:ms=20",
        "put:wal/*:409:p=0.1", "put:wal/*:500:p=0.1", "put:wal/*:503:p=0.05:ms=2",
        "put:wal/*:echo:p=0.1", "get:wal/*:truncated:p=0.1", "get:wal/*:500:p=0.1",
        "put+get+list:wal/*:slow:p=0.3:ms=5", "list:wal/*:500:p=0.1" };
    for (int round = 0; round < 12; round++) {
        struct objectstore *store = objects_test_store();
        struct busy busy = { 0 };
        ASSERT_OK(objects_test_create(store, &busy.wal));
        for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
            ASSERT(objects_test_rule(rules[i]));
        }
        struct fiber_group group;
        fiber_group_init(&group);
        fiber_group_spawn(&group, "writer", busy_main, &busy);
        ASSERT_OK(fiber_sleep_ns(random_below(150 * (uint64_t)NS_PER_MS)));
        if (round % 3 == 0) {
            wal_trim(busy.wal, 1 + busy.acknowledged / 2);
        }
        struct wal_test_seen *seen = objects_test_recover(store, NULL);
        uint64_t at_fence = busy.acknowledged;
        ASSERT_OK(fiber_group_wait(&group));
        ASSERT(seen);
        /* In order and without a hole up to the last acknowledged one; more may be there. */
        uint64_t last = seen->count ? seen->records[seen->count - 1].sequence : 0;
        for (size_t i = 1; i < seen->count; i++) {
            ASSERT_EQ(seen->records[i].sequence, seen->records[i - 1].sequence + 1);
        }
        ASSERT_EQ(seen->recovery.damaged_records, 0);
        ASSERT(last >= busy.acknowledged);
        ASSERT(busy.acknowledged >= at_fence);
        struct wal_test_seen *again = objects_test_recover(store, NULL);
        ASSERT(again);
        /* The same end; what was trimmed meanwhile may be said by an object behind the fence. */
        ASSERT(again->count == 0 || again->records[again->count - 1].sequence == last);
        ASSERT(again->count <= seen->count);
        ASSERT(again->count > 0 || round % 3 == 0 || seen->count == 0);
        mem_free(again);
        mem_free(seen);
        ASSERT_ERROR(wal_close(busy.wal), -EIO);
        objects_test_heal();
        objectstore_close(store);
    }
}
