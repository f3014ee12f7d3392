/* Reading, walking and writing messages by their tables. */
#include "base/arena.h"
#include "base/fault.h"
#include "base/limits.h"
#include "unit/test.h"
#include "wire/message.h"
#include "wire/messages/api_versions.h"
#include "wire/messages/describe_topic_partitions.h"
#include "wire/messages/fetch.h"
#include "wire/messages/metadata.h"
#include "wire/messages/offset_fetch.h"
#include "wire/messages/produce.h"

#include <errno.h>
#include <sys/uio.h>

/* A request with two partitions; `storage` keeps what it points to. */
struct produce_storage {
    struct produce_request_partition_data partitions[2];
    struct produce_request_topic_data topic;
};

static struct produce_request
sample_produce(struct produce_storage *storage)
{
    struct produce_request request = produce_request_default;
    storage->partitions[0] = produce_request_partition_data_default;
    storage->partitions[0].index = 3;
    storage->partitions[0].records.bytes = BYTES_LITERAL("abc");
    storage->partitions[1] = produce_request_partition_data_default;
    storage->partitions[1].index = 4;
    storage->topic = produce_request_topic_data_default;
    storage->topic.name = BYTES_LITERAL("events");
    storage->topic.partition_data = wire_array_of(storage->partitions, 2);
    request.acks = -1;
    request.timeout_ms = 1500;
    request.topic_data = wire_array_of(&storage->topic, 1);
    return request;
}

static struct bytes
written(const struct wire_writer *w)
{
    return bytes_of(w->data, w->size);
}

/* V2 */
TEST(a_produce_request_survives_writing_and_reading)
{
    struct produce_storage storage;
    struct produce_request request = sample_produce(&storage);
    for (int16_t version = 3; version <= 12; version++) {
        struct wire_writer w;
        struct wire_reader r;
        struct produce_request got;
        wire_writer_init(&w, 1000);
        ASSERT_OK(produce_request_write(&w, version, &request));
        wire_reader_init(&r, written(&w));
        ASSERT_OK(produce_request_read(&r, version, &got));
        ASSERT_EQ(wire_reader_remaining(&r), 0);
        ASSERT_EQ(got.acks, -1);
        ASSERT_EQ(got.timeout_ms, 1500);
        ASSERT(!got.transactional_id.data);
        struct wire_iterator topics = wire_iterate(&got.topic_data);
        struct produce_request_topic_data t;
        ASSERT(produce_request_topic_data_next(&topics, &t));
        ASSERT_BYTES(t.name, BYTES_LITERAL("events"));
        struct wire_iterator parts = wire_iterate(&t.partition_data);
        struct produce_request_partition_data p;
        ASSERT(produce_request_partition_data_next(&parts, &p));
        ASSERT_EQ(p.index, 3);
        ASSERT_BYTES(p.records.bytes, BYTES_LITERAL("abc"));
        ASSERT(produce_request_partition_data_next(&parts, &p));
        ASSERT_EQ(p.index, 4);
        ASSERT(!p.records.bytes.data);
        ASSERT(!produce_request_partition_data_next(&parts, &p));
        ASSERT(!produce_request_topic_data_next(&topics, &t));
        wire_writer_done(&w);
    }
}

TEST(arrays_that_we_built_are_walked_like_those_that_were_read)
{
    struct produce_storage storage;
    struct produce_request request = sample_produce(&storage);
    struct wire_iterator topics = wire_iterate(&request.topic_data);
    struct produce_request_topic_data t;
    ASSERT(produce_request_topic_data_next(&topics, &t));
    struct wire_iterator parts = wire_iterate(&t.partition_data);
    struct produce_request_partition_data p;
    ASSERT(produce_request_partition_data_next(&parts, &p));
    ASSERT(produce_request_partition_data_next(&parts, &p));
    ASSERT_EQ(p.index, 4);
    ASSERT(!produce_request_partition_data_next(&parts, &p));
    struct wire_array null = WIRE_ARRAY_NULL;
    topics = wire_iterate(&null);
    ASSERT(!produce_request_topic_data_next(&topics, &t));
}

