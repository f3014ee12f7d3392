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

/* Partitions go to the live brokers in turn; with one broker all to it. Returns the number of live
 * brokers. */
static int32_t
choose_owners(
        const struct meta_state *state, int32_t *owners, int32_t count, const struct uuid *topic_id)
{
    int32_t alive = 0;
    for (const struct meta_broker *b = meta_broker_next(state, -1); b;
            b = meta_broker_next(state, b->id)) {
        alive += b->alive;
    }
    int32_t start = alive ? (int32_t)(uuid_hash(topic_id) % (uint64_t)alive) : 0;
    const struct meta_broker *b = NULL;
    for (int32_t i = 0; i < count + start; i++) {
        do {
            b = meta_broker_next(state, b ? b->id : -1);
            if (!b) {
                b = meta_broker_next(state, -1);
            }
        } while (!b->alive);
        if (i >= start) {
            owners[i - start] = b->id;
        }
    }
    return alive;
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
        ret_ids[i] = random_uuid();
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
