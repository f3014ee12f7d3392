/* The interface: checks what callers give, then lets call.c do it. */
#include "objectstore/objectstore.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "objectstore/call.h"
#include "reactor/call.h"

#include <errno.h>
#include <inttypes.h>

/* delete_many asks for that many batches one after the other at most. */
#define DELETE_KEYS_MAX ((size_t)10 * 1000 * 1000)

void
objectstore_init(struct objectstore *store, const struct objectstore_ops *ops, const char *url)
{
    store->ops = ops;
    store->url = mem_strdup(url);
    atomic_init(&store->calls_under_way, 1); /* the opener's; objectstore_close gives it back */
    atomic_init(&store->closer, NULL);
    store->hedge = (struct object_hedge){ 0 };
}

void
objectstore_done(struct objectstore *store)
{
    mem_free(store->url);
    store->url = NULL;
}

/* Second tries from the URL: for operators who measured that their store has a long tail. */
static int
take_hedge(struct object_url *url, struct object_hedge *ret_hedge)
{
    bool on = false;
    int r = object_url_take_bool(url, "hedge", false, &on);
    if (r == 0) {
        *ret_hedge = (struct object_hedge){ on, on, 5, 5 * (uint64_t)1000000, 100 };
    }
    return r;
}

int
objectstore_open_plain(struct object_url *url, struct objectstore **ret_store)
{
    static const struct {
        const char *scheme;
        int (*open)(struct object_url *url, struct objectstore **ret_store);
    } kinds[] = { { "s3", s3_open }, { "file", file_store_open }, { "memory", memory_open } };
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i].scheme, url->scheme) == 0) {
            return kinds[i].open(url, ret_store);
        }
    }
    return fault(-EINVAL, "object store URL %s: unknown scheme \"%s\" (known: s3, file, memory)",
            url->text, url->scheme);
}

int
objectstore_open(const char *url_text, struct objectstore **ret_store)
{
    CLEANUP(object_url_freep) struct object_url *url = NULL;
    struct object_hedge hedge = { 0 };
    int r = object_url_parse(url_text, &url);
    if (r == 0) {
        r = take_hedge(url, &hedge);
    }
    if (r < 0) {
        return r;
    }
    struct objectstore *store = NULL;
    if (strncmp(url->scheme, "faulty+", strlen("faulty+")) == 0) {
        r = faulty_open(url, &store);
    } else {
        r = objectstore_open_plain(url, &store);
    }
    if (r < 0) {
        return r;
    }
    objectstore_hedge_set(store, &hedge);
    *ret_store = store;
    return 0;
}

static void
call_begin(struct objectstore *store)
{
    atomic_fetch_add(&store->calls_under_way, 1);
}

static void
call_end(struct objectstore *store)
{
    if (atomic_fetch_sub(&store->calls_under_way, 1) == 1) {
        /* Only objectstore_close gives the first one back, so it is waiting. */
        foreign_wait_complete(atomic_load(&store->closer), 0);
    }
}

void
objectstore_close(struct objectstore *store)
{
    if (!store) {
        return;
    }
    struct foreign_wait wait;
    foreign_wait_init(&wait);
    atomic_store(&store->closer, &wait);
    if (atomic_fetch_sub(&store->calls_under_way, 1) != 1) {
        int r = foreign_wait_for(&wait);
        CHECK(r == 0);
    }
    store->ops->close(store);
}

const char *
objectstore_url(const struct objectstore *store)
{
    return store->url;
}

void
objectstore_hedge_set(struct objectstore *store, const struct object_hedge *hedge)
{
    store->hedge = *hedge;
}

static int
run(const struct object_call *call, struct object_result *ret_result)
{
    call_begin(call->store);
    int r = object_call_run(call, ret_result);
    call_end(call->store);
    return r;
}

int
objectstore_head(struct objectstore *store, const char *key, uint64_t deadline_ns,
        struct object_info *ret_info)
{
    int r = object_key_check(key);
    if (r < 0) {
        return r;
    }
    struct object_call call = { store, OBJECT_OP_HEAD, key, deadline_ns };
    struct object_result result;
    r = run(&call, &result);
    if (r == 0) {
        *ret_info = result.info;
    }
    return r;
}

/* No byte is wanted: ask only whether the range is one. */
static int
get_nothing(struct objectstore *store, const char *key, struct object_range range,
        uint64_t deadline_ns, struct object_result *ret_result)
{
    uint64_t offset = 0;
    uint64_t size = 0;
    int r = objectstore_head(store, key, deadline_ns, &ret_result->info);
    if (r == 0) {
        r = object_range_clip(key, range, ret_result->info.size, &offset, &size);
    }
    if (r == 0) {
        ret_result->buf = buf_new(1);
    }
    return r;
}

