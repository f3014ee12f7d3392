/* M4: what a broker without a lease says of leaders. */
#include "base/mark.h"
#include "base/mem.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/leader_hint.h"
#include "handlers/leaders.h"
#include "meta/meta_internal.h"
#include "objectstore/faulty.h"
#include "reactor/clock.h"
#include "reactor/random.h"
#include "unit/broker/partition/support_rig.h"
#include "unit/test.h"

#include <errno.h>

#define LEASE_NS ((uint64_t)NS_PER_S)

struct bench {
    struct rig rig;
    struct settings *settings;
    struct broker *broker;
    struct request request;
};

/* A broker with a short lease, and a request for all topics. */
static int
bench_open_for(struct bench *bench, const char *name, uint64_t lease_ns)
{
    *bench = (struct bench){ .settings = settings_new(),
        .broker = mem_alloc(sizeof *bench->broker) };
    int r = rig_new(&bench->rig, name);
    if (r == 0) {
        bench->rig.lease_ns = lease_ns;
        r = rig_crash(&bench->rig);
    }
    r = r == 0 ? rig_start(&bench->rig) : r;
    bench->broker->meta = bench->rig.meta;
    bench->broker->settings = bench->settings;
    bench->request.broker = bench->broker;
    bench->request.api = wire_api_find(3);
    bench->request.version = 1;
    bench->request.listener = "PLAINTEXT";
    wire_reader_init(&bench->request.body, BYTES_LITERAL("\xff\xff\xff\xff"));
    arena_init(&bench->request.arena, REQUEST_MEMORY_MAX);
    wire_writer_init(&bench->request.answer, GIB);
    return r;
}

static int
bench_open(struct bench *bench, const char *name)
{
    return bench_open_for(bench, name, LEASE_NS);
}

static void
bench_close(struct bench *bench)
{
    request_memory_give(&bench->broker->memory, bench->request.memory);
    arena_done(&bench->request.arena);
    wire_writer_done(&bench->request.answer);
    settings_free(bench->settings);
    mem_free(bench->broker);
}

/* The store takes no renewal any more. */
static bool
lease_runs_out(struct bench *bench)
{
    return rig_fault(&bench->rig, "put:meta/lease*:503:ms=1") >= 0 &&
           EVENTUALLY(!meta_lease_is_valid(bench->rig.meta));
}

static const struct meta_partition *
partition_of(const struct bench *bench)
{
    return rig_description(&bench->rig, bench->rig.key);
}

static void
store_comes_back(void *arg)
{
    struct bench *bench = arg;
    if (EVENTUALLY(mark_count("leaders: an answer waits for the lease") > 0)) {
        faulty_clear(bench->rig.faults);
    }
}

FIBER_TEST(an_answer_about_leaders_waits_for_the_lease)
{
    struct bench bench;
    struct fiber *fiber;
    ASSERT_OK(bench_open(&bench, "leaders-wait"));
    ASSERT(EVENTUALLY(leaders_find(&bench.request, partition_of(&bench))));
    ASSERT_EQ(leaders_error(&bench.request, partition_of(&bench)), KAFKA_NONE);
    ASSERT(lease_runs_out(&bench));
    ASSERT_EQ(leaders_error(&bench.request, partition_of(&bench)), KAFKA_LEADER_NOT_AVAILABLE);
    ASSERT_OK(fiber_spawn("store", store_comes_back, &bench, &fiber));
    handle_metadata(&bench.request);
    ASSERT(!bench.request.close && wire_writer_size(&bench.request.answer) > 0);
    ASSERT(EVENTUALLY(leaders_find(&bench.request, partition_of(&bench))));
    fiber_join(fiber);
    ASSERT_OK(rig_stop(&bench.rig));
    bench_close(&bench);
}

/* The bench's broker registers PLAINTEXT alone. */
FIBER_TEST(a_leader_is_told_of_only_where_it_has_the_clients_listener)
{
    struct bench bench;
    const struct meta_broker *broker;
    ASSERT_OK(bench_open(&bench, "leaders-listener"));
    struct leader_hints hints = { .request = &bench.request };
    int32_t here = 1;
    hints.ids = &here;
    hints.count = 1;
    ASSERT(EVENTUALLY(leaders_find(&bench.request, partition_of(&bench))));
    ASSERT_EQ(leader_hint_endpoint(&hints, 0, &broker)->port, 9092);
    bench.request.listener = "EXTERNAL";
    ASSERT_EQ(leaders_error(&bench.request, partition_of(&bench)), KAFKA_LISTENER_NOT_FOUND);
    ASSERT(!leader_hint_endpoint(&hints, 0, &broker));
    ASSERT_OK(rig_stop(&bench.rig));
    bench_close(&bench);
}

