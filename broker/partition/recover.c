/* WAL records to committed objects. */
#include "partition/recover.h"

#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "partition/object_ids.h"
#include "partition/producer_state.h"
#include "partition/record_claim.h"
#include "partition/wal_payload.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"

#include <errno.h>

#define RECOVER_TIMEOUT_NS (300ull * NS_PER_S)
#define CHECKPOINT_SIZE_MAX (64 * MIB)

/* What of one partition is gathered for the next object. */
struct recovered {
    struct map_node node;
    struct list link;
    struct partition_key key;
    int32_t leader_epoch;
    bool skip;           /* the topic is gone or the partition is not ours */
    int64_t base_offset; /* committed up to here */
    int64_t end_offset;  /* gathered up to here */
    struct slices slices;
    struct producer_states producers;
};

struct recovery {
    const struct recover_options *options;
    struct recover_result result;
    struct object_ids ids;
    struct map by_key;
    struct list partitions;
    uint64_t bytes; /* gathered */
};

DEFINE_CLEANUP(struct object_builder *, object_builder_free);

static bool
recovered_has_key(const struct map_node *node, const void *key)
{
    const struct recovered *p = CONTAINER_OF(node, struct recovered, node);
    const struct partition_key *wanted = key;
    return p->key.index == wanted->index && uuid_equal(&p->key.topic_id, &wanted->topic_id);
}

static int
recovered_load_producers(
        struct recovery *recovery, struct recovered *p, const struct meta_partition *description)
{
    struct store *store = recovery->options->store;
    struct bytes checkpoint = BYTES_NULL;
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    for (int32_t i = description->range_count - 1; i >= 0; i--) {
        if (description->ranges[i].checkpoint_size) {
            struct store_range range = description->ranges[i];
            int r = store_read_checkpoint(store, &range, p->key, &buf);
            return r < 0 ? r : producer_states_decode(&p->producers, buf_bytes(buf));
        }
    }
    if (description->manifest_id == 0) {
        return 0;
    }
    struct manifest manifest;
    int r = store_read_manifest(store, p->key, description->manifest_id, &manifest);
    if (r < 0) {
        return r;
    }
    checkpoint = manifest.checkpoint;
    r = checkpoint.size ? producer_states_decode(&p->producers, checkpoint) : 0;
    manifest_done(&manifest);
    return r;
}

/* The partition's entry, made from the metadata when it is met first. */
static int
recovery_find(struct recovery *recovery, const struct wal_payload *payload,
        struct recovered **ret_partition)
{
    uint64_t hash =
            hash_u64(uuid_hash(&payload->key.topic_id) ^ (uint64_t)(uint32_t)payload->key.index);
    struct map_node *node = map_find(&recovery->by_key, hash, recovered_has_key, &payload->key);
    if (node) {
        *ret_partition = CONTAINER_OF(node, struct recovered, node);
        return 0;
    }
    const struct meta_partition *description =
            meta_partition_find(meta_state(recovery->options->meta), payload->key);
    struct recovered *p = mem_alloc(sizeof *p);
    p->key = payload->key;
    slices_init(&p->slices);
    producer_states_init(&p->producers);
    map_insert(&recovery->by_key, &p->node, hash);
    list_push_back(&recovery->partitions, &p->link);
    *ret_partition = p;
    if (!description || description->owner != meta_broker_id(recovery->options->meta)) {
        p->skip = true;
        return 0;
    }
    p->leader_epoch = description->epoch;
    p->base_offset = description->end_offset;
    p->end_offset = description->end_offset;
    return recovered_load_producers(recovery, p, description);
}

static int
recovery_add_run(struct object_builder *builder, struct recovered *p)
{
    struct strbuf checkpoint;
    strbuf_init(&checkpoint, CHECKPOINT_SIZE_MAX);
    if (p->producers.changed) {
        producer_states_encode(&p->producers, p->end_offset, &checkpoint);
    }
    struct object_run run = {
        .key = p->key,
        .leader_epoch = p->leader_epoch,
        .base_offset = p->base_offset,
        .end_offset = p->end_offset,
        .batches = p->slices.items,
        .batch_count = p->slices.count,
        .checkpoint = strbuf_bytes(&checkpoint),
    };
    int r = object_builder_add(builder, &run);
    strbuf_done(&checkpoint);
    return r;
}

static int
recovery_commit(struct recovery *recovery, struct object_builder *builder, uint64_t object_id,
        size_t part_count)
{
    struct meta *meta = recovery->options->meta;
    const struct store_range *ranges;
    size_t count;
    int r = store_write_object(recovery->options->store, builder,
            clock_mono_ns() + RECOVER_TIMEOUT_NS, &ranges, &count);
    if (r < 0) {
        return fault_note(r, "recovery: writing object %016llx", (unsigned long long)object_id);
    }
    struct meta_commit_range *commit = mem_alloc_array(part_count, sizeof *commit);
    size_t n = 0;
    LIST_FOREACH (link, &recovery->partitions) {
        struct recovered *p = CONTAINER_OF(link, struct recovered, link);
        if (p->slices.count) {
            commit[n] = (struct meta_commit_range){ p->key, ranges[n] };
            n++;
        }
    }
    struct meta_record record = {
        .type = META_COMMIT,
        .commit = { meta_broker_id(meta), meta_broker_epoch(meta), object_id,
                object_builder_size(builder), commit, (int32_t)n },
    };
    struct meta_result result;
    crash_point("recover: object written");
    r = meta_propose_one(meta, &record, &result);
    mem_free(commit);
    return r < 0 ? fault_note(
                           r, "recovery: committing object %016llx", (unsigned long long)object_id)
                 : 0;
}

