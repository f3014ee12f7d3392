/* What the codec costs: a Produce request of 16 partitions is read and walked, a Fetch answer of 16
 * partitions is written, and a batch is validated. Prints nanoseconds for each. */
#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "wire/messages/fetch.h"
#include "wire/messages/produce.h"
#include "wire/record_builder.h"

#include <stdio.h>
#include <sys/uio.h>
#include <time.h>

#define PARTITIONS 16
#define SAMPLES 400
#define ROUNDS 500 /* a sample */

static double best_ns;

static double
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The machine may be busy with other things: the quickest sample counts. */
static void
sample(double began, int rounds)
{
    double ns = (now_ns() - began) / rounds;
    best_ns = best_ns > 0 && best_ns < ns ? best_ns : ns;
}

static void
report(const char *what)
{
    printf("%-40s %8.0f ns\n", what, best_ns);
    best_ns = 0;
}

static void
bench_produce(int16_t version)
{
    static uint8_t records[1024];
    struct produce_request_partition_data partitions[PARTITIONS];
    struct produce_request_topic_data topic = produce_request_topic_data_default;
    struct produce_request request = produce_request_default;
    struct wire_writer w;
    char what[64];
    int64_t sum = 0;
    for (int i = 0; i < PARTITIONS; i++) {
        partitions[i] = produce_request_partition_data_default;
        partitions[i].index = i;
        partitions[i].records.bytes = bytes_of(records, sizeof records);
    }
    topic.name = BYTES_LITERAL("some-topic");
    topic.partition_data = wire_array_of(partitions, PARTITIONS);
    request.topic_data = wire_array_of(&topic, 1);
    wire_writer_init(&w, MIB);
    CHECK(produce_request_write(&w, version, &request) == 0);
    double began = now_ns();
    for (int i = 1; i <= SAMPLES * ROUNDS; i++) {
        struct wire_reader r;
        struct produce_request got;
        struct produce_request_topic_data t;
        struct produce_request_partition_data p;
        wire_reader_init(&r, bytes_of(w.data, w.size));
        CHECK(produce_request_read(&r, version, &got) == 0);
        struct wire_iterator topics = wire_iterate(&got.topic_data);
        while (produce_request_topic_data_next(&topics, &t)) {
            struct wire_iterator walk = wire_iterate(&t.partition_data);
            while (produce_request_partition_data_next(&walk, &p)) {
                sum += p.index;
            }
        }
        if (i % ROUNDS == 0) {
            sample(began, ROUNDS);
            began = now_ns();
        }
    }
    snprintf(what, sizeof what, "read a Produce request, version %d", version);
    report(what);
    CHECK(sum == (int64_t)SAMPLES * ROUNDS * PARTITIONS * (PARTITIONS - 1) / 2);
    wire_writer_done(&w);
}

static void
bench_fetch(int16_t version)
{
    struct buf *log = buf_new(4096);
    struct slice slices[2] = { { log, bytes_of(log->data, 2000) },
        { log, bytes_of(log->data + 2000, 2000) } };
    struct fetch_response_partition_data partitions[PARTITIONS];
    struct fetch_response_fetchable_topic topic = fetch_response_fetchable_topic_default;
    struct fetch_response response = fetch_response_default;
    struct iovec parts[4 * PARTITIONS + 1];
    struct wire_writer w;
    char what[64];
    for (int i = 0; i < PARTITIONS; i++) {
        partitions[i] = fetch_response_partition_data_default;
        partitions[i].partition_index = i;
        partitions[i].records.slices = slices;
        partitions[i].records.slice_count = 2;
    }
    topic.partitions = wire_array_of(partitions, PARTITIONS);
    response.responses = wire_array_of(&topic, 1);
    wire_writer_init(&w, MIB);
    double began = now_ns();
    for (int i = 1; i <= SAMPLES * ROUNDS; i++) {
        wire_writer_clear(&w);
        CHECK(fetch_response_write(&w, version, &response) == 0);
        CHECK(wire_writer_parts(&w, parts) > 2 * PARTITIONS);
        if (i % ROUNDS == 0) {
            sample(began, ROUNDS);
            began = now_ns();
        }
    }
    snprintf(what, sizeof what, "write a Fetch answer, version %d", version);
    report(what);
    wire_writer_done(&w);
    buf_unref(log);
}

static void
bench_validate(enum compression compression)
{
    static uint8_t value[1024];
    struct record_batch_limits limits = { .batch_size_max = MIB,
        .before_max_ms = INT64_MAX,
        .after_max_ms = INT64_MAX,
        .zstd_allowed = true,
        .from_client = true };
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct record_builder b;
    struct buf *batch = NULL;
    char what[64];
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (uint8_t)(i * i >> 3);
    }
    options.compression = compression;
    record_builder_init(&b, &options, MIB);
    for (int i = 0; i < 16; i++) {
        struct record record = { .offset = i, .value = bytes_of(value, sizeof value) };
        record_builder_append(&b, &record);
    }
    CHECK(record_builder_finish(&b, &batch) == 0);
    for (int i = 0; i < SAMPLES; i++) {
        double began = now_ns();
        for (int j = 0; j < ROUNDS / 20; j++) {
            struct record_batch_info info;
            CHECK(record_batch_validate(buf_bytes(batch), &limits, &info) == 0);
        }
        sample(began, ROUNDS / 20);
    }
    snprintf(what, sizeof what, "validate 16 KiB, %s", compression_name(compression));
    report(what);
    record_builder_done(&b);
    buf_unref(batch);
}

int
main(void)
{
    bench_produce(8);
    bench_produce(9);
    bench_produce(13);
    bench_fetch(11);
    bench_fetch(16);
    for (enum compression c = COMPRESSION_NONE; c <= COMPRESSION_ZSTD; c++) {
        bench_validate(c);
    }
    return 0;
}
