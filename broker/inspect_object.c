/* `freshet inspect object URL ID` and `manifest URL TOPIC_ID PARTITION ID`. */
#include "base/fault.h"
#include "base/limits.h"
#include "inspect.h"
#include "objectstore/objectstore.h"
#include "reactor/clock.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STORE_TIMEOUT_NS ((uint64_t)60 * NS_PER_S)
#define STORE_CACHE_SIZE (64 * MIB)
/* Block header, docs/formats/object.md. */
#define BLOCK_HEADER_SIZE 88u

struct object_walk {
    struct inspect *inspect;
    struct objectstore *objects;
    struct store *store;
    uint64_t object_id;
};

static int
open_stores(const char *url, struct object_walk *walk)
{
    int r = objectstore_open(url, &walk->objects);
    if (r < 0) {
        return r;
    }
    const struct store_options options = { .objects = walk->objects,
        .block_cache_bytes = STORE_CACHE_SIZE,
        .fetch_timeout_ns = STORE_TIMEOUT_NS };
    r = store_new(&options, &walk->store);
    if (r < 0) {
        objectstore_close(walk->objects);
    }
    return r;
}

static void
close_stores(struct object_walk *walk)
{
    store_free(walk->store);
    objectstore_close(walk->objects);
}

/* A number, 0x and hexadecimal digits, or a key as in the bucket. */
static int
parse_object_id(const char *text, uint64_t *ret_id)
{
    char *end;
    if (strncmp(text, "data/", 5) == 0) {
        int r = store_object_id_of_key(text, ret_id);
        return r < 0 ? fault(r, "inspect: %s is not the key of an object", text) : 0;
    }
    errno = 0;
    /* check-text: allow strtoull: end and range are looked at */
    unsigned long long id = strtoull(text, &end, 0);
    if (errno || end == text || *end || *text == '-') {
        return fault(-EINVAL, "inspect: %s is not an object id", text);
    }
    *ret_id = id;
    return 0;
}

static int
block_batches(struct object_walk *walk, const struct object_inspect_entry *entry)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    struct buf *buf;
    if (entry->size <= BLOCK_HEADER_SIZE) {
        return 0;
    }
    struct object_range range = { entry->position + BLOCK_HEADER_SIZE,
        entry->size - BLOCK_HEADER_SIZE };
    int r = objectstore_get(walk->objects, store_object_key(walk->object_id, key), range,
            clock_mono_ns() + STORE_TIMEOUT_NS, &buf, NULL);
    if (r < 0) {
        return r;
    }
    r = inspect_batches(walk->inspect, buf_bytes(buf), true);
    buf_unref(buf);
    return r;
}

static int
entry_line(void *arg, const struct object_inspect_entry *entry)
{
    struct object_walk *walk = arg;
    struct inspect *inspect = walk->inspect;
    bool valid = strcmp(entry->state, "valid") == 0;
    inspect->damaged += valid ? 0 : 1;
    inspect_line_begin(inspect, entry->kind);
    inspect_unsigned(inspect, "position", entry->position);
    inspect_unsigned(inspect, "size", entry->size);
    if (entry->object_id != walk->object_id) {
        inspect_unsigned(inspect, "object_id", entry->object_id);
    }
    if (!uuid_is_zero(&entry->key.topic_id)) {
        inspect_partition(inspect, entry->key);
        inspect_number(inspect, "base_offset", entry->base_offset);
        inspect_number(inspect, "end_offset", entry->end_offset);
        inspect_number(inspect, "timestamp_max", entry->timestamp_max);
    }
    inspect_string(inspect, "state", entry->state);
    int r = inspect_line_end(inspect);
    if (r == 0 && inspect->batches && valid && strcmp(entry->kind, "block") == 0) {
        r = block_batches(walk, entry);
    }
    return r;
}

int
inspect_object(struct inspect *inspect)
{
    struct object_walk walk = { .inspect = inspect };
    int r = parse_object_id(inspect->arguments[1], &walk.object_id);
    if (r < 0) {
        return r;
    }
    r = open_stores(inspect->arguments[0], &walk);
    if (r < 0) {
        return r;
    }
    r = store_inspect_object(walk.store, walk.object_id, entry_line, &walk);
    close_stores(&walk);
    /* Damage was counted line by line. */
    return r == -EBADMSG && inspect->damaged ? 0 : r;
}

static int
parse_partition(char **arguments, struct partition_key *ret_key)
{
    char *end;
    errno = 0;
    /* check-text: allow strtol: end and range are looked at */
    long index = strtol(arguments[1], &end, 10);
    if (errno || end == arguments[1] || *end || index < 0 || index > INT32_MAX) {
        return fault(-EINVAL, "inspect: %s is not a partition", arguments[1]);
    }
    int r = uuid_parse(bytes_of_string(arguments[0]), &ret_key->topic_id);
    if (r < 0) {
        return fault(r, "inspect: %s is not a topic id", arguments[0]);
    }
    ret_key->index = (int32_t)index;
    return 0;
}

static int
range_line(struct inspect *inspect, const struct store_range *range)
{
    inspect_line_begin(inspect, "range");
    inspect_number(inspect, "base_offset", range->base_offset);
    inspect_number(inspect, "end_offset", range->end_offset);
    inspect_unsigned(inspect, "object_id", range->object_id);
    inspect_unsigned(inspect, "position", range->position);
    inspect_unsigned(inspect, "size", range->size);
    inspect_unsigned(inspect, "blocks", range->block_count);
    inspect_number(inspect, "timestamp_max", range->timestamp_max);
    inspect_number(inspect, "leader_epoch", range->leader_epoch);
    inspect_unsigned(inspect, "checkpoint_size", range->checkpoint_size);
    return inspect_line_end(inspect);
}

static int
manifest_lines(struct inspect *inspect, const struct manifest *manifest)
{
    inspect_line_begin(inspect, "manifest");
    inspect_unsigned(inspect, "manifest_id", manifest->manifest_id);
    inspect_partition(inspect, manifest->key);
    inspect_unsigned(inspect, "ranges", manifest->count);
    inspect_unsigned(inspect, "checkpoint_size", manifest->checkpoint.size);
    int r = inspect_line_end(inspect);
    for (size_t i = 0; i < manifest->count && r == 0; i++) {
        r = range_line(inspect, &manifest->ranges[i]);
    }
    return r;
}

int
inspect_manifest(struct inspect *inspect)
{
    struct object_walk walk = { .inspect = inspect };
    struct partition_key key = { 0 };
    struct manifest manifest;
    uint64_t id = 0;
    int r = parse_partition(inspect->arguments + 1, &key);
    if (r < 0) {
        return r;
    }
    r = parse_object_id(inspect->arguments[3], &id);
    if (r < 0) {
        return r;
    }
    r = open_stores(inspect->arguments[0], &walk);
    if (r < 0) {
        return r;
    }
    r = store_read_manifest(walk.store, key, id, &manifest);
    if (r == 0) {
        r = manifest_lines(inspect, &manifest);
        manifest_done(&manifest);
    }
    close_stores(&walk);
    return r;
}
