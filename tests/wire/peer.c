/* Our side of the comparison with Kafka's classes.
 *   wire_peer dump    prints every field of every message, and the table of APIs
 *   wire_peer serve   answers questions of the Java side on standard input: int32 length, then
 *     'M' name version bytes       reads the message, unfolds it, writes it again
 *     'R' name version seed        writes a random message
 *     'B' codec level bytes        reads a record batch, builds it again with that codec
 *     'V' bytes                    validates a record batch as a produced one
 *     'E' the facts of a marker    builds the batch that ends a transaction
 *   Answers: int32 length, a byte (0 good, 1 an error, whose text follows), bytes. */
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "wire/messages/apis.h"
#include "wire/random_message.h"
#include "wire/record_builder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define QUESTION_SIZE_MAX (16 * MIB)
#define MESSAGE_SIZE_MAX 4096
#define DEPTH_MAX 16

static const char *const kind_names[] = { "bool", "int8", "int16", "uint16", "int32", "int64",
    "float64", "uuid", "string", "bytes", "records", "struct", "array" };

static void
print_default(const struct wire_type *type, const struct wire_field *field)
{
    const uint8_t *at = (const uint8_t *)type->default_value + field->offset;
    const struct bytes *bytes = (const void *)at;
    switch ((enum wire_kind)field->kind) {
    case WIRE_BOOL:
        printf("%s", *(const bool *)at ? "true" : "false");
        break;
    case WIRE_INT8:
        printf("%d", *(const int8_t *)at);
        break;
    case WIRE_INT16:
        printf("%d", *(const int16_t *)(const void *)at);
        break;
    case WIRE_UINT16:
        printf("%u", *(const uint16_t *)(const void *)at);
        break;
    case WIRE_INT32:
        printf("%d", *(const int32_t *)(const void *)at);
        break;
    case WIRE_INT64:
        printf("%" PRId64, *(const int64_t *)(const void *)at);
        break;
    case WIRE_FLOAT64:
        printf("%.1f", *(const double *)(const void *)at);
        break;
    case WIRE_STRING:
    case WIRE_BYTES:
        printf("%s", bytes->data ? "empty" : "null");
        break;
    case WIRE_ARRAY:
        printf("%s", ((const struct wire_array *)(const void *)at)->count < 0 ? "null" : "empty");
        break;
    case WIRE_STRUCT:
        if (field->has_offset) {
            printf("%s",
                    *((const bool *)type->default_value + field->has_offset) ? "empty" : "null");
        } else {
            printf("empty");
        }
        break;
    case WIRE_UUID:
    case WIRE_RECORDS:
        printf("-");
        break;
    }
}

static struct wire_versions
both(struct wire_versions a, struct wire_versions b)
{
    return (struct wire_versions){ a.min > b.min ? a.min : b.min, a.max < b.max ? a.max : b.max };
}

static void
print_versions(struct wire_versions v)
{
    if (v.max < v.min) {
        printf(" none");
    } else {
        printf(" %d-%d", v.min, v.max);
    }
}

static void
print_field(const char *path, const struct wire_type *type, const struct wire_field *field,
        struct wire_versions within)
{
    struct wire_versions versions = both(field->versions, within);
    bool is_array = field->kind == WIRE_ARRAY;
    printf("%s%s %s%s", path, field->name, is_array ? "[]" : "",
            kind_names[is_array ? (field->type ? (int)WIRE_STRUCT : field->element_kind)
                                : field->kind]);
    print_versions(versions);
    print_versions(both(field->nullable, versions));
    printf(" tag %d default ", field->tag);
    print_default(type, field);
    printf("%s%s%s\n", field->flags & WIRE_IGNORABLE ? " ignorable" : "",
            field->flags & WIRE_KEY ? " key" : "",
            field->flags & WIRE_INFLEXIBLE ? " inflexible" : "");
}

struct level {
    const struct wire_type *type;
    struct wire_versions within;
    uint16_t field;
    char path[256];
};

