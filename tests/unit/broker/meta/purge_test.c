/* The end of a bucket: whose it is, who may still be in it, and what a half-emptied one is. */
#include "base/mark.h"
#include "meta/lease.h"
#include "meta/purge.h"
#include "objectstore/faulty.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "support_records.h"
#include "support_sim.h"
#include "unit/test.h"

#include <errno.h>

#define DURATION (400 * (uint64_t)NS_PER_MS)
#define KEY "meta/lease"
#define OURS 900

static struct objectstore *
open_store(void)
{
    struct objectstore *objects = NULL;
    faulty_forget_all();
    memory_store_forget("purge-test");
    return objectstore_open("faulty+memory://purge-test?faults=purge-test", &objects) ? NULL
                                                                                      : objects;
}

static bool
rule(const char *text)
{
    struct faulty_rule parsed;
    return faulty_parse(text, &parsed) == 0 && faulty_add("purge-test", &parsed) >= 0;
}

static struct lease *
make(struct objectstore *objects, uint32_t holder)
{
    const struct lease_options options = { .objects = objects,
        .key = KEY,
        .cluster_id = test_uuid(OURS),
        .holder = test_uuid(holder),
        .broker_id = (int32_t)holder,
        .duration_ns = DURATION };
    return lease_new(&options);
}

static int
take(struct lease *lease)
{
    struct lease_watch watch = { 0 };
    int r = lease_look_out(lease, &watch);
    return r ? r : lease_seize(lease, &watch);
}

static bool
is_ours(const char *key)
{
    return meta_purge_may_remove(key) || strcmp(key, "data/ours") == 0;
}

static int
purge(struct objectstore *objects, uint32_t cluster)
{
    const struct uuid id = test_uuid(cluster);
    return meta_purge_begin(objects, &id, is_ours);
}

static int
put(struct objectstore *objects, const char *key)
{
    struct iovec part = { (void *)(uintptr_t)"x", 1 };
    const struct object_put object = {
        .key = key, .parts = &part, .part_count = 1, .deadline_ns = UINT64_MAX
    };
    return objectstore_put(objects, &object, NULL);
}

static void
note_lost(void *arg)
{
    *(bool *)arg = true;
}

/* X1 */
SIM_TEST(x1_the_bucket_of_another_cluster_is_refused)
{
    struct objectstore *objects = open_store();
    struct lease *lease = make(objects, 1);
    ASSERT_OK(take(lease));
    ASSERT_OK(lease_release(lease));
    ASSERT_ERROR(purge(objects, OURS + 1), -EMEDIUMTYPE);
    struct lease_content content;
    struct object_etag etag;
    ASSERT_OK(lease_look(objects, KEY, &content, &etag)); /* as it was */
    lease_free(lease);
    objectstore_close(objects);
}

/* X1 */
SIM_TEST(x1_what_cannot_be_proven_is_refused_and_nothing_is_nothing)
{
    struct objectstore *objects = open_store();
    ASSERT_ERROR(purge(objects, OURS), -ENOENT);
    ASSERT_OK(put(objects, "neighbour/meta/lease")); /* another prefix of the bucket */
    ASSERT_ERROR(purge(objects, OURS), -ENOENT);
    ASSERT_OK(put(objects, "data/stranger"));
    ASSERT_ERROR(purge(objects, OURS), -ENOENT);
    ASSERT_OK(put(objects, "data/ours"));
    ASSERT_ERROR(purge(objects, OURS), -ENODATA);
    ASSERT_OK(put(objects, KEY)); /* damaged */
    ASSERT_ERROR(purge(objects, OURS), -EBADMSG);
    objectstore_close(objects);
}

/* X2 */
SIM_TEST(x2_a_living_cluster_is_refused)
{
    struct objectstore *objects = open_store();
    struct lease *lease = make(objects, 1);
    bool lost = false;
    ASSERT_OK(take(lease));
    ASSERT_OK(lease_renew_start(lease, note_lost, &lost));
    ASSERT_ERROR(purge(objects, OURS), -EBUSY);
    ASSERT(lease_is_valid(lease) && !lost);
    lease_renew_stop(lease);
    lease_free(lease);
    objectstore_close(objects);
}

/* X2 X3 */
SIM_TEST(x2_x3_nobody_enters_a_bucket_that_is_being_emptied_and_the_next_run_goes_on)
{
    struct objectstore *objects = open_store();
    struct lease *lease = make(objects, 1);
    uint64_t before = mark_count("lease: the bucket is being emptied");
    bool lost = false;
    ASSERT_OK(take(lease));
    uint64_t start_ns = clock_boot_ns();
    ASSERT_OK(purge(objects, OURS)); /* the holder is silent: it is waited for, not believed */
    ASSERT(clock_boot_ns() - start_ns >= DURATION + DURATION / 8);
    ASSERT(!lease_is_valid(lease));
    ASSERT_OK(lease_renew_start(lease, note_lost, &lost));
    for (int i = 0; i < 40 && !lost; i++) {
        ASSERT_OK(fiber_sleep_ns(DURATION / 4));
    }
    ASSERT(lost && !lease_is_valid(lease)); /* it came back, and ends */
    struct lease *other = make(objects, 2);
    ASSERT_ERROR(take(other), -EMEDIUMTYPE);
    ASSERT(mark_count("lease: the bucket is being emptied") > before);
    ASSERT_OK(purge(objects, OURS)); /* at once */
    ASSERT_ERROR(purge(objects, OURS + 1), -EMEDIUMTYPE);
    ASSERT_OK(meta_purge_end(objects));
    ASSERT_ERROR(purge(objects, OURS), -ENOENT);
    lease_renew_stop(lease);
    lease_free(lease);
    lease_free(other);
    objectstore_close(objects);
}

/* X2: the answer to the write is lost; what is there decides. */
SIM_TEST(x2_an_outcome_that_is_not_known_is_read_back)
{
    struct objectstore *objects = open_store();
    struct lease *lease = make(objects, 1);
    uint64_t before = mark_count("purge: what the lease became had to be read back");
    ASSERT_OK(take(lease));
    ASSERT_OK(lease_release(lease));
    ASSERT(rule("put:meta/lease:503:n=1"));
    ASSERT_ERROR(purge(objects, OURS), -EAGAIN);
    ASSERT(rule("put:meta/lease:lost:n=1"));
    ASSERT_OK(purge(objects, OURS));
    ASSERT_EQ(mark_count("purge: what the lease became had to be read back"), before + 2);
    lease_free(lease);
    objectstore_close(objects);
}

/* X4 */
TEST(x4_only_what_has_our_names_goes)
{
    ASSERT(meta_purge_may_remove("meta/floor"));
    ASSERT(!meta_purge_may_remove("meta/lease"));
    ASSERT(!meta_purge_may_remove("meta/log/notes.txt"));
    ASSERT(!meta_purge_may_remove("meta/other"));
    ASSERT(!meta_purge_may_remove("meta/floors"));
}
