/* Reading the object log: in order, checked against the chain of hashes, many objects ahead when a
 * listing has shown where the tail is. */
#include "meta/log.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "meta/log_internal.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <stdio.h>

#define BACK_OFF_NS (20 * (uint64_t)NS_PER_MS)
#define BACK_OFF_MAX_NS (2 * (uint64_t)NS_PER_S)
#define BACK_OFF_SAY 8 /* tries before people are told, and again each so many */

int
objlog_new(const struct objlog_options *options, struct objlog **ret_log)
{
    if (!options->prefix || !*options->prefix ||
            strlen(options->prefix) > OBJECT_KEY_SIZE_MAX - 64) {
        return fault(-EINVAL, "meta: the prefix of a log is empty or too long");
    }
    struct objlog *log = mem_alloc(sizeof *log);
    log->objects = options->objects;
    log->prefix = mem_strdup(options->prefix);
    log->log_id = options->log_id;
    log->writer = options->writer;
    log->epoch = options->epoch;
    log->mutants = options->mutants;
    log->next = 1;
    log->hash_known = true;
    *ret_log = log;
    return 0;
}

static void
window_clear(struct objlog *log)
{
    for (size_t i = log->window_at; i < log->window_count; i++) {
        log->window[i] = buf_unref(log->window[i]);
    }
    log->window_count = 0;
    log->window_at = 0;
}

void
objlog_free(struct objlog *log)
{
    if (log) {
        window_clear(log);
        buf_unref(log->written);
        mem_free(log->prefix);
        mem_free(log);
    }
}

char *
objlog_key(const struct objlog *log, const char *kind, uint64_t sequence,
        char out[OBJECT_KEY_SIZE_MAX + 1])
{
    /* Twenty digits: the order of keys is the order of sequences. */
    snprintf(out, OBJECT_KEY_SIZE_MAX + 1, "%s/%s/%020llu", log->prefix, kind,
            (unsigned long long)sequence);
    return out;
}

int
objlog_key_sequence(const char *key, uint64_t *ret_sequence)
{
    const char *digits = strrchr(key, '/');
    if (!digits || strlen(digits + 1) != 20) {
        return -EINVAL;
    }
    uint64_t sequence = 0;
    for (const char *p = digits + 1; *p; p++) {
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(sequence, 10u, &sequence) ||
                __builtin_add_overflow(sequence, (uint64_t)(*p - '0'), &sequence)) {
            return -EINVAL;
        }
    }
    *ret_sequence = sequence;
    return 0;
}

int
objlog_back_off(unsigned *tries, const char *what, int error)
{
    uint64_t wait_ns = BACK_OFF_NS << MIN(*tries, 7u);
    wait_ns = MIN(wait_ns, BACK_OFF_MAX_NS);
    (*tries)++;
    if (*tries % BACK_OFF_SAY == 0) {
        LOG_INFO("the metadata log waits for the object store", LOG_STR("for", what),
                LOG_INT("tries", *tries), LOG_FAULT(error));
    }
    return fiber_sleep_ns(wait_ns / 2 + random_below(wait_ns));
}

int
objlog_get(struct objlog *log, const char *key, size_t size_max, struct buf **ret_object,
        struct object_info *ret_info)
{
    struct object_info info;
    struct buf *object;
    /* One byte more than may be there: a huge object is noticed without being read. */
    int r = objectstore_get(log->objects, key, (struct object_range){ 0, size_max + 1 },
            clock_mono_ns() + OBJLOG_REQUEST_NS, &object, &info);
    if (r) {
        return r;
    }
    if (object->size > size_max) {
        buf_unref(object);
        return fault(
                -EBADMSG, "meta: %s: %llu bytes are too many", key, (unsigned long long)info.size);
    }
    *ret_object = object;
    if (ret_info) {
        *ret_info = info;
    }
    return 0;
}

struct window_get {
    struct objlog *log;
    size_t index;
};

static int
window_get_one(void *arg)
{
    const struct window_get *get = arg;
    struct objlog *log = get->log;
    char key[OBJECT_KEY_SIZE_MAX + 1];
    objlog_key(log, "log", log->window_first + get->index, key);
    int r = objlog_get(log, key, OBJLOG_HEADER_SIZE + OBJLOG_PAYLOAD_SIZE_MAX + OBJLOG_TRAILER_SIZE,
            &log->window[get->index], NULL);
    return r == -ENOENT ? 0 : r;
}

