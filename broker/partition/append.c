/* Appending to one partition: validate, judge the producer, assign offsets, take the place in the
 * WAL; then wait for it. */
#include "base/check.h"
#include "base/crc.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "partition/recode.h"
#include "partition/record_claim.h"
#include "partition/shard_internal.h"
#include "partition/wal_payload.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"

#include <errno.h>

/* For how long after a refusal, or a change of the leader, what was under way behind it may still
 * come. */
#define REFUSED_NS (30 * (uint64_t)NS_PER_S)
#define FIRST_EPOCH 1 /* nobody led before */

static int
refuse(struct partition_append *append, int error, const char *text)
{
    append->error = error;
    append->error_text = text;
    return error;
}

/* record_batch_validate's errors in our words. */
static int
refuse_invalid(struct partition_append *append, int r)
{
    switch (r) {
    case -EBADMSG:
        return refuse(append, APPEND_CORRUPT,
                "The record batch is damaged: its size or CRC does not fit.");
    case -EPROTONOSUPPORT:
        return refuse(append, APPEND_INVALID_RECORD,
                "Produce takes record batches of magic version 2 only.");
    case -EMSGSIZE:
        return refuse(
                append, APPEND_TOO_LARGE, "The record batch is larger than max.message.bytes.");
    case -E2BIG:
        return refuse(append, APPEND_TOO_LARGE, "The record batch decompresses to too many bytes.");
    case -ETIME:
        return refuse(append, APPEND_INVALID_TIMESTAMP,
                "A record's timestamp is out of the topic's range.");
    case -EOPNOTSUPP:
        return refuse(
                append, APPEND_UNSUPPORTED_COMPRESSION, "The compression type is not supported.");
    default:
        return refuse(append, APPEND_INVALID_RECORD, "A record of the batch is not valid.");
    }
}

/* The batch was refused for one of its records: looks for all of them, so that the producer drops
 * these alone and sends the others again (KIP-467). */
static void
find_rejected(struct partition_append *append, const struct record_batch_limits *limits)
{
    struct record_batch_limits all = *limits;
    struct record_batch_info info;
    CLEANUP(mem_freep) int32_t *indexes = mem_alloc_array(RECORD_ERRORS_MAX, sizeof *indexes);
    struct record_rejects rejects = { .indexes = indexes, .max = RECORD_ERRORS_MAX };
    all.rejects = &rejects;
    int r = record_batch_validate(bytes_of(append->batches, append->size), &all, &info);
    if (rejects.count == 0 || rejects.count > rejects.max || info.error_index >= 0) {
        return;
    }
    append->rejected_count = rejects.count;
    append->rejected = mem_dup(indexes, rejects.count * sizeof *indexes);
    if (r == -EINVAL) {
        append->error_text = "A compacted topic takes no records without a key.";
    }
}

static int
append_validate(struct partition_append *append, const struct partition *partition,
        struct record_batch_info *info)
{
    const struct topic_limits *topic = &partition->limits;
    struct record_batch_limits limits = {
        .batch_size_max = append->internal ? FRAME_SIZE_MAX : (size_t)topic->message_bytes_max,
        .now_ms = clock_wall_ms(),
        .before_max_ms = topic->timestamp_before_max_ms,
        .after_max_ms = topic->timestamp_after_max_ms,
        .log_append_time = topic->log_append_time,
        .key_required = topic->compacted,
        .zstd_allowed = !append->zstd_refused,
        .from_client = !append->internal,
    };
    int r = record_batch_validate(bytes_of(append->batches, append->size), &limits, info);
    if (r < 0) {
        refuse_invalid(append, r);
        if (info->error_index >= 0 && (r == -EINVAL || r == -ETIME)) {
            find_rejected(append, &limits);
        }
        return r;
    }
    if (!append->internal && record_batch_is_transactional(&info->batch)) {
        return refuse(append, APPEND_NO_TRANSACTION,
                "The batch is transactional, but its producer has no transaction here.");
    }
    if (topic->log_append_time) {
        append->log_append_time_ms = limits.now_ms;
        record_batch_set_max_timestamp(append->batches, append->size, true, limits.now_ms);
        info->max_timestamp = limits.now_ms;
    } else if (info->max_timestamp != info->batch.max_timestamp) {
        record_batch_set_max_timestamp(append->batches, append->size, false, info->max_timestamp);
    }
    return 0;
}

