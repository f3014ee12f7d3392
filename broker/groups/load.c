/* From the records of a partition to groups in memory. */
#include "base/fault.h"
#include "base/mutant.h"
#include "groups/call.h"
#include "wire/record_batch.h"

#include <errno.h>

#define LOAD_CHUNK_SIZE (1 * MIB)

static void
replay_gone(struct coordinator *c, const struct group_record_key *key)
{
    struct group *group = coordinator_group(c, key->group_id);
    if (group && key->kind == GROUP_RECORD_OFFSET) {
        group_remove_offset(group, key->topic, key->partition);
    } else if (group && list_is_empty(&group->members)) {
        coordinator_free_group(c, group);
    }
}

int
coordinator_replay(struct coordinator *c, const struct group_record *record)
{
    struct group_record_key key;
    int r = group_record_read_key(record->key, &key);
    if (r < 0 || key.kind == GROUP_RECORD_OTHER) {
        return r;
    }
    if (!record->value.data) {
        replay_gone(c, &key);
        return 0;
    }
    struct group_offset offset = { .topic = key.topic, .partition = key.partition };
    if (key.kind == GROUP_RECORD_OFFSET) {
        r = group_record_read_offset(record->value, &offset);
        if (r < 0) {
            return r;
        }
    }
    struct group *group = coordinator_group(c, key.group_id);
    group = group ? group : coordinator_new_group(c, key.group_id);
    if (key.kind == GROUP_RECORD_GROUP) {
        return group_record_read_group(record->value, group);
    }
    if (!MUTANT(MUTANT_FORGET_COMMITS)) {
        group_set_offset(group, &offset);
    }
    return 0;
}

static int
load_records(struct coordinator *c, const struct record_batch *batch, struct bytes records)
{
    struct record_iterator it;
    struct record record;
    int r;
    record_iterator_init(&it, batch, records);
    while ((r = record_iterator_next(&it, &record)) > 0) {
        struct group_record ours = { record.key, record.value };
        r = coordinator_replay(c, &ours);
        if (r < 0) {
            return fault_note(r, "record at offset %lld", (long long)record.offset);
        }
    }
    return r;
}

static int
load_batch(struct coordinator *c, const struct record_batch *batch)
{
    struct strbuf unpacked;
    int r = 0;
    if (record_batch_is_control(batch)) {
        return 0;
    }
    if (record_batch_compression(batch) == COMPRESSION_NONE) {
        return load_records(c, batch, batch->records);
    }
    strbuf_init(&unpacked, DECOMPRESSED_SIZE_MAX);
    r = decompress(record_batch_compression(batch), batch->records, 0, &unpacked);
    if (r == 0) {
        r = load_records(c, batch, strbuf_bytes(&unpacked));
    }
    strbuf_done(&unpacked);
    return r;
}

/* Applies what one read brought; moves the offset on. */
static int
load_slices(struct coordinator *c, const struct slices *slices, int64_t *offset)
{
    for (size_t i = 0; i < slices->count; i++) {
        struct bytes run = slices->items[i].bytes;
        struct record_batch batch;
        int r;
        while ((r = record_batch_next(&run, &batch)) > 0) {
            r = load_batch(c, &batch);
            if (r < 0) {
                return fault_note(r, GROUPS_TOPIC "-%d, batch at offset %lld", c->key.index,
                        (long long)batch.base_offset);
            }
            *offset = record_batch_last_offset(&batch) + 1;
        }
        if (r < 0) {
            return fault_note(
                    r, GROUPS_TOPIC "-%d after offset %lld", c->key.index, (long long)*offset);
        }
    }
    return 0;
}

/* The next chunk from `offset` on. 1: there was one; 0: the end. */
static int
load_chunk(struct coordinator *c, struct partition *partition, int64_t *offset)
{
    struct slices slices;
    slices_init(&slices);
    int r = partition_read(c->home->shard, partition, *offset, LOAD_CHUNK_SIZE, NULL, &slices);
    if (r == 0 && !c->closed) {
        r = load_slices(c, &slices, offset);
    }
    bool more = slices.count > 0;
    slices_done(&slices);
    return r < 0 ? r : more;
}

int
coordinator_load(struct coordinator *c)
{
    struct partition *partition = shard_find(c->home->shard, c->key);
    if (!partition) {
        return fault(-ENOENT, GROUPS_TOPIC "-%d is not open", c->key.index);
    }
    int64_t offset = partition_log_start(partition);
    int r;
    partition_hold(partition);
    do {
        r = load_chunk(c, partition, &offset);
        if (r >= 0 && c->closed) {
            r = -ECANCELED;
        }
        if (r > 0 && fiber_yield() < 0) {
            r = -ECANCELED;
        }
    } while (r > 0);
    partition_release(partition);
    return r;
}
