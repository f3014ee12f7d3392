/* Records survive the way to bytes and back, and no bytes get past the decoder. */
#include "base/crc.h"
#include "base/endian.h"
#include "base/mem.h"
#include "meta/record.h"
#include "support_records.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

static const uint64_t ids[] = { 7, 8, 0xffffffffffffffff };
static const int32_t owners[] = { 1, 2, 3 };

/* One record of each type with every field set. */
static size_t
all_records(struct meta_record *records, const struct meta_commit_range *ranges,
        const struct meta_config_entry *configs)
{
    size_t n = 0;
    records[n++] = (struct meta_record){ .type = META_CLUSTER, .cluster = { test_uuid(1), 1 } };
    records[n++] =
            (struct meta_record){ .type = META_CONTROLLER, .controller = { 9, test_uuid(2), 3 } };
    records[n++] = test_broker(1, 4);
    records[n++] = (struct meta_record){ .type = META_BROKER_GONE, .broker_gone = { 1, 77 } };
    records[n++] = (struct meta_record){ .type = META_TOPIC,
        .topic = { BYTES_LITERAL("orders"), test_uuid(5), true, 3, owners, configs, 2 } };
    records[n++] =
            (struct meta_record){ .type = META_TOPIC_DELETE, .topic_delete = { test_uuid(5) } };
    records[n++] = (struct meta_record){ .type = META_PARTITIONS,
        .partitions = { test_uuid(5), 6, owners, 3 } };
    records[n++] = (struct meta_record){ .type = META_CONFIG,
        .config = { META_RESOURCE_TOPIC, BYTES_LITERAL("orders"), BYTES_LITERAL("retention.ms"),
                BYTES_NULL } };
    records[n++] = test_open(5, 2, 1, 88);
    records[n++] =
            (struct meta_record){ .type = META_PRODUCER_IDS, .producer_ids = { 1, 88, 1000 } };
    records[n++] = test_intent(1, 88, 256);
    records[n++] = test_commit(1, 88, 12, ranges, 2);
    records[n++] = (struct meta_record){ .type = META_MERGE,
        .merge = { test_key(5, 1), 4, 20, 1000, 500, ids, 2, ids, 3 } };
    records[n++] =
            (struct meta_record){ .type = META_LOG_START, .log_start = { test_key(5, 1), 4, 700 } };
    records[n++] = (struct meta_record){ .type = META_GARBAGE_REMOVED, .ids = { ids, 3 } };
    records[n++] = (struct meta_record){ .type = META_INTENT_DONE, .intent_done = { 300, 256 } };
    records[n++] = (struct meta_record){ .type = META_MANIFEST_GARBAGE,
        .manifest_garbage = { 20, ids, 3 } };
    records[n++] = (struct meta_record){ .type = META_BROKER_STATE,
        .broker_state = { 1, META_BROKER_DRAINING } };
    records[n++] = (struct meta_record){ .type = META_MOVE, .move = { test_key(5, 1), 2 } };
    records[n++] = (struct meta_record){ .type = META_HANDOVER,
        .handover = { test_key(5, 1), 1, 88, 4, 700 } };
    records[n++] =
            (struct meta_record){ .type = META_PROPOSAL, .proposal = { test_uuid(6), 9, 3 } };
    records[n++] = (struct meta_record){ .type = META_BROKER_REMOVE, .broker_remove = { 1, 88 } };
    records[n++] =
            (struct meta_record){ .type = META_BALANCE, .balance = { test_key(5, 1), 2, 4 } };
    static const struct meta_taker takers[] = { { 2, 99, false }, { 3, 111, false } };
    records[n++] =
            (struct meta_record){ .type = META_TAKE_OVER, .take_over = { 1, 88, takers, 2 } };
    records[n++] =
            (struct meta_record){ .type = META_RECOVERED, .recovered = { 1, 88, 3, 111, 1, 2 } };
    return n;
}

static struct meta_commit_range some_ranges[2];
static const struct meta_config_entry some_configs[2] = {
    { { (const uint8_t *)"cleanup.policy", 14 }, { (const uint8_t *)"compact", 7 } },
    { { (const uint8_t *)"retention.ms", 12 }, { (const uint8_t *)"", 0 } },
};

static size_t
some_records(struct meta_record *records)
{
    some_ranges[0] = test_range(5, 0, 12, 0, 10, 4);
    some_ranges[1] = test_range(5, 1, 12, 100, 110, 4);
    return all_records(records, some_ranges, some_configs);
}

