/* Segment bytes -> recovery and inspection, on the simulator's disk. The input is a little program
 * that lays frames (with right CRCs, so that recovery's later checks are reached), raw bytes and
 * evidence onto the disk; then the WAL is opened, replayed, started and inspected. Nothing may
 * crash, payloads come in order, memory stays bounded. */
#include "base/check.h"
#include "base/crc.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "reactor/sim.h"
#include "wal/wal_internal.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

#define FUZZ_SEGMENT ((uint64_t)16 * 1024)
#define FUZZ_SEGMENTS 3
#define FUZZ_FOLDER "wal"

static const struct uuid fuzz_wal_id = { { 7, 7, 7 } };
static const struct uuid fuzz_cluster = { { 8 } };

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t
take(struct input *input)
{
    if (input->size == 0) {
        return 0;
    }
    input->size--;
    return *input->data++;
}

static uint32_t
take_be(struct input *input, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value = value << 8 | take(input);
    }
    return value;
}

struct build {
    uint8_t segments[FUZZ_SEGMENTS][FUZZ_SEGMENT];
    uint64_t at; /* where the next frame goes, from the first segment's start */
    uint64_t sequence;
    uint32_t chain;
    struct wal_evidence evidence;
};

/* The usual successor of the frame before, with any field changed where the input says so. */
static void
lay_frame(struct build *build, struct input *input)
{
    uint8_t changes = take(input);
    if (changes & 1) {
        build->at = wal_round_up(build->at, WAL_BLOCK);
    }
    if (build->at % FUZZ_SEGMENT == 0) {
        build->at += WAL_BLOCK;
    }
    uint64_t index = build->at / FUZZ_SEGMENT;
    uint64_t offset = build->at % FUZZ_SEGMENT;
    uint32_t body_size = take_be(input, 1 + (changes >> 1 & 1));
    if (index >= FUZZ_SEGMENTS || offset + WAL_FRAME_HEADER + body_size > FUZZ_SEGMENT) {
        build->at = wal_round_up(build->at + 1, FUZZ_SEGMENT);
        return;
    }
    uint8_t *header = build->segments[index] + offset;
    for (uint32_t i = 0; i < body_size; i++) {
        header[WAL_FRAME_HEADER + i] = (uint8_t)(i * 31);
    }
    struct wal_frame frame = {
        .wal_id = fuzz_wal_id,
        .incarnation = changes & 4 ? take(input) : 1,
        .sequence = changes & 8 ? take_be(input, 2) : ++build->sequence,
        .position = FUZZ_SEGMENT + build->at + (changes & 16 ? take(input) : 0u),
        .body_size = body_size,
        .total_size = changes & 32 ? take_be(input, 4) : body_size,
        .body_offset = changes & 32 ? take_be(input, 4) : 0,
        .body_crc = crc32c(bytes_of(header + WAL_FRAME_HEADER, body_size)),
    };
    wal_frame_encode(&frame, header);
    uint64_t durable = changes & 64 ? take_be(input, 2) : frame.sequence - 1;
    build->chain = wal_frame_seal(header, durable, changes & 128 ? 0 : build->chain);
    build->at = wal_round_up(build->at + WAL_FRAME_HEADER + body_size, WAL_FRAME_ALIGNMENT);
}

static void
lay(struct build *build, struct input *input)
{
    while (input->size > 0) {
        uint8_t kind = take(input);
        if (kind < 200) {
            lay_frame(build, input);
        } else if (kind < 220) {
            uint64_t at = take_be(input, 3) % (FUZZ_SEGMENTS * FUZZ_SEGMENT);
            build->segments[at / FUZZ_SEGMENT][at % FUZZ_SEGMENT] ^= take(input);
        } else if (kind < 240) {
            build->at = take_be(input, 3) % (FUZZ_SEGMENTS * FUZZ_SEGMENT) / 8 * 8;
        } else {
            uint64_t *fields[] = { &build->evidence.trimmed, &build->evidence.durable,
                &build->evidence.cut, &build->evidence.first_segment, &build->evidence.last_segment,
                &build->evidence.counter };
            uint8_t which = take(input);
            uint64_t value = take_be(input, which & 128 ? 4 : 1);
            *fields[which % ARRAY_SIZE(fields)] = which & 64 ? value << 32 : value;
        }
    }
}

