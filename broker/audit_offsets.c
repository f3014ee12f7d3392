/* Each partition's offsets, from its log start to its end, must lie in objects without a hole, and
 * what a WAL holds must go on there. */
#include "audit.h"
#include "base/mem.h"
#include "partition/wal_payload.h"
#include "reactor/clock.h"
#include "wal/objects.h"
#include "wal/wal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_TIMEOUT_NS ((uint64_t)60 * NS_PER_S)

static void
run_add(struct audit *audit, const struct wal_payload *payload)
{
    if (audit->run_count == audit->run_capacity) {
        audit->run_capacity = MAX(audit->run_capacity * 2, (size_t)1024);
        audit->runs = mem_realloc(audit->runs, audit->run_capacity * sizeof *audit->runs);
    }
    audit->runs[audit->run_count++] =
            (struct audit_run){ payload->key, payload->base_offset, payload->end_offset };
}

static int
keep_run(void *arg, const struct wal_inspect_record *record)
{
    struct audit *audit = arg;
    struct wal_payload payload;
    if (strcmp(record->state, "damaged") == 0) {
        audit_finding(audit, "wal", "damaged");
        inspect_string(&audit->out, "segment", record->segment ? record->segment : "");
        inspect_unsigned(&audit->out, "position", record->file_position);
        return inspect_line_end(&audit->out);
    }
    if (strcmp(record->state, "valid") != 0 || record->record_offset != 0 ||
            wal_payload_decode(record->payload, &payload) < 0) {
        return 0;
    }
    run_add(audit, &payload);
    return 0;
}

/* One log of the bucket at a time, in order of slots. */
struct bucket_log {
    struct audit *audit;
    struct wal_object_log log;
    uint64_t next; /* slot */
    bool over;     /* behind a fence, or a slot that was never settled: nothing counts */
};

/* wal_objects_fn */
static int
keep_object(void *arg, const struct wal_objects_seen *seen)
{
    struct bucket_log *b = arg;
    const struct wal_object_log *log = &seen->header.log;
    if (strcmp(seen->state, "damaged") == 0 || strcmp(seen->state, "header damaged") == 0) {
        audit_finding(b->audit, "wal", seen->state);
        inspect_string(&b->audit->out, "key", seen->key);
        int r = inspect_line_end(&b->audit->out);
        if (r < 0 || seen->header.slot == 0) {
            return r;
        }
    }
    if (log->broker_id != b->log.broker_id || log->incarnation != b->log.incarnation ||
            log->index != b->log.index) {
        *b = (struct bucket_log){ b->audit, *log, 0, false };
    }
    bool gap = b->next && seen->header.slot != b->next && seen->header.trimmed < seen->header.slot;
    b->over = b->over || gap || strcmp(seen->state, "fence") == 0;
    b->next = seen->header.slot + 1;
    size_t at = 0;
    for (uint32_t i = 0; i < seen->header.record_count && !b->over; i++) {
        struct wal_object_record record;
        struct wal_payload payload;
        if (wal_object_record_next(seen->body, &at, &record) < 0) {
            break;
        }
        if (wal_payload_decode(record.payload, &payload) == 0) {
            run_add(b->audit, &payload);
        }
    }
    return 0;
}

static int
key_compare(const struct partition_key *a, const struct partition_key *b)
{
    int order = memcmp(&a->topic_id, &b->topic_id, sizeof a->topic_id);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

static int
run_compare(const void *left, const void *right)
{
    const struct audit_run *a = left;
    const struct audit_run *b = right;
    int order = key_compare(&a->key, &b->key);
    return order ? order : (a->base_offset > b->base_offset) - (a->base_offset < b->base_offset);
}

int
audit_read_wals(struct audit *audit)
{
    for (size_t i = 0; i < audit->wal_count; i++) {
        int r = wal_inspect(audit->wal_folders[i], keep_run, audit);
        if (r < 0) {
            return r;
        }
    }
    struct bucket_log b = { .audit = audit, .log = { .broker_id = -1 } };
    int r = wal_objects_inspect(audit->objects, keep_object, &b);
    if (r < 0) {
        return r;
    }
    if (audit->run_count) {
        qsort(audit->runs, audit->run_count, sizeof *audit->runs, run_compare);
    }
    return 0;
}

static int
hole(struct audit *audit, const struct meta_topic *topic, struct partition_key key,
        const char *where, int64_t from, int64_t to)
{
    audit_finding(audit, "partition", "hole");
    inspect_string(&audit->out, "topic", topic->name);
    inspect_partition(&audit->out, key);
    inspect_string(&audit->out, "where", where);
    inspect_number(&audit->out, "from_offset", from);
    inspect_number(&audit->out, "to_offset", to);
    return inspect_line_end(&audit->out);
}

/* A1: what the listing lacks may have been written behind it. */
static int
size_of(struct audit *audit, uint64_t id, uint64_t *ret_size)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    struct object_info info;
    const struct audit_object *object = audit_find(audit, id);
    if (object) {
        *ret_size = object->size;
        return 0;
    }
    int r = objectstore_head(
            audit->objects, store_object_key(id, key), clock_mono_ns() + HEAD_TIMEOUT_NS, &info);
    if (r == 0) {
        *ret_size = info.size;
    }
    return r;
}

