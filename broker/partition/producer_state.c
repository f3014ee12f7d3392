/* Sequence checks of idempotent producers and their checkpoint. */
#include "partition/producer_state.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>

#define CHECKPOINT_MAGIC 0x46505331u /* "FPS1" */
#define CHECKPOINT_HEADER_SIZE 12
#define PRODUCER_SIZE 22
#define BATCH_SIZE 32

void
producer_states_init(struct producer_states *states)
{
    map_init(&states->by_id);
    list_init(&states->by_use);
    states->changed = false;
}

static void
producer_forget(struct producer_states *states, struct producer *producer)
{
    map_remove(&states->by_id, &producer->node);
    list_remove(&producer->link);
    mem_free(producer);
    states->changed = true;
}

void
producer_states_done(struct producer_states *states)
{
    LIST_FOREACH_SAFE (link, &states->by_use) {
        producer_forget(states, CONTAINER_OF(link, struct producer, link));
    }
    map_done(&states->by_id);
}

static bool
producer_has_id(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, struct producer, node)->id == *(const int64_t *)key;
}

static struct producer *
producer_find(const struct producer_states *states, int64_t id)
{
    struct map_node *node = map_find(&states->by_id, hash_u64((uint64_t)id), producer_has_id, &id);
    return node ? CONTAINER_OF(node, struct producer, node) : NULL;
}

int32_t
producer_next_sequence(const struct producer_batch *last)
{
    /* Sequences wrap. */
    return !last || last->last_sequence == INT32_MAX ? 0 : last->last_sequence + 1;
}

enum producer_verdict
producer_states_check(const struct producer_states *states, const struct producer_claim *claim,
        const struct producer_batch **ret_batch)
{
    const struct producer *producer = producer_find(states, claim->id);
    if (!producer || producer->batch_count == 0) {
        /* KIP-360: state may have expired, so any sequence of an unknown producer is a start. */
        return PRODUCER_APPEND;
    }
    if (claim->epoch < producer->epoch) {
        return PRODUCER_STALE_EPOCH;
    }
    if (claim->epoch > producer->epoch) {
        *ret_batch = NULL;
        return claim->first_sequence == 0 ? PRODUCER_APPEND : PRODUCER_OUT_OF_ORDER;
    }
    for (int32_t i = 0; i < producer->batch_count; i++) {
        const struct producer_batch *batch = &producer->batches[i];
        if (batch->first_sequence == claim->first_sequence &&
                batch->last_sequence == claim->last_sequence) {
            *ret_batch = batch;
            return PRODUCER_DUPLICATE;
        }
    }
    *ret_batch = &producer->batches[producer->batch_count - 1];
    int32_t next = producer_next_sequence(*ret_batch);
    return claim->first_sequence == next ? PRODUCER_APPEND : PRODUCER_OUT_OF_ORDER;
}

static struct producer *
producer_add(struct producer_states *states, int64_t id)
{
    if (states->by_id.count >= PRODUCERS_PER_PARTITION_MAX) {
        struct producer *oldest = LIST_FIRST(&states->by_use, struct producer, link);
        CHECK(oldest);
        producer_forget(states, oldest);
    }
    struct producer *producer = mem_alloc(sizeof *producer);
    producer->id = id;
    map_insert(&states->by_id, &producer->node, hash_u64((uint64_t)id));
    list_push_back(&states->by_use, &producer->link);
    return producer;
}

void
producer_states_record(struct producer_states *states, const struct producer_claim *claim,
        int64_t base_offset, int64_t last_offset, int64_t timestamp)
{
    struct producer *producer = producer_find(states, claim->id);
    if (!producer) {
        producer = producer_add(states, claim->id);
    }
    if (producer->epoch != claim->epoch) {
        producer->epoch = claim->epoch;
        producer->batch_count = 0;
    }
    if (producer->batch_count == PRODUCER_BATCHES_KEPT) {
        memmove(producer->batches, producer->batches + 1,
                sizeof(struct producer_batch) * (PRODUCER_BATCHES_KEPT - 1));
        producer->batch_count--;
    }
    producer->batches[producer->batch_count++] = (struct producer_batch){
        claim->first_sequence,
        claim->last_sequence,
        base_offset,
        last_offset,
        timestamp,
    };
    producer->last_timestamp = timestamp;
    producer->silent_since_ms = 0;
    list_remove(&producer->link);
    list_push_back(&states->by_use, &producer->link);
    states->changed = true;
}

void
producer_states_expire(struct producer_states *states, int64_t now_ms, int64_t expiration_ms)
{
    LIST_FOREACH_SAFE (link, &states->by_use) {
        struct producer *producer = CONTAINER_OF(link, struct producer, link);
        if (producer->silent_since_ms == 0) {
            producer->silent_since_ms = now_ms;
        } else if (now_ms - producer->silent_since_ms >= expiration_ms) {
            producer_forget(states, producer);
        }
    }
}

