/* The lease: who may hold it when, by whose clock, and what lost answers do to it. */
#include "base/mark.h"
#include "meta/lease.h"
#include "objectstore/faulty.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "support_records.h"
#include "support_sim.h"
#include "unit/test.h"

#include <errno.h>

#define DURATION (400 * (uint64_t)NS_PER_MS)
#define KEY "meta/lease"

static struct objectstore *
open_store(void)
{
    struct objectstore *objects = NULL;
    faulty_forget_all();
    memory_store_forget("lease-test");
    return objectstore_open("faulty+memory://lease-test?faults=lease-test", &objects) ? NULL
                                                                                      : objects;
}

static bool
rule(const char *text)
{
    struct faulty_rule parsed;
    return faulty_parse(text, &parsed) == 0 && faulty_add("lease-test", &parsed) >= 0;
}

static struct lease *
make(struct objectstore *objects, uint32_t holder, uint32_t former)
{
    const struct lease_options options = { .objects = objects,
        .key = KEY,
        .cluster_id = test_uuid(900),
        .holder = test_uuid(holder),
        .former_holder = former ? test_uuid(former) : UUID_ZERO,
        .broker_id = (int32_t)holder,
        .duration_ns = DURATION };
    return lease_new(&options);
}

static struct lease *
make_for(struct objectstore *objects, uint32_t holder, uint64_t duration_ns)
{
    const struct lease_options options = { .objects = objects,
        .key = KEY,
        .cluster_id = test_uuid(900),
        .holder = test_uuid(holder),
        .broker_id = (int32_t)holder,
        .duration_ns = duration_ns };
    return lease_new(&options);
}

static void
note_lost(void *arg)
{
    *(bool *)arg = true;
}

/* As a broker does that wants to be the controller: looks until nobody can believe in the lease,
 * and writes. -EBUSY: somebody renewed it meanwhile. */
static int
take(struct lease *lease)
{
    struct lease_watch watch = { 0 };
    struct uuid first = UUID_ZERO;
    for (;;) {
        int r = lease_look_out(lease, &watch);
        if (r == -EBUSY && !uuid_is_zero(&first) && !uuid_equal(&first, &watch.content.nonce)) {
            return r;
        }
        first = r == -EBUSY ? watch.content.nonce : UUID_ZERO;
        r = r == 0 ? lease_seize(lease, &watch) : r;
        if (r != -EBUSY && r != -EAGAIN) {
            return r;
        }
        r = fiber_sleep_ns(DURATION / 16);
        if (r) {
            return r;
        }
    }
}

TEST(a_lease_comes_back_from_its_bytes)
{
    const struct lease_content content = { test_uuid(900), test_uuid(1), test_uuid(2), 7, DURATION,
        3, true };
    uint8_t bytes[LEASE_SIZE];
    struct lease_content back;
    lease_content_encode(&content, bytes);
    ASSERT_OK(lease_content_decode(bytes_of(bytes, sizeof bytes), KEY, &back));
    ASSERT_EQ(back.epoch, 7);
    ASSERT_EQ(back.broker_id, 3);
    ASSERT_EQ(back.duration_ns, DURATION);
    ASSERT(back.released);
    ASSERT(uuid_equal(&back.holder, &content.holder));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 0x40;
        int r = lease_content_decode(bytes_of(bytes, sizeof bytes), KEY, &back);
        ASSERT(r == -EBADMSG || r == -EMEDIUMTYPE);
        bytes[i] ^= 0x40;
        ASSERT_ERROR(lease_content_decode(bytes_of(bytes, i), KEY, &back), -EBADMSG);
    }
}

/* M4 */
SIM_TEST(a_free_lease_is_taken_at_once_and_runs_out_by_our_clock)
{
    struct objectstore *objects = open_store();
    struct lease *lease = make(objects, 1, 0);
    ASSERT(!lease_is_valid(lease));
    uint64_t start_ns = clock_boot_ns();
    ASSERT_OK(take(lease));
    ASSERT(lease_is_valid(lease));
    ASSERT_EQ(lease_epoch(lease), 1);
    while (lease_is_valid(lease)) {
        ASSERT_OK(fiber_sleep_ns(5 * (uint64_t)NS_PER_MS));
    }
    /* Earlier than the duration: our clock may be slow. */
    ASSERT(clock_boot_ns() - start_ns >= DURATION - DURATION / 8);
    ASSERT(clock_boot_ns() - start_ns < DURATION);
    lease_free(lease);
    objectstore_close(objects);
}

