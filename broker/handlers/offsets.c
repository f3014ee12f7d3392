/* OffsetCommit and OffsetFetch. Topic ids (version 10) become names here: the coordinator keeps
 * names, as Kafka's does. */
#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "reactor/call.h"
#include "wire/messages/offset_commit.h"
#include "wire/messages/offset_fetch.h"

#include <stdlib.h>

#define COORDINATOR 0

/* The name of the topic that the request means; data NULL and an error when there is none. */
static struct bytes
resolve(struct request *request, struct bytes name, const struct uuid *id, int16_t *ret_error)
{
    *ret_error = KAFKA_NONE;
    if (request->version < 10) {
        return name;
    }
    const struct meta_topic *topic = meta_topic_by_id(meta_state(request->broker->meta), id);
    if (!topic) {
        *ret_error = KAFKA_UNKNOWN_TOPIC_ID;
        return BYTES_NULL;
    }
    return arena_dup(&request->arena, bytes_of_string(topic->name));
}

static int
commit_here(void *arg)
{
    group_commit(arg);
    return 0;
}

static size_t
count_commits(const struct offset_commit_request *message)
{
    size_t count = 0;
    struct wire_iterator it = wire_iterate(&message->topics);
    struct offset_commit_request_topic topic;
    while (offset_commit_request_topic_next(&it, &topic)) {
        count += (size_t)MAX(topic.partitions.count, 0);
    }
    return count;
}

static void
gather_commits(struct request *request, const struct offset_commit_request *message,
        struct group_offset *offsets)
{
    size_t n = 0;
    struct wire_iterator topics = wire_iterate(&message->topics);
    struct offset_commit_request_topic topic;
    while (offset_commit_request_topic_next(&topics, &topic)) {
        int16_t error;
        struct bytes name = resolve(request, topic.name, &topic.topic_id, &error);
        const struct meta_topic *found =
                name.data ? meta_topic_by_name(meta_state(request->broker->meta), name) : NULL;
        int32_t partition_count = found ? found->partition_count : 0;
        struct wire_iterator it = wire_iterate(&topic.partitions);
        struct offset_commit_request_partition partition;
        while (offset_commit_request_partition_next(&it, &partition)) {
            bool there =
                    partition.partition_index >= 0 && partition.partition_index < partition_count;
            offsets[n++] = (struct group_offset){
                .topic = name,
                .partition = partition.partition_index,
                .offset = MAX(partition.committed_offset, (int64_t)0),
                .leader_epoch = partition.committed_leader_epoch,
                .metadata = partition.committed_metadata,
                .error = error   ? error
                         : there ? (int16_t)KAFKA_NONE
                                 : (int16_t)KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
            };
        }
    }
}

static void
reply_commits(struct request *request, const struct offset_commit_request *message,
        const struct group_offset *offsets)
{
    struct offset_commit_response response = offset_commit_response_default;
    size_t topic_count = (size_t)MAX(message->topics.count, 0);
    struct offset_commit_response_topic *topics =
            request_alloc(request, topic_count, sizeof *topics);
    size_t t = 0;
    size_t n = 0;
    struct wire_iterator it = wire_iterate(&message->topics);
    struct offset_commit_request_topic topic;
    while (offset_commit_request_topic_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partitions.count, 0);
        struct offset_commit_response_partition *out = request_alloc(request, count, sizeof *out);
        for (size_t i = 0; i < count; i++, n++) {
            out[i] = (struct offset_commit_response_partition){ offsets[n].partition,
                offsets[n].error };
        }
        topics[t++] = (struct offset_commit_response_topic){ topic.name, topic.topic_id,
            wire_array_of(out, count) };
    }
    response.topics = wire_array_of(topics, t);
    request_reply(request, &response);
}

void
handle_offset_commit(struct request *request)
{
    struct offset_commit_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = count_commits(&message);
    struct group_commit commit = {
        .groups = request->broker->groups,
        .group_id = message.group_id,
        .member_id = message.member_id,
        .instance_id = message.group_instance_id,
        .generation = message.generation_id_or_member_epoch,
        .offsets = request_alloc(request, count, sizeof *commit.offsets),
        .count = count,
    };
    gather_commits(request, &message, commit.offsets);
    if (count && reactor_call(COORDINATOR, commit_here, &commit) < 0) {
        request->close = true;
        return;
    }
    reply_commits(request, &message, commit.offsets);
}

static int
fetch_here(void *arg)
{
    group_fetch(arg);
    return 0;
}

static int
compare_offsets(const void *a, const void *b)
{
    const struct group_offset *x = a;
    const struct group_offset *y = b;
    int c = bytes_compare(x->topic, y->topic);
    return c ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

/* Versions 8 and above use one struct for topics, older ones another with the same meaning. */
static struct wire_array
answer_topics(struct request *request, const struct group_offset *offsets, size_t count)
{
    struct offset_fetch_response_topics *topics = request_alloc(request, count, sizeof *topics);
    size_t topic_count = 0;
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && bytes_equal(offsets[end].topic, offsets[i].topic)) {
            end++;
        }
        struct offset_fetch_response_partitions *out = request_alloc(request, end - i, sizeof *out);
        for (size_t k = i; k < end; k++) {
            out[k - i] = (struct offset_fetch_response_partitions){ offsets[k].partition,
                offsets[k].offset, offsets[k].leader_epoch, offsets[k].metadata, offsets[k].error };
        }
        struct offset_fetch_response_topics *topic = &topics[topic_count++];
        *topic = offset_fetch_response_topics_default;
        topic->name = offsets[i].topic;
        const struct meta_topic *found =
                meta_topic_by_name(meta_state(request->broker->meta), topic->name);
        if (found) {
            topic->topic_id = found->id;
        }
        topic->partitions = wire_array_of(out, end - i);
        i = end;
    }
    return wire_array_of(topics, topic_count);
}

