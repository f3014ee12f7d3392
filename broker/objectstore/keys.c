/* Keys, ranges and lists: the small rules that every store follows. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "objectstore/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define SEGMENT_SIZE_MAX 255

static bool
character_is_good(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* Looks at the segment that starts at `segment`. */
static int
segment_check(const char *what, const char *key, const char *segment, size_t size)
{
    if (size > SEGMENT_SIZE_MAX) {
        return fault(-EINVAL, "object store: %s \"%.64s...\" has a segment longer than %d bytes",
                what, key, SEGMENT_SIZE_MAX);
    }
    if ((size == 1 && segment[0] == '.') || (size == 2 && segment[0] == '.' && segment[1] == '.')) {
        return fault(-EINVAL, "object store: %s \"%s\" has a segment . or ..", what, key);
    }
    return 0;
}

int
object_prefix_check(const char *what, const char *prefix)
{
    size_t size = strlen(prefix);
    if (size > OBJECT_KEY_SIZE_MAX) {
        return fault(-EINVAL, "object store: %s \"%.64s...\" is longer than %d bytes", what, prefix,
                OBJECT_KEY_SIZE_MAX);
    }
    const char *segment = prefix;
    for (const char *c = prefix; *c; c++) {
        if (*c != '/' && !character_is_good(*c)) {
            return fault(-EINVAL,
                    "object store: %s has the byte 0x%02x at position %zu; allowed are "
                    "A-Z a-z 0-9 . _ - and /",
                    what, (unsigned)(unsigned char)*c, (size_t)(c - prefix));
        }
        if (*c != '/') {
            continue;
        }
        if (c == segment) {
            return fault(-EINVAL, "object store: %s \"%s\" has an empty segment", what, prefix);
        }
        int r = segment_check(what, prefix, segment, (size_t)(c - segment));
        if (r < 0) {
            return r;
        }
        segment = c + 1;
    }
    return strlen(segment) > SEGMENT_SIZE_MAX
                   ? segment_check(what, prefix, segment, strlen(segment))
                   : 0;
}

int
object_key_check(const char *key)
{
    int r = object_prefix_check("key", key);
    if (r < 0) {
        return r;
    }
    const char *slash = strrchr(key, '/');
    const char *last = slash ? slash + 1 : key;
    if (*last == 0) {
        return fault(-EINVAL, "object store: key \"%s\" is empty or ends in '/'", key);
    }
    return segment_check("key", key, last, strlen(last));
}

bool
object_range_is_whole(struct object_range range)
{
    return range.offset == 0 && range.size == UINT64_MAX;
}

int
object_range_clip(const char *key, struct object_range range, uint64_t size, uint64_t *ret_offset,
        uint64_t *ret_size)
{
    if (range.offset == UINT64_MAX) {
        *ret_size = MIN(range.size, size);
        *ret_offset = size - *ret_size;
        return 0;
    }
    if (range.offset >= size && range.offset > 0) {
        return fault(-ERANGE, "object store: %s has %" PRIu64 " bytes, none at offset %" PRIu64,
                key, size, range.offset);
    }
    *ret_offset = range.offset;
    *ret_size = MIN(range.size, size - range.offset);
    return 0;
}

uint64_t
object_put_size(const struct object_put *put)
{
    uint64_t size = 0;
    for (size_t i = 0; i < put->part_count; i++) {
        size += put->parts[i].iov_len;
    }
    return size;
}

void
object_list_add(
        struct object_list *list, size_t max, const char *key, uint64_t size, int64_t modified_ms)
{
    CHECK(list->count < max && strlen(key) <= OBJECT_KEY_SIZE_MAX);
    if (!list->entries) {
        list->entries = mem_alloc_array(max, sizeof *list->entries);
    }
    struct object_list_entry *entry = &list->entries[list->count++];
    entry->size = size;
    entry->modified_ms = modified_ms;
    snprintf(entry->key, sizeof entry->key, "%s", key);
}

void
object_list_done(struct object_list *list)
{
    mem_free(list->entries);
    *list = (struct object_list){ 0 };
}
