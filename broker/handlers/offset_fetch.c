/* OffsetFetch: the committed offsets of one group, or from version 8 on of many. Topic ids (version
 * 10) become names here. */
#include "wire/messages/offset_fetch.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

#include <stdlib.h>

static int
compare_offsets(const void *a, const void *b)
{
    const struct group_offset *x = a;
    const struct group_offset *y = b;
    int c = bytes_compare(x->topic, y->topic);
    c = c ? c : uuid_compare(&x->topic_id, &y->topic_id);
    return c ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

static bool
same_topic(const struct group_offset *a, const struct group_offset *b)
{
    return bytes_equal(a->topic, b->topic) && uuid_equal(&a->topic_id, &b->topic_id);
}

/* Versions 8 and above use one struct for topics, older ones another with the same meaning. */
static struct wire_array
answer_topics(struct request *request, const struct group_offset *offsets, size_t count)
{
    struct offset_fetch_response_topics *topics = request_alloc(request, count, sizeof *topics);
    size_t topic_count = 0;
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && same_topic(&offsets[end], &offsets[i]); end++) {
        }
        struct offset_fetch_response_partitions *out = request_alloc(request, end - i, sizeof *out);
        for (size_t k = i; k < end; k++) {
            out[k - i] = (struct offset_fetch_response_partitions){ offsets[k].partition,
                offsets[k].offset, offsets[k].leader_epoch, offsets[k].metadata, offsets[k].error };
        }
        struct offset_fetch_response_topics *topic = &topics[topic_count++];
        *topic = offset_fetch_response_topics_default;
        topic->name = offsets[i].topic;
        topic->topic_id = offsets[i].topic_id;
        topic->partitions = wire_array_of(out, end - i);
    }
    return wire_array_of(topics, topic_count);
}

static struct wire_array
answer_old_topics(struct request *request, const struct wire_array *topics, int16_t error)
{
    struct offset_fetch_response_topic *old =
            request_alloc(request, (size_t)topics->count, sizeof *old);
    const struct offset_fetch_response_topics *new = topics->elements;
    for (int32_t i = 0; i < topics->count; i++) {
        const struct offset_fetch_response_partitions *from = new[i].partitions.elements;
        size_t count = (size_t)new[i].partitions.count;
        struct offset_fetch_response_partition *to = request_alloc(request, count, sizeof *to);
        for (size_t k = 0; k < count; k++) {
            to[k] = (struct offset_fetch_response_partition){ from[k].partition_index,
                from[k].committed_offset, from[k].committed_leader_epoch, from[k].metadata,
                error ? error : from[k].error_code };
        }
        old[i] = (struct offset_fetch_response_topic){ new[i].name, wire_array_of(to, count) };
    }
    return wire_array_of(old, (size_t)topics->count);
}

/* All offsets of a group, in the order of topics; those of deleted topics have no id to be told by.
 */
static void
fetch_all(struct request *request, struct group_fetch *fetch)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    size_t count = 0;
    for (size_t i = 0; i < fetch->count; i++) {
        struct group_offset *offset = &fetch->offsets[i];
        const struct meta_topic *topic = meta_topic_by_name(state, offset->topic);
        if (topic || request->version < 10) {
            offset->topic_id = topic ? topic->id : UUID_ZERO;
            fetch->offsets[count++] = *offset;
        }
    }
    fetch->count = count;
    if (count) {
        qsort(fetch->offsets, count, sizeof *fetch->offsets, compare_offsets);
    }
}

static void
fetch(struct request *request, struct group_fetch *fetch)
{
    bool all = !fetch->offsets;
    fetch->groups = request->broker->groups;
    fetch->arena = &request->arena;
    group_fetch(fetch);
    if (fetch->error) {
        /* The partitions of old versions carry it; nothing was found. */
        fetch->count = all ? 0 : fetch->count;
    } else if (all) {
        fetch_all(request, fetch);
    }
}

/* One partition that is asked for; `error`: its topic is not known. */
static struct group_offset
ask(struct bytes name, const struct uuid *id, int32_t partition, int16_t error)
{
    return (struct group_offset){
        .topic = name,
        .topic_id = *id,
        .partition = partition,
        .offset = -1,
        .leader_epoch = -1,
        .metadata = BYTES_LITERAL(""),
        .error = error,
    };
}

