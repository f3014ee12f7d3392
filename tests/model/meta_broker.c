/* See meta_broker.h. */
#include "model/meta_broker.h"

#include "base/attr.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <stdio.h>

#define LEASE_NS (2 * (uint64_t)NS_PER_S)
#define GARBAGE_DELAY_NS (4 * (uint64_t)NS_PER_S)
#define TOPIC_PARTITIONS 3

int
broker_open(struct broker *broker)
{
    char url[96];
    snprintf(url, sizeof url, "faulty+memory://model?faults=%s", broker->name);
    int r = objectstore_open(url, &broker->objects);
    if (r) {
        return r;
    }
    const struct store_options options = { .objects = broker->objects,
        .block_cache_bytes = 1 << 20,
        .fetch_timeout_ns = 5 * (uint64_t)NS_PER_S };
    return store_new(&options, &broker->store);
}

void
broker_close(struct broker *broker)
{
    store_free(TAKE_PTR(broker->store));
    objectstore_close(TAKE_PTR(broker->objects));
}

/* Where the ledger keeps a record. All of them: what it does not follow could go wrong unseen. */
static uint64_t
slot_of_record(uint64_t sequence)
{
    uint64_t index = sequence & 0xfffff;
    CHECK(sequence >> 20 > 0 && index < META_WORLD_SLOTS);
    return (sequence >> 20) * META_WORLD_SLOTS + index;
}

static void
report_state(struct broker *broker, uint64_t sequence)
{
    struct strbuf bytes;
    strbuf_init(&bytes, META_SNAPSHOT_SIZE_MAX);
    CHECK(meta_state_encode(meta_state(broker->meta), &bytes) == 0);
    uint64_t hash = bytes_hash(strbuf_bytes(&bytes), 1) | 1;
    strbuf_done(&bytes);
    ledger_saw_state(&broker->world->ledger, broker->name, slot_of_record(sequence), hash);
}

static void
note_collected(struct meta_world *world, const struct meta_record *record)
{
    for (int32_t i = 0; i < record->intent_done.count; i++) {
        uint64_t *ns = &world->collected_ns[record->intent_done.first_id + (uint64_t)i];
        *ns = *ns ? *ns : sim_now_ns(world->sim);
    }
}

static void
on_record(void *arg, const struct meta_record *record, const struct meta_result *result,
        uint64_t sequence)
{
    struct broker *broker = arg;
    report_state(broker, sequence);
    if (record->type == META_INTENT_DONE && result->error == 0) {
        note_collected(broker->world, record);
    }
    if (record->type == META_CONFIG && record->config.key.data[0] == 'k' && result->error == 0) {
        char key[24];
        unsigned long long id;
        bytes_to_string(record->config.key, key, sizeof key);
        CHECK(sscanf(key, "k%llu", &id) == 1);
        ledger_saw(&broker->world->ledger, broker->name, slot_of_record(sequence), id,
                meta_state_controller_epoch(meta_state(broker->meta)));
    }
}

/* M4: looked at without a wait in between. */
static void
watch_lease(struct broker *broker)
{
    struct meta_world *world = broker->world;
    if (!meta_lease_is_valid(broker->meta)) {
        return;
    }
    if (broker->epoch < world->valid_epoch) {
        ledger_violate(&world->ledger,
                "%s: the lease of epoch %lld is valid after that of epoch %lld was", broker->name,
                (long long)broker->epoch, (long long)world->valid_epoch);
    }
    world->valid_epoch = MAX(world->valid_epoch, broker->epoch);
}

