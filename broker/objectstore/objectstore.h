#pragma once
/* One interface to the object store: S3 (objectstore/s3.h), a local folder (file.h), memory
 * (memory.h) and a wrapper that injects faults (faulty.h).
 *
 * Entered from store/ and meta/.
 *
 * S1  A conditional write has three outcomes: 0 = the object is ours; -EEXIST or -ENOENT = the
 *     condition did not hold when the store decided (but see S2); OBJECT_UNDECIDED = nobody knows:
 *     it may have landed, or may land later. A time-out, a reset, 409, 500 and 503 are all
 *     undecided. It is never reported as success or as failure.
 *
 * S2  -EEXIST may be the echo of our own write whose answer was lost on the way (transports repeat
 *     requests): who needs to know reads the object back and compares its own nonce. Nothing is
 *     ever deleted because of an unknown outcome.
 *
 * S3  Bytes that arrive differ never silently from what was stored as far as the transport can
 *     tell: a short or long body, or a checksum that does not fit, is -EIO.
 *
 * S4  Unconditional writes of the same bytes are idempotent; they are repeated inside, with jitter,
 *     until the deadline.
 *
 * Limits: OBJECT_KEY_SIZE_MAX, OBJECT_SIZE_MAX. Keys: segments of [A-Za-z0-9._-] and single '/', at
 * most 255 bytes a segment, and never an object at a prefix of another object's path (file systems
 * and some servers refuse that). */

#include "base/attr.h"
#include "base/buf.h"
#include "base/limits.h"
#include "reactor/fiber.h"

#include <sys/uio.h>

struct objectstore;

/* The write may or may not have happened, or may still happen. */
#define OBJECT_UNDECIDED (-EINPROGRESS)

#define OBJECT_ETAG_SIZE 96

/* A version of one object. Equal bytes may have equal tags (S3 uses the content's MD5), so bodies
 * that are compared and swapped must differ: they carry a nonce. */
struct object_etag {
    char text[OBJECT_ETAG_SIZE];
};

struct object_info {
    uint64_t size; /* of the whole object, also for a range */
    struct object_etag etag;
    int64_t modified_ms; /* the store's wall clock: for people, never for decisions */
};

struct object_range {
    uint64_t offset;
    uint64_t size; /* UINT64_MAX: to the end */
};
#define OBJECT_WHOLE ((struct object_range){ 0, UINT64_MAX })
/* The last n bytes; the whole object when it is shorter. */
#define OBJECT_TAIL(n) ((struct object_range){ UINT64_MAX, (n) })

enum object_condition {
    OBJECT_ALWAYS,  /* unconditional */
    OBJECT_CREATE,  /* only when there is no such object (If-None-Match: *) */
    OBJECT_REPLACE, /* only when the object has that etag (If-Match) */
};

/* Opens what the URL names:
 *   s3://BUCKET[/PREFIX]?endpoint=URL&region=R&path_style=true|false&ca_file=PATH
 *       &checksum=sha256|crc32c|none
 *   file:///ABSOLUTE/FOLDER[?sync=true|false]
 *   memory://NAME              (shared by name within the process: tests, the simulator)
 *   faulty+<one of these>      (with faults that tests set: faulty.h)
 * -EINVAL: the fault says which part is wrong. Does not touch the store yet. */
MUST_CHECK MAY_SUSPEND int objectstore_open(const char *url, struct objectstore **ret_store);
/* Waits for requests that are under way. Accepts NULL. */
MAY_SUSPEND void objectstore_close(struct objectstore *store);
/* The URL without secrets, for messages. */
const char *objectstore_url(const struct objectstore *store);

/* Reads a range. -ENOENT; -ERANGE: the offset is beyond the end; -ETIMEDOUT: the deadline passed
 * during retries; -EIO: the store answered nonsense; -EACCES. Retries inside until the deadline.
 * ret_info may be NULL. Returns an owned buf. The bytes that come back are exactly the part of the
 * range that exists. */
MUST_CHECK MAY_SUSPEND int objectstore_get(struct objectstore *store, const char *key,
        struct object_range range, uint64_t deadline_ns, struct buf **ret_buf,
        struct object_info *ret_info);