static int
check_range(struct audit *audit, const struct meta_topic *topic, struct partition_key key,
        const struct store_range *range)
{
    uint64_t size = 0;
    audit->ranges++;
    int r = size_of(audit, range->object_id, &size);
    if (r < 0 && r != -ENOENT) {
        return r;
    }
    if (r == 0 && size >= range->position + range->size) {
        return 0;
    }
    audit_finding(audit, "range", r == -ENOENT ? "missing" : "short");
    inspect_string(&audit->out, "topic", topic->name);
    inspect_partition(&audit->out, key);
    inspect_number(&audit->out, "base_offset", range->base_offset);
    inspect_number(&audit->out, "end_offset", range->end_offset);
    inspect_unsigned(&audit->out, "object_id", range->object_id);
    inspect_unsigned(&audit->out, "object_size", size);
    return inspect_line_end(&audit->out);
}

/* `*next` is the offset that the ranges must go on at. */
static int
check_ranges(struct audit *audit, const struct meta_topic *topic, struct partition_key key,
        const struct store_range *ranges, size_t count, int64_t *next)
{
    for (size_t i = 0; i < count; i++) {
        int r = 0;
        if (ranges[i].base_offset > *next) {
            r = hole(audit, topic, key, "objects", *next, ranges[i].base_offset);
        }
        if (r == 0) {
            r = check_range(audit, topic, key, &ranges[i]);
        }
        if (r < 0) {
            return r;
        }
        *next = MAX(*next, ranges[i].end_offset);
    }
    return 0;
}

static int
check_manifest(struct audit *audit, const struct meta_topic *topic, const struct meta_partition *p,
        int64_t *next)
{
    struct manifest manifest;
    if (p->manifest_id == 0) {
        return 0;
    }
    int r = store_read_manifest(audit->store, p->key, p->manifest_id, &manifest);
    if (r == -ENOENT || r == -EBADMSG) {
        audit_finding(audit, "manifest", r == -ENOENT ? "missing" : "damaged");
        inspect_string(&audit->out, "topic", topic->name);
        inspect_partition(&audit->out, p->key);
        inspect_unsigned(&audit->out, "manifest_id", p->manifest_id);
        return inspect_line_end(&audit->out);
    }
    if (r < 0) {
        return r;
    }
    r = check_ranges(audit, topic, p->key, manifest.ranges, manifest.count, next);
    manifest_done(&manifest);
    return r;
}

/* What the WALs hold of the partition: committed already, or right behind it. */
static int
check_wal(struct audit *audit, const struct meta_topic *topic, const struct meta_partition *p)
{
    struct audit_run wanted = { .key = p->key, .base_offset = INT64_MIN };
    int64_t next = p->end_offset;
    size_t low = 0;
    size_t high = audit->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run_compare(&audit->runs[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < audit->run_count && key_compare(&audit->runs[low].key, &p->key) == 0; low++) {
        const struct audit_run *run = &audit->runs[low];
        if (run->base_offset > next) {
            int r = hole(audit, topic, p->key, "wal", next, run->base_offset);
            if (r < 0) {
                return r;
            }
        }
        next = MAX(next, run->end_offset);
    }
    return 0;
}

static int
check_partition(struct audit *audit, const struct meta_topic *topic, const struct meta_partition *p)
{
    int64_t next = p->log_start_offset;
    audit->partitions++;
    int r = check_manifest(audit, topic, p, &next);
    if (r == 0) {
        r = check_ranges(audit, topic, p->key, p->ranges, (size_t)p->range_count, &next);
    }
    if (r == 0 && next < p->end_offset) {
        r = hole(audit, topic, p->key, "objects", next, p->end_offset);
    }
    return r < 0 ? r : check_wal(audit, topic, p);
}

int
audit_offsets(struct audit *audit)
{
    const struct meta_state *state = audit->after;
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            int r = check_partition(audit, t, &t->partitions[i]);
            if (r < 0) {
                return r;
            }
            audit_progress(
                    audit, "partitions checked", audit->partitions, meta_partition_count(state));
        }
    }
    return 0;
}