/* compression.type: the batch as the topic wants it. */
static int
append_recode(struct partition_append *append, const struct partition *partition,
        struct record_batch_info *info)
{
    int wanted = partition->limits.compression;
    if (append->internal || wanted < 0 || record_batch_is_control(&info->batch) ||
            record_batch_compression(&info->batch) == (enum compression)wanted) {
        return 0;
    }
    /* The header as it is now: append_validate may have changed timestamps. */
    int r = record_batch_read(bytes_of(append->batches, append->size), &info->batch);
    if (r == 0) {
        r = batch_recode(&info->batch, (enum compression)wanted, &append->recoded);
    }
    if (r == 0) {
        append->batches = append->recoded->data;
        append->size = append->recoded->size;
        r = record_batch_read(buf_bytes(append->recoded), &info->batch);
    }
    if (r == -E2BIG || (r == 0 && append->size > (size_t)partition->limits.message_bytes_max)) {
        MARK("append: too large in the topic's codec");
        return refuse(append, APPEND_TOO_LARGE,
                "The record batch is larger than max.message.bytes in the topic's codec.");
    }
    return r;
}

/* The place of the partition's last refusal; another one's may be there. */
static struct refusal *
refusal_of(struct shard *shard, struct partition_key key)
{
    return &shard->refusals[partition_hash(key) % ARRAY_SIZE(shard->refusals)];
}

/* The batch is not for us, or not now. */
static int
refuse_as_not_leader(struct shard *shard, struct partition_append *append)
{
    *refusal_of(shard, append->key) = (struct refusal){ append->key, clock_mono_ns() };
    return refuse(append, APPEND_NOT_LEADER, NULL);
}

/* A producer has several requests under way. When the first is refused for want of a lease, of the
 * partition or because of a move, and we may append again a moment later, the next one leaves a gap
 * that is nobody's fault: told so, librdkafka begins a new epoch and sends all that has no answer
 * yet a second time, to all partitions. So it hears what the first one heard, and tries both again
 * in order. */
static bool
is_behind_a_refusal(struct shard *shard, struct partition_key key)
{
    const struct refusal *refusal = refusal_of(shard, key);
    return refusal->at_ns && refusal->key.index == key.index &&
           uuid_equal(&refusal->key.topic_id, &key.topic_id) &&
           clock_mono_ns() - refusal->at_ns < REFUSED_NS;
}

/* The first of them may also have gone to the leader before us, and end with its connection while
 * the next one is here already. librdkafka 2.0 gives up for good when that one hears of a gap. */
static bool
is_behind_a_move(const struct partition *partition)
{
    return partition->epoch > FIRST_EPOCH && clock_mono_ns() - partition->opened_ns < REFUSED_NS;
}

/* 0: append; 1: a duplicate, offsets are set; > 1 would be an enum append_error in append->error.
 */
static int
append_judge(struct partition_append *append, struct partition *partition,
        const struct record_batch *batch)
{
    const struct producer_batch *old;
    struct producer_claim claim = record_claim_of(batch);
    switch (producer_states_check(&partition->producers, &claim, &old)) {
    case PRODUCER_APPEND:
        if (MUTANT(MUTANT_INVENT_GAPS) && clock_mono_ns() / NS_PER_MS % 64 == 17) {
            refuse(append, APPEND_OUT_OF_ORDER_SEQUENCE, "A planted fault.");
            return 1;
        }
        return 0;
    case PRODUCER_DUPLICATE:
        MARK("append: duplicate batch");
        append->base_offset = old->base_offset;
        append->end_offset = old->last_offset + 1;
        partition->shard->stats.duplicate_batches++;
        return 1;
    case PRODUCER_STALE_EPOCH:
        refuse(append, APPEND_STALE_PRODUCER_EPOCH,
                "The producer's epoch is older than one seen before.");
        return 1;
    case PRODUCER_OUT_OF_ORDER:
    default:
        if (is_behind_a_refusal(partition->shard, partition->key)) {
            MARK("append: a gap behind a refusal");
            refuse(append, APPEND_NOT_LEADER, NULL);
            return 1;
        }
        if (is_behind_a_move(partition)) {
            MARK("append: a gap behind a move");
            refuse(append, APPEND_NOT_LEADER, NULL);
            return 1;
        }
        refuse(append, APPEND_OUT_OF_ORDER_SEQUENCE, "The batch's sequence number leaves a gap.");
        append->gap = (struct append_gap){ claim.id, claim.epoch, claim.first_sequence,
            producer_next_sequence(old) };
        return 1;
    }
}

