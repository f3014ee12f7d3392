/* When a client that pushes metrics may be heard again: as Kafka's ClientMetricsManager. */
#include "base/mem.h"
#include "handlers/errors.h"
#include "handlers/telemetry.h"
#include "reactor/clock.h"
#include "reactor/sim.h"
#include "unit/test.h"

#define INTERVAL_MS 1000

struct bench {
    struct telemetry *telemetry;
    bool done;
};

static struct telemetry_visit
visit_of(struct bench *bench, uint8_t client, bool push)
{
    return (struct telemetry_visit){
        .telemetry = bench->telemetry,
        .instance = { { client, 1 } },
        .version = 7,
        .has_subscription = true,
        .subscription_id = 42,
        .push_interval_ms = INTERVAL_MS,
        .push = push,
        .pushed_subscription_id = 42,
        .size = 100,
    };
}

static int
visit(struct bench *bench, uint8_t client, bool push)
{
    struct telemetry_visit v = visit_of(bench, client, push);
    return telemetry_visit(&v);
}

static void
wait_ms(uint64_t ms)
{
    ASSERT_EQ(fiber_sleep_ns(ms * NS_PER_MS), 0);
}

static void
check_intervals(struct bench *bench)
{
    ASSERT_EQ(visit(bench, 1, false), KAFKA_NONE);
    ASSERT_EQ(visit(bench, 1, false), KAFKA_THROTTLING_QUOTA_EXCEEDED);
    wait_ms(1);
    ASSERT_EQ(visit(bench, 1, true), KAFKA_NONE); /* the first push may come at once */
    ASSERT_EQ(visit(bench, 1, true), KAFKA_THROTTLING_QUOTA_EXCEEDED);
    ASSERT_EQ(visit(bench, 2, false), KAFKA_NONE); /* others are not concerned */
    wait_ms(INTERVAL_MS);
    ASSERT_EQ(visit(bench, 1, true), KAFKA_NONE);
}

static void
check_refusals(struct bench *bench)
{
    struct telemetry_visit v = visit_of(bench, 3, true);
    v.pushed_subscription_id = 41;
    ASSERT_EQ(telemetry_visit(&v), KAFKA_UNKNOWN_SUBSCRIPTION_ID);
    ASSERT_EQ(visit(bench, 3, false), KAFKA_NONE); /* sent back for it: need not wait */
    v = visit_of(bench, 4, true);
    v.unknown_compression = true;
    ASSERT_EQ(telemetry_visit(&v), KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    v = visit_of(bench, 5, true);
    v.too_large = true;
    ASSERT_EQ(telemetry_visit(&v), KAFKA_TELEMETRY_TOO_LARGE);
    v = visit_of(bench, 6, true);
    v.terminating = true;
    ASSERT_EQ(telemetry_visit(&v), KAFKA_NONE);
    wait_ms(2 * INTERVAL_MS);
    ASSERT_EQ(visit(bench, 6, true), KAFKA_INVALID_REQUEST); /* it said that it ends */
}

static void
check_changes(struct bench *bench)
{
    struct telemetry_visit v = visit_of(bench, 7, true);
    v.has_subscription = false;
    ASSERT_EQ(telemetry_visit(&v), TELEMETRY_UNKNOWN);
    ASSERT_EQ(visit(bench, 7, true), KAFKA_NONE);
    v.version = 8; /* a subscription has changed */
    ASSERT_EQ(telemetry_visit(&v), TELEMETRY_UNKNOWN);
    telemetry_forget(bench->telemetry, &v.instance);
    ASSERT_EQ(visit(bench, 7, true), KAFKA_NONE); /* a new connection begins anew */
}

static void
check_bounds(struct bench *bench)
{
    struct telemetry_stats stats;
    for (uint32_t i = 0; i < TELEMETRY_CLIENTS_MAX + 10; i++) {
        struct telemetry_visit v = visit_of(bench, 9, false);
        memcpy(v.instance.bytes + 4, &i, sizeof i);
        ASSERT_EQ(telemetry_visit(&v), KAFKA_NONE);
    }
    telemetry_stats_get(bench->telemetry, &stats);
    ASSERT_EQ(stats.clients, TELEMETRY_CLIENTS_MAX);
    ASSERT(stats.pushes >= 4);
    ASSERT_EQ(stats.push_bytes, stats.pushes * 100);
}

static void
bench_main(void *arg)
{
    struct bench *bench = arg;
    wait_ms(1);
    check_intervals(bench);
    check_refusals(bench);
    check_changes(bench);
    check_bounds(bench);
    bench->done = true;
}

TEST(a_client_is_heard_once_in_its_interval)
{
    struct bench bench = { .telemetry = telemetry_new() };
    struct sim *sim = sim_new(1);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    ASSERT_EQ(reactors_run(&options, bench_main, &bench), 0);
    ASSERT(bench.done);
    sim_free(sim);
    telemetry_free(bench.telemetry);
}