TEST(a_message_that_was_read_can_be_written_again_and_unfolded_for_another_version)
{
    struct produce_storage storage;
    struct produce_request request = sample_produce(&storage);
    struct produce_request got;
    struct wire_writer w;
    struct wire_writer again;
    struct wire_reader r;
    struct arena arena;
    arena_init(&arena, 4096);
    wire_writer_init(&w, 1000);
    wire_writer_init(&again, 1000);
    ASSERT_OK(produce_request_write(&w, 9, &request));
    wire_reader_init(&r, written(&w));
    ASSERT_OK(produce_request_read(&r, 9, &got));
    ASSERT_OK(produce_request_write(&again, 9, &got));
    ASSERT_BYTES(written(&again), written(&w));
    /* The view holds compact strings: it cannot be copied into version 3. */
    wire_writer_clear(&again);
    ASSERT_ERROR(produce_request_write(&again, 3, &got), -EINVAL);
    ASSERT(strstr(fault_text(), "another version"));
    ASSERT_OK(wire_unfold(&produce_request_type, &arena, &got));
    wire_writer_clear(&again);
    ASSERT_OK(produce_request_write(&again, 3, &got));
    wire_writer_clear(&w);
    ASSERT_OK(produce_request_write(&w, 3, &request));
    ASSERT_BYTES(written(&again), written(&w));
    arena_done(&arena);
    arena_init(&arena, 8);
    wire_reader_init(&r, written(&w));
    ASSERT_OK(produce_request_read(&r, 3, &got));
    ASSERT_ERROR(wire_unfold(&produce_request_type, &arena, &got), -ENOBUFS);
    arena_done(&arena);
    wire_writer_done(&w);
    wire_writer_done(&again);
}

/* V1 */
TEST(a_count_that_the_bytes_cannot_hold_is_refused)
{
    /* Metadata 4: an array of strings; each needs at least its two bytes of length. */
    const uint8_t body[] = { 0, 0, 0, 4, 0, 1, 'a', 0, 0, 0, 0 };
    struct wire_reader r;
    struct metadata_request request;
    wire_reader_init(&r, bytes_of(body, sizeof body));
    ASSERT_ERROR(metadata_request_read(&r, 4, &request), -EBADMSG);
    ASSERT(strstr(fault_text(), "MetadataRequest version 4: topics: more elements"));
    const uint8_t huge[] = { 0x7f, 0xff, 0xff, 0xff, 0 };
    wire_reader_init(&r, bytes_of(huge, sizeof huge));
    ASSERT_ERROR(metadata_request_read(&r, 4, &request), -EBADMSG);
}

TEST(more_elements_than_kafka_takes_are_refused_whatever_the_size)
{
    struct buf *body = buf_new(4 * (WIRE_ARRAY_ELEMENTS_MAX + 1) + 64);
    struct wire_writer w;
    wire_writer_init(&w, 100);
    memset(body->data, 0, body->capacity);
    /* OffsetFetch 1: group "", topics[1]: name "", partition_indexes[1,000,001] */
    wire_writer_int16(&w, 0);
    wire_writer_int32(&w, 1);
    wire_writer_int16(&w, 0);
    wire_writer_int32(&w, WIRE_ARRAY_ELEMENTS_MAX + 1);
    memcpy(body->data, w.data, w.size);
    struct wire_reader r;
    struct offset_fetch_request request;
    wire_reader_init(&r, bytes_of(body->data, body->capacity));
    int result = offset_fetch_request_read(&r, 1, &request);
    wire_writer_done(&w);
    buf_unref(body);
    ASSERT_ERROR(result, -EBADMSG);
    ASSERT(strstr(fault_text(), "topics.partition_indexes: too many elements"));
}

