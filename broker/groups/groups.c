/* All coordinators of this broker: start, stop, and the way to the one that is asked for. */
#include "groups/groups.h"

#include "base/log.h"
#include "base/mem.h"
#include "groups/call.h"
#include "groups/java_string.h"
#include "groups/kafka_codes.h"
#include "partition/topics.h"

#include <errno.h>
#include <stdio.h>

static int
open_here(void *arg)
{
    return coordinators_open(arg);
}

static int
close_here(void *arg)
{
    struct groups *groups = arg;
    struct coordinators *home = groups->by_reactor[reactor_index()];
    if (home) {
        coordinators_close(home);
    }
    return 0;
}

int
groups_start(const struct groups_options *options, struct groups **ret_groups)
{
    struct groups *groups = mem_alloc(sizeof *groups);
    groups->options = *options;
    mutex_init(&groups->creation);
    int r = 0;
    for (unsigned i = 0; i < reactor_count() && r == 0; i++) {
        r = reactor_call(i, open_here, groups);
    }
    if (r < 0) {
        groups_close(groups);
        groups_free(groups);
        return r;
    }
    *ret_groups = groups;
    return 0;
}

void
groups_close(struct groups *groups)
{
    for (unsigned i = 0; i < reactor_count(); i++) {
        (void)!reactor_call(i, close_here, groups);
    }
}

void
groups_free(struct groups *groups)
{
    for (unsigned i = 0; i < reactor_count(); i++) {
        if (groups->by_reactor[i]) {
            coordinators_free(groups->by_reactor[i]);
        }
    }
    mem_free(groups);
}

int32_t
groups_partition_of(struct bytes group_id, int32_t partition_count)
{
    int32_t hash = java_string_hash(group_id);
    return (hash == INT32_MIN ? 0 : hash < 0 ? -hash : hash) % partition_count;
}

static const struct meta_topic *
find_topic(const struct groups *groups)
{
    return meta_topic_by_name(meta_state(groups->options.meta), bytes_of_string(GROUPS_TOPIC));
}

/* --- calls --- */

struct call {
    struct groups *groups;
    struct partition_key key;
    int (*fn)(struct coordinator *c, void *arg);
    void *arg;
    int16_t error;
};

static int
call_here(void *arg)
{
    struct call *call = arg;
    struct coordinator *c =
            coordinators_find(call->groups->by_reactor[reactor_index()], call->key, &call->error);
    if (c) {
        call->error = (int16_t)call->fn(c, call->arg);
    }
    return 0;
}

int16_t
group_call(struct groups *groups, struct bytes group_id,
        int (*fn)(struct coordinator *c, void *arg), void *arg)
{
    const struct meta_topic *topic = find_topic(groups);
    if (!topic) {
        return CODE_NOT_COORDINATOR; /* the client asks where it is, which makes the topic */
    }
    struct call call = {
        .groups = groups,
        .key = { topic->id, groups_partition_of(group_id, topic->partition_count) },
        .fn = fn,
        .arg = arg,
    };
    int r = reactor_call(partition_reactor(call.key), call_here, &call);
    return r < 0 ? (int16_t)CODE_COORDINATOR_NOT_AVAILABLE : call.error;
}

/* --- where it is --- */

static int
create_topic(struct groups *groups)
{
    const struct settings *settings = groups->options.settings;
    char segment_bytes[16];
    snprintf(segment_bytes, sizeof segment_bytes, "%d",
            settings_int(settings, "offsets.topic.segment.bytes"));
    /* As Kafka makes it. */
    struct meta_config_entry configs[] = {
        { BYTES_LITERAL("cleanup.policy"), BYTES_LITERAL("compact") },
        { BYTES_LITERAL("compression.type"), BYTES_LITERAL("producer") },
        { BYTES_LITERAL("segment.bytes"), bytes_of_string(segment_bytes) },
    };
    struct topic_spec spec = {
        .name = bytes_of_string(GROUPS_TOPIC),
        .partition_count = settings_int(settings, "offsets.topic.num.partitions"),
        .internal = true,
        .configs = configs,
        .config_count = ARRAY_SIZE(configs),
    };
    struct uuid id;
    int error = 0;
    int r = topics_create(groups->options.meta, &spec, 1, &error, &id);
    return r < 0 ? r : error;
}

static int
create_topic_once(void *arg)
{
    struct groups *groups = arg;
    int r = mutex_lock(&groups->creation);
    if (r < 0) {
        return r;
    }
    if (!find_topic(groups)) {
        r = create_topic(groups);
        if (r == 0) {
            LOG_INFO("internal topic created", LOG_STR("topic", GROUPS_TOPIC));
        }
    }
    mutex_unlock(&groups->creation);
    return r;
}

int16_t
groups_locate(struct groups *groups, struct bytes group_id, int32_t *ret_broker_id)
{
    const struct meta_topic *topic = find_topic(groups);
    if (!topic) {
        int r = reactor_call(0, create_topic_once, groups);
        if (r < 0 && r != -EEXIST) {
            LOG_WARN("the topic of committed offsets could not be made", LOG_FAULT(r));
            return CODE_COORDINATOR_NOT_AVAILABLE;
        }
        topic = find_topic(groups);
    }
    if (!topic) {
        return CODE_COORDINATOR_NOT_AVAILABLE;
    }
    const struct meta_partition *partition =
            &topic->partitions[groups_partition_of(group_id, topic->partition_count)];
    const struct meta *meta = groups->options.meta;
    const struct meta_broker *owner = meta_broker_find(meta_state(meta), partition->owner);
    if (!owner || !owner->alive || partition->owner_broker_epoch != owner->epoch) {
        return CODE_COORDINATOR_NOT_AVAILABLE;
    }
    if (owner->id == meta_broker_id(meta) && !meta_lease_is_valid(meta)) {
        return CODE_COORDINATOR_NOT_AVAILABLE; /* M4 */
    }
    *ret_broker_id = owner->id;
    return CODE_NONE;
}