int
broker_start(struct broker *broker)
{
    const struct meta_endpoint endpoint = { BYTES_LITERAL("PLAINTEXT"),
        bytes_of_string(broker->name), 9092 };
    const struct meta_options options = { .objects = broker->objects,
        .broker_id = broker->id,
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .former_holder = broker->last_writer,
        .lease_ns = LEASE_NS,
        .snapshot_interval = broker->snapshot_interval,
        .garbage_delay_ns = GARBAGE_DELAY_NS,
        .mutants = broker->world->mutants };
    int r = meta_start(&options, &broker->meta);
    if (r == -EBADMSG || r == -EMEDIUMTYPE) {
        ledger_violate(&broker->world->ledger, "%s cannot start: %s", broker->name, fault_text());
    }
    if (r) {
        broker->meta = NULL;
        return r;
    }
    broker->last_writer = meta_writer(broker->meta);
    broker->epoch = meta_state_controller_epoch(meta_state(broker->meta));
    broker->stopping = false;
    meta_listen(broker->meta, on_record, broker);
    report_state(broker, meta_state_sequence(meta_state(broker->meta)));
    watch_lease(broker);
    return meta_share(broker->meta);
}

static bool
goes_on(const struct broker *broker)
{
    return !broker->stopping && !broker->world->stopping && !meta_is_fenced(broker->meta) &&
           !fiber_is_cancelled();
}

static int
pause_a_bit(void)
{
    return fiber_sleep_ns(1 + random_below(600 * (uint64_t)NS_PER_MS));
}

/* A config with a key of its own: the entries that the ledger follows. */
static int
propose_entry(struct broker *broker)
{
    struct meta_world *world = broker->world;
    char key[24];
    uint64_t id = ++world->next_id;
    CHECK(id < META_WORLD_IDS_MAX);
    snprintf(key, sizeof key, "k%llu", (unsigned long long)id);
    const struct meta_record record = { .type = META_CONFIG,
        .config = { META_RESOURCE_BROKER, BYTES_LITERAL(""), bytes_of_string(key),
                BYTES_LITERAL("v") } };
    struct meta_result result;
    int64_t epoch = broker->epoch;
    int r = meta_propose(broker->meta, &record, 1, &result);
    world->refused[id] = r == -ECANCELED || r == -ESHUTDOWN;
    if (r) {
        return r;
    }
    uint64_t slot = ledger_slot(&world->ledger, id);
    if (result.error || !slot || world->ledger.slots[slot].epoch != epoch) {
        ledger_violate(&world->ledger,
                "%s: entry %llu was acknowledged in epoch %lld: result %d, slot %llu", broker->name,
                (unsigned long long)id, (long long)epoch, result.error, (unsigned long long)slot);
        return -EBADMSG;
    }
    world->ledger.slots[slot].acknowledged = true;
    return 0;
}

static void
configs_main(void *arg)
{
    struct broker *broker = arg;
    while (goes_on(broker) && propose_entry(broker) == 0) {
        watch_lease(broker);
        if (pause_a_bit()) {
            return;
        }
        watch_lease(broker);
    }
}

/* The ids that one broker's data fiber has left. */
struct ids {
    uint64_t next;
    int32_t left;
};

static int
take_id(struct broker *broker, struct ids *ids, uint64_t *ret_id)
{
    if (ids->left == 0) {
        const struct meta_record record = { .type = META_INTENT,
            .intent = { broker->id, meta_broker_epoch(broker->meta), 6 } };
        struct meta_result result;
        int r = meta_propose_one(broker->meta, &record, &result);
        if (r) {
            return r;
        }
        *ids = (struct ids){ result.first_id, 6 };
    }
    ids->left--;
    *ret_id = ids->next++;
    return 0;
}

/* A killed broker never says that its write has ended: a minute is long enough. */
static void
note_write(struct broker *broker, uint64_t id, bool ended)
{
    CHECK(id < META_WORLD_IDS_MAX);
    broker->world->write_ended_ns[id] =
            sim_now_ns(broker->world->sim) + (ended ? 0 : 60 * (uint64_t)NS_PER_S);
}

static int
write_object(struct broker *broker, uint64_t id)
{
    note_write(broker, id, false);
    char key[OBJECT_KEY_TEXT_SIZE];
    uint64_t body = id;
    const struct iovec part = { &body, sizeof body };
    const struct object_put put = { .key = store_object_key(id, key),
        .parts = &part,
        .part_count = 1,
        .deadline_ns = clock_mono_ns() + 2 * (uint64_t)NS_PER_S };
    int r = objectstore_put(broker->objects, &put, NULL);
    note_write(broker, id, true);
    return r;
}

