/* The bytes of file:// objects, to and from an open file. Large ones go around the page cache
 * where the file system can do that: the broker's own caches hold what is read again, and a second
 * copy would take memory, and CPU for each new page. */
#include "base/copy.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/pages.h"
#include "objectstore/file_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#define ALIGNMENT ((size_t)4096)
#define STAGE_SIZE (2 * MIB)
/* Below that, what the page cache costs is not worth the wait for the disk. */
#define DIRECT_SIZE_MIN (256 * KIB)

/* Where the next bytes of the parts are. */
struct source {
    const struct iovec *parts;
    size_t count;
    size_t offset; /* in the first part */
};

static bool
set_direct(int descriptor, bool direct)
{
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) {
        return false;
    }
    return fcntl(descriptor, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

/* Copies up to `size` bytes and returns how many there were. */
static size_t
source_take(struct source *source, uint8_t *to, size_t size)
{
    size_t taken = 0;
    while (taken < size && source->count > 0) {
        const struct iovec *part = source->parts;
        size_t step = MIN(size - taken, part->iov_len - source->offset);
        bytes_copy_out(to + taken, (const uint8_t *)part->iov_base + source->offset, step);
        taken += step;
        source->offset += step;
        if (source->offset == part->iov_len) {
            source->parts++;
            source->count--;
            source->offset = 0;
        }
    }
    return taken;
}

static int
write_all(int descriptor, const char *path, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(descriptor, data, size);
        if (n < 0 && errno == EINVAL && set_direct(descriptor, false)) {
            MARK("file store: direct write refused");
            n = write(descriptor, data, size);
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return folder_fault(errno, "write", path);
        }
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int
write_staged(int descriptor, const char *path, struct source *source, uint8_t *stage)
{
    size_t size;
    while ((size = source_take(source, stage, STAGE_SIZE)) == STAGE_SIZE) {
        int r = write_all(descriptor, path, stage, STAGE_SIZE);
        if (r < 0) {
            return r;
        }
    }
    size_t whole = size / ALIGNMENT * ALIGNMENT;
    int r = write_all(descriptor, path, stage, whole);
    if (r < 0 || whole == size) {
        return r;
    }
    /* The last block is not whole. */
    if (!set_direct(descriptor, false)) {
        return folder_fault(errno, "write", path);
    }
    return write_all(descriptor, path, stage + whole, size - whole);
}

/* One stage stays with the folder for the next write. */
static int
write_direct(struct folder *folder, int descriptor, const char *path, const struct object_put *put)
{
    struct source source = { .parts = put->parts, .count = put->part_count };
    uint8_t *stage = atomic_exchange(&folder->stage, NULL);
    if (!stage) {
        stage = pages_try_alloc(STAGE_SIZE);
    }
    if (!stage) {
        return fault(OBJECT_AGAIN, "file store: no memory to write %s", path);
    }
    int r = write_staged(descriptor, path, &source, stage);
    mem_free(atomic_exchange(&folder->stage, stage));
    return r;
}

int
folder_write_parts(
        struct folder *folder, int descriptor, const char *path, const struct object_put *put)
{
    if (object_put_size(put) >= DIRECT_SIZE_MIN && set_direct(descriptor, true)) {
        return write_direct(folder, descriptor, path, put);
    }
    for (size_t i = 0; i < put->part_count; i++) {
        int r = write_all(descriptor, path, put->parts[i].iov_base, put->parts[i].iov_len);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Has at least `size` bytes of the buffer read. */
static int
read_all(int descriptor, const char *path, uint64_t offset, struct buf *buf, size_t size)
{
    bool refused = false;
    while (buf->size < size) {
        ssize_t n = pread(descriptor, buf->data + buf->size, buf->capacity - buf->size,
                (off_t)(offset + buf->size));
        if (n < 0 && errno == EINVAL && !refused) {
            refused = true;
            (void)set_direct(descriptor, false);
            continue;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return folder_fault(errno, "read", path);
        }
        if (n == 0) {
            return fault(-EIO, "file store: %s became shorter while it was read", path);
        }
        buf->size += (size_t)n;
    }
    return 0;
}

int
folder_read_part(
        int descriptor, const char *path, uint64_t offset, uint64_t size, struct buf **ret_buf)
{
    bool direct = size >= DIRECT_SIZE_MIN && set_direct(descriptor, true);
    size_t before = direct ? (size_t)(offset % ALIGNMENT) : 0;
    CLEANUP(buf_unrefp)
    struct buf *buf =
            direct ? buf_try_new_aligned(before + size, ALIGNMENT) : buf_try_new(size + 1);
    if (!buf) {
        return fault(OBJECT_AGAIN, "file store: no memory for %" PRIu64 " bytes of %s", size, path);
    }
    int r = read_all(descriptor, path, offset - before, buf, before + size);
    if (r < 0) {
        return r;
    }
    buf->data += before;
    buf->capacity -= before;
    buf->size = size;
    *ret_buf = TAKE_PTR(buf);
    return 0;
}