/* M4 */
SIM_TEST(renewals_keep_it_valid)
{
    struct objectstore *objects = open_store();
    struct lease *lease = make(objects, 1, 0);
    bool lost = false;
    ASSERT_OK(take(lease));
    ASSERT_OK(lease_renew_start(lease, note_lost, &lost));
    for (int i = 0; i < 60; i++) {
        ASSERT(lease_is_valid(lease));
        ASSERT_OK(fiber_sleep_ns(DURATION / 40));
    }
    struct lease_stats stats;
    lease_stats_get(lease, &stats);
    ASSERT(stats.renewals >= 3);
    ASSERT(!lost);
    lease_renew_stop(lease);
    ASSERT_OK(lease_release(lease));
    ASSERT(!lease_is_valid(lease));
    lease_free(lease);
    objectstore_close(objects);
}

/* M4: the answer of a renewal is lost; it counts, but only from when it was sent. */
SIM_TEST(a_renewal_whose_answer_was_lost_counts)
{
    struct objectstore *objects = open_store();
    struct lease *lease = make(objects, 1, 0);
    bool lost = false;
    ASSERT_OK(take(lease));
    uint64_t before = mark_count("lease: a write landed whose answer was lost");
    ASSERT(rule("put:meta/lease:lost:n=2"));
    ASSERT_OK(lease_renew_start(lease, note_lost, &lost));
    for (int i = 0; i < 40; i++) {
        ASSERT(lease_is_valid(lease));
        ASSERT_OK(fiber_sleep_ns(DURATION / 40));
    }
    ASSERT_EQ(mark_count("lease: a write landed whose answer was lost"), before + 2);
    ASSERT(!lost);
    lease_renew_stop(lease);
    lease_free(lease);
    objectstore_close(objects);
}

/* M4: without the store the lease runs out; nobody took it, so it becomes valid again. */
SIM_TEST(a_lease_that_ran_out_while_the_store_was_away_comes_back)
{
    struct objectstore *objects = open_store();
    struct lease *lease = make(objects, 1, 0);
    bool lost = false;
    ASSERT_OK(take(lease));
    ASSERT(rule("any::503:ms=1"));
    ASSERT_OK(lease_renew_start(lease, note_lost, &lost));
    ASSERT_OK(fiber_sleep_ns(DURATION + DURATION / 4));
    ASSERT(!lease_is_valid(lease));
    faulty_clear("lease-test");
    for (int i = 0; i < 400 && !lease_is_valid(lease); i++) {
        ASSERT_OK(fiber_sleep_ns(DURATION / 40));
    }
    ASSERT(lease_is_valid(lease));
    ASSERT(!lost);
    lease_renew_stop(lease);
    lease_free(lease);
    objectstore_close(objects);
}

/* M4 */
SIM_TEST(a_challenger_waits_longer_than_the_duration_of_a_silent_lease)
{
    struct objectstore *objects = open_store();
    struct lease *silent = make(objects, 1, 0);
    struct lease *challenger = make(objects, 2, 0);
    ASSERT_OK(take(silent));
    uint64_t start_ns = clock_boot_ns();
    ASSERT_OK(take(challenger));
    ASSERT(clock_boot_ns() - start_ns >= DURATION + DURATION / 8);
    ASSERT(!lease_is_valid(silent));
    ASSERT_EQ(lease_epoch(challenger), 2);
    /* The silent one wakes up and sees it. */
    bool lost = false;
    ASSERT_OK(lease_renew_start(silent, note_lost, &lost));
    ASSERT_OK(fiber_sleep_ns(DURATION / 2));
    ASSERT(lost);
    ASSERT(!lease_is_valid(silent));
    lease_renew_stop(silent);
    lease_free(silent);
    lease_free(challenger);
    objectstore_close(objects);
}

SIM_TEST(a_challenger_of_a_living_holder_is_told_busy)
{
    struct objectstore *objects = open_store();
    struct lease *holder = make(objects, 1, 0);
    struct lease *challenger = make(objects, 2, 0);
    bool lost = false;
    ASSERT_OK(take(holder));
    ASSERT_OK(lease_renew_start(holder, note_lost, &lost));
    ASSERT_ERROR(take(challenger), -EBUSY);
    lease_renew_stop(holder);
    ASSERT(!lost);
    lease_free(holder);
    lease_free(challenger);
    objectstore_close(objects);
}