int
objectstore_get(struct objectstore *store, const char *key, struct object_range range,
        uint64_t deadline_ns, struct buf **ret_buf, struct object_info *ret_info)
{
    int r = object_key_check(key);
    if (r < 0) {
        return r;
    }
    struct object_call call = { store, OBJECT_OP_GET, key, deadline_ns, .range = range };
    struct object_result result = { 0 };
    r = range.size == 0 ? get_nothing(store, key, range, deadline_ns, &result)
                        : run(&call, &result);
    if (r < 0) {
        return r;
    }
    *ret_buf = result.buf;
    if (ret_info) {
        *ret_info = result.info;
    }
    return 0;
}

int
objectstore_put(
        struct objectstore *store, const struct object_put *put, struct object_etag *ret_etag)
{
    int r = object_key_check(put->key);
    if (r < 0) {
        return r;
    }
    if (object_put_size(put) > OBJECT_SIZE_MAX) {
        return fault(-EFBIG, "object store: %s would have %" PRIu64 " bytes, more than %zu",
                put->key, object_put_size(put), OBJECT_SIZE_MAX);
    }
    if (put->condition == OBJECT_REPLACE && put->etag.text[0] == 0) {
        return fault(-EINVAL, "object store: replace %s without the etag to replace", put->key);
    }
    struct object_call call = { store, OBJECT_OP_PUT, put->key, put->deadline_ns, .put = put };
    call.wants_etag = ret_etag != NULL;
    struct object_result result;
    r = run(&call, &result);
    if (r == 0 && ret_etag) {
        *ret_etag = result.etag;
    }
    return r;
}

int
objectstore_delete(struct objectstore *store, const char *key, uint64_t deadline_ns)
{
    int r = object_key_check(key);
    if (r < 0) {
        return r;
    }
    struct object_call call = { store, OBJECT_OP_DELETE, key, deadline_ns };
    struct object_result result;
    return run(&call, &result);
}

int
objectstore_delete_many(
        struct objectstore *store, const char *const *keys, size_t count, uint64_t deadline_ns)
{
    if (count > DELETE_KEYS_MAX) {
        return fault(-EINVAL, "object store: %zu keys in one delete_many", count);
    }
    for (size_t i = 0; i < count; i++) {
        int r = object_key_check(keys[i]);
        if (r < 0) {
            return r;
        }
    }
    for (size_t i = 0; i < count; i += OBJECT_DELETE_BATCH_MAX) {
        struct object_call call = { store, OBJECT_OP_DELETE, keys[i], deadline_ns };
        call.keys = keys + i;
        call.key_count = MIN(count - i, (size_t)OBJECT_DELETE_BATCH_MAX);
        struct object_result result;
        int r = run(&call, &result);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int
objectstore_list(struct objectstore *store, const char *prefix, const char *start_after, size_t max,
        uint64_t deadline_ns, struct object_list *ret_list)
{
    if (max == 0 || max > OBJECT_LIST_MAX) {
        return fault(-EINVAL, "object store: list of %zu keys; 1 to %d are possible", max,
                OBJECT_LIST_MAX);
    }
    start_after = start_after ? start_after : "";
    int r = object_prefix_check("prefix", prefix);
    if (r == 0) {
        r = object_prefix_check("start_after", start_after);
    }
    if (r < 0) {
        return r;
    }
    struct object_call call = { store, OBJECT_OP_LIST, prefix, deadline_ns };
    call.start_after = start_after;
    call.max = max;
    struct object_result result;
    r = run(&call, &result);
    if (r == 0) {
        *ret_list = result.list;
    }
    return r;
}

static uint64_t
load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void
objectstore_stats_get(const struct objectstore *store, struct object_stats *ret_stats)
{
    const struct object_counters *counters = &store->counters;
    for (unsigned i = 0; i < OBJECT_OP_COUNT; i++) {
        ret_stats->requests[i] = load(&counters->requests[i]);
        ret_stats->errors[i] = load(&counters->errors[i]);
        ret_stats->retries[i] = load(&counters->retries[i]);
        ret_stats->hedges[i] = load(&counters->hedges[i]);
        ret_stats->latency_us_sum[i] = load(&counters->latency_us_sum[i]);
        for (unsigned j = 0; j < OBJECT_LATENCY_BUCKETS; j++) {
            ret_stats->latency_ms_buckets[i][j] = load(&counters->latency_ms_buckets[i][j]);
        }
    }
    ret_stats->undecided = load(&counters->undecided);
    ret_stats->bytes_in = load(&counters->bytes_in);
    ret_stats->bytes_out = load(&counters->bytes_out);
}
