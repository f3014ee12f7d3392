/* Objects of sizes around the limits of writing and reading past the page cache. */
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/file_internal.h"
#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PARTS 7u

/* Keeps the stage from one write to the next. */
static struct folder folder;

static uint8_t
byte_at(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static uint8_t *
content(size_t size)
{
    uint8_t *data = mem_alloc(size + 1);
    for (size_t i = 0; i < size; i++) {
        data[i] = byte_at(i);
    }
    return data;
}

/* An open empty file. */
static int
new_file(char path[300])
{
    snprintf(path, 300, "%s/object", test_directory());
    return open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/* In uneven parts, the last one empty. */
static int
write_object(int descriptor, const char *path, uint8_t *data, size_t size)
{
    struct iovec parts[PARTS];
    size_t at = 0;
    for (size_t i = 0; i < PARTS; i++) {
        size_t end = i + 2 < PARTS ? size * (i + 1) * (i + 1) / (PARTS * PARTS) : size;
        parts[i] = (struct iovec){ data + at, end - at };
        at = end;
    }
    struct object_put put = { .key = "object", .parts = parts, .part_count = PARTS };
    return folder_write_parts(&folder, descriptor, path, &put);
}

static bool
part_is_right(int descriptor, const char *path, uint64_t offset, uint64_t size)
{
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    int r = folder_read_part(descriptor, path, offset, size, &buf);
    if (r < 0 || buf->size != size || buf->capacity < size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (buf->data[i] != byte_at(offset + i)) {
            return false;
        }
    }
    return true;
}

TEST(what_was_written_is_read_at_any_size_and_place)
{
    const size_t sizes[] = { 0, 1, 4096, 262143, 262144, 262145, 266240, 1048575, 1048576, 1048577,
        2097151, 2097152, 2097152 + 4096, 4194304, 6291456 + 4095 };
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        char path[300];
        size_t size = sizes[i];
        CLEANUP(mem_freep) uint8_t *data = content(size);
        int descriptor = new_file(path);
        ASSERT(descriptor >= 0);
        ASSERT_OK(write_object(descriptor, path, data, size));
        ASSERT_EQ(lseek(descriptor, 0, SEEK_END), size);
        ASSERT(part_is_right(descriptor, path, 0, size));
        for (size_t from = 1; from < size; from = from * 3 + 1) {
            ASSERT(part_is_right(descriptor, path, from, size - from));
            ASSERT(part_is_right(descriptor, path, from, (size - from) / 2));
        }
        close(descriptor);
    }
}

TEST(a_file_system_that_refuses_a_direct_write_gets_an_ordinary_one)
{
    char path[300];
    size_t size = 1048576;
    CLEANUP(mem_freep) uint8_t *data = content(size + 1);
    int descriptor = new_file(path);
    ASSERT(descriptor >= 0);
    /* No direct write can begin here. */
    ASSERT_EQ(write(descriptor, data, 1), 1);
    struct iovec part = { data + 1, size };
    struct object_put put = { .key = "object", .parts = &part, .part_count = 1 };
    ASSERT_OK(folder_write_parts(&folder, descriptor, path, &put));
    ASSERT(mark_count("file store: direct write refused") > 0);
    ASSERT(part_is_right(descriptor, path, 0, size + 1));
    close(descriptor);
}

TEST(an_object_that_became_shorter_is_an_error)
{
    char path[300];
    size_t size = 1048576;
    CLEANUP(mem_freep) uint8_t *data = content(size);
    int descriptor = new_file(path);
    ASSERT(descriptor >= 0);
    ASSERT_OK(write_object(descriptor, path, data, size));
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    ASSERT(folder_read_part(descriptor, path, 4096, size, &buf) < 0);
    close(descriptor);
}
