/* What is under wal/ in the bucket, for people. */
#include "base/fault.h"
#include "wal/objects_internal.h"

#include <errno.h>
#include <string.h>

MUST_CHECK MAY_SUSPEND static int
inspect_one(struct objectstore *store, const struct object_list_entry *entry, wal_objects_fn fn,
        void *arg)
{
    struct wal_object_log log;
    uint64_t slot;
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    struct wal_objects_seen seen = { .key = entry->key, .size = entry->size, .state = "damaged" };
    if (wal_object_key_parse(entry->key, &log, &slot) < 0) {
        return fn(arg, &seen);
    }
    int r = objectstore_get(store, entry->key, (struct object_range){ 0, WAL_OBJECT_SIZE_MAX },
            clock_mono_ns() + WAL_OBJECTS_REQUEST_NS, &object, NULL);
    if (r < 0) {
        return r == -ENOENT ? 0 : r; /* removed since it was listed */
    }
    struct wal_object_header header;
    seen.header.log = log;
    seen.header.slot = slot;
    r = wal_object_header_decode(buf_bytes(object), entry->key, &header);
    if (r == 0 && header.slot == slot && header.log.broker_id == log.broker_id &&
            header.log.incarnation == log.incarnation && header.log.index == log.index &&
            wal_object_body(buf_bytes(object), &header, entry->key, &seen.body) == 0) {
        seen.header = header;
        seen.state = header.kind == WAL_OBJECT_FENCE ? "fence" : "valid";
    } else if (r == -EBADMSG &&
               wal_object_prove(buf_bytes(object), &log, slot, &seen.header, &seen.body) == 0) {
        seen.state = "header damaged";
    }
    fault_clear();
    return fn(arg, &seen);
}

int
wal_objects_inspect(struct objectstore *store, wal_objects_fn fn, void *arg)
{
    char after[OBJECT_KEY_SIZE_MAX + 1] = "";
    int r = 0;
    for (bool more = true; more && r >= 0;) {
        struct object_list list;
        r = objectstore_list(store, WAL_OBJECT_ROOT, after, 1000,
                clock_mono_ns() + WAL_OBJECTS_REQUEST_NS, &list);
        if (r < 0) {
            return r;
        }
        for (size_t i = 0; i < list.count && r >= 0; i++) {
            r = inspect_one(store, &list.entries[i], fn, arg);
            memcpy(after, list.entries[i].key, sizeof after);
        }
        more = list.more && list.count > 0;
        object_list_done(&list);
    }
    return r < 0 ? r : 0;
}