/* Fetches the objects up to the known tail, as many as the window holds; at least the next one. */
static int
window_fill(struct objlog *log)
{
    window_clear(log);
    uint64_t ahead = log->tail >= log->next ? log->tail - log->next + 1 : 1;
    size_t count = (size_t)MIN(ahead, (uint64_t)OBJLOG_WINDOW);
    struct window_get gets[OBJLOG_WINDOW];
    struct fiber_group group;
    log->window_first = log->next;
    memset(log->window, 0, sizeof log->window);
    fiber_group_init(&group);
    for (size_t i = 1; i < count; i++) {
        gets[i] = (struct window_get){ log, i };
        fiber_group_spawn(&group, "meta read ahead", window_get_one, &gets[i]);
    }
    gets[0] = (struct window_get){ log, 0 };
    int first = window_get_one(&gets[0]);
    int r = fiber_group_wait(&group);
    log->window_count = count;
    if (first || r) {
        window_clear(log);
        return first ? first : r;
    }
    return 0;
}

/* The next object, or NULL when there is none. */
static int
window_take(struct objlog *log, struct buf **ret_object)
{
    if (log->window_at == log->window_count) {
        int r = window_fill(log);
        if (r) {
            return r;
        }
    }
    CHECK(log->window_first + log->window_at == log->next);
    *ret_object = TAKE_PTR(log->window[log->window_at]);
    log->window_at++;
    if (!*ret_object) {
        window_clear(log); /* what lies behind a hole is read again, later */
    }
    return 0;
}

/* The object is the one that must follow what was read so far. */
static int
entry_check(struct objlog *log, const char *key, const struct objlog_header *header)
{
    if (!uuid_is_zero(&log->log_id) && !uuid_equal(&log->log_id, &header->log_id)) {
        char ours[UUID_TEXT_SIZE];
        char theirs[UUID_TEXT_SIZE];
        return fault(-EMEDIUMTYPE, "meta: %s belongs to cluster %s, not to %s", key,
                uuid_format(&header->log_id, theirs), uuid_format(&log->log_id, ours));
    }
    if (header->sequence != log->next) {
        return fault(-EBADMSG, "meta: %s says that it is object %llu", key,
                (unsigned long long)header->sequence);
    }
    if (log->hash_known &&
            memcmp(header->previous_hash, log->previous_hash, OBJLOG_HASH_SIZE) != 0) {
        return fault(
                -EBADMSG, "meta: %s does not follow the object before it: the hash differs", key);
    }
    if (header->epoch < log->last_epoch) {
        return fault(-EBADMSG, "meta: %s is of epoch %lld behind epoch %lld", key,
                (long long)header->epoch, (long long)log->last_epoch);
    }
    return 0;
}

/* Nothing in the next slot: the end, unless the floor has passed us or a listing showed objects
 * behind it. */
static int
read_nothing(struct objlog *log)
{
    if (log->tail <= log->next) {
        return -ENOENT;
    }
    uint64_t floor;
    int r = objlog_get_floor(log, &floor);
    if (r) {
        return r;
    }
    if (floor >= log->next) {
        return fault(-ESTALE, "meta: object %llu is below the floor %llu",
                (unsigned long long)log->next, (unsigned long long)floor);
    }
    return fault(-EBADMSG, "meta: %s/log: object %llu is missing, but %llu is there", log->prefix,
            (unsigned long long)log->next, (unsigned long long)log->tail);
}

/* The chain does not fit. Below the floor that may be because we have read what a stalled writer
 * left there. */
static int
read_refused(struct objlog *log, const char *key, const struct objlog_header *header)
{
    window_clear(log);
    uint64_t floor;
    if (objlog_get_floor(log, &floor) || floor < (log->first_read ? log->first_read : log->next)) {
        return entry_check(log, key, header); /* once more, for its fault */
    }
    MARK("objlog: a chain that breaks below the floor");
    return fault(
            -ESTALE, "meta: the floor %llu has passed what was read", (unsigned long long)floor);
}

/* The object follows what was read so far: takes it. */
static struct objlog_entry
entry_accept(struct objlog *log, const struct objlog_header *header, struct bytes payload,
        struct buf *owner)
{
    objlog_object_hash(buf_bytes(owner), log->previous_hash);
    log->hash_known = true;
    log->log_id = header->log_id;
    log->last_epoch = header->epoch;
    log->next++;
    return (struct objlog_entry){ .sequence = header->sequence,
        .epoch = header->epoch,
        .writer = header->writer,
        .payload = payload,
        .owner = owner };
}

