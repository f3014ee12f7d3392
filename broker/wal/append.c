/* Taking a place in line: an append gets its sequence and position and is copied into the group
 * that gathers. */
#include "base/check.h"
#include "base/copy.h"
#include "base/crc.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/pages.h"
#include "reactor/clock.h"
#include "wal/objects_internal.h"

#include <errno.h>
#include <string.h>

/* Where in the caller's parts the copying stands. */
struct source {
    const struct iovec *parts;
    size_t count;
    size_t index;
    size_t offset;
};

/* A group never crosses a segment's end, and data begin behind the segment's header. */
static uint64_t
group_begin(uint64_t tail, uint64_t segment_size)
{
    return tail % segment_size == 0 ? tail + WAL_BLOCK : tail;
}

static size_t
group_limit(uint64_t position, uint64_t segment_size, size_t group_size)
{
    return (size_t)MIN((uint64_t)group_size, segment_size - position % segment_size);
}

uint64_t
wal_tail(const struct wal *wal)
{
    const struct wal_group *group = wal->gathering;
    return group ? group->position + wal_round_up(group->used, WAL_BLOCK) : wal->tail;
}

uint64_t
wal_segment_payload(uint64_t segment_size, size_t group_size)
{
    uint64_t payload = 0;
    for (uint64_t at = WAL_BLOCK; at < segment_size;) {
        size_t limit = group_limit(at, segment_size, group_size);
        payload += limit - WAL_FRAME_HEADER;
        at += limit;
    }
    return payload;
}

/* Where the log would end with this record in it, and how many new groups that takes; the same
 * steps as record_put. */
static uint64_t
append_plan(const struct wal *wal, uint64_t total, size_t *ret_groups)
{
    const struct wal_group *group = wal->gathering;
    *ret_groups = 0;
    if (group && wal_frame_size(total) <= group->limit - group->used) {
        return group->position + wal_round_up(group->used + wal_frame_size(total), WAL_BLOCK);
    }
    uint64_t tail = wal_tail(wal);
    uint64_t left = total;
    do {
        tail = group_begin(tail, wal->segment_size);
        uint64_t room = group_limit(tail, wal->segment_size, wal->group_size) - WAL_FRAME_HEADER;
        uint64_t take = MIN(left, room);
        left -= take;
        tail += wal_round_up(wal_frame_size(take), WAL_BLOCK);
        *ret_groups += 1;
    } while (left > 0);
    return tail;
}

/* W5 and the limits on what is under way. */
static bool
append_fits(struct wal *wal, uint64_t total)
{
    if (wal->objects) {
        return wal_objects_fit(wal, total);
    }
    size_t groups;
    uint64_t end = append_plan(wal, total, &groups);
    if (wal_segment_of(wal, end - 1) >= wal->first_segment + wal->segments_max) {
        MARK("wal: full, append waits");
        return false;
    }
    if (wal->pending >= WAL_WAITERS_MAX) {
        MARK("wal: too many appends under way");
        return false;
    }
    /* A record larger than the limit goes alone. */
    if (wal->queued_bytes > 0 && wal->queued_bytes + total > WAL_QUEUE_SIZE_MAX) {
        MARK("wal: queue full, append waits");
        return false;
    }
    return true;
}

static struct wal_group *
group_new(struct wal *wal)
{
    struct wal_group *group = mem_alloc(sizeof *group);
    group->data = pages_try_alloc(wal->group_size);
    if (!group->data) {
        mem_free(group);
        return NULL;
    }
    return group;
}

void
wal_group_free(struct wal *wal, struct wal_group *group)
{
    if (wal->cached_count < WAL_GROUPS_CACHED_MAX && !wal->error && !wal->closing) {
        list_push_front(&wal->cached, &group->link);
        wal->cached_count++;
        return;
    }
    mem_free(group->data);
    mem_free(group);
}

/* So that copying a record never stops in the middle. */
MUST_CHECK static int
groups_reserve(struct wal *wal, size_t count)
{
    while (wal->cached_count < count) {
        struct wal_group *group = group_new(wal);
        if (!group) {
            return fault(-ENOMEM, "wal: no memory for a group of %zu bytes", wal->group_size);
        }
        list_push_back(&wal->cached, &group->link);
        wal->cached_count++;
    }
    return 0;
}

