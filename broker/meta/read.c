/* The state as the bucket has it, for readers that are no broker. */
#include "base/fault.h"
#include "base/mem.h"
#include "meta/inspect.h"
#include "meta/log.h"
#include "meta/meta_internal.h"

#include <errno.h>

#define READ_TRIES 8

static int
read_snapshot(struct objlog *log, struct meta_state **ret_state)
{
    CLEANUP(buf_unrefp) struct buf *bytes = NULL;
    struct objlog_position position;
    int r = objlog_read_snapshot(log, UINT64_MAX, &position, &bytes);
    if (r == -ENOENT) {
        *ret_state = meta_state_new();
        return 0;
    }
    if (r == 0) {
        r = meta_state_decode(buf_bytes(bytes), ret_state);
    }
    if (r) {
        return r;
    }
    objlog_seek(log, &position);
    return 0;
}

static int
read_log(struct objlog *log, struct replica *replica)
{
    uint64_t tail;
    int r = objlog_find_tail(log, &tail);
    while (r == 0) {
        struct objlog_entry entry;
        size_t count;
        r = objlog_read_next(log, &entry);
        if (r == 0) {
            r = replica_apply(replica, entry.payload, entry.sequence, NULL, &count);
            objlog_entry_done(&entry);
        }
    }
    return r == -ENOENT ? objlog_confirm(log) : r;
}

static int
read_once(struct objectstore *objects, struct replica **ret_replica)
{
    const struct objlog_options options = { .objects = objects, .prefix = META_PREFIX };
    struct objlog *log;
    struct meta_state *state;
    int r = objlog_new(&options, &log);
    if (r) {
        return r;
    }
    r = read_snapshot(log, &state);
    if (r == 0) {
        struct replica *replica = replica_new(state);
        r = read_log(log, replica);
        if (r == 0 && meta_state_sequence(state) == 0) {
            r = fault(-ENOENT, "there is no metadata log in %s", objectstore_url(objects));
        }
        if (r) {
            replica_free(replica);
        } else {
            *ret_replica = replica;
        }
    }
    objlog_free(log);
    return r;
}

int
meta_read(struct objectstore *objects, struct meta_state **ret_state)
{
    struct replica *replica;
    int r = -ESTALE;
    /* -ESTALE: garbage collection overtook us. */
    for (int i = 0; i < READ_TRIES && r == -ESTALE; i++) {
        r = read_once(objects, &replica);
    }
    if (r) {
        return r;
    }
    *ret_state = TAKE_PTR(replica->state);
    replica_free(replica);
    return 0;
}
