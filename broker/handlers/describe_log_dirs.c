/* DescribeLogDirs: one directory, the store, with the bytes of each partition in it. */
#include "wire/messages/describe_log_dirs.h"

#include "base/log.h"
#include "base/map.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "partition/shard.h"
#include "reactor/call.h"

#include <errno.h>

struct sizes {
    struct request *request;
    struct partition_key key;
    uint64_t bytes;
};

/* A topic as it was when the request came: it may go while we look. */
struct listed_topic {
    struct map_node node; /* in listing.by_name, when the request names topics */
    struct bytes name;
    struct uuid id;
    int32_t partition_count;
    bool *wanted; /* by partition; NULL: all */
};

struct listing {
    struct request *request;
    struct listed_topic *topics;
    size_t count;
    struct map by_name;
};

/* On the partition's reactor. */
static int
size_here(void *arg)
{
    struct sizes *sizes = arg;
    struct shard *shard = sizes->request->broker->shards[reactor_index()];
    struct partition *partition = shard_find(shard, sizes->key);
    if (!partition) {
        return -ENOENT;
    }
    partition_hold(partition);
    int r = partition_size(shard, partition, &sizes->bytes);
    partition_release(partition);
    return r;
}

static bool
listed_is(const struct map_node *node, const void *key)
{
    return bytes_equal(
            CONTAINER_OF(node, struct listed_topic, node)->name, *(const struct bytes *)key);
}

static struct listed_topic *
listing_add(struct listing *listing, const struct meta_topic *topic)
{
    struct listed_topic *added = &listing->topics[listing->count++];
    *added = (struct listed_topic){
        .name = arena_dup(&listing->request->arena, bytes_of_string(topic->name)),
        .id = topic->id,
        .partition_count = topic->partition_count,
    };
    return added;
}

static void
list_all(struct listing *listing, const struct meta_state *state)
{
    const struct meta_topic *topic = NULL;
    listing->topics =
            request_alloc(listing->request, meta_topic_count(state), sizeof *listing->topics);
    while ((topic = meta_topic_next(state, topic))) {
        listing_add(listing, topic);
    }
}

/* The topic of that name with nothing wanted yet; NULL: there is none. */
static struct listed_topic *
listing_find(struct listing *listing, const struct meta_state *state, struct bytes name)
{
    uint64_t hash = bytes_hash(name, 0);
    struct map_node *node = map_find(&listing->by_name, hash, listed_is, &name);
    if (node) {
        return CONTAINER_OF(node, struct listed_topic, node);
    }
    const struct meta_topic *topic = meta_topic_by_name(state, name);
    if (!topic) {
        return NULL;
    }
    struct listed_topic *added = listing_add(listing, topic);
    added->wanted =
            request_alloc(listing->request, (size_t)topic->partition_count, sizeof *added->wanted);
    map_insert(&listing->by_name, &added->node, hash);
    return added;
}

/* Each topic once, however often the request names it. */
static void
list_asked(struct listing *listing, const struct meta_state *state,
        const struct describe_log_dirs_request *message)
{
    struct wire_iterator it = wire_iterate(&message->topics);
    struct describe_log_dirs_request_describable_log_dir_topic asked;
    size_t most = MIN((size_t)message->topics.count, meta_topic_count(state));
    listing->topics = request_alloc(listing->request, most, sizeof *listing->topics);
    while (describe_log_dirs_request_describable_log_dir_topic_next(&it, &asked)) {
        struct listed_topic *topic = listing_find(listing, state, asked.topic);
        struct wire_iterator partitions = wire_iterate(&asked.partitions);
        int32_t index;
        while (topic && wire_int32_next(&partitions, &index)) {
            if (index >= 0 && index < topic->partition_count) {
                topic->wanted[index] = true;
            }
        }
    }
}

/* One topic's partitions that are here. */
static struct wire_array
list_partitions(struct request *request, const struct listed_topic *topic)
{
    struct describe_log_dirs_response_partition *out =
            request_alloc(request, (size_t)topic->partition_count, sizeof *out);
    size_t count = 0;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct sizes sizes = { .request = request, .key = { topic->id, i } };
        if (topic->wanted && !topic->wanted[i]) {
            continue;
        }
        int r = reactor_call(partition_reactor(sizes.key), size_here, &sizes);
        if (r == 0) {
            out[count++] = (struct describe_log_dirs_response_partition){ .partition_index = i,
                .partition_size = (int64_t)sizes.bytes };
        } else if (r != -ENOENT) {
            LOG_WARN("size of a partition is not known", LOG_BYTES("topic", topic->name),
                    LOG_INT("partition", i), LOG_FAULT(r));
        }
    }
    return wire_array_of(out, count);
}

static struct wire_array
list_topics(struct request *request, const struct describe_log_dirs_request *message)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    struct listing listing = { .request = request };
    map_init(&listing.by_name);
    if (wire_array_is_null(&message->topics)) {
        list_all(&listing, state);
    } else {
        list_asked(&listing, state, message);
    }
    map_done(&listing.by_name);
    struct describe_log_dirs_response_topic *out =
            request_alloc(request, listing.count, sizeof *out);
    size_t kept = 0;
    for (size_t i = 0; i < listing.count; i++) {
        struct wire_array partitions = list_partitions(request, &listing.topics[i]);
        if (partitions.count) {
            out[kept++] =
                    (struct describe_log_dirs_response_topic){ listing.topics[i].name, partitions };
        }
    }
    return wire_array_of(out, kept);
}

void
handle_describe_log_dirs(struct request *request)
{
    struct describe_log_dirs_request message;
    struct describe_log_dirs_response response = describe_log_dirs_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct describe_log_dirs_response_result result = describe_log_dirs_response_result_default;
    const char *url = settings_string(request->broker->settings, "store.url");
    result.log_dir = bytes_of_string(url ? url : "");
    result.topics = list_topics(request, &message);
    response.results = wire_array_of(&result, 1);
    request_reply(request, &response);
}