FIBER_TEST(without_a_lease_a_broker_never_says_that_it_leads)
{
    struct bench bench;
    int32_t id;
    int32_t epoch;
    ASSERT_OK(bench_open(&bench, "leaders-never"));
    ASSERT(lease_runs_out(&bench));
    uint64_t began = clock_mono_ns();
    ASSERT(leaders_wait(&bench.request));
    ASSERT(clock_mono_ns() - began >= LEADERS_WAIT_NS);
    ASSERT(!leaders_find(&bench.request, partition_of(&bench)));
    /* Nor does a refused append point anywhere (KIP-951), and it is known to be none. */
    struct leader_hints hints = { .request = &bench.request };
    ASSERT(!leader_hint_find(&hints, bench.rig.key, &id, &epoch));
    uint64_t refused = mark_count("append: refused without a valid lease");
    ASSERT_EQ(rig_append(&bench.rig, bench.rig.key, rig_batch(-1, -1, 1), NULL), APPEND_NOT_LEADER);
    ASSERT_EQ(mark_count("append: refused without a valid lease"), refused + 1);
    faulty_clear(bench.rig.faults);
    ASSERT(EVENTUALLY(meta_lease_is_valid(bench.rig.meta)));
    ASSERT_EQ(rig_count(&bench.rig, bench.rig.key, 0), 0);
    ASSERT_OK(rig_stop(&bench.rig));
    bench_close(&bench);
}

/* As the next start of this broker does it, which knows that this one is dead. */
static int
succeed(struct bench *bench, struct meta **ret_meta)
{
    const struct meta_endpoint endpoint = { BYTES_LITERAL("PLAINTEXT"), BYTES_LITERAL("127.0.0.1"),
        9092 };
    const struct meta_options options = { .objects = bench->rig.objects,
        .broker_id = 1,
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .admin_host = BYTES_LITERAL("127.0.0.1"),
        .former_holder = meta_writer(bench->rig.meta) };
    return meta_start(&options, ret_meta);
}

FIBER_TEST(an_incarnation_that_is_over_says_nothing_of_leaders)
{
    struct bench bench;
    struct meta *next;
    ASSERT_OK(bench_open(&bench, "leaders-over"));
    ASSERT_OK(succeed(&bench, &next));
    ASSERT(EVENTUALLY(!meta_lease_is_valid(bench.rig.meta)));
    uint64_t silent = mark_count("leaders: no answer from an incarnation that is over");
    handle_metadata(&bench.request);
    ASSERT(bench.request.close);
    ASSERT_EQ(wire_writer_size(&bench.request.answer), 0);
    ASSERT_EQ(mark_count("leaders: no answer from an incarnation that is over"), silent + 1);
    ASSERT_OK(meta_stop(next));
    ASSERT_ERROR(rig_crash(&bench.rig), -ESTALE);
    bench_close(&bench);
}

/* Another broker's registration, and the partition moves there. */
static int
move_away(struct bench *bench)
{
    static const struct meta_endpoint endpoint = { BYTES_LITERAL("PLAINTEXT"),
        BYTES_LITERAL("127.0.0.1"), 9093 };
    const struct meta_record records[] = {
        { .type = META_BROKER,
                .broker = { .broker_id = 2,
                        .incarnation = random_uuid(),
                        .endpoints = &endpoint,
                        .endpoint_count = 1,
                        .admin_host = BYTES_LITERAL("127.0.0.1") } },
        { .type = META_MOVE, .move = { bench->rig.key, 2 } },
    };
    struct meta_result results[ARRAY_SIZE(records)];
    int r = meta_propose(bench->rig.meta, records, ARRAY_SIZE(records), results);
    r = r ? r : results[0].error;
    return r ? r : results[1].error;
}

FIBER_TEST(nobody_is_sent_to_a_broker_whose_process_has_ended)
{
    struct bench bench;
    int32_t id = -1;
    int32_t epoch;
    ASSERT_OK(bench_open_for(&bench, "leaders-away", 60 * (uint64_t)NS_PER_S));
    struct meta *meta = bench.rig.meta;
    ASSERT_OK(move_away(&bench));
    ASSERT(EVENTUALLY(partition_of(&bench)->owner == 2));
    const struct meta_broker *other = meta_broker_find(meta_state(meta), 2);
    struct leader_hints hints = { .request = &bench.request };
    ASSERT(leaders_find(&bench.request, partition_of(&bench)) == other);
    ASSERT(leader_hint_find(&hints, bench.rig.key, &id, &epoch));
    ASSERT_EQ(id, 2);
    uint64_t told = mark_count("leaders: the leader's process has ended");
    away_add(meta, other);
    ASSERT_EQ(leaders_error(&bench.request, partition_of(&bench)), KAFKA_LEADER_NOT_AVAILABLE);
    ASSERT_EQ(mark_count("leaders: the leader's process has ended"), told + 1);
    ASSERT(!leader_hint_find(&hints, bench.rig.key, &id, &epoch));
    away_drop(meta, other->epoch);
    ASSERT_EQ(leaders_error(&bench.request, partition_of(&bench)), KAFKA_NONE);
    ASSERT_OK(rig_stop(&bench.rig));
    bench_close(&bench);
}