static struct wire_array
answer_old_topics(struct request *request, const struct wire_array *topics)
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
                from[k].error_code };
        }
        old[i] = (struct offset_fetch_response_topic){ new[i].name, wire_array_of(to, count) };
    }
    return wire_array_of(old, (size_t)topics->count);
}

static bool
fetch(struct request *request, struct bytes group_id, struct group_offset *offsets, size_t count,
        struct group_fetch *ret_fetch)
{
    *ret_fetch = (struct group_fetch){
        .groups = request->broker->groups,
        .arena = &request->arena,
        .group_id = group_id,
        .offsets = offsets,
        .count = count,
    };
    bool all = !offsets;
    if (reactor_call(COORDINATOR, fetch_here, ret_fetch) < 0) {
        request->close = true;
        return false;
    }
    if (all && ret_fetch->count) {
        qsort(ret_fetch->offsets, ret_fetch->count, sizeof *ret_fetch->offsets, compare_offsets);
    }
    return true;
}

/* One asked topic's partitions, appended to offsets; returns the new count. */
static size_t
ask(struct bytes name, int16_t error, const struct wire_array *indexes,
        struct group_offset *offsets, size_t n)
{
    struct wire_iterator it = wire_iterate(indexes);
    int32_t index;
    while (wire_int32_next(&it, &index)) {
        offsets[n++] = (struct group_offset){ .topic = name, .partition = index, .error = error };
    }
    return n;
}

static void
fetch_old(struct request *request, const struct offset_fetch_request *message)
{
    struct group_offset *offsets = NULL;
    size_t n = 0;
    if (message->topics.count >= 0) {
        size_t most = 0;
        struct offset_fetch_request_topic topic;
        struct wire_iterator it = wire_iterate(&message->topics);
        while (offset_fetch_request_topic_next(&it, &topic)) {
            most += (size_t)MAX(topic.partition_indexes.count, 0);
        }
        offsets = request_alloc(request, most, sizeof *offsets);
        it = wire_iterate(&message->topics);
        while (offset_fetch_request_topic_next(&it, &topic)) {
            n = ask(topic.name, 0, &topic.partition_indexes, offsets, n);
        }
    }
    struct group_fetch result;
    if (!fetch(request, message->group_id, offsets, n, &result)) {
        return;
    }
    struct offset_fetch_response response = offset_fetch_response_default;
    struct wire_array topics = answer_topics(request, result.offsets, result.count);
    response.topics = answer_old_topics(request, &topics);
    request_reply(request, &response);
}

/* Asks for one group of a version 8 request. Unknown topic ids are answered with their error,
 * without a look-up. */
static bool
fetch_group(struct request *request, const struct offset_fetch_request_group *group,
        struct offset_fetch_response_group *out)
{
    struct group_offset *offsets = NULL;
    size_t n = 0;
    if (group->topics.count >= 0) {
        size_t most = 0;
        struct offset_fetch_request_topics topic;
        struct wire_iterator it = wire_iterate(&group->topics);
        while (offset_fetch_request_topics_next(&it, &topic)) {
            most += (size_t)MAX(topic.partition_indexes.count, 0);
        }
        offsets = request_alloc(request, most, sizeof *offsets);
        it = wire_iterate(&group->topics);
        while (offset_fetch_request_topics_next(&it, &topic)) {
            int16_t error;
            struct bytes name = resolve(request, topic.name, &topic.topic_id, &error);
            if (error == 0) {
                n = ask(name, 0, &topic.partition_indexes, offsets, n);
            }
        }
    }
    struct group_fetch result;
    if (!fetch(request, group->group_id, offsets, n, &result)) {
        return false;
    }
    *out = offset_fetch_response_group_default;
    out->group_id = group->group_id;
    out->topics = answer_topics(request, result.offsets, result.count);
    return true;
}

void
handle_offset_fetch(struct request *request)
{
    struct offset_fetch_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    if (request->version < 8) {
        fetch_old(request, &message);
        return;
    }
    size_t count = (size_t)MAX(message.groups.count, 0);
    struct offset_fetch_response_group *groups = request_alloc(request, count, sizeof *groups);
    struct wire_iterator it = wire_iterate(&message.groups);
    struct offset_fetch_request_group group;
    for (size_t i = 0; offset_fetch_request_group_next(&it, &group); i++) {
        if (!fetch_group(request, &group, &groups[i])) {
            return;
        }
    }
    struct offset_fetch_response response = offset_fetch_response_default;
    response.groups = wire_array_of(groups, count);
    request_reply(request, &response);
}