/* Control batches have a producer and no sequence: coordinators write them, each once. */
static bool
has_sequence(const struct record_batch_info *info)
{
    return record_batch_has_producer(&info->batch) && !record_batch_is_control(&info->batch);
}

/* The batch's CRC fits, and only what is before it was changed since. */
static struct wal_known
wal_known_of(struct partition_key key, struct bytes header, struct bytes batch)
{
    uint32_t crc = record_batch_crc_of_all(batch);
    return (struct wal_known){
        .tag = wal_payload_tag(key),
        .has_crc = true,
        .crc = crc32c_combine(crc32c(header), crc, (uint32_t)batch.size),
    };
}

/* Takes the place in line. Under the append lock (Q1). */
static int
append_place(
        struct shard *shard, struct partition_append *append, const struct record_batch_info *info)
{
    struct partition *partition = append->partition;
    int64_t base = partition->tail.end_offset;
    int64_t end = base + info->batch.last_offset_delta + 1;
    uint8_t header[WAL_PAYLOAD_HEADER_SIZE];
    struct bytes batches = bytes_of(append->batches, append->size);
    record_batch_set_base_offset(append->batches, base);
    record_batch_set_leader_epoch(append->batches, partition->epoch);
    struct wal_payload payload = { partition->key, partition->epoch, base, end, info->max_timestamp,
        batches };
    wal_payload_encode(&payload, header);
    struct iovec parts[2] = { { header, sizeof header }, { append->batches, append->size } };
    struct wal_known known = wal_known_of(partition->key, bytes_of(header, sizeof header), batches);
    int r = wal_append_known(
            shard->options.wal, &known, parts, ARRAY_SIZE(parts), &append->wal_append);
    if (r < 0) {
        return r;
    }
    append->in_wal = true;
    append->base_offset = base;
    append->end_offset = end;
    struct buf *owner = append->recoded ? append->recoded : append->owner;
    log_tail_append(
            &partition->tail, (struct slice){ owner, batches }, base, end, info->max_timestamp);
    if (has_sequence(info)) {
        struct producer_claim claim = record_claim_of(&info->batch);
        producer_states_record(&partition->producers, &claim, base, end - 1, info->max_timestamp);
    }
    shard_add_debt(shard, append->wal_append.sequence, partition, end);
    shard_mark_dirty(shard, partition);
    shard->stats.appended_batches++;
    shard->stats.appended_bytes += append->size;
    partition->in_bytes += append->size;
    return 0;
}

static int
wait_for_room(struct shard *shard)
{
    while (log_cache_is_full(&shard->cache) && !shard->stopping && !shard->giving_up) {
        MARK("append: waits for the upload");
        wait_queue_wake_all(&shard->upload_wanted);
        int r = wait_queue_wait(&shard->cache_room, DEADLINE_NONE);
        if (r < 0) {
            return r;
        }
    }
    return shard->stopping || shard->giving_up ? -ESHUTDOWN : 0;
}

/* The part under the lock. */
static int
append_locked(
        struct shard *shard, struct partition_append *append, const struct record_batch_info *info)
{
    int r = wait_for_room(shard);
    if (r < 0) {
        return r;
    }
    if (append->partition->closed) {
        return -ENOENT;
    }
    if (append->partition->moving) {
        return refuse_as_not_leader(shard, append);
    }
    if (has_sequence(info) && !MUTANT(MUTANT_NO_SEQUENCES) &&
            append_judge(append, append->partition, &info->batch)) {
        return 0;
    }
    return append_place(shard, append, info);
}

