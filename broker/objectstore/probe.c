/* Asks a store to keep its promises on a throw-away key, before a cluster's metadata is trusted to
 * it. Some servers that call themselves compatible let several conditional writers win. */
#include "base/fault.h"
#include "base/mark.h"
#include "objectstore/call.h"
#include "objectstore/objectstore.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define BODY_SIZE 40

struct probe {
    struct objectstore *store;
    uint64_t deadline_ns;
    const char *prefix;
    char key[OBJECT_KEY_SIZE_MAX + 1];
    char first[BODY_SIZE + 1];
    char second[BODY_SIZE + 1];
    struct object_etag first_etag;
    struct object_etag second_etag;
};

static int
put(struct probe *probe, const char *body, enum object_condition condition,
        const struct object_etag *etag, struct object_etag *ret_etag)
{
    struct iovec part = { (void *)(uintptr_t)body, strlen(body) };
    struct object_put put = { probe->key, &part, 1, condition, .deadline_ns = probe->deadline_ns };
    if (etag) {
        put.etag = *etag;
    }
    return objectstore_put(probe->store, &put, ret_etag);
}

/* The store answered `r` where only `expected` keeps the promise. */
static int
expect(struct probe *probe, const char *promise, int r, int expected)
{
    if (r == expected) {
        return 0;
    }
    if (r < 0 && r != -EEXIST && r != -ENOENT && r != -ERANGE) {
        return fault_note(r, "store probe: cannot tell whether %s", promise);
    }
    return fault(-ENOTSUP,
            "store %s broke a promise that the metadata log needs: %s (got %d, not %d)",
            objectstore_url(probe->store), promise, r, expected);
}

static int
expect_body(
        struct probe *probe, const char *promise, struct object_range range, const char *expected)
{
    CLEANUP(buf_unrefp) struct buf *body = NULL;
    int r = objectstore_get(probe->store, probe->key, range, probe->deadline_ns, &body, NULL);
    r = expect(probe, promise, r, 0);
    if (r < 0) {
        return r;
    }
    if (!bytes_equal(buf_bytes(body), bytes_of_string(expected))) {
        return fault(-ENOTSUP,
                "store %s broke a promise that the metadata log needs: %s (other bytes)",
                objectstore_url(probe->store), promise);
    }
    return 0;
}

static int
expect_listed(struct probe *probe)
{
    struct object_list list = { 0 };
    int r = objectstore_list(probe->store, probe->key, NULL, 1, probe->deadline_ns, &list);
    r = expect(probe, "a list can be asked for", r, 0);
    if (r == 0 && (list.count != 1 || strcmp(list.entries[0].key, probe->key) != 0)) {
        r = fault(-ENOTSUP,
                "store %s broke a promise that the metadata log needs: "
                "a list shows what was just written",
                objectstore_url(probe->store));
    }
    object_list_done(&list);
    return r;
}

static int
probe_create(struct probe *probe)
{
    int r = put(probe, probe->first, OBJECT_REPLACE,
            &(struct object_etag){ "\"0123456789abcdef\"" }, NULL);
    r = expect(probe, "a missing object cannot be replaced", r, -ENOENT);
    if (r == 0) {
        r = put(probe, probe->first, OBJECT_CREATE, NULL, &probe->first_etag);
        r = expect(probe, "a new key can be created", r, 0);
    }
    if (r == 0) {
        r = put(probe, probe->second, OBJECT_CREATE, NULL, NULL);
        r = expect(probe, "a key is created once only", r, -EEXIST);
    }
    if (r == 0) {
        r = expect_body(probe, "a write is read back", OBJECT_WHOLE, probe->first);
    }
    return r == 0 ? expect_listed(probe) : r;
}

static int
probe_replace(struct probe *probe)
{
    int r = put(probe, probe->second, OBJECT_REPLACE, &probe->first_etag, &probe->second_etag);
    r = expect(probe, "an object with the right etag is replaced", r, 0);
    if (r == 0) {
        r = put(probe, probe->first, OBJECT_REPLACE, &probe->first_etag, NULL);
        r = expect(probe, "a stale etag is refused", r, -EEXIST);
    }
    if (r == 0) {
        r = expect_body(probe, "a replaced object is read back", OBJECT_WHOLE, probe->second);
    }
    if (r == 0) {
        char middle[8];
        snprintf(middle, sizeof middle, "%.5s", probe->second + 7);
        r = expect_body(probe, "a range is exact", (struct object_range){ 7, 5 }, middle);
    }
    return r;
}

static int
probe_delete(struct probe *probe)
{
    int r = objectstore_delete(probe->store, probe->key, probe->deadline_ns);
    r = expect(probe, "an object can be removed", r, 0);
    if (r == 0) {
        struct object_info info;
        r = objectstore_head(probe->store, probe->key, probe->deadline_ns, &info);
        r = expect(probe, "a removed object is gone", r, -ENOENT);
    }
    return r;
}

static int
probe_once(struct probe *probe)
{
    snprintf(probe->key, sizeof probe->key, "%sprobe-%016" PRIx64 "%016" PRIx64, probe->prefix,
            random_u64(), random_u64());
    snprintf(probe->first, sizeof probe->first, "first %016" PRIx64, random_u64());
    snprintf(probe->second, sizeof probe->second, "second %016" PRIx64, random_u64());
    int r = probe_create(probe);
    if (r == 0) {
        r = probe_replace(probe);
    }
    if (r == 0) {
        return probe_delete(probe);
    }
    /* Keeps the story of the first failure: the removal is a courtesy. */
    char story[400];
    snprintf(story, sizeof story, "%s", fault_text());
    int ignored = objectstore_delete(probe->store, probe->key, probe->deadline_ns);
    (void)ignored;
    return fault(r, "%s", story);
}

int
objectstore_probe(struct objectstore *store, const char *prefix, uint64_t deadline_ns)
{
    struct probe probe = { .store = store, .deadline_ns = deadline_ns, .prefix = prefix };
    struct object_backoff backoff = { 0 };
    if (strlen(prefix) > OBJECT_KEY_SIZE_MAX - 64) {
        return fault(-EINVAL, "store probe: prefix too long");
    }
    for (;;) {
        int r = probe_once(&probe);
        /* A lost answer or a 409 proves nothing: another key gets another chance. */
        if (r != OBJECT_UNDECIDED) {
            return r;
        }
        MARK("objectstore: probe tried again");
        uint64_t pause_ns = object_backoff_next_ns(&backoff, store);
        if (pause_ns >= deadline_ns - MIN(deadline_ns, clock_mono_ns())) {
            return fault_note(-ETIMEDOUT, "store probe: no definite answer in time");
        }
        r = fiber_sleep_ns(pause_ns);
        if (r < 0) {
            return fault_note(r, "store probe: cancelled");
        }
    }
}
