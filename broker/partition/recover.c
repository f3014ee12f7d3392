/* WAL records to committed objects. */
#include "partition/recover.h"

#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "partition/object_ids.h"
#include "partition/producer_state.h"
#include "partition/record_claim.h"
#include "partition/wal_payload.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"

#include <errno.h>

#define RECOVER_TIMEOUT_NS (300ull * NS_PER_S)
#define TELL_NS (2ull * NS_PER_S)
#define CHECKPOINT_SIZE_MAX (64 * MIB)

/* What of one partition is gathered for the next object. */
struct recovered {
    struct map_node node;
    struct list link;
    struct partition_key key;
    int32_t leader_epoch;
    bool skip;           /* the topic is gone or the partition is not ours */
    bool suspect;        /* a damaged record may be its, and none behind proves it whole */
    bool hole;           /* records are missing: those behind are held */
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
    uint64_t told_ns; /* when it was last said how far we are */
    uint64_t records; /* seen */
    uint64_t bytes_seen;
    uint64_t bytes;   /* gathered */
    bool all_suspect; /* whose the damaged records were is not known */
    uint64_t *tags;   /* one bit for each tag of a damaged record; NULL: none */
};

#define TAG_WORDS (65536 / 64)

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

static uint64_t
recovered_hash(struct partition_key key)
{
    return hash_u64(uuid_hash(&key.topic_id) ^ (uint64_t)(uint32_t)key.index);
}

static int32_t
recovery_owner(const struct recovery *recovery)
{
    const struct recover_options *options = recovery->options;
    return options->dead ? *options->dead : meta_broker_id(options->meta);
}

/* Q14: may a damaged record have been this partition's? */
static bool
recovery_suspects(const struct recovery *recovery, struct partition_key key)
{
    uint16_t tag = wal_payload_tag(key);
    return recovery->all_suspect ||
           (recovery->tags && recovery->tags[tag / 64] & (uint64_t)1 << tag % 64);
}

