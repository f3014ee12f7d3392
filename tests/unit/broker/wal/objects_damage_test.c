/* Objects of a log in the bucket that rot (L6, W3): the log is fenced all the same, nobody
 * acknowledges behind that, and what cannot be read is told from what can. */
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "support_objects.h"
#include "unit/test.h"

#include <errno.h>
#include <string.h>

#define HEADER_NONCE 60 /* a byte that says nothing of the body */
#define HEADER_BODY_CRC 121

/* A log of `count` records, one in each object from slot 2 on. */
static struct wal *
log_of(struct objectstore *store, int count)
{
    struct wal *wal;
    if (!store || objects_test_create(store, &wal) < 0) {
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        if (objects_test_append(wal, 100) < 0) {
            return NULL;
        }
    }
    return wal;
}

/* The writer is broken at its next append. */
static bool
writer_is_stopped(struct wal *wal)
{
    int r = objects_test_append(wal, 10);
    return r == -EIO && wal_close(wal) == -EIO;
}

/* L6: the newest header rots; its body is proven, so all that was acknowledged is there. */
FIBER_TEST(a_log_whose_newest_header_is_damaged_is_fenced)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal = log_of(store, 6);
    ASSERT(wal);
    ASSERT_OK(objects_test_flip(store, 7, HEADER_NONCE));
    for (int attempt = 0; attempt < 3; attempt++) {
        uint32_t logs = 0;
        struct wal_test_seen *seen = objects_test_recover(store, &logs);
        ASSERT(seen);
        ASSERT_EQ(seen->count, 6);
        ASSERT_EQ(seen->recovery.damaged_records, 0);
        ASSERT_EQ(logs, 2);                     /* L5: an older object says it */
        ASSERT_EQ(objects_test_keys(store), 8); /* one fence, however often */
        mem_free(seen);
    }
    ASSERT(writer_is_stopped(wal));
    ASSERT(mark_count("wal: objects: a fence passes over an object that cannot be read") > 0);
    ASSERT(mark_count("wal: objects: a body is proven without its header") > 0);
    objectstore_close(store);
}

/* L6, W3: where header and body disagree nothing is known of its records, and that is said. */
FIBER_TEST(what_the_damaged_newest_object_held_is_reported)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal = log_of(store, 6);
    ASSERT(wal);
    ASSERT_OK(objects_test_flip(store, 7, HEADER_BODY_CRC));
    struct wal_test_seen *seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    ASSERT_EQ(seen->count, 6);
    ASSERT(seen->records[5].damaged);
    ASSERT_EQ(seen->recovery.records, 5);
    ASSERT_EQ(seen->recovery.damaged_records, 1);
    mem_free(seen);
    ASSERT(writer_is_stopped(wal));
    objectstore_close(store);
}

/* L3, L6: all but the newest was trimmed and removed, and it rots. A fence in slot 1, which is
 * empty, would stop nobody. */
FIBER_TEST(a_writer_whose_only_object_rots_is_stopped)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal = log_of(store, 20);
    ASSERT(wal);
    wal_trim(wal, wal_next_sequence(wal));
    uint64_t began = clock_mono_ns();
    while (objects_test_keys(store) > 1 && clock_mono_ns() - began < 5 * (uint64_t)NS_PER_S) {
        ASSERT_OK(fiber_sleep_ns(10 * (uint64_t)NS_PER_MS));
    }
    ASSERT_EQ(objects_test_keys(store), 1);
    ASSERT_OK(objects_test_flip(store, wal->objects->settled_slot, HEADER_NONCE));
    uint32_t logs = 0;
    struct wal_test_seen *seen = objects_test_recover(store, &logs);
    ASSERT(seen);
    ASSERT_EQ(seen->count, 0); /* it held no records, and proves that */
    ASSERT_EQ(logs, WAL_OBJECT_LOGS_UNKNOWN);
    ASSERT_EQ(objects_test_keys(store), 2);
    mem_free(seen);
    ASSERT(writer_is_stopped(wal));
    objectstore_close(store);
}

/* L6: the rotten object called slots trimmed that an older one calls wanted, and only some of them
 * are gone: a removal failed half-way. Whichever was never settled, the writer is stopped. */
