/* DescribeTopicPartitions (KIP-966): topics by name, in pages. */
#include "wire/messages/describe_topic_partitions.h"

#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/leaders.h"
#include "handlers/operations.h"

#include <stdlib.h>

struct page {
    struct request *request;
    const struct meta_state *state;
    struct describe_topic_partitions_response_topic *topics;
    size_t topic_count;
    int32_t left; /* partitions that still fit */
};

static int
name_compare(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* The names that were asked for, or all, sorted; each once. */
static size_t
sorted_names(struct request *request, const struct describe_topic_partitions_request *message,
        struct bytes **ret_names)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    bool all = message->topics.count <= 0;
    size_t most = all ? meta_topic_count(state) : (size_t)message->topics.count;
    struct bytes *names = request_alloc(request, most + 1, sizeof *names);
    size_t count = 0;
    if (all) {
        const struct meta_topic *topic = NULL;
        while ((topic = meta_topic_next(state, topic))) {
            names[count++] = arena_dup(&request->arena, bytes_of_string(topic->name));
        }
    } else {
        struct wire_iterator it = wire_iterate(&message->topics);
        struct describe_topic_partitions_request_topic asked;
        while (describe_topic_partitions_request_topic_next(&it, &asked)) {
            names[count++] = asked.name;
        }
    }
    qsort(names, count, sizeof *names, name_compare);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !bytes_equal(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    *ret_names = names;
    return kept;
}

static void
fill_partition(struct page *page, const struct meta_partition *partition,
        struct describe_topic_partitions_response_partition *out)
{
    int16_t error = leaders_error(page->request, partition);
    bool alive = error == KAFKA_NONE;
    int32_t *nodes = request_alloc(page->request, 1, sizeof *nodes);
    nodes[0] = partition->owner;
    *out = describe_topic_partitions_response_partition_default;
    out->error_code = error;
    out->partition_index = partition->key.index;
    out->leader_id = alive ? partition->owner : -1;
    out->leader_epoch = partition->epoch;
    out->replica_nodes = wire_array_of(nodes, 1);
    out->isr_nodes = wire_array_of(nodes, 1);
    out->eligible_leader_replicas = wire_array_of(nodes, 0);
    out->last_known_elr = wire_array_of(nodes, 0);
    out->offline_replicas = wire_array_of(nodes, alive ? 0 : 1);
}

static struct describe_topic_partitions_response_topic *
add_topic(struct page *page, struct bytes name)
{
    struct describe_topic_partitions_response_topic *out = &page->topics[page->topic_count++];
    *out = describe_topic_partitions_response_topic_default;
    out->name = name;
    out->partitions = wire_array_of(NULL, 0);
    return out;
}

/* The topic's partitions from `first` on that fit; where the next page begins: its partition count
 * when all did. */
static int32_t
describe_topic(struct page *page, struct bytes name, int32_t first)
{
    const struct meta_topic *topic = meta_topic_by_name(page->state, name);
    struct describe_topic_partitions_response_topic *out = add_topic(page, name);
    if (!topic) {
        out->error_code = !topic_name_is_valid(name) ? KAFKA_INVALID_TOPIC_EXCEPTION
                                                     : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return 0;
    }
    first = MIN(first, topic->partition_count); /* a cursor says what it likes */
    size_t count = (size_t)MIN(topic->partition_count - first, page->left);
    struct describe_topic_partitions_response_partition *partitions =
            request_alloc(page->request, count, sizeof *partitions);
    for (size_t i = 0; i < count; i++) {
        fill_partition(page, &topic->partitions[(size_t)first + i], &partitions[i]);
    }
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    out->topic_authorized_operations = OPERATIONS_TOPIC;
    out->partitions = wire_array_of(partitions, count);
    page->left -= (int32_t)count;
    return first + (int32_t)count;
}

static void
set_cursor(struct describe_topic_partitions_response *response, struct bytes name, int32_t index)
{
    response->has_next_cursor = true;
    response->next_cursor = (struct describe_topic_partitions_response_cursor){ name, index };
}

static int32_t
partition_count(const struct page *page, struct bytes name)
{
    const struct meta_topic *topic = meta_topic_by_name(page->state, name);
    return topic ? topic->partition_count : 0;
}

static void
describe_page(struct page *page, const struct describe_topic_partitions_request *message,
        struct describe_topic_partitions_response *response)
{
    struct bytes *names;
    size_t count = sorted_names(page->request, message, &names);
    page->topics = request_alloc(page->request, count, sizeof *page->topics);
    for (size_t i = 0; i < count; i++) {
        int32_t first = 0;
        if (message->has_cursor) {
            int order = bytes_compare(names[i], message->cursor.topic_name);
            if (order < 0) {
                continue;
            }
            first = order == 0 ? message->cursor.partition_index : 0;
        }
        if (page->left <= 0) {
            set_cursor(response, names[i], first);
            return;
        }
        int32_t next = describe_topic(page, names[i], first);
        if (next < partition_count(page, names[i])) {
            set_cursor(response, names[i], next);
            return;
        }
    }
}

void
handle_describe_topic_partitions(struct request *request)
{
    struct describe_topic_partitions_request message;
    struct describe_topic_partitions_response response = describe_topic_partitions_response_default;
    if (request_read(request, &message) < 0 || !leaders_wait(request)) {
        return;
    }
    int32_t most = settings_int(request->broker->settings, "max.request.partition.size.limit");
    struct page page = { .request = request, .state = meta_state(request->broker->meta) };
    page.left = MIN(most, MAX(message.response_partition_limit, 1));
    if (message.has_cursor && message.cursor.partition_index < 0) {
        /* Kafka closes the connection on this InvalidRequestException: the response has no field
         * for an error of the whole. */
        request->close = true;
        return;
    }
    describe_page(&page, &message, &response);
    response.topics = wire_array_of(page.topics, page.topic_count);
    request_reply(request, &response);
}