static int
write_manifest(struct broker *broker, const struct manifest *manifest)
{
    note_write(broker, manifest->manifest_id, false);
    int r = store_write_manifest(broker->store, manifest, clock_mono_ns() + 2 * (uint64_t)NS_PER_S);
    note_write(broker, manifest->manifest_id, true);
    return r;
}

/* One partition, taken from whoever had it: in this world no WAL can hold anything back. */
static int
open_partition(struct broker *broker, struct partition_key key)
{
    const struct meta_partition *partition = meta_partition_find(meta_state(broker->meta), key);
    if (!partition || (partition->owner == broker->id &&
                              partition->owner_broker_epoch == meta_broker_epoch(broker->meta))) {
        return partition ? 0 : -ENOENT;
    }
    struct meta_record records[2] = {
        { .type = META_BROKER_GONE,
                .broker_gone = { partition->owner, partition->owner_broker_epoch, true } },
        { .type = META_OPEN, .open = { key, broker->id, meta_broker_epoch(broker->meta) } },
    };
    struct meta_result results[2];
    bool mine = partition->owner == broker->id;
    return meta_propose(broker->meta, mine ? records + 1 : records, mine ? 1 : 2, results);
}

static int
commit_object(struct broker *broker, struct ids *ids, struct partition_key key)
{
    uint64_t id;
    int r = take_id(broker, ids, &id);
    if (r) {
        return r;
    }
    if (write_object(broker, id) || pause_a_bit()) {
        return 0; /* it may be there: an orphan of this epoch */
    }
    const struct meta_partition *partition = meta_partition_find(meta_state(broker->meta), key);
    if (!partition || random_below(8) == 0) {
        return 0;
    }
    const struct meta_commit_range range = { key, { .object_id = id,
                                                          .base_offset = partition->end_offset,
                                                          .end_offset = partition->end_offset + 10,
                                                          .position = 0,
                                                          .size = 100,
                                                          .block_count = 1,
                                                          .leader_epoch = partition->epoch } };
    const struct meta_record record = { .type = META_COMMIT,
        .commit = { broker->id, meta_broker_epoch(broker->meta), id, 100, &range, 1 } };
    struct meta_result result;
    return meta_propose(broker->meta, &record, 1, &result);
}

/* The only object of the partition's manifest, 0 when it has none. */
static int
old_object(struct broker *broker, const struct meta_partition *partition, uint64_t *ret_id)
{
    *ret_id = 0;
    if (!partition->manifest_id) {
        return 0;
    }
    struct manifest manifest;
    int r = store_read_manifest(broker->store, partition->key, partition->manifest_id, &manifest);
    if (r == 0) {
        *ret_id = manifest.ranges[0].object_id;
        manifest_done(&manifest);
    }
    return r;
}

/* All of the partition into one object and a manifest that names it. */
static int
merge_partition(struct broker *broker, struct ids *ids, struct partition_key key)
{
    const struct meta_partition *found = meta_partition_find(meta_state(broker->meta), key);
    if (!found || found->range_count == 0) {
        return 0;
    }
    struct meta_partition partition = *found;
    uint64_t object;
    uint64_t manifest_id;
    uint64_t old = 0;
    int r = take_id(broker, ids, &object);
    r = r ? r : take_id(broker, ids, &manifest_id);
    if (r) {
        return r;
    }
    struct store_range range = { .object_id = object,
        .base_offset = 0,
        .end_offset = partition.end_offset,
        .size = 100,
        .block_count = 1,
        .leader_epoch = partition.epoch };
    const struct manifest manifest = {
        .key = key, .manifest_id = manifest_id, .ranges = &range, .count = 1
    };
    if (old_object(broker, &partition, &old) || write_object(broker, object) ||
            write_manifest(broker, &manifest)) {
        return 0;
    }
    const struct meta_record record = { .type = META_MERGE,
        .merge = { .key = key,
                .leader_epoch = partition.epoch,
                .manifest_id = manifest_id,
                .manifest_end_offset = partition.end_offset,
                .added = &object,
                .added_count = 1,
                .garbage = &old,
                .garbage_count = old ? 1 : 0 } };
    struct meta_result result;
    return meta_propose(broker->meta, &record, 1, &result);
}