TEST(every_record_comes_back_the_same)
{
    struct meta_record records[32];
    size_t count = some_records(records);
    size_t known = 0;
    for (unsigned type = 1; type <= META_RECORD_TYPE_MAX; type++) {
        known += meta_record_type_is_known(type);
    }
    ASSERT_EQ(count, known);
    for (size_t i = 0; i < count; i++) {
        struct strbuf once;
        struct strbuf twice;
        struct arena arena;
        struct meta_record decoded;
        size_t size;
        strbuf_init(&once, META_RECORD_SIZE_MAX);
        strbuf_init(&twice, META_RECORD_SIZE_MAX);
        arena_init(&arena, META_ARENA_SIZE);
        ASSERT_OK(meta_record_encode(&records[i], &once));
        ASSERT_OK(meta_record_decode(strbuf_bytes(&once), &arena, &decoded, &size));
        ASSERT_EQ(size, once.size);
        ASSERT_EQ(decoded.type, records[i].type);
        ASSERT_OK(meta_record_encode(&decoded, &twice));
        ASSERT_BYTES(strbuf_bytes(&twice), strbuf_bytes(&once));
        strbuf_done(&once);
        strbuf_done(&twice);
        arena_done(&arena);
    }
}

/* The bytes of format version 1 are fixed for ever: a change here needs a new version. */
TEST(the_bytes_of_every_record_are_pinned)
{
    struct meta_record records[32];
    size_t count = some_records(records);
    struct strbuf all;
    strbuf_init(&all, META_PAYLOAD_SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        ASSERT_OK(meta_record_encode(&records[i], &all));
    }
    ASSERT_EQ(all.size, 1274);
    ASSERT_EQ(crc32c(strbuf_bytes(&all)), 0xc02ad39e);
    strbuf_done(&all);
}

/* Version 1 opened what was open, too. */
TEST(an_open_record_stays_of_its_version)
{
    for (uint8_t version = 1; version <= 2; version++) {
        struct meta_record record = test_open(5, 2, 1, 88);
        struct strbuf bytes;
        struct meta_record decoded;
        CLEANUP(arena_done) struct arena arena;
        size_t size;
        arena_init(&arena, META_PAYLOAD_SIZE_MAX);
        strbuf_init(&bytes, META_PAYLOAD_SIZE_MAX);
        record.open.again = version == 1;
        ASSERT_OK(meta_record_encode(&record, &bytes));
        ASSERT_EQ(bytes.data[3], version);
        ASSERT_OK(meta_record_decode(strbuf_bytes(&bytes), &arena, &decoded, &size));
        ASSERT_EQ(decoded.open.again, version == 1);
        strbuf_done(&bytes);
    }
}

/* Version 1 of it did not say of how many shares. */
TEST(a_share_of_an_older_version_is_of_an_unknown_number)
{
    const struct meta_record record = { .type = META_RECOVERED,
        .recovered = { 1, 88, 3, 111, 1, 2 } };
    struct strbuf bytes;
    struct meta_record decoded;
    CLEANUP(arena_done) struct arena arena;
    size_t size;
    arena_init(&arena, META_PAYLOAD_SIZE_MAX);
    strbuf_init(&bytes, META_PAYLOAD_SIZE_MAX);
    ASSERT_OK(meta_record_encode(&record, &bytes));
    bytes.data[3] = 1;
    bytes.size -= 4;
    store_be32(bytes.data + 4, (uint32_t)bytes.size - 8);
    ASSERT_OK(meta_record_decode(strbuf_bytes(&bytes), &arena, &decoded, &size));
    ASSERT_EQ(decoded.recovered.share, 1);
    ASSERT_EQ(decoded.recovered.shares, 0);
    strbuf_done(&bytes);
}

/* What brokers before version 4 wrote: one address, without the name of a listener. */
TEST(a_broker_of_an_older_version_has_one_plaintext_endpoint)
{
    static const struct meta_endpoint plain = { { (const uint8_t *)"PLAINTEXT", 9 },
        { (const uint8_t *)"localhost", 9 }, 9092 };
    static const size_t tails[] = { [1] = 12, [2] = 4, [3] = 0 }; /* what version 3 has more */
    struct meta_record record = test_broker(7, 1);
    record.broker.endpoints = &plain;
    record.broker.endpoint_count = 1;
    for (uint8_t version = 1; version <= 3; version++) {
        struct strbuf bytes;
        struct arena arena;
        struct meta_record decoded;
        size_t size;
        strbuf_init(&bytes, 4096);
        arena_init(&arena, META_ARENA_SIZE);
        ASSERT_OK(meta_record_encode(&record, &bytes));
        /* The list's count and the name, in front of host and port. */
        const size_t name_at = 8 + 4 + 16;
        const size_t name_size = 4 + 4 + 9;
        memmove(bytes.data + name_at, bytes.data + name_at + name_size,
                bytes.size - name_at - name_size);
        bytes.size -= name_size + tails[version];
        bytes.data[3] = version;
        store_be32(bytes.data + 4, (uint32_t)bytes.size - 8);
        ASSERT_OK(meta_record_decode(strbuf_bytes(&bytes), &arena, &decoded, &size));
        ASSERT_EQ(size, bytes.size);
        ASSERT_EQ(decoded.broker.endpoint_count, 1);
        ASSERT_BYTES(decoded.broker.endpoints[0].listener, BYTES_LITERAL("PLAINTEXT"));
        ASSERT_BYTES(decoded.broker.endpoints[0].host, BYTES_LITERAL("localhost"));
        ASSERT_EQ(decoded.broker.endpoints[0].port, 9092);
        ASSERT_EQ(decoded.broker.admin_port, 9644);
        arena_done(&arena);
        strbuf_done(&bytes);
    }
}