static void
group_open(struct wal *wal)
{
    struct wal_group *group = CONTAINER_OF(list_pop_front(&wal->cached), struct wal_group, link);
    wal->cached_count--;
    uint8_t *data = group->data;
    *group = (struct wal_group){ .data = data };
    list_init(&group->link);
    list_init(&group->appends);
    group->position = group_begin(wal->tail, wal->segment_size);
    group->limit = group_limit(group->position, wal->segment_size, wal->group_size);
    wal->gathering = group;
}

void
wal_group_close(struct wal *wal)
{
    struct wal_group *group = wal->gathering;
    size_t padded = (size_t)wal_round_up(group->used, WAL_BLOCK);
    memset(group->data + group->used, 0, padded - group->used);
    wal->queued_bytes += padded - group->used;
    group->used = padded;
    wal->tail = group->position + padded;
    wal->gathering = NULL;
    list_push_back(&wal->ready, &group->link);
}

static void
source_copy(struct source *source, uint8_t *to, size_t size)
{
    while (size > 0) {
        CHECK(source->index < source->count);
        const struct iovec *part = &source->parts[source->index];
        size_t take = MIN(size, part->iov_len - source->offset);
        if (take > 0) {
            bytes_copy_out(to, (const uint8_t *)part->iov_base + source->offset, take);
        }
        to += take;
        size -= take;
        source->offset += take;
        if (source->offset == part->iov_len) {
            source->index++;
            source->offset = 0;
        }
    }
}

static void
frame_put(struct wal *wal, struct source *source, struct wal_frame *frame,
        const struct wal_known *known)
{
    struct wal_group *group = wal->gathering;
    uint8_t *header = group->data + group->used;
    uint8_t *body = header + WAL_FRAME_HEADER;
    size_t size = (size_t)wal_frame_size(frame->body_size);
    frame->position = group->position + group->used;
    source_copy(source, body, frame->body_size);
    /* Over the copy: were the caller's bytes to change meanwhile, the record would still be whole.
     */
    frame->body_crc = known->has_crc && frame->body_size == frame->total_size
                              ? known->crc
                              : crc32c(bytes_of(body, frame->body_size));
    wal_frame_encode(frame, header);
    memset(body + frame->body_size, 0, size - WAL_FRAME_HEADER - frame->body_size);
    group->used += size;
    wal->queued_bytes += size;
    struct wal_segment *segment = wal_segment_at(wal, wal_segment_of(wal, frame->position));
    if (segment->index != wal_segment_of(wal, frame->position)) {
        CHECK(!segment->file);
        *segment = (struct wal_segment){ .index = wal_segment_of(wal, frame->position) };
    }
    segment->last_sequence = frame->sequence;
}

/* Never waits: order of calls is order of sequences and positions. */
static void
record_put(struct wal *wal, struct source *source, uint32_t total, struct wal_append *append,
        const struct wal_known *known)
{
    if (wal->gathering && wal_frame_size(total) > wal->gathering->limit - wal->gathering->used) {
        wal_group_close(wal);
    }
    struct wal_frame frame = {
        .wal_id = wal->identity.wal_id,
        .incarnation = wal->incarnation,
        .sequence = append->sequence,
        .total_size = total,
        .tag = known->tag,
        .previous_tag = wal->previous_tag,
    };
    wal->previous_tag = known->tag;
    for (;;) {
        if (!wal->gathering) {
            group_open(wal);
        }
        size_t room = wal->gathering->limit - wal->gathering->used - WAL_FRAME_HEADER;
        frame.body_size = (uint32_t)MIN((size_t)(total - frame.body_offset), room);
        frame_put(wal, source, &frame, known);
        frame.body_offset += frame.body_size;
        if (frame.body_offset == total) {
            break;
        }
        MARK("wal: record split");
        wal_group_close(wal);
    }
    struct wal_group *group = wal->gathering;
    group->last_complete = append->sequence;
    group->records++;
    group->payload += total;
    append->end_position = group->position + group->used;
    list_push_back(&group->appends, &append->link);
}

/* Waits behind others that wait, then for room. Holds wal->line on success. */
MUST_CHECK MAY_SUSPEND static int
room_wait(struct wal *wal, uint64_t total)
{
    int r = mutex_lock(&wal->line);
    if (r < 0) {
        return fault(r, "wal: cancelled before its turn");
    }
    while (!wal->error && !wal->closing && !append_fits(wal, total)) {
        r = wait_queue_wait(&wal->room, DEADLINE_NONE);
        if (r < 0) {
            mutex_unlock(&wal->line);
            return fault(r, "wal: cancelled while the wal was full");
        }
    }
    return 0;
}