/* Writes and commits what is gathered. */
static int
recovery_flush(struct recovery *recovery)
{
    size_t part_count = 0;
    uint64_t object_id;
    struct meta *meta = recovery->options->meta;
    if (recovery->bytes == 0) {
        return 0;
    }
    int r = object_ids_take(&recovery->ids, &object_id);
    if (r < 0) {
        return r;
    }
    CLEANUP(object_builder_freep)
    struct object_builder *builder =
            object_builder_new(object_id, meta_broker_id(meta), meta_broker_epoch(meta));
    LIST_FOREACH (link, &recovery->partitions) {
        struct recovered *p = CONTAINER_OF(link, struct recovered, link);
        if (p->slices.count == 0) {
            continue;
        }
        r = recovery_add_run(builder, p);
        if (r < 0) {
            return r;
        }
        part_count++;
    }
    r = recovery_commit(recovery, builder, object_id, part_count);
    if (r < 0) {
        return r;
    }
    LIST_FOREACH (link, &recovery->partitions) {
        struct recovered *p = CONTAINER_OF(link, struct recovered, link);
        slices_done(&p->slices);
        slices_init(&p->slices);
        p->base_offset = p->end_offset;
    }
    recovery->bytes = 0;
    recovery->result.objects++;
    return 0;
}

static int
recovery_damaged(struct recovery *recovery, uint64_t sequence)
{
    if (!recovery->options->accept_loss) {
        return fault(-EBADMSG,
                "wal record %llu was acknowledged but cannot be read: restore the volume, or start "
                "with "
                "wal.recovery.accept.loss=true to go on without it",
                (unsigned long long)sequence);
    }
    LOG_ERROR("an acknowledged wal record is lost", LOG_INT("sequence", sequence));
    return 0;
}

/* wal_replay_fn */
static int
recovery_record(void *arg, uint64_t sequence, struct bytes bytes, bool damaged)
{
    struct recovery *recovery = arg;
    struct wal_payload payload;
    struct recovered *p;
    if (damaged) {
        return recovery_damaged(recovery, sequence);
    }
    int r = wal_payload_decode(bytes, &payload);
    if (r < 0) {
        return fault_note(r, "wal record %llu", (unsigned long long)sequence);
    }
    r = recovery_find(recovery, &payload, &p);
    if (r < 0) {
        return r;
    }
    if (p->skip || payload.end_offset <= p->end_offset) {
        recovery->result.records_skipped++;
        return 0;
    }
    if (payload.base_offset != p->end_offset && !recovery->options->accept_loss) {
        char id[UUID_TEXT_SIZE];
        return fault(-EBADMSG,
                "wal record %llu: partition %d of topic %s goes on at offset %lld, expected %lld",
                (unsigned long long)sequence, p->key.index, uuid_format(&p->key.topic_id, id),
                (long long)payload.base_offset, (long long)p->end_offset);
    }
    struct buf *copy = buf_of_bytes(payload.batches);
    slices_append(&p->slices, copy, buf_bytes(copy));
    buf_unref(copy);
    record_claims_replay(&p->producers, payload.batches);
    p->end_offset = payload.end_offset;
    recovery->bytes += payload.batches.size;
    recovery->result.records_committed++;
    return recovery->bytes >= recovery->options->object_size_max ? recovery_flush(recovery) : 0;
}

static void
recovery_done(struct recovery *recovery)
{
    LIST_FOREACH_SAFE (link, &recovery->partitions) {
        struct recovered *p = CONTAINER_OF(link, struct recovered, link);
        list_remove(&p->link);
        slices_done(&p->slices);
        producer_states_done(&p->producers);
        mem_free(p);
    }
    map_done(&recovery->by_key);
}

int
wal_recover(const struct recover_options *options, struct recover_result *ret_result)
{
    CLEANUP(recovery_done) struct recovery recovery = { .options = options };
    map_init(&recovery.by_key);
    list_init(&recovery.partitions);
    object_ids_init(&recovery.ids, options->meta);
    int r = wal_replay(options->wal, recovery_record, &recovery, &recovery.result.wal);
    if (r < 0) {
        return r;
    }
    r = recovery_flush(&recovery);
    if (r < 0) {
        return r;
    }
    crash_point("recover: all committed");
    r = wal_start(options->wal);
    if (r < 0) {
        return r;
    }
    *ret_result = recovery.result;
    return 0;
}