TEST(the_fields_of_a_commit_lie_where_the_format_says)
{
    some_ranges[0] = test_range(5, 3, 12, 0x1122334455667788, 0x1122334455667799, 4);
    struct meta_record commit = test_commit(1, 88, 12, some_ranges, 1);
    struct strbuf bytes;
    strbuf_init(&bytes, 4096);
    ASSERT_OK(meta_record_encode(&commit, &bytes));
    const uint8_t *p = bytes.data;
    ASSERT_EQ(bytes.size, 8 + 32 + 20 + 80);
    ASSERT_EQ(load_be16(p), META_COMMIT);
    ASSERT_EQ(load_be16(p + 2), 1);
    ASSERT_EQ(load_be32(p + 4), 132);
    ASSERT_EQ(load_be32(p + 8), 1);
    ASSERT_EQ(load_be64(p + 12), 88);
    ASSERT_EQ(load_be64(p + 20), 12);
    ASSERT_EQ(load_be64(p + 28), 10000);
    ASSERT_EQ(load_be32(p + 36), 1);
    ASSERT_EQ(p[40], 0x77);
    ASSERT_EQ(load_be32(p + 56), 3);
    ASSERT_EQ(load_be64(p + 60), 12);
    ASSERT_EQ(load_be64(p + 68), 0x1122334455667788);
    ASSERT_EQ(load_be64(p + 76), 0x1122334455667799);
    strbuf_done(&bytes);
}

TEST(a_record_that_is_cut_anywhere_is_damaged)
{
    struct meta_record records[32];
    size_t count = some_records(records);
    for (size_t i = 0; i < count; i++) {
        struct strbuf bytes;
        struct arena arena;
        struct meta_record decoded;
        size_t size;
        strbuf_init(&bytes, META_RECORD_SIZE_MAX);
        arena_init(&arena, META_ARENA_SIZE);
        ASSERT_OK(meta_record_encode(&records[i], &bytes));
        for (size_t cut = 0; cut < bytes.size; cut++) {
            /* On the heap and exactly that long, so that AddressSanitizer sees a step too far. */
            uint8_t *copy = mem_dup(bytes.data, cut);
            ASSERT_ERROR(
                    meta_record_decode(bytes_of(copy, cut), &arena, &decoded, &size), -EBADMSG);
            if (cut >= 8) {
                store_be32(copy + 4, (uint32_t)cut - 8);
                ASSERT_ERROR(
                        meta_record_decode(bytes_of(copy, cut), &arena, &decoded, &size), -EBADMSG);
            }
            mem_free(copy);
            arena_reset(&arena);
        }
        strbuf_done(&bytes);
        arena_done(&arena);
    }
}

TEST(a_count_beyond_the_bytes_allocates_nothing)
{
    struct meta_record record = { .type = META_GARBAGE_REMOVED, .ids = { ids, 3 } };
    struct strbuf bytes;
    struct arena arena;
    struct meta_record decoded;
    size_t size;
    strbuf_init(&bytes, 4096);
    arena_init(&arena, META_ARENA_SIZE);
    ASSERT_OK(meta_record_encode(&record, &bytes));
    store_be32(bytes.data + 8, 0x7fffffff);
    ASSERT_ERROR(meta_record_decode(strbuf_bytes(&bytes), &arena, &decoded, &size), -EBADMSG);
    ASSERT_EQ(arena.used, 0);
    store_be32(bytes.data + 8, 0xffffffff);
    ASSERT_ERROR(meta_record_decode(strbuf_bytes(&bytes), &arena, &decoded, &size), -EBADMSG);
    strbuf_done(&bytes);
    arena_done(&arena);
}

TEST(a_proposal_of_less_than_no_records_is_damage)
{
    struct meta_record record = { .type = META_PROPOSAL, .proposal = { test_uuid(6), 9, 3 } };
    struct strbuf bytes;
    struct arena arena;
    struct meta_record decoded;
    size_t size;
    strbuf_init(&bytes, 4096);
    arena_init(&arena, META_ARENA_SIZE);
    ASSERT_OK(meta_record_encode(&record, &bytes));
    store_be32(bytes.data + bytes.size - 4, 0xffffff0f);
    ASSERT_ERROR(meta_record_decode(strbuf_bytes(&bytes), &arena, &decoded, &size), -EBADMSG);
    strbuf_done(&bytes);
    arena_done(&arena);
}