FIBER_TEST(an_older_header_is_not_believed_about_what_is_gone)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal = log_of(store, 9);
    ASSERT(wal);
    wal_trim(wal, 9);
    struct objectstore *inside;
    ASSERT_OK(objectstore_open("memory://wal-objects", &inside));
    ASSERT(objects_test_rule("delete:wal/*:denied")); /* for the writer */
    ASSERT_OK(objects_test_append(wal, 100)); /* slot 11 says that those below 10 are trimmed */
    ASSERT_OK(objects_test_append(wal, 100));
    for (uint64_t slot = 1; slot <= 9; slot++) {
        ASSERT_OK(slot == 3 || slot == 5 ? 0 : objects_test_remove(inside, slot));
    }
    objectstore_close(inside);
    for (uint64_t slot = 10; slot <= 12; slot++) {
        ASSERT_OK(objects_test_flip(store, slot, HEADER_NONCE));
    }
    for (int attempt = 0; attempt < 2; attempt++) {
        struct wal_test_seen *seen = objects_test_recover(store, NULL);
        ASSERT(seen);
        ASSERT_EQ(seen->recovery.damaged_records, 0);
        ASSERT_EQ(seen->recovery.last_sequence, 11);
        ASSERT_EQ(seen->recovery.records, 5); /* two that were not removed, three that are wanted */
        mem_free(seen);
    }
    ASSERT(mark_count("wal: objects: a fence in a slot that may have been trimmed") > 0);
    ASSERT(writer_is_stopped(wal));
    objectstore_close(store);
}

/* L6: a fence rots. The writer that it stopped stays stopped, and the next fence is behind it. */
FIBER_TEST(a_fence_that_rots_stops_the_writer_all_the_same)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal = log_of(store, 4);
    ASSERT(wal);
    struct wal_test_seen *seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    mem_free(seen);
    ASSERT_OK(objects_test_flip(store, 6, HEADER_NONCE));
    seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    ASSERT_EQ(seen->recovery.records, 4);
    ASSERT_EQ(objects_test_keys(store), 7);
    mem_free(seen);
    ASSERT(writer_is_stopped(wal));
    objectstore_close(store);
}

/* L2, L6: a rotten object in the middle of a writer that lives and is quicker. */
FIBER_TEST(a_quick_writer_with_a_rotten_object_is_stopped)
{
    for (size_t at = HEADER_NONCE; at <= HEADER_BODY_CRC; at += HEADER_BODY_CRC - HEADER_NONCE) {
        struct objectstore *store = objects_test_store();
        struct wal *wal = log_of(store, 12);
        ASSERT(wal);
        ASSERT_OK(objects_test_flip(store, 8, at));
        ASSERT(objects_test_rule("list:wal/*:stale:n=1:ms=60000"));
        struct wal_test_seen *seen = objects_test_recover(store, NULL);
        ASSERT(seen);
        ASSERT_EQ(seen->count, 12);
        ASSERT_EQ(seen->recovery.damaged_records, at == HEADER_NONCE ? 0 : 1);
        mem_free(seen);
        ASSERT(writer_is_stopped(wal));
        objectstore_close(store);
    }
}

struct states {
    size_t valid;
    size_t fences;
    size_t proven;
    size_t damaged;
};

/* wal_objects_fn */
static int
states_count(void *arg, const struct wal_objects_seen *seen)
{
    struct states *states = arg;
    states->valid += strcmp(seen->state, "valid") == 0;
    states->fences += strcmp(seen->state, "fence") == 0;
    states->damaged += strcmp(seen->state, "damaged") == 0;
    bool proven = strcmp(seen->state, "header damaged") == 0;
    states->proven += proven && seen->body.size > 100 && seen->header.record_count == 1;
    return seen->header.slot ? 0 : -EINVAL;
}

/* What `freshet inspect bucket-wal` tells from each other. */
FIBER_TEST(people_see_what_is_proven_and_what_is_not)
{
    struct objectstore *store = objects_test_store();
    struct wal *wal = log_of(store, 5);
    ASSERT(wal);
    struct wal_test_seen *seen = objects_test_recover(store, NULL);
    ASSERT(seen);
    mem_free(seen);
    ASSERT_OK(objects_test_flip(store, 3, HEADER_NONCE));
    ASSERT_OK(objects_test_flip(store, 4, HEADER_BODY_CRC));
    ASSERT_OK(objects_test_flip(store, 5, WAL_OBJECT_HEADER + 30));
    struct states states = { 0 };
    ASSERT_OK(wal_objects_inspect(store, states_count, &states));
    ASSERT_EQ(states.valid, 3);
    ASSERT_EQ(states.fences, 1);
    ASSERT_EQ(states.proven, 1);
    ASSERT_EQ(states.damaged, 2);
    ASSERT(writer_is_stopped(wal));
    objectstore_close(store);
}
