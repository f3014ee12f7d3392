/* Reading one partition: Fetch and ListOffsets. */
#include "base/check.h"
#include "base/fault.h"
#include "sim/client.h"
#include "wire/messages/fetch.h"
#include "wire/messages/list_offsets.h"
#include "wire/record_batch.h"

#include <errno.h>

#define FETCH 1
#define LIST_OFFSETS 2

struct reading {
    int32_t partition;
    int64_t from;
    record_fn each;
    void *arg;
    struct fetched *fetched;
};

static void
read_batch(struct reading *reading, const struct record_batch *batch)
{
    struct record_iterator it;
    struct record record;
    CHECK(record_batch_compression(batch) == COMPRESSION_NONE);
    record_iterator_init(&it, batch, batch->records);
    int r;
    while ((r = record_iterator_next(&it, &record)) == 1) {
        if (record.offset >= reading->from) {
            reading->each(
                    reading->arg, record.offset, record_number(reading->partition, record.value));
        }
    }
    if (r < 0) {
        reading->each(reading->arg, batch->base_offset, -1);
    }
    reading->fetched->next = record_batch_last_offset(batch) + 1;
}

static void
read_batches(struct reading *reading, struct bytes run)
{
    struct record_batch batch;
    while (record_batch_next(&run, &batch) == 1) {
        if (record_batch_check_crc(&batch) < 0) {
            reading->each(reading->arg, batch.base_offset, -1);
            return;
        }
        read_batch(reading, &batch);
    }
}

static int
read_answer(struct reading *reading, const struct fetch_response *response)
{
    struct fetch_response_fetchable_topic topic;
    struct fetch_response_partition_data p;
    struct wire_iterator topics = wire_iterate(&response->responses);
    if (response->error_code) {
        return response->error_code;
    }
    if (!fetch_response_fetchable_topic_next(&topics, &topic)) {
        return fault(-EBADMSG, "a fetch answer without its topic");
    }
    struct wire_iterator partitions = wire_iterate(&topic.partitions);
    if (!fetch_response_partition_data_next(&partitions, &p)) {
        return fault(-EBADMSG, "a fetch answer without its partition");
    }
    if (p.error_code == 0) {
        reading->fetched->high_watermark = p.high_watermark;
        reading->fetched->start = p.log_start_offset;
        read_batches(reading, p.records.bytes);
    }
    return p.error_code;
}

int
client_fetch(struct client *client, const char *topic, int32_t partition, int64_t offset,
        unsigned wait_ms, record_fn each, void *arg, struct fetched *ret)
{
    int32_t leader = client_leader(client, topic, partition);
    struct fetch_request_partition asked = fetch_request_partition_default;
    struct fetch_request_topic wanted = fetch_request_topic_default;
    struct fetch_request request = fetch_request_default;
    struct fetch_response response;
    if (leader < 1) {
        return fault(-ENOENT, "no leader");
    }
    asked.partition = partition;
    asked.fetch_offset = offset;
    asked.partition_max_bytes = 1 << 14;
    wanted.topic = bytes_of_string(topic);
    wanted.partitions = wire_array_of(&asked, 1);
    request.max_wait_ms = (int32_t)wait_ms;
    request.min_bytes = 1;
    request.topics = wire_array_of(&wanted, 1);
    int r = client_call(client, leader, FETCH, 11, &request, &response);
    struct reading reading = { partition, offset, each, arg, ret };
    *ret = (struct fetched){ .next = offset };
    r = r < 0 ? r : read_answer(&reading, &response);
    if (r) {
        client_forget(client);
    }
    return r;
}

bool
client_restart(struct client *client, const char *topic, int32_t partition, int64_t *position)
{
    int64_t start;
    if (!plan_has(&client->world->plan, FAULT_DELETE) ||
            client_offset(client, topic, partition, -2, &start) || start <= *position) {
        return false;
    }
    *position = start;
    return true;
}

int
client_offset(struct client *client, const char *topic, int32_t partition, int64_t timestamp,
        int64_t *ret_offset)
{
    int32_t leader = client_leader(client, topic, partition);
    struct list_offsets_request_partition asked = list_offsets_request_partition_default;
    struct list_offsets_request_topic wanted = list_offsets_request_topic_default;
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_response response;
    if (leader < 1) {
        return fault(-ENOENT, "no leader");
    }
    asked.partition_index = partition;
    asked.timestamp = timestamp;
    wanted.name = bytes_of_string(topic);
    wanted.partitions = wire_array_of(&asked, 1);
    request.replica_id = -1;
    request.topics = wire_array_of(&wanted, 1);
    int r = client_call(client, leader, LIST_OFFSETS, 6, &request, &response);
    if (r < 0) {
        client_forget(client);
        return r;
    }
    struct wire_iterator topics = wire_iterate(&response.topics);
    struct list_offsets_response_topic answered;
    struct list_offsets_response_partition p = list_offsets_response_partition_default;
    if (list_offsets_response_topic_next(&topics, &answered)) {
        struct wire_iterator partitions = wire_iterate(&answered.partitions);
        (void)list_offsets_response_partition_next(&partitions, &p);
    }
    if (p.error_code) {
        client_forget(client);
        return p.error_code;
    }
    *ret_offset = p.offset;
    return 0;
}
