/* Taking a bucket out of use.
 *
 *   held or released, unchanged for its duration and an eighth ----> purging ----> (none)
 *          |  changed meanwhile: a broker lives
 *          v
 *       refused */
#include "meta/purge.h"

#include "base/fault.h"
#include "base/mark.h"
#include "meta/inspect.h"
#include "meta/lease.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_NS (30 * (uint64_t)NS_PER_S)
#define LIST_PAGE 1000
#define LOOK_NS (250 * (uint64_t)NS_PER_MS)

static int
check_owner(const struct uuid *found, const struct uuid *wanted)
{
    char theirs[UUID_TEXT_SIZE];
    char ours[UUID_TEXT_SIZE];
    return uuid_equal(found, wanted)
                   ? 0
                   : fault(-EMEDIUMTYPE, "the bucket belongs to cluster %s, not to %s",
                             uuid_format(found, theirs), uuid_format(wanted, ours));
}

/* One write of the lease that ends all leases. Whatever the answer, what is there then decides. */
static int
mark_purging(struct objectstore *objects, struct lease_content content,
        const struct object_etag *replaces)
{
    uint8_t bytes[LEASE_SIZE];
    content.purging = true;
    content.released = false;
    content.epoch++;
    content.holder = random_uuid();
    content.nonce = random_uuid();
    lease_content_encode(&content, bytes);
    const struct iovec part = { bytes, sizeof bytes };
    struct object_put put = { .key = META_LEASE_KEY,
        .parts = &part,
        .part_count = 1,
        .condition = replaces ? OBJECT_REPLACE : OBJECT_CREATE,
        .deadline_ns = clock_mono_ns() + REQUEST_NS };
    if (replaces) {
        put.etag = *replaces;
    }
    struct object_etag etag;
    int r = objectstore_put(objects, &put, &etag);
    if (r == 0 || r == -ECANCELED) {
        return r;
    }
    MARK("purge: what the lease became had to be read back");
    struct lease_content now;
    if (lease_read(objects, META_LEASE_KEY, &now, &etag) == 0 && now.purging) {
        return check_owner(&now.cluster_id, &content.cluster_id);
    }
    return fault(-EAGAIN, "the lease could not be taken: a broker lives, or the store did not "
                          "answer; nothing was removed");
}

/* X2: the same lease for as long as its holder may believe in it, and that much longer. */
static int
wait_unchanged(struct objectstore *objects, const struct lease_content *seen)
{
    uint64_t end_ns = clock_boot_ns() + seen->duration_ns + seen->duration_ns / 8;
    while (clock_boot_ns() < end_ns) {
        struct lease_content now;
        struct object_etag etag;
        int r = fiber_sleep_ns(LOOK_NS);
        r = r ? r : lease_read(objects, META_LEASE_KEY, &now, &etag);
        if (r) {
            return r;
        }
        if (!uuid_equal(&now.nonce, &seen->nonce)) {
            return fault(
                    -EBUSY, "broker %d renews the lease: stop all brokers first", now.broker_id);
        }
    }
    return 0;
}

static int
begin_with_lease(struct objectstore *objects, const struct uuid *cluster_id,
        const struct lease_content *seen, const struct object_etag *etag)
{
    int r = check_owner(&seen->cluster_id, cluster_id);
    if (r || seen->purging) {
        return r;
    }
    r = wait_unchanged(objects, seen);
    return r ? r : mark_purging(objects, *seen, etag);
}

/* 1: something of ours is below that folder. */
static int
is_there(struct objectstore *objects, const char *folder, bool (*is_ours)(const char *key))
{
    char last[OBJECT_KEY_SIZE_MAX + 1] = "";
    bool more = true;
    int found = 0;
    while (more && !found) {
        struct object_list list;
        int r = objectstore_list(
                objects, folder, last, LIST_PAGE, clock_mono_ns() + REQUEST_NS, &list);
        if (r) {
            return r;
        }
        for (size_t i = 0; i < list.count; i++) {
            found |= is_ours(list.entries[i].key);
            snprintf(last, sizeof last, "%s", list.entries[i].key);
        }
        more = list.more && list.count;
        object_list_done(&list);
    }
    return found;
}

static int
is_anything_there(struct objectstore *objects, bool (*is_ours)(const char *key))
{
    static const char *const folders[] = { "meta/", "data/", "wal/" };
    int found = 0;
    for (size_t i = 0; i < ARRAY_SIZE(folders) && found == 0; i++) {
        found = is_there(objects, folders[i], is_ours);
    }
    return found;
}

/* A bucket whose lease was lost, or where there never was one. */
static int
begin_without_lease(struct objectstore *objects, const struct uuid *cluster_id)
{
    struct meta_state *state;
    int r = meta_read(objects, &state);
    if (r) {
        return fault_note(r == -ENOENT ? -ENODATA : r,
                "the bucket has objects, and neither lease nor log says whose they are");
    }
    r = check_owner(meta_state_cluster_id(state), cluster_id);
    meta_state_free(state);
    const struct lease_content content = {
        .cluster_id = *cluster_id, .broker_id = -1, .duration_ns = NS_PER_S
    };
    return r ? r : mark_purging(objects, content, NULL);
}

int
meta_purge_begin(struct objectstore *objects, const struct uuid *cluster_id,
        bool (*is_ours)(const char *key))
{
    struct lease_content seen;
    struct object_etag etag;
    int r = lease_read(objects, META_LEASE_KEY, &seen, &etag);
    if (r != -ENOENT) {
        return r ? r : begin_with_lease(objects, cluster_id, &seen, &etag);
    }
    fault_clear();
    int found = is_anything_there(objects, is_ours);
    if (found <= 0) {
        return found ? found : fault(-ENOENT, "there is nothing of Freshet in the bucket");
    }
    return begin_without_lease(objects, cluster_id);
}

bool
meta_purge_may_remove(const char *key)
{
    static const char *const folders[] = { META_PREFIX "/log/", META_PREFIX "/snapshot/" };
    uint64_t sequence;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        if (strncmp(key, folders[i], strlen(folders[i])) == 0) {
            return objlog_key_sequence(key, &sequence) == 0;
        }
    }
    return strcmp(key, META_PREFIX "/floor") == 0 ||
           strncmp(key, META_PREFIX "/probe", sizeof META_PREFIX "/probe" - 1) == 0;
}

int
meta_purge_end(struct objectstore *objects)
{
    return objectstore_delete(objects, META_LEASE_KEY, clock_mono_ns() + REQUEST_NS);
}