/* Returns how many batches lie before end_offset and were written. */
static int32_t
producer_encode(const struct producer *producer, int64_t end_offset, struct strbuf *out)
{
    int32_t count = 0;
    while (count < producer->batch_count && producer->batches[count].base_offset < end_offset) {
        count++;
    }
    if (count == 0) {
        return 0;
    }
    uint8_t head[PRODUCER_SIZE];
    store_be64(head, (uint64_t)producer->id);
    store_be16(head + 8, (uint16_t)producer->epoch);
    store_be64(head + 10, (uint64_t)producer->batches[count - 1].timestamp);
    store_be32(head + 18, (uint32_t)count);
    strbuf_append(out, bytes_of(head, sizeof head));
    for (int32_t i = 0; i < count; i++) {
        const struct producer_batch *batch = &producer->batches[i];
        uint8_t b[BATCH_SIZE];
        store_be32(b, (uint32_t)batch->first_sequence);
        store_be32(b + 4, (uint32_t)batch->last_sequence);
        store_be64(b + 8, (uint64_t)batch->base_offset);
        store_be64(b + 16, (uint64_t)batch->last_offset);
        store_be64(b + 24, (uint64_t)batch->timestamp);
        strbuf_append(out, bytes_of(b, sizeof b));
    }
    return count;
}

void
producer_states_encode(struct producer_states *states, int64_t end_offset, struct strbuf *out)
{
    uint8_t head[CHECKPOINT_HEADER_SIZE] = { 0 };
    size_t start = out->size;
    uint32_t written = 0;
    strbuf_append(out, bytes_of(head, sizeof head));
    states->changed = false;
    LIST_FOREACH (link, &states->by_use) {
        const struct producer *producer = CONTAINER_OF(link, struct producer, link);
        int32_t count = producer_encode(producer, end_offset, out);
        written += count > 0;
        states->changed |= count < producer->batch_count;
    }
    if (!out->error) {
        struct bytes body =
                bytes_of(out->data + start + sizeof head, out->size - start - sizeof head);
        store_be32(out->data + start, CHECKPOINT_MAGIC);
        store_be32(out->data + start + 4, written);
        store_be32(out->data + start + 8, crc32c(body));
    }
}

/* Decodes one producer at *position; -EBADMSG when the bytes end early or make no sense. */
static int
producer_decode(struct producer_states *states, struct bytes bytes, size_t *position)
{
    if (bytes.size - *position < PRODUCER_SIZE) {
        return fault(-EBADMSG, "producer checkpoint ends at byte %zu", *position);
    }
    const uint8_t *p = bytes.data + *position;
    int64_t id = (int64_t)load_be64(p);
    uint32_t count = load_be32(p + 18);
    *position += PRODUCER_SIZE;
    if (count > PRODUCER_BATCHES_KEPT || bytes.size - *position < count * BATCH_SIZE ||
            producer_find(states, id)) {
        return fault(-EBADMSG, "producer checkpoint: bad entry of producer %lld", (long long)id);
    }
    struct producer *producer = producer_add(states, id);
    producer->epoch = (int16_t)load_be16(p + 8);
    producer->last_timestamp = (int64_t)load_be64(p + 10);
    producer->batch_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *b = bytes.data + *position;
        producer->batches[i] = (struct producer_batch){
            (int32_t)load_be32(b),
            (int32_t)load_be32(b + 4),
            (int64_t)load_be64(b + 8),
            (int64_t)load_be64(b + 16),
            (int64_t)load_be64(b + 24),
        };
        *position += BATCH_SIZE;
    }
    return 0;
}

int
producer_states_decode(struct producer_states *states, struct bytes bytes)
{
    producer_states_done(states);
    producer_states_init(states);
    if (bytes.size < CHECKPOINT_HEADER_SIZE || load_be32(bytes.data) != CHECKPOINT_MAGIC) {
        return fault(-EBADMSG, "producer checkpoint of %zu bytes has no magic", bytes.size);
    }
    struct bytes body =
            bytes_of(bytes.data + CHECKPOINT_HEADER_SIZE, bytes.size - CHECKPOINT_HEADER_SIZE);
    uint32_t count = load_be32(bytes.data + 4);
    if (load_be32(bytes.data + 8) != crc32c(body) || count > PRODUCERS_PER_PARTITION_MAX) {
        return fault(-EBADMSG, "producer checkpoint of %zu bytes is damaged", bytes.size);
    }
    size_t position = 0;
    for (uint32_t i = 0; i < count; i++) {
        int r = producer_decode(states, body, &position);
        if (r < 0) {
            return r;
        }
    }
    states->changed = false;
    return position == body.size ? 0
                                 : fault(-EBADMSG, "producer checkpoint has bytes behind its end");
}