SIM_TEST(a_released_lease_and_that_of_a_dead_self_are_taken_at_once)
{
    struct objectstore *objects = open_store();
    struct lease *first = make(objects, 1, 0);
    struct lease *second = make(objects, 2, 0);
    struct lease *third = make(objects, 3, 2);
    ASSERT_OK(take(first));
    ASSERT_OK(lease_release(first));
    uint64_t start_ns = clock_boot_ns();
    ASSERT_OK(take(second));
    ASSERT_OK(take(third));
    ASSERT(clock_boot_ns() - start_ns < DURATION / 2);
    ASSERT_EQ(lease_epoch(third), 3);
    lease_free(first);
    lease_free(second);
    lease_free(third);
    objectstore_close(objects);
}

/* C3: brokers hold leases of whoever led before, however short ours is, and whoever comes after us
 * must know of them. */
SIM_TEST(a_longer_lease_of_former_holders_is_remembered_until_it_has_run_out)
{
    struct objectstore *objects = open_store();
    struct lease *first = make_for(objects, 1, 10 * DURATION);
    struct lease *second = make(objects, 2, 0);
    struct lease *third = make(objects, 3, 0);
    struct lease_content content;
    struct object_etag etag;
    bool lost = false;
    ASSERT_OK(take(first));
    ASSERT_EQ(lease_granted_until(first), 0);
    uint64_t until_ns = clock_boot_ns() + 10 * DURATION;
    ASSERT_OK(lease_release(first));
    ASSERT_OK(take(second));
    ASSERT(lease_granted_until(second) > until_ns);
    ASSERT_OK(lease_release(second));
    ASSERT_OK(take(third));
    ASSERT(lease_granted_until(third) > until_ns);
    ASSERT(mark_count("lease: a longer one may be held from a former controller") > 0);
    ASSERT_OK(lease_renew_start(third, note_lost, &lost));
    while (clock_boot_ns() < lease_granted_until(third)) {
        ASSERT_OK(lease_look(objects, KEY, &content, &etag));
        ASSERT_EQ(content.granted_ns, 10 * DURATION);
        ASSERT_EQ(content.duration_ns, DURATION);
        ASSERT_OK(fiber_sleep_ns(DURATION / 4));
    }
    ASSERT_OK(fiber_sleep_ns(DURATION));
    ASSERT_OK(lease_look(objects, KEY, &content, &etag));
    ASSERT_EQ(content.granted_ns, DURATION);
    lease_renew_stop(third);
    lease_free(first);
    lease_free(second);
    lease_free(third);
    objectstore_close(objects);
}

static void
release_later(void *arg)
{
    if (fiber_sleep_ns(DURATION / 4) == 0 && lease_release(arg)) {
        test_fail(__FILE__, __LINE__, "release");
    }
}

SIM_TEST(a_lease_released_while_somebody_waits_is_taken_early)
{
    struct objectstore *objects = open_store();
    struct lease *holder = make(objects, 1, 0);
    struct lease *challenger = make(objects, 2, 0);
    struct fiber *fiber;
    ASSERT_OK(take(holder));
    uint64_t before = mark_count("lease: released while watched");
    ASSERT_OK(fiber_spawn("release", release_later, holder, &fiber));
    ASSERT_OK(take(challenger));
    fiber_join(fiber);
    ASSERT_EQ(mark_count("lease: released while watched"), before + 1);
    lease_free(holder);
    lease_free(challenger);
    objectstore_close(objects);
}

SIM_TEST(lost_answers_while_taking_do_not_lose_the_lease)
{
    struct objectstore *objects = open_store();
    ASSERT(rule("put:meta/lease:lost:n=1"));
    ASSERT(rule("put:meta/lease:409:n=1"));
    struct lease *lease = make(objects, 1, 0);
    ASSERT_OK(take(lease));
    ASSERT(lease_is_valid(lease));
    ASSERT_OK(lease_raise_epoch(lease, 50));
    ASSERT_EQ(lease_epoch(lease), 50);
    struct lease_content content;
    struct object_etag etag;
    ASSERT_OK(lease_look(objects, KEY, &content, &etag));
    ASSERT_EQ(content.epoch, 50);
    lease_free(lease);
    objectstore_close(objects);
}

SIM_TEST(the_lease_of_another_cluster_is_not_taken)
{
    struct objectstore *objects = open_store();
    struct lease *lease = make(objects, 1, 0);
    ASSERT_OK(take(lease));
    const struct lease_options options = { .objects = objects,
        .key = KEY,
        .cluster_id = test_uuid(901),
        .holder = test_uuid(2),
        .broker_id = 2,
        .duration_ns = DURATION };
    struct lease *foreign = lease_new(&options);
    ASSERT_ERROR(take(foreign), -EMEDIUMTYPE);
    lease_free(lease);
    lease_free(foreign);
    objectstore_close(objects);
}