TEST(an_error_names_message_version_field_and_position)
{
    struct produce_storage storage;
    struct produce_request request = sample_produce(&storage);
    struct wire_writer w;
    struct wire_reader r;
    struct produce_request got;
    wire_writer_init(&w, 1000);
    ASSERT_OK(produce_request_write(&w, 9, &request));
    for (size_t size = 0; size < w.size; size++) {
        wire_reader_init(&r, bytes_of(w.data, size));
        ASSERT_ERROR(produce_request_read(&r, 9, &got), -EBADMSG);
    }
    wire_reader_init(&r, bytes_of(w.data, 29));
    ASSERT_ERROR(produce_request_read(&r, 9, &got), -EBADMSG);
    ASSERT(strstr(fault_text(), "ProduceRequest version 9: topic_data.partition_data.records: "));
    ASSERT(strstr(fault_text(), "at byte 29 of 29"));
    wire_writer_done(&w);
}

TEST(null_is_refused_where_the_version_has_none)
{
    const uint8_t null_topics[] = { 0xff, 0xff, 0xff, 0xff };
    struct wire_reader r;
    struct metadata_request request;
    wire_reader_init(&r, bytes_of(null_topics, 4));
    ASSERT_ERROR(metadata_request_read(&r, 0, &request), -EBADMSG);
    wire_reader_init(&r, bytes_of(null_topics, 4));
    ASSERT_OK(metadata_request_read(&r, 1, &request));
    ASSERT(wire_array_is_null(&request.topics));
    /* client_software_name "null" in ApiVersions 3 */
    const uint8_t null_name[] = { 0, 2, 'x', 0 };
    struct api_versions_request versions;
    wire_reader_init(&r, bytes_of(null_name, 4));
    ASSERT_ERROR(api_versions_request_read(&r, 3, &versions), -EBADMSG);
    ASSERT(strstr(fault_text(), "client_software_name: null"));
}

TEST(null_is_not_written_where_the_version_has_none)
{
    struct metadata_request request = metadata_request_default;
    struct wire_writer w;
    request.topics = WIRE_ARRAY_NULL;
    request.allow_auto_topic_creation = true;
    wire_writer_init(&w, 100);
    ASSERT_ERROR(metadata_request_write(&w, 0, &request), -EINVAL);
    ASSERT(strstr(fault_text(), "MetadataRequest version 0: topics: null"));
    wire_writer_clear(&w);
    ASSERT_OK(metadata_request_write(&w, 1, &request));
    /* A zeroed struct has null strings; the default one has empty ones. */
    struct api_versions_request zeroed = { 0 };
    wire_writer_clear(&w);
    ASSERT_ERROR(api_versions_request_write(&w, 3, &zeroed), -EINVAL);
    wire_writer_clear(&w);
    ASSERT_OK(api_versions_request_write(&w, 3, &api_versions_request_default));
    wire_writer_done(&w);
}

/* V3 */
TEST(a_value_that_the_version_cannot_carry_makes_the_write_fail)
{
    struct fetch_request request = fetch_request_default;
    struct fetch_request_forgotten_topic forgotten = fetch_request_forgotten_topic_default;
    struct wire_writer w;
    wire_writer_init(&w, 100);
    request.session_id = 7; /* ignorable: dropped below version 7 */
    ASSERT_OK(fetch_request_write(&w, 4, &request));
    request.forgotten_topics_data = wire_array_of(&forgotten, 1);
    wire_writer_clear(&w);
    ASSERT_ERROR(fetch_request_write(&w, 4, &request), -EINVAL);
    ASSERT(strstr(fault_text(), "FetchRequest version 4: forgotten_topics_data: has a value"));
    request.forgotten_topics_data = wire_array_of(NULL, 0);
    request.replica_state.replica_id = 5; /* tagged, versions 15+, a struct, not ignorable */
    wire_writer_clear(&w);
    ASSERT_ERROR(fetch_request_write(&w, 14, &request), -EINVAL);
    wire_writer_clear(&w);
    ASSERT_OK(fetch_request_write(&w, 15, &request));
    wire_writer_done(&w);
}

