/* Silent corruption: single bits of objects in the bucket flip, and are put right at the end of the
 * faults, as people do from the bucket's versions; others flip on their way to a broker. Nobody may
 * ever be given other bytes than were written. */
#include "base/buf.h"
#include "base/check.h"
#include "base/fault.h"
#include "objectstore/objectstore.h"
#include "sim/faults.h"

#include <errno.h>
#include <string.h>

#define ROTTEN_MAX 64

struct rotten {
    char key[OBJECT_KEY_SIZE_MAX + 1];
    struct object_etag etag;   /* as long as it is so */
    struct object_etag before; /* of what the bit was flipped in */
    size_t at;
    uint8_t mask;
};

static struct rotten rotten[ROTTEN_MAX];
static unsigned rotten_count;

/* Flips the bit of what is there. 0: it was. */
MUST_CHECK MAY_SUSPEND static int
flip(struct objectstore *store, struct rotten *r, const struct object_etag *only)
{
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    struct object_info info;
    int result = objectstore_get(store, r->key, OBJECT_WHOLE, DEADLINE_NONE, &object, &info);
    if (result < 0) {
        return result;
    }
    if (object->size == 0 || (only && strcmp(only->text, info.etag.text) != 0)) {
        return fault(-ESTALE, "%s is another object", r->key);
    }
    r->at %= object->size;
    r->before = info.etag;
    struct buf *changed = buf_of_bytes(buf_bytes(object));
    changed->data[r->at] ^= r->mask;
    const struct iovec part = { changed->data, changed->size };
    const struct object_put put = { .key = r->key,
        .parts = &part,
        .part_count = 1,
        .condition = OBJECT_REPLACE,
        .etag = info.etag,
        .deadline_ns = DEADLINE_NONE };
    result = objectstore_put(store, &put, &r->etag);
    buf_unref(changed);
    return result;
}

/* Any object with that prefix. False: there is none. */
MUST_CHECK MAY_SUSPEND static bool
pick(struct world *world, struct objectstore *store, const char *prefix, char *ret_key)
{
    struct object_list list;
    if (objectstore_list(store, prefix, NULL, 1000, DEADLINE_NONE, &list) < 0) {
        return false;
    }
    size_t count = list.count;
    if (count) {
        /* The newest are often the last. */
        size_t i = world_between(world, 0, 1) ? count - 1 : world_between(world, 0, count - 1);
        memcpy(ret_key, list.entries[i].key, OBJECT_KEY_SIZE_MAX + 1);
    }
    object_list_done(&list);
    return count > 0;
}

void
rot_one(struct world *world)
{
    struct objectstore *store;
    struct rotten *r = &rotten[rotten_count];
    bool of_wal = world->plan.bucket_wal && world_between(world, 0, 1);
    if (rotten_count == ROTTEN_MAX) {
        return;
    }
    CHECK(objectstore_open("memory://sim", &store) == 0);
    *r = (struct rotten){ .at = world_between(world, 0, UINT32_MAX),
        .mask = (uint8_t)(1u << world_between(world, 0, 7)) };
    r->at = world_between(world, 0, 1) ? r->at % 128 : r->at; /* headers are small */
    if (pick(world, store, of_wal ? "wal/" : "data/", r->key) && flip(store, r, NULL) == 0) {
        rotten_count++;
    }
    objectstore_close(store);
}

void
rot_heal(void)
{
    struct objectstore *store;
    CHECK(objectstore_open("memory://sim", &store) == 0);
    /* Backwards: one object may have changed twice. */
    while (rotten_count > 0) {
        struct rotten *r = &rotten[--rotten_count];
        const struct object_etag etag = r->etag;
        const struct object_etag before = r->before;
        if (flip(store, r, &etag) == 0) {
            for (unsigned i = 0; i < rotten_count; i++) {
                /* Else the broker has put it anew between the two. */
                if (strcmp(rotten[i].key, r->key) == 0 &&
                        strcmp(rotten[i].etag.text, before.text) == 0) {
                    rotten[i].etag = r->etag;
                }
            }
        }
    }
    objectstore_close(store);
}
