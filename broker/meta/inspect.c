/* A walk over meta/ in the bucket for people who want to know what is there: nothing is believed,
 * nothing is changed. */
#include "meta/inspect.h"

#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "meta/lease.h"
#include "meta/log_internal.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>

struct inspect {
    struct objectstore *objects;
    struct objlog *log; /* for keys and reading only */
    meta_inspect_fn fn;
    void *arg;
    struct strbuf line;
    struct arena arena;
    uint8_t previous_hash[OBJLOG_HASH_SIZE];
    uint64_t previous_sequence; /* 0: no readable object before */
};

static int
say(struct inspect *inspect)
{
    int r = inspect->fn(inspect->arg, strbuf_cstring(&inspect->line));
    strbuf_clear(&inspect->line);
    return r < 0 ? r : 0;
}

static int
say_failed(struct inspect *inspect, const char *key, int error)
{
    strbuf_clear(&inspect->line);
    strbuf_printf(&inspect->line, "%s state=%s error=\"%s\"", key,
            error == -ENOENT ? "missing" : "damaged", log_fault_text(error));
    return say(inspect);
}

static int
inspect_lease(struct inspect *inspect)
{
    struct lease_content lease;
    struct object_etag etag;
    int r = lease_read(inspect->objects, META_LEASE_KEY, &lease, &etag);
    if (r) {
        return r == -ECANCELED ? r : say_failed(inspect, META_LEASE_KEY, r);
    }
    char cluster[UUID_TEXT_SIZE];
    char holder[UUID_TEXT_SIZE];
    strbuf_printf(&inspect->line,
            "%s cluster=%s holder=%s broker=%d epoch=%lld duration_ms=%llu state=%s",
            META_LEASE_KEY, uuid_format(&lease.cluster_id, cluster),
            uuid_format(&lease.holder, holder), lease.broker_id, (long long)lease.epoch,
            (unsigned long long)(lease.duration_ns / NS_PER_MS),
            lease.purging    ? "purging"
            : lease.released ? "released"
                             : "held");
    return say(inspect);
}

static int
inspect_floor(struct inspect *inspect)
{
    uint64_t floor;
    int r = objlog_get_floor(inspect->log, &floor);
    if (r) {
        return r == -ECANCELED ? r : say_failed(inspect, META_PREFIX "/floor", r);
    }
    strbuf_printf(&inspect->line, "%s/floor sequence=%llu", META_PREFIX, (unsigned long long)floor);
    return say(inspect);
}

static int
inspect_snapshot(struct inspect *inspect, const char *key)
{
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    struct objlog_snapshot snapshot;
    struct bytes bytes;
    struct meta_state *state;
    int r = objlog_get(inspect->log, key,
            OBJLOG_SNAPSHOT_HEADER_SIZE + META_SNAPSHOT_SIZE_MAX + OBJLOG_TRAILER_SIZE, &object,
            NULL);
    if (r == 0) {
        r = objlog_snapshot_decode(buf_bytes(object), key, &snapshot, &bytes);
    }
    if (r == 0) {
        r = meta_state_decode(bytes, &state);
    }
    if (r) {
        return r == -ECANCELED ? r : say_failed(inspect, key, r);
    }
    strbuf_printf(&inspect->line,
            "%s state=valid size=%zu topics=%zu partitions=%zu garbage=%zu dead_manifests=%zu "
            "next_object=%016llx",
            key, object->size, meta_topic_count(state), meta_partition_count(state),
            meta_garbage_list(state, NULL, 0), meta_dead_manifest_list(state, NULL, 0),
            (unsigned long long)meta_state_next_object_id(state));
    meta_state_free(state);
    return say(inspect);
}

static int
inspect_records(struct inspect *inspect, uint64_t sequence, struct bytes payload)
{
    uint32_t count = payload.size >= 4 ? load_be32(payload.data) : 0;
    struct bytes rest =
            payload.size >= 4 ? bytes_of(payload.data + 4, payload.size - 4) : BYTES_NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct meta_record record;
        size_t size;
        arena_reset(&inspect->arena);
        int r = meta_record_decode(rest, &inspect->arena, &record, &size);
        strbuf_printf(&inspect->line, "  %llu.%u ", (unsigned long long)sequence, i);
        if (r) {
            strbuf_printf(&inspect->line, "state=damaged error=\"%s\"", log_fault_text(r));
            return say(inspect);
        }
        meta_record_describe(&record, &inspect->line);
        r = say(inspect);
        if (r) {
            return r;
        }
        rest = bytes_of(rest.data + size, rest.size - size);
    }
    return 0;
}