static struct group_offset *
gather_old(struct request *request, const struct wire_array *topics, size_t *ret_count)
{
    size_t count = 0;
    size_t n = 0;
    struct offset_fetch_request_topic topic;
    struct wire_iterator it = wire_iterate(topics);
    while (offset_fetch_request_topic_next(&it, &topic)) {
        count += (size_t)MAX(topic.partition_indexes.count, 0);
    }
    struct group_offset *offsets = request_alloc(request, count, sizeof *offsets);
    it = wire_iterate(topics);
    while (offset_fetch_request_topic_next(&it, &topic)) {
        struct wire_iterator indexes = wire_iterate(&topic.partition_indexes);
        int32_t index;
        while (wire_int32_next(&indexes, &index)) {
            offsets[n++] = ask(topic.name, &UUID_ZERO, index, KAFKA_NONE);
        }
    }
    *ret_count = n;
    return offsets;
}

static void
handle_old(struct request *request, const struct offset_fetch_request *message)
{
    struct group_fetch result = { .group_id = message->group_id };
    if (message->topics.count >= 0) {
        result.offsets = gather_old(request, &message->topics, &result.count);
    }
    fetch(request, &result);
    struct offset_fetch_response response = offset_fetch_response_default;
    struct wire_array topics = answer_topics(request, result.offsets, result.count);
    bool in_partitions = request->version < 2;
    response.topics = answer_old_topics(request, &topics, in_partitions ? result.error : 0);
    response.error_code = result.error;
    if (result.error && !in_partitions) {
        response.topics = wire_array_of(NULL, 0);
    }
    request_reply(request, &response);
}

static struct group_offset *
gather(struct request *request, const struct wire_array *topics, size_t *ret_count)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    size_t count = 0;
    size_t n = 0;
    struct offset_fetch_request_topics topic;
    struct wire_iterator it = wire_iterate(topics);
    while (offset_fetch_request_topics_next(&it, &topic)) {
        count += (size_t)MAX(topic.partition_indexes.count, 0);
    }
    struct group_offset *offsets = request_alloc(request, count, sizeof *offsets);
    it = wire_iterate(topics);
    while (offset_fetch_request_topics_next(&it, &topic)) {
        struct wire_iterator indexes = wire_iterate(&topic.partition_indexes);
        const struct meta_topic *found =
                request->version >= 10 ? meta_topic_by_id(state, &topic.topic_id) : NULL;
        struct bytes name =
                found ? arena_dup(&request->arena, bytes_of_string(found->name)) : topic.name;
        int16_t error = request->version >= 10 && !found ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_NONE;
        int32_t index;
        while (wire_int32_next(&indexes, &index)) {
            offsets[n++] = ask(name, &topic.topic_id, index, error);
        }
    }
    *ret_count = n;
    return offsets;
}

static void
handle_group(struct request *request, const struct offset_fetch_request_group *group,
        struct offset_fetch_response_group *out)
{
    struct group_fetch result = { .group_id = group->group_id };
    if (group->topics.count >= 0) {
        result.offsets = gather(request, &group->topics, &result.count);
    }
    fetch(request, &result);
    *out = offset_fetch_response_group_default;
    out->group_id = group->group_id;
    out->error_code = result.error;
    if (!result.error) {
        out->topics = answer_topics(request, result.offsets, result.count);
    }
}

void
handle_offset_fetch(struct request *request)
{
    struct offset_fetch_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    if (request->version < 8) {
        handle_old(request, &message);
        return;
    }
    size_t count = (size_t)MAX(message.groups.count, 0);
    struct offset_fetch_response_group *groups = request_alloc(request, count, sizeof *groups);
    struct wire_iterator it = wire_iterate(&message.groups);
    struct offset_fetch_request_group group;
    size_t n = 0;
    while (offset_fetch_request_group_next(&it, &group) && !request_is_too_large(request)) {
        handle_group(request, &group, &groups[n++]);
    }
    struct offset_fetch_response response = offset_fetch_response_default;
    response.groups = wire_array_of(groups, n);
    request_reply(request, &response);
}