MUST_CHECK MAY_SUSPEND int objectstore_head(struct objectstore *store, const char *key,
        uint64_t deadline_ns, struct object_info *ret_info);

struct object_put {
    const char *key;
    const struct iovec *parts; /* borrowed until the call returns */
    size_t part_count;
    enum object_condition condition;
    struct object_etag etag; /* for OBJECT_REPLACE */
    uint64_t deadline_ns;
};
/* Writes an object, by multipart above the store's threshold. Unconditional: 0 or a failure after
 * retries (S4), where -ETIMEDOUT means that it may be there. Conditional: one try, S1. ret_etag may
 * be NULL. */
MUST_CHECK MAY_SUSPEND int objectstore_put(
        struct objectstore *store, const struct object_put *put, struct object_etag *ret_etag);

/* Removes; 0 also when there was none. Retries until the deadline. */
MUST_CHECK MAY_SUSPEND int objectstore_delete(
        struct objectstore *store, const char *key, uint64_t deadline_ns);
/* Removes many (batches of 1000). 0 only when all are gone. */
MUST_CHECK MAY_SUSPEND int objectstore_delete_many(
        struct objectstore *store, const char *const *keys, size_t count, uint64_t deadline_ns);

struct object_list_entry {
    char key[OBJECT_KEY_SIZE_MAX + 1];
    uint64_t size;
    int64_t modified_ms;
};
struct object_list {
    struct object_list_entry *entries; /* in byte order of keys */
    size_t count;
    bool more; /* list again after the last key */
};
/* Keys with `prefix` that come after `start_after` (NULL or "": from the first), at most max (1 to
 * 1000). */
MUST_CHECK MAY_SUSPEND int objectstore_list(struct objectstore *store, const char *prefix,
        const char *start_after, size_t max, uint64_t deadline_ns, struct object_list *ret_list);
void object_list_done(struct object_list *list);

/* Proves on throw-away keys under `prefix` that the store keeps what the metadata log needs: a
 * second create is refused, a write is read back, a list shows it, a stale etag is refused, a range
 * is exact. -ENOTSUP: the fault says which promise it broke; other errors: the store could not be
 * asked. */
MUST_CHECK MAY_SUSPEND int objectstore_probe(
        struct objectstore *store, const char *prefix, uint64_t deadline_ns);

/* Requests so far, for /metrics. Latencies are histograms by operation in stats.h. */
enum object_operation {
    OBJECT_OP_GET,
    OBJECT_OP_HEAD,
    OBJECT_OP_PUT,
    OBJECT_OP_DELETE,
    OBJECT_OP_LIST,
    OBJECT_OP_COUNT
};
#define OBJECT_LATENCY_BUCKETS 16
struct object_stats {
    uint64_t requests[OBJECT_OP_COUNT];
    uint64_t errors[OBJECT_OP_COUNT];
    uint64_t retries[OBJECT_OP_COUNT];
    uint64_t hedges[OBJECT_OP_COUNT];
    uint64_t undecided;
    uint64_t bytes_in;  /* read from the store */
    uint64_t bytes_out; /* written to it */
    uint64_t latency_us_sum[OBJECT_OP_COUNT];
    /* counts of requests that took at most 1 ms << i; the last bucket has the rest */
    uint64_t latency_ms_buckets[OBJECT_OP_COUNT][OBJECT_LATENCY_BUCKETS];
};
void objectstore_stats_get(const struct objectstore *store, struct object_stats *ret_stats);

/* Hedging: a GET or unconditional PUT that takes longer than the 99th percentile so far is made a
 * second time, and the first answer counts; the other try is aborted. Off by default. Never for
 * conditional writes (S1). */
struct object_hedge {
    bool get;
    bool put;
    unsigned percent_max;  /* most second tries, in percent of requests */
    uint64_t delay_ns_min; /* never hedge earlier than this */
    uint64_t samples_min;  /* nor before that many requests were measured */
};
/* Call before the first request. */
void objectstore_hedge_set(struct objectstore *store, const struct object_hedge *hedge);