static void
print_message(const struct wire_type *root)
{
    static struct level stack[DEPTH_MAX];
    int depth = 1;
    printf("message %s %d-%d flexible %d\n", root->name, root->versions.min, root->versions.max,
            root->flexible_min);
    stack[0].type = root;
    stack[0].within = root->versions;
    stack[0].field = 0;
    snprintf(stack[0].path, sizeof stack[0].path, "%s.", root->name);
    while (depth > 0) {
        struct level *top = &stack[depth - 1];
        if (top->field == top->type->field_count) {
            depth--;
            continue;
        }
        const struct wire_field *field = &top->type->fields[top->field++];
        print_field(top->path, top->type, field, top->within);
        if (field->type) {
            CHECK(depth < DEPTH_MAX);
            struct level below = { field->type, both(top->within, field->versions), 0, "" };
            int n = snprintf(below.path, sizeof below.path, "%s%s.", top->path, field->name);
            CHECK(n > 0 && (size_t)n < sizeof below.path);
            stack[depth++] = below;
        }
    }
}

static void
dump(void)
{
    for (int16_t key = 0; key <= WIRE_API_KEY_MAX; key++) {
        const struct wire_api *api = wire_api_find(key);
        if (api) {
            printf("api %d %s%s%s stable %d request-header %d response-header %d\n", key, api->name,
                    api->for_broker ? " broker" : "", api->for_controller ? " controller" : "",
                    api->stable_max, wire_api_request_header_version(api, api->version_max),
                    wire_api_response_header_version(api, api->version_max));
        }
    }
    for (const struct wire_type *const *type = wire_message_types; *type; type++) {
        print_message(*type);
    }
}

static const struct wire_type *
find_type(struct bytes name)
{
    for (const struct wire_type *const *type = wire_message_types; *type; type++) {
        if (bytes_equal(bytes_of_string((*type)->name), name)) {
            return *type;
        }
    }
    return NULL;
}

static int
answer_message(
        struct wire_reader *r, const struct wire_type *type, int16_t version, struct wire_writer *w)
{
    static _Alignas(16) uint8_t message[MESSAGE_SIZE_MAX];
    struct arena arena;
    CHECK(type->size <= sizeof message);
    arena_init(&arena, 64 * MIB);
    int result = wire_read(r, type, version, message);
    if (result == 0 && wire_reader_remaining(r) > 0) {
        result = fault(-EBADMSG, "%zu bytes are left over", wire_reader_remaining(r));
    }
    if (result == 0) {
        result = wire_unfold(type, &arena, message);
    }
    if (result == 0) {
        result = wire_write(w, type, version, message);
    }
    arena_done(&arena);
    return result;
}

static int
answer_random(uint64_t seed, const struct wire_type *type, int16_t version, struct wire_writer *w)
{
    static _Alignas(16) uint8_t message[MESSAGE_SIZE_MAX];
    struct arena arena;
    arena_init(&arena, 64 * MIB);
    struct random_message random = { .state = seed, .arena = &arena, .array_max = 4 };
    random_fill(&random, type, version, message);
    int result = wire_write(w, type, version, message);
    arena_done(&arena);
    return result;
}

static int
rebuild_records(struct record_builder *b, const struct record_batch *batch, struct bytes records)
{
    struct record_iterator it;
    struct record record;
    int r;
    record_iterator_init(&it, batch, records);
    while ((r = record_iterator_next(&it, &record)) > 0) {
        record_builder_append(b, &record);
    }
    if (r == 0) {
        record_builder_set_last_offset(b, record_batch_last_offset(batch));
    }
    return r;
}

static int
answer_batch(enum compression compression, int32_t level, struct bytes bytes, struct wire_writer *w)
{
    struct record_batch batch;
    int r = record_batch_read(bytes, &batch);
    if (r == 0) {
        r = record_batch_check_crc(&batch);
    }
    if (r < 0) {
        return r;
    }
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    options.base_offset = batch.base_offset;
    options.producer_id = batch.producer_id;
    options.producer_epoch = batch.producer_epoch;
    options.base_sequence = batch.base_sequence;
    options.partition_leader_epoch = batch.partition_leader_epoch;
    options.compression = compression;
    options.level = level;
    options.control = record_batch_is_control(&batch);
    options.transactional = record_batch_is_transactional(&batch);
    options.log_append_time = batch.attributes & RECORD_BATCH_LOG_APPEND_TIME;
    struct strbuf records;
    struct record_builder b;
    struct buf *built = NULL;
    strbuf_init(&records, DECOMPRESSED_SIZE_MAX);
    record_builder_init(&b, &options, DECOMPRESSED_SIZE_MAX);
    if (record_batch_compression(&batch) == COMPRESSION_NONE) {
        strbuf_append(&records, batch.records);
    } else {
        r = decompress(record_batch_compression(&batch), batch.records, 0, &records);
    }
    r = r == 0 ? rebuild_records(&b, &batch, strbuf_bytes(&records)) : r;
    r = r == 0 ? record_builder_finish(&b, &built) : r;
    if (r == 0) {
        wire_writer_raw(w, buf_bytes(built));
    }
    buf_unref(built);
    record_builder_done(&b);
    strbuf_done(&records);
    return r;
}

