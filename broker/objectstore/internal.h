#pragma once
/* What the stores of this room share. A store implements single tries; objectstore.c checks
 * arguments, repeats, hedges and counts. Private to the room (and to its tests). All functions are
 * called from fibers of any reactor at once.
 *
 * S5  A try of a conditional write is made once: no layer repeats it unless the store said that it
 * was not executed (wrong clock, expired credentials). Crash: the repetition of a committed create
 * answers "exists", and the writer would believe it lost the slot that it holds. */

#include "objectstore/objectstore.h"
#include "objectstore/url.h"

#include <stdatomic.h>

/* A try failed for a reason that may pass: repeat it when the operation allows that. */
#define OBJECT_AGAIN (-EAGAIN)

struct objectstore_ops {
    /* One try each. Results as in objectstore.h, and OBJECT_AGAIN. Keys and ranges are checked
     * already; a range's size is not 0. put never returns OBJECT_AGAIN for a conditional write. */
    MUST_CHECK int (*get)(struct objectstore *store, const char *key, struct object_range range,
            uint64_t deadline_ns, struct buf **ret_buf, struct object_info *ret_info);
    MUST_CHECK int (*head)(struct objectstore *store, const char *key, uint64_t deadline_ns,
            struct object_info *ret_info);
    MUST_CHECK int (*put)(
            struct objectstore *store, const struct object_put *put, struct object_etag *ret_etag);
    MUST_CHECK int (*delete)(struct objectstore *store, const char *key, uint64_t deadline_ns);
    /* At most OBJECT_DELETE_BATCH_MAX keys. */
    MUST_CHECK int (*delete_many)(
            struct objectstore *store, const char *const *keys, size_t count, uint64_t deadline_ns);
    MUST_CHECK int (*list)(struct objectstore *store, const char *prefix, const char *start_after,
            size_t max, uint64_t deadline_ns, struct object_list *ret_list);
    /* No try is under way. Frees the store. */
    void (*close)(struct objectstore *store);
};

#define OBJECT_DELETE_BATCH_MAX 1000
#define OBJECT_LIST_MAX 1000

/* Counters are shared between reactors, so they are atomic; relaxed, because nothing is decided by
 * them. */
struct object_counters {
    _Atomic uint64_t requests[OBJECT_OP_COUNT];
    _Atomic uint64_t errors[OBJECT_OP_COUNT];
    _Atomic uint64_t retries[OBJECT_OP_COUNT];
    _Atomic uint64_t hedges[OBJECT_OP_COUNT];
    _Atomic uint64_t undecided;
    _Atomic uint64_t bytes_in;
    _Atomic uint64_t bytes_out;
    _Atomic uint64_t latency_us_sum[OBJECT_OP_COUNT];
    _Atomic uint64_t latency_ms_buckets[OBJECT_OP_COUNT][OBJECT_LATENCY_BUCKETS];
};

/* The first member of every store. */
struct objectstore {
    const struct objectstore_ops *ops;
    char *url;
    struct object_counters counters;
    /* The server asked for that much patience (Retry-After); taken by the next pause. */
    _Atomic uint64_t patience_ns;
    _Atomic uint64_t calls_under_way;
    _Atomic(struct foreign_wait *) closer;
    struct object_hedge hedge;
};

/* Sets what the stores share. `url` is copied. */
void objectstore_init(
        struct objectstore *store, const struct objectstore_ops *ops, const char *url);
void objectstore_done(struct objectstore *store);

/* Opens anything but a faulty store. */
MUST_CHECK int objectstore_open_plain(struct object_url *url, struct objectstore **ret_store);
/* Opens a store of one scheme; takes its parameters from the URL. */
MUST_CHECK int memory_open(struct object_url *url, struct objectstore **ret_store);
MUST_CHECK int file_store_open(struct object_url *url, struct objectstore **ret_store);
MUST_CHECK int s3_open(struct object_url *url, struct objectstore **ret_store);
MUST_CHECK int faulty_open(struct object_url *url, struct objectstore **ret_store);

/* -EINVAL: the fault says what is wrong with the key. */
MUST_CHECK int object_key_check(const char *key);
/* As object_key_check, for the beginning of a key: may be empty or end anywhere. */
MUST_CHECK int object_prefix_check(const char *what, const char *prefix);

/* Clips a range to an object of `size` bytes. -ERANGE. */
MUST_CHECK int object_range_clip(const char *key, struct object_range range, uint64_t size,
        uint64_t *ret_offset, uint64_t *ret_size);
bool object_range_is_whole(struct object_range range);
uint64_t object_put_size(const struct object_put *put);

/* Grows a list that starts zeroed; `max` entries at most. */
void object_list_add(
        struct object_list *list, size_t max, const char *key, uint64_t size, int64_t modified_ms);
