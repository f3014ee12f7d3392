/* Brokers whose process has ended: who hears of it, and for how long. */
#include "base/mark.h"
#include "meta/meta_internal.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "support_records.h"
#include "unit/test.h"

#include <errno.h>

#define LEASE (4 * (uint64_t)NS_PER_S)

static struct objectstore *
open_memory(void)
{
    struct objectstore *objects = NULL;
    memory_store_forget("away-test");
    return objectstore_open("memory://away-test", &objects) ? NULL : objects;
}

/* `former`: whose death is proven; NULL: nobody's. */
static struct meta *
start_broker(struct objectstore *objects, int32_t id, const struct uuid *former)
{
    const struct meta_options options = { .objects = objects,
        .broker_id = id,
        .endpoints = test_endpoints,
        .endpoint_count = ARRAY_SIZE(test_endpoints),
        .internal_host = BYTES_LITERAL("127.0.0.1"),
        .former_holder = former ? *former : UUID_ZERO,
        .lease_ns = LEASE };
    struct meta *meta = NULL;
    return meta_start(&options, &meta) ? NULL : meta;
}

static bool
is_away(const struct meta *meta, int32_t id)
{
    return meta_broker_is_away(meta, meta_broker_find(meta_state(meta), id));
}

static bool
is_alive(const struct meta *meta, int32_t id)
{
    return meta_broker_find(meta_state(meta), id)->alive;
}

/* Until the condition holds; false after a lease, in which nobody is declared dead. */
#define SOON(condition)                                                                            \
    ({                                                                                             \
        uint64_t until_ = clock_mono_ns() + LEASE / 2;                                             \
        while (!(condition) && clock_mono_ns() < until_ && fiber_sleep_ns(5 * NS_PER_MS) == 0) {   \
        }                                                                                          \
        (condition);                                                                               \
    })

FIBER_TEST(all_hear_of_a_process_that_ended_and_that_it_is_back)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = start_broker(objects, 1, NULL);
    struct meta *second = start_broker(objects, 2, NULL);
    struct meta *third = start_broker(objects, 3, NULL);
    ASSERT(first && second && third);
    ASSERT(!is_away(first, 2) && !is_away(third, 2));
    struct uuid former = meta_writer(second);
    meta_free(second);
    ASSERT(SOON(is_away(first, 2)));
    ASSERT(SOON(is_away(third, 2)));
    ASSERT(is_alive(first, 2) && is_alive(third, 2));
    ASSERT(mark_count("away: nobody listens where a broker did") > 0);
    ASSERT(!is_away(third, 1) && !is_away(first, 3));
    second = start_broker(objects, 2, &former);
    ASSERT(second);
    ASSERT(!is_away(first, 2));
    ASSERT(SOON(!is_away(third, 2)));
    ASSERT_EQ(away_list(first, (uint8_t[META_AWAY_MAX * sizeof(int64_t)]){ 0 }).size, 0);
    ASSERT_OK(meta_stop(third));
    ASSERT_OK(meta_stop(second));
    /* Who stopped clean is dead, not away. */
    ASSERT(!is_alive(first, 2) && !is_away(first, 2));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

/* A refusal that comes when the broker is back would hide it until it connects anew. */
FIBER_TEST(who_is_connected_is_not_away)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = start_broker(objects, 1, NULL);
    struct meta *second = start_broker(objects, 2, NULL);
    ASSERT(first && second);
    struct meta_broker elsewhere = *meta_broker_find(meta_state(first), 2);
    struct stream *stream = NULL;
    elsewhere.internal_port = 1; /* nobody listens there */
    ASSERT_ERROR(away_connect(first, &elsewhere, clock_mono_ns() + LEASE, &stream), -ECONNREFUSED);
    ASSERT(!is_away(first, 2));
    ASSERT_OK(meta_stop(second));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

FIBER_TEST(followers_see_that_the_controllers_process_has_ended)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = start_broker(objects, 1, NULL);
    struct meta *second = start_broker(objects, 2, NULL);
    ASSERT(first && second);
    struct uuid former = meta_writer(first);
    meta_free(first);
    ASSERT(SOON(is_away(second, 1)));
    ASSERT(is_alive(second, 1));
    first = start_broker(objects, 1, &former);
    ASSERT(first);
    ASSERT(SOON(!is_away(second, 1)));
    ASSERT_OK(meta_stop(second));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}