MUST_CHECK static int
file_put(const char *name, const void *data, size_t size)
{
    char path[FILE_PATH_MAX];
    int r = wal_path(FUZZ_FOLDER, name, path);
    CHECK(r == 0);
    struct file *file = NULL;
    r = file_open(path, FILE_WRITE | FILE_CREATE, &file);
    CHECK(r == 0);
    r = file_write_durable(file, data, size, 0);
    file_close(file);
    return r;
}

static void
files_put(struct build *build)
{
    static uint8_t blocks[WAL_EVIDENCE_SIZE];
    struct wal_identity identity = {
        .wal_id = fuzz_wal_id,
        .cluster_id = fuzz_cluster,
        .broker_id = 1,
        .incarnation = 1,
        .segment_size = FUZZ_SEGMENT,
    };
    int r = disk_make_folder(FUZZ_FOLDER);
    CHECK(r == 0);
    wal_identity_encode(&identity, blocks);
    r = file_put("identity", blocks, WAL_BLOCK);
    CHECK(r == 0);
    memset(blocks, 0, sizeof blocks);
    wal_evidence_encode(&build->evidence, blocks);
    r = file_put("evidence", blocks, sizeof blocks);
    CHECK(r == 0);
    for (uint64_t i = 0; i < FUZZ_SEGMENTS; i++) {
        char name[40];
        struct wal_segment_header header = {
            .wal_id = fuzz_wal_id,
            .index = i + 1,
            .segment_size = FUZZ_SEGMENT,
            .incarnation = 1,
        };
        wal_segment_header_encode(&header, build->segments[i]);
        snprintf(name, sizeof name, "segment-%016x", (unsigned)i + 1);
        r = file_put(name, build->segments[i], FUZZ_SEGMENT);
        CHECK(r == 0);
    }
}

/* Freed memory is used again soon: else most of the time goes into clearing new pages. */
const char *
__asan_default_options(void)
{
    return "quarantine_size_mb=4";
}

static int
in_order(void *arg, uint64_t sequence, struct bytes payload, bool damaged)
{
    uint64_t *last = arg;
    CHECK(sequence > *last);
    CHECK(payload.size <= FUZZ_SEGMENTS * FUZZ_SEGMENT);
    CHECK(!damaged || payload.size == 0);
    *last = sequence;
    return 0;
}

static int
inspected(void *arg, const struct wal_inspect_record *record)
{
    (void)arg;
    CHECK(record->state && record->segment);
    return 0;
}

static void
recover(void)
{
    struct wal_options options = {
        .folder = FUZZ_FOLDER,
        .cluster_id = fuzz_cluster,
        .broker_id = 1,
        .incarnation = 1000,
        .capacity = 4 * FUZZ_SEGMENT,
    };
    int r = wal_inspect(FUZZ_FOLDER, inspected, NULL);
    (void)r;
    struct wal *wal = NULL;
    r = wal_open(&options, &wal);
    if (r < 0) {
        return;
    }
    uint64_t last = 0;
    struct wal_recovery recovery;
    r = wal_replay(wal, in_order, &last, &recovery);
    CHECK(r < 0 || wal_next_sequence(wal) > last);
    if (r == 0) {
        r = wal_start(wal);
        CHECK(r == 0);
        struct wal_append append;
        struct iovec part = { .iov_base = &last, .iov_len = sizeof last };
        r = wal_append_begin(wal, &part, 1, &append);
        CHECK(r == 0);
        r = wal_wait(wal, &append);
        CHECK(r == 0);
    }
    r = wal_close(wal);
    (void)r;
}

static void
fuzz_main(void *arg)
{
    files_put(arg);
    recover();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    struct build *build = mem_alloc(sizeof *build);
    build->at = WAL_BLOCK;
    build->evidence = (struct wal_evidence){
        .wal_id = fuzz_wal_id,
        .counter = 1,
        .claimed_incarnation = 1,
        .log_incarnation = 1,
        .first_segment = 1,
        .last_segment = FUZZ_SEGMENTS,
        .trimmed = 1,
    };
    struct input input = { .data = data, .size = size };
    lay(build, &input);
    struct sim *sim = sim_new(1);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    int r = reactors_run(&options, fuzz_main, build);
    (void)r;
    sim_free(sim);
    mem_free(build);
    return 0;
}
