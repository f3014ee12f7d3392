/* What the cluster's memory costs: a state of so many partitions in memory and as a snapshot, the
 * time to open it, the bytes of each kind of mutation in the log, and a plan of the balancer. */
#include "base/check.h"
#include "base/mem.h"
#include "meta/balance.h"
#include "meta/state.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BROKERS 3
#define TOPIC_PARTITIONS 100
#define RANGES 4 /* recent ones of each partition */
#define COMMIT_RANGES 1000

static double
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double
resident_mib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1024 * 1024);
}

static struct uuid
uuid_number(uint32_t n)
{
    struct uuid id = { { 1 } };
    memcpy(id.bytes + 12, &n, sizeof n);
    return id;
}

static struct meta_result
apply(struct meta_state *state, const struct meta_record *record)
{
    struct meta_result result = meta_state_apply(state, record, meta_state_sequence(state) + 1);
    CHECK(result.error == 0);
    return result;
}

static void
add_brokers(struct meta_state *state, int64_t epochs[BROKERS])
{
    const struct meta_endpoint endpoint = { BYTES_LITERAL("PLAINTEXT"),
        BYTES_LITERAL("broker.example"), 9092 };
    const struct meta_record cluster = { .type = META_CLUSTER,
        .cluster = { uuid_number(1), META_FORMAT_VERSION } };
    apply(state, &cluster);
    for (int32_t i = 0; i < BROKERS; i++) {
        const struct meta_record broker = { .type = META_BROKER,
            .broker = { .broker_id = i,
                    .incarnation = uuid_number(10 + (uint32_t)i),
                    .endpoints = &endpoint,
                    .endpoint_count = 1 } };
        epochs[i] = apply(state, &broker).epoch;
    }
}

static void
add_topic(struct meta_state *state, uint32_t n, const int64_t epochs[BROKERS])
{
    char name[32];
    int32_t owners[TOPIC_PARTITIONS];
    for (int32_t i = 0; i < TOPIC_PARTITIONS; i++) {
        owners[i] = i % BROKERS;
    }
    snprintf(name, sizeof name, "topic-%u", n);
    const struct meta_record topic = { .type = META_TOPIC,
        .topic = { .name = bytes_of_string(name),
                .topic_id = uuid_number(1000 + n),
                .partition_count = TOPIC_PARTITIONS,
                .owners = owners } };
    apply(state, &topic);
    for (int32_t i = 0; i < TOPIC_PARTITIONS; i++) {
        const struct meta_record open = { .type = META_OPEN,
            .open = { { uuid_number(1000 + n), i }, owners[i], epochs[owners[i]] } };
        apply(state, &open);
    }
}

/* One object of each broker for so many of its partitions, until all have one range more. */
static void
commit_round(struct meta_state *state, int32_t broker, int64_t epoch, int64_t base)
{
    struct meta_commit_range *ranges = mem_alloc_array(COMMIT_RANGES, sizeof *ranges);
    int32_t count = 0;
    const struct meta_topic *t = meta_topic_next(state, NULL);
    while (t) {
        const struct meta_topic *next = meta_topic_next(state, t);
        for (int32_t i = broker; i < t->partition_count; i += BROKERS) {
            ranges[count++] = (struct meta_commit_range){ t->partitions[i].key,
                { .base_offset = base,
                        .end_offset = base + 10,
                        .size = 1000,
                        .block_count = 1,
                        .leader_epoch = 1 } };
        }
        if (count && (!next || count + TOPIC_PARTITIONS > COMMIT_RANGES)) {
            const struct meta_record intent = { .type = META_INTENT,
                .intent = { broker, epoch, 1 } };
            uint64_t id = apply(state, &intent).first_id;
            for (int32_t i = 0; i < count; i++) {
                ranges[i].range.object_id = id;
            }
            const struct meta_record commit = { .type = META_COMMIT,
                .commit = { broker, epoch, id, 1000000, ranges, count } };
            apply(state, &commit);
            count = 0;
        }
        t = next;
    }
    mem_free(ranges);
}