TEST(fields_that_a_version_lacks_are_read_as_their_default)
{
    struct wire_writer w;
    struct wire_reader r;
    struct fetch_request got;
    wire_writer_init(&w, 100);
    ASSERT_OK(fetch_request_write(&w, 4, &fetch_request_default));
    memset(&got, 0x55, sizeof got);
    wire_reader_init(&r, written(&w));
    ASSERT_OK(fetch_request_read(&r, 4, &got));
    ASSERT_EQ(got.session_epoch, -1);
    ASSERT_EQ(got.replica_state.replica_epoch, -1);
    ASSERT_EQ(got.forgotten_topics_data.count, 0);
    ASSERT(got.rack_id.data && got.rack_id.size == 0);
    ASSERT(!got.cluster_id.data);
    wire_writer_done(&w);
}

TEST(versions_that_do_not_exist_are_refused)
{
    struct wire_reader r;
    struct produce_request got;
    struct wire_writer w;
    wire_writer_init(&w, 100);
    wire_reader_init(&r, BYTES_LITERAL("0123456789"));
    ASSERT_ERROR(produce_request_read(&r, 2, &got), -ENOTSUP);
    ASSERT_ERROR(produce_request_read(&r, 14, &got), -ENOTSUP);
    ASSERT_ERROR(produce_request_write(&w, -1, &produce_request_default), -ENOTSUP);
    wire_writer_done(&w);
}

TEST(unknown_tagged_fields_are_skipped_and_known_ones_checked)
{
    struct fetch_response got;
    struct wire_reader r;
    /* Fetch response 12: throttle, error, session, no topics; tag 5 unknown with 2 bytes. */
    const uint8_t unknown[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 1, 1, 5, 2, 'x', 'y' };
    wire_reader_init(&r, bytes_of(unknown, sizeof unknown));
    ASSERT_OK(fetch_response_read(&r, 12, &got));
    ASSERT_EQ(got.session_id, 2);
    ASSERT_EQ(wire_reader_remaining(&r), 0);
    /* Tag 0 exists from version 16 on; Kafka refuses it before. */
    const uint8_t early[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 1, 1, 0, 1, 1 };
    wire_reader_init(&r, bytes_of(early, sizeof early));
    ASSERT_ERROR(fetch_response_read(&r, 12, &got), -EBADMSG);
    wire_reader_init(&r, bytes_of(early, sizeof early));
    ASSERT_OK(fetch_response_read(&r, 16, &got));
    ASSERT_EQ(got.node_endpoints.count, 0);
    /* It says 2 bytes and has 1. */
    const uint8_t longer[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 1, 1, 0, 2, 1, 0 };
    wire_reader_init(&r, bytes_of(longer, sizeof longer));
    ASSERT_ERROR(fetch_response_read(&r, 16, &got), -EBADMSG);
    ASSERT(strstr(fault_text(), "node_endpoints: a tagged field has another length"));
    /* 64 million of them announced. */
    const uint8_t many[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 1, 0xff, 0xff, 0xff, 0x1f };
    wire_reader_init(&r, bytes_of(many, sizeof many));
    ASSERT_ERROR(fetch_response_read(&r, 16, &got), -EBADMSG);
}

