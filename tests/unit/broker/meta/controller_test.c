/* A controller's own broker: its lease, and partitions that both open. */
#include "meta/meta.h"
#include "objectstore/faulty.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "support_cluster.h"
#include "support_records.h"
#include "support_sim.h"
#include "unit/test.h"

static struct objectstore *
open_faulty(void)
{
    struct objectstore *objects = NULL;
    return objectstore_open("faulty+memory://controller-test?faults=controller-test", &objects)
                   ? NULL
                   : objects;
}

/* M4: the next controller takes the former one for dead when the lease of that one is over,
 * whatever a controller before has granted to it. */
SIM_TEST(a_controller_has_no_lease_but_its_own)
{
    struct objectstore *objects = NULL;
    memory_store_forget("controller-test");
    ASSERT_OK(objectstore_open("memory://controller-test", &objects));
    struct objectstore *shaky = open_faulty();
    struct meta_options options = cluster_options(objects, 1);
    struct meta *first;
    options.lease_ns = 10 * LEASE;
    ASSERT_OK(meta_start(&options, &first));
    struct meta *second = cluster_broker(shaky, 2);
    ASSERT(second && meta_lease_is_valid(second));
    uint64_t granted_ns = clock_boot_ns() + 10 * LEASE / 2; /* for much longer than that */
    ASSERT_OK(meta_stop(first));
    ASSERT(EVENTUALLY(meta_is_controller(second)));
    struct faulty_rule rule;
    ASSERT_OK(faulty_parse("any::503:ms=100", &rule));
    ASSERT(faulty_add("controller-test", &rule) >= 0);
    ASSERT_OK(fiber_sleep_ns(LEASE));
    ASSERT(clock_boot_ns() < granted_ns);
    ASSERT(!meta_lease_is_valid(second));
    faulty_clear("controller-test");
    ASSERT_OK(meta_stop(second));
    objectstore_close(objects);
    objectstore_close(shaky);
    faulty_forget_all();
}

struct opening {
    struct meta *meta;
    int result;
};

static void
open_one(void *arg)
{
    struct opening *opening = arg;
    struct meta_record open = test_open(5, 0, 1, meta_broker_epoch(opening->meta));
    opening->result = meta_propose_one(opening->meta, &open, NULL);
}

/* M5: its broker may have acknowledged appends between both, which would be nobody's. */
SIM_TEST(what_its_broker_opens_meanwhile_is_not_opened_again)
{
    memory_store_forget("controller-test");
    struct objectstore *objects = open_faulty();
    struct meta *meta = cluster_broker(objects, 1);
    ASSERT(meta);
    struct meta_record topic = test_topic(5, 3);
    ASSERT_OK(meta_propose_one(meta, &topic, NULL));
    struct opening opening = { .meta = meta, .result = 1 };
    struct fiber *fiber;
    struct faulty_rule rule;
    ASSERT_OK(faulty_parse("put:meta/log*:held", &rule));
    ASSERT(faulty_add("controller-test", &rule) >= 0);
    ASSERT_OK(fiber_spawn("open", open_one, &opening, &fiber));
    ASSERT_OK(fiber_sleep_ns(2 * LEASE)); /* it had the time: the controller opens the others */
    faulty_clear("controller-test");
    fiber_join(fiber);
    ASSERT_OK(opening.result);
    ASSERT(EVENTUALLY(meta_partition_find(meta_state(meta), test_key(5, 2))->epoch == 1));
    ASSERT_EQ(meta_partition_find(meta_state(meta), test_key(5, 0))->epoch, 1);
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
    faulty_forget_all();
}