MUST_CHECK static int
append_check(const struct wal *wal, uint64_t total)
{
    if (wal->error) {
        return wal_broken_fault(wal);
    }
    if (wal->phase != WAL_STARTED || wal->closing) {
        return fault(-ECANCELED, "wal: %s: not open for appends", wal->folder);
    }
    if (total > wal->record_size_max) {
        return fault(-EMSGSIZE, "wal: record of %llu bytes, at most %llu",
                (unsigned long long)total, (unsigned long long)wal->record_size_max);
    }
    return 0;
}

MUST_CHECK static int
append_put(struct wal *wal, const struct iovec *parts, size_t part_count, uint64_t total,
        struct wal_append *append, const struct wal_known *known)
{
    if (wal->objects) {
        return wal_objects_put(wal, parts, part_count, total, append, known);
    }
    size_t groups;
    uint64_t end = append_plan(wal, total, &groups);
    int r = groups_reserve(wal, groups);
    if (r < 0) {
        return r;
    }
    *append = (struct wal_append){ .sequence = wal->next_sequence++,
        .begun_ns = clock_mono_coarse_ns() };
    list_init(&append->link);
    wait_queue_init(&append->waiter);
    uint64_t segment_before = wal_segment_of(wal, wal_tail(wal) - 1);
    struct source source = { .parts = parts, .count = part_count };
    record_put(wal, &source, (uint32_t)total, append, known);
    CHECK(wal_tail(wal) == end);
    wal->pending++;
    if (!list_is_empty(&wal->ready) || wal_gathering_may_go(wal)) {
        wait_queue_wake_one(&wal->work);
    }
    if (wal_segment_of(wal, end - 1) != segment_before) {
        wal_keeper_poke(wal);
    }
    return 0;
}

int
wal_append_begin(
        struct wal *wal, const struct iovec *parts, size_t part_count, struct wal_append *append)
{
    return wal_append_known(wal, &(struct wal_known){ 0 }, parts, part_count, append);
}

int
wal_append_known(struct wal *wal, const struct wal_known *known, const struct iovec *parts,
        size_t part_count, struct wal_append *append)
{
    uint64_t total = 0;
    for (size_t i = 0; i < part_count; i++) {
        total += MIN((uint64_t)parts[i].iov_len, (uint64_t)WAL_RECORD_SIZE_MAX + 1);
    }
    int r = append_check(wal, total);
    if (r < 0) {
        return r;
    }
    if (!semaphore_try_acquire(&wal->line.semaphore, 1)) {
        wal->stats.full_waits++;
        r = room_wait(wal, total);
    } else if (!append_fits(wal, total)) {
        wal->stats.full_waits++;
        mutex_unlock(&wal->line);
        r = room_wait(wal, total);
    }
    if (r < 0) {
        return r;
    }
    r = append_check(wal, total);
    if (r == 0) {
        r = append_put(wal, parts, part_count, total, append, known);
    }
    mutex_unlock(&wal->line);
    return r;
}

int
wal_wait(struct wal *wal, struct wal_append *append)
{
    while (!append->done) {
        int r = wait_queue_wait(&append->waiter, DEADLINE_NONE);
        if (r < 0 && !append->done) {
            /* Cancelled: every ordinary wait ends at once from now on, and the group still holds
             * `append`. */
            MARK("wal: cancelled append waits on");
            struct foreign_wait late;
            foreign_wait_init(&late);
            append->late_waiter = &late;
            r = foreign_wait_for(&late);
            (void)r;
        }
    }
    return append->result < 0 ? wal_broken_fault(wal) : 0;
}

void
wal_trim(struct wal *wal, uint64_t sequence)
{
    if (wal->phase != WAL_STARTED) {
        return;
    }
    sequence = MIN(sequence, wal->durable_sequence + 1);
    if (sequence <= wal->trim_sequence) {
        return;
    }
    wal->trim_sequence = sequence;
    if (wal->objects) {
        wal_objects_trim(wal);
        return;
    }
    wal_keeper_poke(wal);
}