TEST(tagged_fields_are_written_only_when_they_differ_from_their_default)
{
    struct fetch_response_partition_data partition = fetch_response_partition_data_default;
    struct fetch_response_fetchable_topic topic = fetch_response_fetchable_topic_default;
    struct fetch_response response = fetch_response_default;
    struct fetch_response got;
    struct wire_writer w;
    struct wire_reader r;
    size_t without = 0;
    size_t with = 0;
    topic.partitions = wire_array_of(&partition, 1);
    response.responses = wire_array_of(&topic, 1);
    ASSERT_OK(wire_size(&fetch_response_type, 16, &response, &without));
    partition.current_leader.leader_id = 4;
    partition.current_leader.leader_epoch = 9;
    ASSERT_OK(wire_size(&fetch_response_type, 16, &response, &with));
    /* Tag, size, two int32 and the struct's own count of tagged fields. */
    ASSERT_EQ(with - without, 1 + 1 + 8 + 1);
    wire_writer_init(&w, 1000);
    ASSERT_OK(fetch_response_write(&w, 16, &response));
    ASSERT_EQ(wire_writer_size(&w), with);
    wire_reader_init(&r, written(&w));
    ASSERT_OK(fetch_response_read(&r, 16, &got));
    struct wire_iterator topics = wire_iterate(&got.responses);
    ASSERT(fetch_response_fetchable_topic_next(&topics, &topic));
    struct wire_iterator partitions = wire_iterate(&topic.partitions);
    ASSERT(fetch_response_partition_data_next(&partitions, &partition));
    ASSERT_EQ(partition.current_leader.leader_epoch, 9);
    ASSERT_EQ(partition.diverging_epoch.end_offset, -1);
    wire_writer_done(&w);
}

TEST(a_struct_may_be_null)
{
    struct describe_topic_partitions_request request = describe_topic_partitions_request_default;
    struct describe_topic_partitions_request got;
    struct wire_writer w;
    struct wire_reader r;
    ASSERT(!request.has_cursor);
    wire_writer_init(&w, 100);
    ASSERT_OK(describe_topic_partitions_request_write(&w, 0, &request));
    wire_reader_init(&r, written(&w));
    ASSERT_OK(describe_topic_partitions_request_read(&r, 0, &got));
    ASSERT(!got.has_cursor);
    request.has_cursor = true;
    request.cursor.topic_name = BYTES_LITERAL("t");
    request.cursor.partition_index = 8;
    wire_writer_clear(&w);
    ASSERT_OK(describe_topic_partitions_request_write(&w, 0, &request));
    wire_reader_init(&r, written(&w));
    ASSERT_OK(describe_topic_partitions_request_read(&r, 0, &got));
    ASSERT(got.has_cursor);
    ASSERT_EQ(got.cursor.partition_index, 8);
    wire_writer_done(&w);
}

TEST(record_batches_are_written_without_copying_them)
{
    struct buf *log = buf_of_bytes(BYTES_LITERAL("batch1batch2"));
    struct slice slices[2] = { { log, bytes_of(log->data, 6) },
        { log, bytes_of(log->data + 6, 6) } };
    struct fetch_response_partition_data partition = fetch_response_partition_data_default;
    struct fetch_response_fetchable_topic topic = fetch_response_fetchable_topic_default;
    struct fetch_response response = fetch_response_default;
    struct wire_writer w;
    struct iovec parts[8];
    partition.records.slices = slices;
    partition.records.slice_count = 2;
    topic.partitions = wire_array_of(&partition, 1);
    response.responses = wire_array_of(&topic, 1);
    wire_writer_init(&w, 1000);
    ASSERT_OK(fetch_response_write(&w, 16, &response));
    ASSERT_EQ(wire_writer_part_count_max(&w), 5);
    ASSERT_EQ(wire_writer_parts(&w, parts), 4);
    ASSERT(parts[1].iov_base == log->data);
    ASSERT(parts[2].iov_base == log->data + 6);
    struct buf *all = wire_writer_copy(&w);
    struct wire_reader r;
    struct fetch_response got;
    wire_reader_init(&r, buf_bytes(all));
    ASSERT_OK(fetch_response_read(&r, 16, &got));
    struct wire_iterator topics = wire_iterate(&got.responses);
    ASSERT(fetch_response_fetchable_topic_next(&topics, &topic));
    struct wire_iterator partitions = wire_iterate(&topic.partitions);
    ASSERT(fetch_response_partition_data_next(&partitions, &partition));
    ASSERT_BYTES(partition.records.bytes, BYTES_LITERAL("batch1batch2"));
    buf_unref(all);
    wire_writer_done(&w);
    ASSERT_EQ(atomic_load(&log->refs), 1);
    buf_unref(log);
}