int
objlog_read_next(struct objlog *log, struct objlog_entry *ret_entry)
{
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    int r = window_take(log, &object);
    if (r) {
        return r;
    }
    if (!object) {
        return read_nothing(log);
    }
    char key[OBJECT_KEY_SIZE_MAX + 1];
    struct objlog_header header;
    struct bytes payload;
    objlog_key(log, "log", log->next, key);
    r = objlog_object_decode(buf_bytes(object), key, &header, &payload);
    if (r) {
        return r;
    }
    r = entry_check(log, key, &header);
    if (r) {
        return read_refused(log, key, &header);
    }
    log->first_read = log->first_read ? log->first_read : log->next;
    *ret_entry = entry_accept(log, &header, payload, TAKE_PTR(object));
    return 0;
}

int
objlog_feed(struct objlog *log, struct buf *object, struct objlog_entry *ret_entry)
{
    static const char key[] = "an object that the controller sent";
    struct objlog_header header;
    struct bytes payload;
    int r = objlog_object_decode(buf_bytes(object), key, &header, &payload);
    if (r) {
        return r;
    }
    if (header.sequence != log->next) {
        return header.sequence < log->next ? -EALREADY : -ENODATA;
    }
    r = entry_check(log, key, &header);
    if (r) {
        return r;
    }
    window_clear(log);
    *ret_entry = entry_accept(log, &header, payload, buf_ref(object));
    return 0;
}

void
objlog_look_again(struct objlog *log)
{
    window_clear(log);
    log->tail = 0;
}

void
objlog_entry_done(struct objlog_entry *entry)
{
    entry->owner = buf_unref(entry->owner);
    entry->payload = BYTES_NULL;
}

int
objlog_find_tail(struct objlog *log, uint64_t *ret_sequence)
{
    char prefix[OBJECT_KEY_SIZE_MAX + 1];
    char after[OBJECT_KEY_SIZE_MAX + 1];
    snprintf(prefix, sizeof prefix, "%s/log/", log->prefix);
    objlog_key(log, "log", log->next - 1, after);
    bool more = true;
    uint64_t tail = log->next - 1;
    while (more) {
        struct object_list list;
        int r = objectstore_list(
                log->objects, prefix, after, 1000, clock_mono_ns() + OBJLOG_REQUEST_NS, &list);
        if (r) {
            return r;
        }
        for (size_t i = 0; i < list.count; i++) {
            if (objlog_key_sequence(list.entries[i].key, &tail) == 0) {
                memcpy(after, list.entries[i].key, sizeof after);
            }
        }
        more = list.more && list.count > 0;
        object_list_done(&list);
    }
    log->tail = MAX(log->tail, tail);
    *ret_sequence = tail;
    return 0;
}

int
objlog_confirm(struct objlog *log)
{
    uint64_t floor;
    int r = objlog_get_floor(log, &floor);
    if (r) {
        return r;
    }
    if (log->first_read && log->first_read <= floor) {
        MARK("objlog: read below the floor");
        return fault(-ESTALE, "meta: the floor %llu has passed object %llu that was read",
                (unsigned long long)floor, (unsigned long long)log->first_read);
    }
    if (log->next <= floor) {
        MARK("objlog: the end is below the floor");
        return fault(-ESTALE, "meta: the floor %llu has passed object %llu, which comes next",
                (unsigned long long)floor, (unsigned long long)log->next);
    }
    log->first_read = 0;
    return 0;
}

void
objlog_seek(struct objlog *log, const struct objlog_position *position)
{
    CHECK(position->next_sequence > 0);
    window_clear(log);
    log->next = position->next_sequence;
    log->first_read = 0;
    log->last_epoch = position->last_epoch;
    log->hash_known = position->hash_known;
    memcpy(log->previous_hash, position->previous_hash, OBJLOG_HASH_SIZE);
}

uint64_t
objlog_next_sequence(const struct objlog *log)
{
    return log->next;
}

struct bytes
objlog_previous_hash(const struct objlog *log)
{
    return bytes_of(log->previous_hash, OBJLOG_HASH_SIZE);
}

int64_t
objlog_last_epoch(const struct objlog *log)
{
    return log->last_epoch;
}

void
objlog_set_epoch(struct objlog *log, int64_t epoch)
{
    CHECK(epoch >= log->epoch);
    log->epoch = epoch;
}

struct uuid
objlog_id(const struct objlog *log)
{
    return log->log_id;
}

void
objlog_stats_get(const struct objlog *log, struct objlog_stats *ret_stats)
{
    *ret_stats = log->stats;
}