static int
raise_log_start(struct broker *broker, struct partition_key key)
{
    const struct meta_partition *partition = meta_partition_find(meta_state(broker->meta), key);
    if (!partition || partition->end_offset < partition->log_start_offset) {
        return 0;
    }
    uint64_t room = (uint64_t)(partition->end_offset - partition->log_start_offset);
    const struct meta_record record = { .type = META_LOG_START,
        .log_start = { key, partition->epoch,
                partition->log_start_offset + (int64_t)random_below(room + 1) } };
    struct meta_result result;
    return meta_propose(broker->meta, &record, 1, &result);
}

static int
change_topics(struct broker *broker)
{
    const struct meta_topic *topic = meta_topic_next(meta_state(broker->meta), NULL);
    struct meta_result result;
    if (topic && random_below(2)) {
        const struct meta_record gone = { .type = META_TOPIC_DELETE,
            .topic_delete = { topic->id } };
        return meta_propose(broker->meta, &gone, 1, &result);
    }
    char name[24];
    snprintf(name, sizeof name, "topic-%u", broker->world->next_topic++);
    const int32_t owners[TOPIC_PARTITIONS] = { broker->id, broker->id, broker->id };
    const struct meta_record create = { .type = META_TOPIC,
        .topic = { .name = bytes_of_string(name),
                .topic_id = random_uuid(),
                .partition_count = TOPIC_PARTITIONS,
                .owners = owners } };
    return meta_propose(broker->meta, &create, 1, &result);
}

static int
data_step(struct broker *broker, struct ids *ids)
{
    const struct meta_topic *topic = meta_topic_next(meta_state(broker->meta), NULL);
    if (!topic || random_below(30) == 0) {
        return change_topics(broker);
    }
    struct partition_key key = { topic->id, (int32_t)random_below(TOPIC_PARTITIONS) };
    int r = open_partition(broker, key);
    if (r) {
        return r == -ENOENT ? 0 : r;
    }
    switch (random_below(8)) {
    case 0:
        return merge_partition(broker, ids, key);
    case 1:
        return raise_log_start(broker, key);
    default:
        return commit_object(broker, ids, key);
    }
}

static void
data_main(void *arg)
{
    struct broker *broker = arg;
    struct ids ids = { 0 };
    int r = 0;
    while (goes_on(broker) && r == 0) {
        r = pause_a_bit();
        r = r ? r : data_step(broker, &ids);
        watch_lease(broker);
    }
}

/* One life as controller. */
static void
broker_live(struct broker *broker)
{
    struct fiber *fibers[3] = { NULL };
    static const fiber_fn bodies[3] = { configs_main, configs_main, data_main };
    for (size_t i = 0; i < ARRAY_SIZE(fibers); i++) {
        CHECK(fiber_spawn("life", bodies[i], broker, &fibers[i]) == 0);
    }
    uint64_t until_ns = clock_mono_ns() + random_below(20 * (uint64_t)NS_PER_S);
    while (goes_on(broker) && clock_mono_ns() < until_ns &&
            fiber_sleep_ns(50 * (uint64_t)NS_PER_MS) == 0) {
        watch_lease(broker);
    }
    broker->stopping = true;
    if (random_below(2) || fiber_is_cancelled()) {
        for (size_t i = 0; i < ARRAY_SIZE(fibers); i++) {
            fiber_cancel(fibers[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(fibers); i++) {
        fiber_join(fibers[i]);
    }
}

void
broker_main(void *arg)
{
    struct broker *broker = arg;
    if (broker_open(broker) == 0) {
        while (!broker->world->stopping && !fiber_is_cancelled()) {
            if (broker_start(broker) == 0) {
                broker_live(broker);
                (void)!meta_stop(broker->meta); /* listeners still look at broker->meta */
                broker->meta = NULL;
            }
            if (fiber_sleep_ns(1 + random_below(2 * (uint64_t)NS_PER_S))) {
                break;
            }
        }
    }
    broker_close(broker);
}