struct told {
    int16_t codes[8];
    size_t count;
};

static void
tell(void *arg, int16_t code)
{
    struct told *told = arg;
    if (told->count < ARRAY_SIZE(told->codes)) {
        told->codes[told->count++] = code;
    }
}

TEST(error_codes_are_told_to_who_counts_them)
{
    struct told told = { .count = 0 };
    struct produce_response_partition_response partitions[3];
    struct produce_response_topic_response topic = produce_response_topic_response_default;
    struct produce_response response = produce_response_default;
    static const int16_t codes[] = { 6, 0, -1 };
    for (size_t i = 0; i < ARRAY_SIZE(partitions); i++) {
        partitions[i] = produce_response_partition_response_default;
        partitions[i].error_code = codes[i];
    }
    topic.name = BYTES_LITERAL("events");
    topic.partition_responses = wire_array_of(partitions, 3);
    response.responses = wire_array_of(&topic, 1);
    struct wire_writer w;
    wire_writer_init(&w, 1000);
    w.on_error_code = tell;
    w.on_error_code_arg = &told;
    ASSERT_OK(produce_response_write(&w, 9, &response));
    wire_writer_done(&w);
    ASSERT_EQ(told.count, 2);
    ASSERT_EQ(told.codes[0], 6);
    ASSERT_EQ(told.codes[1], -1);
}

TEST(the_writers_maximum_bounds_a_message)
{
    struct produce_storage storage;
    struct produce_request request = sample_produce(&storage);
    struct wire_writer w;
    size_t size = 0;
    ASSERT_OK(wire_size(&produce_request_type, 9, &request, &size));
    wire_writer_init(&w, size - 1);
    ASSERT_ERROR(produce_request_write(&w, 9, &request), -ENOBUFS);
    ASSERT_ERROR(produce_request_write(&w, 9, &request), -ENOBUFS);
    wire_writer_done(&w);
    wire_writer_init(&w, size);
    ASSERT_OK(produce_request_write(&w, 9, &request));
    wire_writer_done(&w);
}

TEST(arrays_of_scalars_have_their_own_iterators)
{
    int32_t indexes[] = { 5, -1, 7 };
    struct offset_fetch_request_topic topic = offset_fetch_request_topic_default;
    struct offset_fetch_request request = offset_fetch_request_default;
    struct offset_fetch_request got;
    struct wire_writer w;
    struct wire_reader r;
    int32_t value = 0;
    topic.partition_indexes = wire_array_of(indexes, 3);
    request.topics = wire_array_of(&topic, 1);
    wire_writer_init(&w, 100);
    ASSERT_OK(offset_fetch_request_write(&w, 6, &request));
    wire_reader_init(&r, written(&w));
    ASSERT_OK(offset_fetch_request_read(&r, 6, &got));
    struct wire_iterator topics = wire_iterate(&got.topics);
    ASSERT(offset_fetch_request_topic_next(&topics, &topic));
    struct wire_iterator it = wire_iterate(&topic.partition_indexes);
    for (int i = 0; i < 3; i++) {
        ASSERT(wire_int32_next(&it, &value));
        ASSERT_EQ(value, indexes[i]);
    }
    ASSERT(!wire_int32_next(&it, &value));
    wire_writer_done(&w);
}

TEST(bytes_behind_a_message_stay_in_the_reader)
{
    const uint8_t body[] = { 0, 0, 0, 0, 'r', 'e', 's', 't' };
    struct wire_reader r;
    struct metadata_request request;
    wire_reader_init(&r, bytes_of(body, sizeof body));
    ASSERT_OK(metadata_request_read(&r, 0, &request));
    ASSERT_EQ(wire_reader_remaining(&r), 4);
}