static void
bench_plan(const struct meta_state *state)
{
    size_t count = meta_partition_count(state);
    struct balance_broker brokers[BROKERS] = { { 0, true }, { 0, true }, { 0, true } };
    struct balance_partition *partitions = mem_alloc_array(count, sizeof *partitions);
    for (size_t i = 0; i < count; i++) {
        partitions[i] = (struct balance_partition){ .topic = (int32_t)(i / TOPIC_PARTITIONS),
            .load = 1000 };
    }
    const struct balance_input input = { .brokers = brokers,
        .broker_count = BROKERS,
        .zone_count = 1,
        .partitions = partitions,
        .partition_count = count,
        .imbalance_percent = 20,
        .load_min = 1 << 20,
        .moves_max = 250 };
    struct balance_plan plan;
    double began = now_ms();
    balance_plan(&input, &plan);
    printf("meta.%zu.plan_ms %.1f\n", count, now_ms() - began);
    CHECK(plan.count == 250);
    mem_free(plan.moves);
    mem_free(partitions);
}

static void
bench_state(uint32_t partitions)
{
    int64_t epochs[BROKERS];
    double before = resident_mib();
    struct meta_state *state = meta_state_new();
    add_brokers(state, epochs);
    for (uint32_t i = 0; i < partitions / TOPIC_PARTITIONS; i++) {
        add_topic(state, i, epochs);
    }
    double began = now_ms();
    for (int64_t round = 0; round < RANGES; round++) {
        for (int32_t broker = 0; broker < BROKERS; broker++) {
            commit_round(state, broker, epochs[broker], round * 10);
        }
    }
    printf("meta.%u.apply_range_ns %.0f\n", partitions,
            (now_ms() - began) * 1e6 / (double)partitions / RANGES);
    printf("meta.%u.memory_MiB %.1f\n", partitions, resident_mib() - before);
    struct strbuf snapshot;
    strbuf_init(&snapshot, META_SNAPSHOT_SIZE_MAX);
    began = now_ms();
    CHECK(meta_state_encode(state, &snapshot) == 0);
    printf("meta.%u.snapshot_ms %.1f\n", partitions, now_ms() - began);
    printf("meta.%u.snapshot_MiB %.1f\n", partitions, (double)snapshot.size / (1024 * 1024));
    struct meta_state *again;
    began = now_ms();
    CHECK(meta_state_decode(strbuf_bytes(&snapshot), &again) == 0);
    printf("meta.%u.open_ms %.1f\n", partitions, now_ms() - began);
    bench_plan(state);
    meta_state_free(again);
    meta_state_free(state);
    strbuf_done(&snapshot);
}

static void
print_size(const char *what, const struct meta_record *record)
{
    struct strbuf out;
    strbuf_init(&out, META_RECORD_SIZE_MAX);
    CHECK(meta_record_encode(record, &out) == 0);
    printf("meta.bytes.%s %zu\n", what, out.size);
    strbuf_done(&out);
}

static void
bench_sizes(void)
{
    static struct meta_commit_range ranges[100];
    static int32_t owners[100];
    struct meta_record r = { .type = META_TOPIC,
        .topic = { BYTES_LITERAL("some-topic"), uuid_number(1), false, 1, owners, NULL, 0 } };
    print_size("topic_of_1", &r);
    r.topic.partition_count = 100;
    print_size("topic_of_100", &r);
    r = (struct meta_record){ .type = META_OPEN };
    print_size("open", &r);
    r = (struct meta_record){ .type = META_MOVE };
    print_size("move", &r);
    r = (struct meta_record){ .type = META_HANDOVER };
    print_size("handover", &r);
    r = (struct meta_record){ .type = META_COMMIT, .commit = { 1, 1, 1, 1, ranges, 1 } };
    print_size("commit_of_1", &r);
    r.commit.range_count = 100;
    print_size("commit_of_100", &r);
    r = (struct meta_record){ .type = META_LOG_START };
    print_size("log_start", &r);
}

int
main(void)
{
    bench_sizes();
    bench_state(10000);
    bench_state(200000);
    return 0;
}