TEST(records_of_a_newer_freshet_are_refused_by_that_name)
{
    struct arena arena;
    struct meta_record decoded;
    size_t size;
    arena_init(&arena, META_ARENA_SIZE);
    uint8_t unknown_type[8] = { 0, META_RECORD_TYPE_MAX + 1, 0, 1 };
    ASSERT_ERROR(
            meta_record_decode(bytes_of(unknown_type, 8), &arena, &decoded, &size), -EMEDIUMTYPE);
    ASSERT(strstr(test_fault(-EMEDIUMTYPE), "newer Freshet"));
    uint8_t new_version[8] = { 0, META_INTENT_DONE, 0, 2 };
    ASSERT_ERROR(
            meta_record_decode(bytes_of(new_version, 8), &arena, &decoded, &size), -EMEDIUMTYPE);
    uint8_t no_type[8] = { 0, 0, 0, 1 };
    ASSERT_ERROR(meta_record_decode(bytes_of(no_type, 8), &arena, &decoded, &size), -EBADMSG);
    struct meta_record cluster = { .type = META_CLUSTER,
        .cluster = { test_uuid(1), META_FORMAT_VERSION + 1 } };
    struct strbuf bytes;
    strbuf_init(&bytes, 4096);
    ASSERT_OK(meta_record_encode(&cluster, &bytes));
    ASSERT_ERROR(meta_record_decode(strbuf_bytes(&bytes), &arena, &decoded, &size), -EMEDIUMTYPE);
    strbuf_done(&bytes);
    arena_done(&arena);
}

TEST(a_record_that_is_too_large_leaves_the_buffer_as_it_was)
{
    uint64_t *many = mem_alloc_array(META_RECORD_SIZE_MAX / 8 + 1, sizeof *many);
    struct meta_record large = { .type = META_GARBAGE_REMOVED,
        .ids = { many, META_RECORD_SIZE_MAX / 8 + 1 } };
    struct meta_record small = { .type = META_GARBAGE_REMOVED, .ids = { ids, 3 } };
    struct strbuf bytes;
    strbuf_init(&bytes, META_PAYLOAD_SIZE_MAX);
    ASSERT_OK(meta_record_encode(&small, &bytes));
    size_t before = bytes.size;
    ASSERT_ERROR(meta_record_encode(&large, &bytes), -EMSGSIZE);
    ASSERT_EQ(bytes.size, before);
    ASSERT_OK(meta_record_encode(&small, &bytes));
    strbuf_done(&bytes);
    mem_free(many);
}

TEST(a_record_of_the_greatest_size_fits_the_arena)
{
    /* Configs grow most: eight bytes in the log, thirty-two in memory. */
    int32_t count = (int32_t)(META_RECORD_SIZE_MAX / 8) - 16;
    struct meta_config_entry *configs = mem_alloc_array((size_t)count, sizeof *configs);
    struct meta_record record = { .type = META_TOPIC,
        .topic = { BYTES_LITERAL("t"), test_uuid(5), false, 1, owners, configs, count } };
    struct strbuf bytes;
    struct arena arena;
    struct meta_record decoded;
    size_t size;
    strbuf_init(&bytes, META_PAYLOAD_SIZE_MAX);
    arena_init(&arena, META_ARENA_SIZE);
    ASSERT_OK(meta_record_encode(&record, &bytes));
    ASSERT_OK(meta_record_decode(strbuf_bytes(&bytes), &arena, &decoded, &size));
    ASSERT_EQ(decoded.topic.config_count, count);
    strbuf_done(&bytes);
    arena_done(&arena);
    mem_free(configs);
}

TEST(docs_formats_metadata_md_has_a_line_for_each_record)
{
    static char page[256 * 1024];
    char path[1024];
    snprintf(path, sizeof path, "%s/docs/formats/metadata.md", test_source_root());
    FILE *file = fopen(path, "re");
    ASSERT(file);
    size_t size = fread(page, 1, sizeof page - 1, file);
    fclose(file);
    page[size] = 0;
    for (int type = 1; type <= META_RECORD_TYPE_MAX; type++) {
        char line[64];
        if (!meta_record_type_is_known((unsigned)type)) {
            continue;
        }
        snprintf(line, sizeof line, "\n| %d | %s |", type,
                meta_record_type_name((enum meta_record_type)type));
        if (!strstr(page, line)) {
            test_fail(__FILE__, __LINE__, "no line that begins with '%s'", line + 1);
        }
    }
    test_pass();
}