static int
append_begin(struct shard *shard, struct partition_append *append)
{
    struct record_batch_info info;
    struct partition *partition = shard_find(shard, append->key);
    if (!partition) {
        return refuse_as_not_leader(shard, append);
    }
    if (!append->internal && !meta_lease_is_valid(shard->options.meta)) {
        /* In the WAL its outcome would not be known (Q2), and here it is; coordinators look before.
         */
        MARK("append: refused without a valid lease");
        return refuse_as_not_leader(shard, append);
    }
    append->partition = partition;
    partition_hold(partition);
    append->log_start_offset = partition_log_start(partition);
    if (partition->quarantined) {
        return refuse(append, partition_check(partition),
                "Acknowledged records of the partition cannot be read: it is quarantined.");
    }
    if (UNLIKELY(partition->moving)) {
        int r = handover_wait(partition);
        if (r < 0) {
            return r;
        }
    }
    if (append_validate(append, partition, &info)) {
        return 0;
    }
    int r = append_recode(append, partition, &info);
    if (r > 0) {
        return 0;
    }
    if (r == 0 && record_batch_has_producer(&info.batch)) {
        r = partition_load_producers(shard, partition);
    }
    if (r == 0) {
        r = mutex_lock(&shard->append_lock);
    }
    if (r < 0) {
        return r;
    }
    r = append_locked(shard, append, &info);
    mutex_unlock(&shard->append_lock);
    return r;
}

void
partition_append_begin(struct shard *shard, struct partition_append *append)
{
    append->error = 0;
    append->error_text = NULL;
    append->base_offset = -1;
    append->end_offset = -1;
    append->log_append_time_ms = -1;
    append->log_start_offset = -1;
    append->partition = NULL;
    append->in_wal = false;
    append->recoded = NULL;
    int r = append_begin(shard, append);
    if (r < 0) {
        append->error = r;
    }
}

/* Waits until the high watermark covers a batch that was appended before by another request. */
static int
wait_durable(struct shard *shard, struct partition *partition, int64_t end_offset)
{
    while (partition->high_watermark < end_offset) {
        if (wal_error(shard->options.wal) < 0) {
            return -EIO;
        }
        if (partition->closed) {
            return -ENOENT;
        }
        int r = wait_queue_wait(&partition->durable, DEADLINE_NONE);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int
append_wait(struct shard *shard, struct partition_append *append)
{
    struct partition *partition = append->partition;
    int r;
    if (append->in_wal) {
        r = wal_wait(shard->options.wal, &append->wal_append);
        if (r < 0) {
            /* Whoever waits for this batch by its duplicate must look at the WAL's state. */
            wait_queue_wake_all(&partition->durable);
            return r;
        }
        crash_point("append: durable");
        partition_advance(partition, append->end_offset);
        shard_count_upload(shard, partition, (int64_t)append->size);
    } else {
        r = wait_durable(shard, partition, append->end_offset);
        if (r == -ENOENT) {
            append->error = APPEND_NOT_LEADER;
            return 0;
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Q2: the last look before the answer. A refusal is one too: what follows a batch of unknown
 * outcome looks like a gap, and a producer that hears of a gap begins a new epoch and sends the
 * batch a second time. */
static int
append_may_answer(const struct shard *shard, const struct partition *partition)
{
    int r = wal_error(shard->options.wal);
    if (r < 0) {
        MARK("append: no answer once the wal is broken");
        return fault(r, "%s-%d: the write-ahead log is broken", partition->topic_name,
                partition->key.index);
    }
    if (!meta_lease_is_valid(shard->options.meta)) {
        return fault(-ESTALE, "%s-%d: the broker's lease ran out before the answer",
                partition->topic_name, partition->key.index);
    }
    return 0;
}

static void
plant_answer(struct partition_append *append)
{
    if (MUTANT(MUTANT_ACK_OTHER_OFFSET) && append->base_offset % 8 == 5) {
        append->base_offset++;
    }
    if (MUTANT(MUTANT_REFUSE_APPENDED) && append->in_wal && append->base_offset % 8 == 5) {
        append->error = APPEND_NOT_LEADER;
    }
}

int
partition_append_wait(struct shard *shard, struct partition_append *append)
{
    int r = 0;
    if (append->error == 0) {
        r = append_wait(shard, append);
    }
    if (append->partition) {
        r = r == 0 ? append_may_answer(shard, append->partition) : r;
        if (r == 0 && append->error == 0) {
            plant_answer(append);
        }
        partition_release(append->partition);
        append->partition = NULL;
    }
    append->recoded = buf_unref(append->recoded);
    return r;
}