/* The partition's entry, made from the metadata when it is met first. */
static int
recovery_find(struct recovery *recovery, const struct wal_payload *payload,
        struct recovered **ret_partition)
{
    uint64_t hash = recovered_hash(payload->key);
    struct map_node *node = map_find(&recovery->by_key, hash, recovered_has_key, &payload->key);
    if (node) {
        *ret_partition = CONTAINER_OF(node, struct recovered, node);
        return 0;
    }
    const struct meta_partition *description =
            meta_partition_find(meta_state(recovery->options->meta), payload->key);
    struct recovered *p = mem_alloc(sizeof *p);
    p->key = payload->key;
    p->suspect = recovery_suspects(recovery, p->key);
    slices_init(&p->slices);
    producer_states_init(&p->producers);
    map_insert(&recovery->by_key, &p->node, hash);
    list_push_back(&recovery->partitions, &p->link);
    *ret_partition = p;
    if (!description || description->owner != recovery_owner(recovery)) {
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

static void
recovery_suspect_tags(struct recovery *recovery, const struct wal_damage *damage)
{
    if (!recovery->tags) {
        recovery->tags = mem_alloc_array(TAG_WORDS, sizeof *recovery->tags);
    }
    for (size_t i = 0; i < damage->tag_count; i++) {
        uint16_t tag = damage->tags[i].tag;
        recovery->tags[tag / 64] |= (uint64_t)1 << tag % 64;
    }
    recovery->all_suspect |= !damage->complete;
}

/* Acknowledged records cannot be read: who may have lost something? */
static int
recovery_damaged(struct recovery *recovery)
{
    const struct wal_damage *damage = wal_damage(recovery->options->wal);
    LOG_ERROR("acknowledged wal records cannot be read",
            LOG_INT("first_sequence", damage->first_sequence),
            LOG_INT("records", damage->end_sequence - damage->first_sequence),
            LOG_INT("accepted", recovery->options->accept_loss));
    if (recovery->options->accept_loss) {
        return 0;
    }
    recovery_suspect_tags(recovery, damage);
    LIST_FOREACH (link, &recovery->partitions) {
        struct recovered *p = CONTAINER_OF(link, struct recovered, link);
        p->suspect |= recovery_suspects(recovery, p->key);
    }
    return 0;
}

/* A record that does not begin where the partition ends. */
static void
recovery_hole(struct recovery *recovery, struct recovered *p, const struct wal_payload *payload)
{
    char id[UUID_TEXT_SIZE];
    if (p->hole) {
        return;
    }
    LOG_ERROR("acknowledged records are missing",
            LOG_STR("topic_id", uuid_format(&p->key.topic_id, id)),
            LOG_INT("partition", p->key.index), LOG_INT("from_offset", p->end_offset),
            LOG_INT("to_offset", payload->base_offset),
            LOG_INT("accepted", recovery->options->accept_loss));
    p->hole = !recovery->options->accept_loss;
}

static int
recovery_take(struct recovery *recovery, struct recovered *p, const struct wal_payload *payload)
{
    struct buf *copy = buf_of_bytes(payload->batches);
    slices_append(&p->slices, copy, buf_bytes(copy));
    buf_unref(copy);
    record_claims_replay(&p->producers, payload->batches);
    p->end_offset = payload->end_offset;
    recovery->bytes += payload->batches.size;
    recovery->result.records_committed++;
    return recovery->bytes >= recovery->options->object_size_max ? recovery_flush(recovery) : 0;
}

static void
recovery_tell(const struct recovery *recovery, bool done)
{
    const struct recover_options *options = recovery->options;
    const struct recover_progress progress = {
        .records = recovery->records,
        .bytes = recovery->bytes_seen,
        .of_bytes = wal_used(options->wal),
        .committed = recovery->result.records_committed,
        .objects = recovery->result.objects,
        .done = done,
    };
    if (options->progress) {
        options->progress(options->name, &progress);
    } else if (recovery->told_ns && !done) {
        LOG_INFO("recovering the write-ahead log", LOG_INT("records", progress.records),
                LOG_INT("bytes", progress.bytes), LOG_INT("of_bytes", progress.of_bytes),
                LOG_INT("committed", progress.committed), LOG_INT("objects", progress.objects));
    }
}

/* Minutes without a word look like a process that hangs. */
static void
recovery_count(struct recovery *recovery, size_t size)
{
    uint64_t now_ns = clock_mono_ns();
    recovery->records++;
    recovery->bytes_seen += size;
    if (now_ns - recovery->told_ns >= TELL_NS) {
        recovery_tell(recovery, false);
        recovery->told_ns = now_ns;
    }
}

/* wal_replay_fn */
static int
recovery_record(void *arg, uint64_t sequence, struct bytes bytes, bool damaged)
{
    struct recovery *recovery = arg;
    struct wal_payload payload;
    struct recovered *p;
    recovery_count(recovery, bytes.size);
    if (damaged) {
        return recovery_damaged(recovery);
    }
    int r = wal_payload_decode(bytes, &payload);
    if (r < 0) {
        return fault_note(r, "wal record %llu", (unsigned long long)sequence);
    }
    r = recovery_find(recovery, &payload, &p);
    if (r < 0) {
        return r;
    }
    if (p->skip || payload.end_offset <= p->end_offset || MUTANT(MUTANT_RECOVER_NOTHING)) {
        /* What is committed up to here had all before it. */
        p->suspect = false;
        recovery->result.records_skipped++;
        return 0;
    }
    if (payload.base_offset != p->end_offset) {
        recovery_hole(recovery, p, &payload);
    }
    if (p->hole) {
        recovery->result.records_held++;
        return 0;
    }
    p->suspect = false;
    return recovery_take(recovery, p, &payload);
}

static void
recovery_quarantine(struct recovery *recovery, struct partition_key key)
{
    char id[UUID_TEXT_SIZE];
    const struct meta_topic *topic =
            meta_topic_by_id(meta_state(recovery->options->meta), &key.topic_id);
    MARK("recovery: a partition is quarantined");
    LOG_ERROR("partition is quarantined: restore the volume, or start with "
              "wal.recovery.accept.loss=true to go on without what cannot be read",
            LOG_STR("topic", topic ? topic->name : uuid_format(&key.topic_id, id)),
            LOG_INT("partition", key.index));
    quarantine_add(recovery->options->quarantine, key);
    recovery->result.quarantined_partitions++;
}

/* Q14: those with records in the wal, then those that should perhaps have some. */
static void
recovery_judge(struct recovery *recovery)
{
    const struct meta_state *state = meta_state(recovery->options->meta);
    int32_t id = recovery_owner(recovery);
    LIST_FOREACH (link, &recovery->partitions) {
        struct recovered *p = CONTAINER_OF(link, struct recovered, link);
        if (!p->skip && (p->hole || p->suspect)) {
            recovery_quarantine(recovery, p->key);
        }
    }
    if (!recovery->tags) {
        return;
    }
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            struct partition_key key = t->partitions[i].key;
            uint64_t hash = recovered_hash(key);
            if (t->partitions[i].owner == id && recovery_suspects(recovery, key) &&
                    !map_find(&recovery->by_key, hash, recovered_has_key, &key)) {
                recovery_quarantine(recovery, key);
            }
        }
    }
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
    mem_free(recovery->tags);
}

void
recover_result_add(struct recover_result *sum, const struct recover_result *result)
{
    sum->wal.records += result->wal.records;
    sum->wal.bytes += result->wal.bytes;
    sum->wal.torn_bytes += result->wal.torn_bytes;
    sum->wal.damaged_records += result->wal.damaged_records;
    sum->records_committed += result->records_committed;
    sum->records_skipped += result->records_skipped;
    sum->records_held += result->records_held;
    sum->objects += result->objects;
    sum->quarantined_partitions += result->quarantined_partitions;
}

int
wal_recover(const struct recover_options *options, struct recover_result *ret_result)
{
    CLEANUP(recovery_done) struct recovery recovery = { .options = options };
    map_init(&recovery.by_key);
    list_init(&recovery.partitions);
    object_ids_init(&recovery.ids, options->meta);
    recovery_tell(&recovery, false);
    recovery.told_ns = clock_mono_ns();
    int r = wal_replay(options->wal, recovery_record, &recovery, &recovery.result.wal);
    if (r < 0) {
        return r;
    }
    r = recovery_flush(&recovery);
    if (r < 0) {
        return r;
    }
    crash_point("recover: all committed");
    recovery_judge(&recovery);
    recovery_tell(&recovery, true);
    r = recovery.result.quarantined_partitions ? 0 : wal_start(options->wal);
    if (r < 0) {
        return r;
    }
    *ret_result = recovery.result;
    return 0;
}
