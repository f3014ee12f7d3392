/* One proposal per request: all topics, then the opening of all their partitions. */
#include "partition/topics.h"

#include "base/mem.h"
#include "reactor/call.h"
#include "reactor/random.h"

#include <errno.h>

struct settle {
    struct meta *meta;
    uint64_t sequence;
};

static int
settle_here(void *arg)
{
    struct settle *settle = arg;
    while (meta_state_sequence(meta_state(settle->meta)) < settle->sequence) {
        int r = fiber_sleep_ns(50000);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int
topics_settle(struct meta *meta)
{
    struct settle settle = { meta, meta_state_sequence(meta_state(meta)) };
    for (unsigned i = 0; i < reactor_count(); i++) {
        int r = i == reactor_index() ? 0 : reactor_call(i, settle_here, &settle);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static bool
may_own(const struct meta_broker *broker, bool cordoned_too)
{
    return cordoned_too ? broker->alive : meta_broker_takes(broker);
}

/* Partitions go in turn to the live brokers that are not cordoned, or, when all of them are, to all
 * that live; with one broker all to it. */
static void
choose_owners(
        const struct meta_state *state, int32_t *owners, int32_t count, const struct uuid *topic_id)
{
    int32_t takers = 0;
    int32_t alive = 0;
    for (const struct meta_broker *b = meta_broker_next(state, -1); b;
            b = meta_broker_next(state, b->id)) {
        alive += b->alive;
        takers += meta_broker_takes(b);
    }
    bool all = takers == 0;
    int32_t choice = all ? alive : takers;
    int32_t start = choice ? (int32_t)(uuid_hash(topic_id) % (uint64_t)choice) : 0;
    const struct meta_broker *b = NULL;
    for (int32_t i = 0; i < count + start; i++) {
        do {
            b = meta_broker_next(state, b ? b->id : -1);
            if (!b) {
                b = meta_broker_next(state, -1);
            }
        } while (!may_own(b, all));
        if (i >= start) {
            owners[i - start] = b->id;
        }
    }
}

static size_t
add_records(const struct meta_state *state, const struct topic_spec *spec, const struct uuid *id,
        struct meta_record *records, int32_t *owners)
{
    choose_owners(state, owners, spec->partition_count, id);
    records[0] = (struct meta_record){
        .type = META_TOPIC,
        .topic = {
            .name = spec->name,
            .topic_id = *id,
            .internal = spec->internal,
            .partition_count = spec->partition_count,
            .owners = owners,
            .configs = spec->configs,
            .config_count = spec->config_count,
        },
    };
    for (int32_t i = 0; i < spec->partition_count; i++) {
        const struct meta_broker *owner = meta_broker_find(state, owners[i]);
        records[1 + i] = (struct meta_record){
            .type = META_OPEN,
            .open = { { *id, i }, owners[i], owner->epoch },
        };
    }
    return 1 + (size_t)spec->partition_count;
}

int
topics_create(struct meta *meta, const struct topic_spec *specs, size_t count, int *ret_errors,
        struct uuid *ret_ids)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += 1 + (size_t)specs[i].partition_count;
    }
    if (total == 0) {
        return 0;
    }
    struct meta_record *records = mem_alloc_array(total, sizeof *records);
    struct meta_result *results = mem_alloc_array(total, sizeof *results);
    int32_t *owners = mem_alloc_array(total, sizeof *owners);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        ret_ids[i] = specs[i].id ? *specs[i].id : random_uuid();
        used += add_records(
                meta_state(meta), &specs[i], &ret_ids[i], records + used, owners + used);
    }
    int r = meta_propose(meta, records, used, results);
    used = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        ret_errors[i] = results[used].error;
        used += 1 + (size_t)specs[i].partition_count;
    }
    mem_free(records);
    mem_free(results);
    mem_free(owners);
    return r < 0 ? r : topics_settle(meta);
}

/* The record that adds partitions `first` to `count` - 1, and those that open them. */
static int
propose_partitions(struct meta *meta, const struct uuid *topic_id, int32_t first, int32_t count)
{
    size_t more = (size_t)(count - first);
    struct meta_record *records = mem_alloc_array(more + 1, sizeof *records);
    struct meta_result *results = mem_alloc_array(more + 1, sizeof *results);
    int32_t *owners = mem_alloc_array(more, sizeof *owners);
    choose_owners(meta_state(meta), owners, (int32_t)more, topic_id);
    records[0] = (struct meta_record){
        .type = META_PARTITIONS,
        .partitions = { *topic_id, count, owners, (int32_t)more },
    };
    for (size_t i = 0; i < more; i++) {
        const struct meta_broker *owner = meta_broker_find(meta_state(meta), owners[i]);
        records[1 + i] = (struct meta_record){
            .type = META_OPEN,
            .open = { { *topic_id, first + (int32_t)i }, owners[i], owner->epoch },
        };
    }
    int r = meta_propose(meta, records, more + 1, results);
    for (size_t i = 0; r == 0 && i <= more; i++) {
        r = results[i].error;
    }
    mem_free(records);
    mem_free(results);
    mem_free(owners);
    return r;
}

int
topics_add_partitions(struct meta *meta, const struct uuid *topic_id, int32_t partition_count)
{
    const struct meta_topic *topic = meta_topic_by_id(meta_state(meta), topic_id);
    if (!topic) {
        return -ENOENT;
    }
    if (topic->partition_count >= partition_count) {
        return -EINVAL;
    }
    int r = propose_partitions(meta, topic_id, topic->partition_count, partition_count);
    return r < 0 ? r : topics_settle(meta);
}