/* How the object stands to the one before it. */
static const char *
chain_state(const struct inspect *inspect, uint64_t sequence, const struct objlog_header *header)
{
    if (header->sequence != sequence) {
        return "misplaced";
    }
    if (inspect->previous_sequence == 0) {
        return "valid";
    }
    if (inspect->previous_sequence + 1 != sequence) {
        return "after-gap";
    }
    bool follows = memcmp(header->previous_hash, inspect->previous_hash, OBJLOG_HASH_SIZE) == 0;
    return follows ? "valid" : "broken-chain";
}

static int
inspect_object(struct inspect *inspect, const char *key)
{
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    struct objlog_header header;
    struct bytes payload;
    uint64_t sequence = 0;
    int r = objlog_key_sequence(key, &sequence);
    if (r) {
        return say_failed(inspect, key, fault(r, "not the name of a log object"));
    }
    r = objlog_get(inspect->log, key,
            OBJLOG_HEADER_SIZE + OBJLOG_PAYLOAD_SIZE_MAX + OBJLOG_TRAILER_SIZE, &object, NULL);
    if (r == 0) {
        r = objlog_object_decode(buf_bytes(object), key, &header, &payload);
    }
    if (r) {
        inspect->previous_sequence = 0;
        return r == -ECANCELED ? r : say_failed(inspect, key, r);
    }
    char writer[UUID_TEXT_SIZE];
    strbuf_printf(&inspect->line, "%s state=%s epoch=%lld writer=%s size=%zu", key,
            chain_state(inspect, sequence, &header), (long long)header.epoch,
            uuid_format(&header.writer, writer), object->size);
    objlog_object_hash(buf_bytes(object), inspect->previous_hash);
    inspect->previous_sequence = sequence;
    r = say(inspect);
    return r ? r : inspect_records(inspect, sequence, payload);
}

/* Calls `one` for each key under meta/<kind>/. */
static int
inspect_all(struct inspect *inspect, const char *prefix,
        int (*one)(struct inspect *inspect, const char *key))
{
    char after[OBJECT_KEY_SIZE_MAX + 1] = "";
    bool more = true;
    while (more) {
        struct object_list list;
        int r = objectstore_list(
                inspect->objects, prefix, after, 1000, clock_mono_ns() + OBJLOG_REQUEST_NS, &list);
        if (r) {
            return r;
        }
        for (size_t i = 0; i < list.count && r == 0; i++) {
            r = one(inspect, list.entries[i].key);
        }
        more = list.more && list.count > 0;
        if (more) {
            memcpy(after, list.entries[list.count - 1].key, sizeof after);
        }
        object_list_done(&list);
        if (r) {
            return r;
        }
    }
    return 0;
}

static int
inspect_walk(struct inspect *inspect)
{
    int r = inspect_lease(inspect);
    if (r) {
        return r;
    }
    r = inspect_floor(inspect);
    if (r) {
        return r;
    }
    r = inspect_all(inspect, META_PREFIX "/snapshot/", inspect_snapshot);
    return r ? r : inspect_all(inspect, META_PREFIX "/log/", inspect_object);
}

int
meta_inspect(struct objectstore *objects, meta_inspect_fn fn, void *arg)
{
    struct inspect inspect = { .objects = objects, .fn = fn, .arg = arg };
    const struct objlog_options options = { .objects = objects, .prefix = META_PREFIX };
    int r = objlog_new(&options, &inspect.log);
    if (r) {
        return r;
    }
    /* A name or a value may be as long as a record, and be written as \xNN. */
    strbuf_init(&inspect.line, 8 * META_RECORD_SIZE_MAX);
    arena_init(&inspect.arena, META_ARENA_SIZE);
    r = inspect_walk(&inspect);
    arena_done(&inspect.arena);
    strbuf_done(&inspect.line);
    objlog_free(inspect.log);
    return r;
}
