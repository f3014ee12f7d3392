/* See support_objects.h. */
#include "support_objects.h"

#include "base/mem.h"
#include "objectstore/faulty.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"

#define STORE "faulty+memory://wal-objects?faults=wal-objects"

struct objectstore *
objects_test_store(void)
{
    struct objectstore *store = NULL;
    faulty_forget_all();
    memory_store_forget("wal-objects");
    return objectstore_open(STORE, &store) ? NULL : store;
}

bool
objects_test_rule(const char *text)
{
    struct faulty_rule parsed;
    return faulty_parse(text, &parsed) == 0 && faulty_add("wal-objects", &parsed) >= 0;
}

void
objects_test_heal(void)
{
    faulty_clear("wal-objects");
}

struct wal_objects_options
objects_test_options(struct objectstore *store)
{
    struct wal_objects_options options = { .store = store,
        .log = { .broker_id = 7, .incarnation = 1234, .index = 0 },
        .log_count = 2,
        .capacity = 64 * MIB,
        .fencer_id = 8,
        .fencer_epoch = 5678 };
    options.log.cluster_id.bytes[3] = 9;
    return options;
}

int
objects_test_create(struct objectstore *store, struct wal **ret_wal)
{
    struct wal_objects_options options = objects_test_options(store);
    return wal_objects_create(&options, ret_wal);
}

int
objects_test_begin(struct wal *wal, size_t size, struct wal_append *append)
{
    CLEANUP(buf_unrefp) struct buf *payload = wal_test_payload(wal_next_sequence(wal), size);
    const struct iovec part = { payload->data, payload->size };
    return wal_append_begin(wal, &part, 1, append);
}

int
objects_test_append(struct wal *wal, size_t size)
{
    struct wal_append one;
    int r = objects_test_begin(wal, size, &one);
    return r < 0 ? r : wal_wait(wal, &one);
}

struct wal_test_seen *
objects_test_recover(struct objectstore *store, uint32_t *ret_log_count)
{
    struct wal_objects_options options = objects_test_options(store);
    struct wal_test_seen *seen = wal_test_seen_new();
    struct wal *wal;
    if (wal_objects_fence(&options, &wal) < 0) {
        mem_free(seen);
        return NULL;
    }
    if (ret_log_count) {
        *ret_log_count = wal_objects_log_count(wal);
    }
    int r = wal_replay(wal, wal_test_replay_fn, seen, &seen->recovery);
    r = r < 0 ? r : wal_start(wal);
    int closed = wal_close(wal);
    if (r < 0 || closed < 0 || seen->wrong) {
        mem_free(seen);
        return NULL;
    }
    return seen;
}

size_t
objects_test_keys(struct objectstore *store)
{
    struct object_list list;
    if (objectstore_list(store, WAL_OBJECT_ROOT, NULL, 1000, DEADLINE_NONE, &list)) {
        return SIZE_MAX;
    }
    size_t count = list.count;
    object_list_done(&list);
    return count;
}

int
objects_test_remove(struct objectstore *store, uint64_t slot)
{
    struct wal_objects_options options = objects_test_options(store);
    char key[WAL_OBJECT_KEY_SIZE];
    wal_object_key(&options.log, slot, key);
    return objectstore_delete(store, key, DEADLINE_NONE);
}

int
objects_test_flip(struct objectstore *store, uint64_t slot, size_t at)
{
    struct wal_objects_options options = objects_test_options(store);
    char key[WAL_OBJECT_KEY_SIZE];
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    wal_object_key(&options.log, slot, key);
    int r = objectstore_get(store, key, OBJECT_WHOLE, DEADLINE_NONE, &object, NULL);
    if (r < 0) {
        return r;
    }
    object->data[at < object->size ? at : object->size - 1] ^= 0x40;
    const struct iovec part = { object->data, object->size };
    const struct object_put put = {
        .key = key, .parts = &part, .part_count = 1, .deadline_ns = DEADLINE_NONE
    };
    return objectstore_put(store, &put, NULL);
}