static int
answer_validation(struct bytes bytes, struct wire_writer *w)
{
    struct record_batch_limits limits = { .batch_size_max = QUESTION_SIZE_MAX,
        .before_max_ms = INT64_MAX,
        .after_max_ms = INT64_MAX,
        .zstd_allowed = true,
        .from_client = true };
    struct record_batch_info info;
    int r = record_batch_validate(bytes, &limits, &info);
    wire_writer_int64(w, info.max_timestamp);
    wire_writer_int64(w, (int64_t)info.decompressed_size);
    return r;
}

static int
answer_marker(struct wire_reader *r, struct wire_writer *w)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    options.base_offset = wire_reader_int64(r);
    int64_t timestamp_ms = wire_reader_int64(r);
    options.partition_leader_epoch = wire_reader_int32(r);
    options.producer_id = wire_reader_int64(r);
    options.producer_epoch = wire_reader_int16(r);
    int32_t coordinator_epoch = wire_reader_int32(r);
    bool commit = wire_reader_int8(r);
    struct buf *batch = record_batch_new_end_txn(&options, commit, coordinator_epoch, timestamp_ms);
    wire_writer_raw(w, buf_bytes(batch));
    buf_unref(batch);
    return wire_reader_result(r, "marker");
}

static int
answer(struct bytes question, struct wire_writer *w)
{
    struct wire_reader r;
    wire_reader_init(&r, question);
    int8_t op = wire_reader_int8(&r);
    if (op == 'B') {
        int8_t compression = wire_reader_int8(&r);
        int32_t level = wire_reader_int32(&r);
        return answer_batch(
                (enum compression)compression, level, bytes_of(r.at, wire_reader_remaining(&r)), w);
    }
    if (op == 'V') {
        return answer_validation(bytes_of(r.at, wire_reader_remaining(&r)), w);
    }
    if (op == 'E') {
        return answer_marker(&r, w);
    }
    struct bytes name = wire_reader_bytes(&r, WIRE_LENGTH_STRING, false);
    int16_t version = wire_reader_int16(&r);
    const struct wire_type *type = find_type(name);
    if (!type) {
        return fault(-ENOENT, "no message %.*s", (int)name.size, (const char *)name.data);
    }
    struct wire_reader body;
    wire_reader_init(&body, bytes_of(r.at, wire_reader_remaining(&r)));
    return op == 'M' ? answer_message(&body, type, version, w)
                     : answer_random(wire_reader_uint64(&body), type, version, w);
}

static bool
serve_one(uint8_t *question, struct wire_writer *w)
{
    uint8_t prefix[5];
    if (fread(prefix, 1, 4, stdin) != 4) {
        return false;
    }
    uint32_t size = load_be32(prefix);
    CHECK(size <= QUESTION_SIZE_MAX);
    CHECK(fread(question, 1, size, stdin) == size);
    wire_writer_clear(w);
    int r = answer(bytes_of(question, size), w);
    struct buf *bytes = r < 0 ? buf_of_bytes(bytes_of_string(fault_text())) : wire_writer_copy(w);
    store_be32(prefix, (uint32_t)bytes->size + 1);
    prefix[4] = r < 0;
    fwrite(prefix, 1, sizeof prefix, stdout);
    fwrite(bytes->data, 1, bytes->size, stdout);
    buf_unref(bytes);
    return fflush(stdout) == 0;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "dump") == 0) {
        dump();
        return 0;
    }
    if (argc != 2 || strcmp(argv[1], "serve") != 0) {
        fprintf(stderr, "usage: %s dump|serve\n", argv[0]);
        return 2;
    }
    struct wire_writer w;
    uint8_t *question = mem_alloc(QUESTION_SIZE_MAX);
    wire_writer_init(&w, 2 * DECOMPRESSED_SIZE_MAX);
    while (serve_one(question, &w)) {
    }
    wire_writer_done(&w);
    mem_free(question);
    return 0;
}
