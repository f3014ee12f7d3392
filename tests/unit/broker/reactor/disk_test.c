/* Files on the machine's disk, by each real engine. */
#include "base/attr.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "reactor/disk.h"
#include "reactor/disk_fault.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *
path_of(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    return path;
}

FIBER_TEST(bytes_come_back_and_the_end_is_short)
{
    struct file *file;
    char data[16];
    uint64_t size;
    ASSERT_OK(file_open(path_of("a"), FILE_READ | FILE_WRITE | FILE_CREATE, &file));
    ASSERT_OK(file_write(file, "hello", 5, 3));
    ASSERT_OK(file_write_durable(file, "!", 1, 8));
    ASSERT_OK(file_sync(file, false));
    ASSERT_OK(file_sync(file, true));
    ASSERT_OK(file_size(file, &size));
    ASSERT_EQ(size, 9);
    ASSERT_EQ(file_read(file, data, sizeof data, 0), 9);
    ASSERT_BYTES(bytes_of(data, 9), BYTES_LITERAL("\0\0\0hello!"));
    ASSERT_EQ(file_read(file, data, sizeof data, 8), 1);
    ASSERT_EQ(file_read(file, data, sizeof data, 9), 0);
    ASSERT_EQ(file_read(file, data, 0, 0), 0);
    ASSERT_OK(file_write(file, NULL, 0, 0));
    ASSERT_OK(file_truncate(file, 4));
    ASSERT_EQ(file_read(file, data, sizeof data, 0), 4);
    file_close(file);
    file_close(NULL);
}

FIBER_TEST(opening_obeys_its_flags)
{
    struct file *file;
    ASSERT_ERROR(file_open(path_of("none"), FILE_READ, &file), -ENOENT);
    ASSERT(strstr(fault_text(), "none"));
    ASSERT_ERROR(file_open(path_of("none"), FILE_CREATE, &file), -EINVAL);
    ASSERT_OK(file_open(path_of("one"), FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file));
    ASSERT_OK(file_write(file, "x", 1, 0));
    char c;
    ASSERT_ERROR(file_read(file, &c, 1, 0), -EBADF);
    file_close(file);
    ASSERT_ERROR(
            file_open(path_of("one"), FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file), -EEXIST);
    ASSERT_OK(file_open(path_of("one"), FILE_READ | FILE_WRITE | FILE_TRUNCATE, &file));
    uint64_t size = 9;
    ASSERT_OK(file_size(file, &size));
    ASSERT_EQ(size, 0);
    file_close(file);
    char *longer = mem_alloc(FILE_PATH_MAX + 2);
    memset(longer, 'x', FILE_PATH_MAX + 1);
    ASSERT_ERROR(file_open(longer, FILE_READ, &file), -ENAMETOOLONG);
    mem_free(longer);
}

FIBER_TEST(direct_files_need_alignment)
{
    struct file *file;
    CLEANUP(buf_unrefp) struct buf *buf = buf_try_new_aligned(3 * FILE_ALIGNMENT, FILE_ALIGNMENT);
    ASSERT(buf);
    memset(buf->data, 'd', buf->capacity);
    int r = file_open(path_of("direct"), FILE_READ | FILE_WRITE | FILE_CREATE | FILE_DIRECT, &file);
    if (r == -EINVAL) {
        return; /* the file system of the test folder cannot */
    }
    ASSERT_OK(r);
    ASSERT_OK(file_allocate(file, 0, 4 * FILE_ALIGNMENT));
    ASSERT_OK(file_write_durable(file, buf->data, 2 * FILE_ALIGNMENT, FILE_ALIGNMENT));
    ASSERT_ERROR(file_write(file, buf->data, 100, 0), -EINVAL);
    ASSERT_ERROR(file_write(file, buf->data + 1, FILE_ALIGNMENT, 0), -EINVAL);
    ASSERT_ERROR(file_write(file, buf->data, FILE_ALIGNMENT, 512), -EINVAL);
    ASSERT_EQ(file_read(file, buf->data, 3 * FILE_ALIGNMENT, 0), 3 * FILE_ALIGNMENT);
    ASSERT_EQ(buf->data[0], 0);
    ASSERT_EQ(buf->data[FILE_ALIGNMENT], 'd');
    ASSERT_EQ(file_read(file, buf->data, 3 * FILE_ALIGNMENT, 3 * FILE_ALIGNMENT), FILE_ALIGNMENT);
    file_close(file);
}

FIBER_TEST(a_lock_excludes_other_openings)
{
    struct file *first;
    struct file *second;
    ASSERT_OK(file_open(path_of("lock"), FILE_WRITE | FILE_CREATE, &first));
    ASSERT_OK(file_open(path_of("lock"), FILE_WRITE, &second));
    ASSERT_OK(file_lock(first));
    ASSERT_OK(file_lock(first));
    ASSERT_ERROR(file_lock(second), -EWOULDBLOCK);
    file_close(first);
    ASSERT_OK(file_lock(second));
    file_close(second);
}

FIBER_TEST(folders_are_made_listed_renamed_and_removed)
{
    struct disk_names names;
    struct file *file;
    char from[400];
    ASSERT_OK(disk_make_folder(path_of("x/y/z")));
    ASSERT_OK(disk_make_folder(path_of("x/y/z")));
    static const char *const files[] = { "x/y/b", "x/y/c", "x/y/a" };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        ASSERT_OK(file_open(path_of(files[i]), FILE_WRITE | FILE_CREATE, &file));
        file_close(file);
    }
    ASSERT_ERROR(disk_make_folder(path_of("x/y/a/w")), -EEXIST);
    snprintf(from, sizeof from, "%s", path_of("x/y/c"));
    ASSERT_OK(disk_rename(from, path_of("x/y/d")));
    ASSERT_OK(disk_sync_folder(path_of("x/y")));
    ASSERT_OK(disk_list(path_of("x/y"), &names));
    ASSERT_EQ(names.count, 4);
    ASSERT_STRING(names.names[0], "a");
    ASSERT_STRING(names.names[2], "d");
    ASSERT_STRING(names.names[3], "z");
    disk_names_free(&names);
    ASSERT_ERROR(disk_remove(path_of("x/y")), -ENOTEMPTY);
    ASSERT_OK(disk_remove(path_of("x/y/a")));
    ASSERT_ERROR(disk_remove(path_of("x/y/a")), -ENOENT);
    ASSERT_ERROR(disk_list(path_of("nowhere"), &names), -ENOENT);
    ASSERT_ERROR(disk_sync_folder(path_of("nowhere")), -ENOENT);
    ASSERT_OK(disk_list(path_of("x/y/z"), &names));
    ASSERT_EQ(names.count, 0);
    disk_names_free(&names);
    uint64_t left = 0;
    ASSERT_OK(disk_free_bytes(path_of("x"), &left));
    ASSERT(left > 0);
}

FIBER_TEST(whole_files_are_read_up_to_a_limit)
{
    struct file *file;
    ASSERT_OK(file_open(path_of("whole"), FILE_WRITE | FILE_CREATE, &file));
    ASSERT_OK(file_write(file, "0123456789", 10, 0));
    file_close(file);
    struct buf *buf = NULL;
    ASSERT_OK(disk_read_file(path_of("whole"), 10, &buf));
    ASSERT_BYTES(buf_bytes(buf), BYTES_LITERAL("0123456789"));
    buf_unref(buf);
    ASSERT_ERROR(disk_read_file(path_of("whole"), 9, &buf), -EFBIG);
    ASSERT_ERROR(disk_read_file(path_of("no"), 9, &buf), -ENOENT);
}

FIBER_TEST(errors_of_the_kernel_come_through)
{
    struct file *file;
    char data[4096] = { 0 };
    /* A device that is always full. */
    if (file_open("/dev/full", FILE_WRITE, &file) < 0) {
        return;
    }
    ASSERT_ERROR(file_write(file, data, sizeof data, 0), -ENOSPC);
    ASSERT(strstr(fault_text(), "/dev/full"));
    file_close(file);
    ASSERT_OK(file_open(path_of("big"), FILE_WRITE | FILE_CREATE, &file));
    ASSERT_ERROR(file_write(file, data, 1, UINT64_MAX - 1), -EINVAL);
    ASSERT_ERROR(file_truncate(file, UINT64_MAX), -EINVAL);
    ASSERT_ERROR(file_allocate(file, 1, UINT64_MAX), -EINVAL);
    file_close(file);
}

struct writer {
    struct file *file;
    uint64_t offset;
};

static int
write_block(void *arg)
{
    struct writer *writer = arg;
    uint8_t data[512];
    memset(data, (int)(writer->offset / 512 % 251), sizeof data);
    return file_write_durable(writer->file, data, sizeof data, writer->offset);
}

FIBER_TEST(many_fibers_write_one_file_at_once)
{
    struct writer writers[200];
    struct fiber_group group;
    struct file *file;
    uint8_t data[512];
    ASSERT_OK(file_open(path_of("many"), FILE_READ | FILE_WRITE | FILE_CREATE, &file));
    fiber_group_init(&group);
    for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
        writers[i] = (struct writer){ file, i * 512 };
        fiber_group_spawn(&group, "writer", write_block, &writers[i]);
    }
    ASSERT_OK(fiber_group_wait(&group));
    for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
        ASSERT_EQ(file_read(file, data, sizeof data, i * 512), 512);
        ASSERT(data[0] == i % 251 && data[511] == i % 251);
    }
    file_close(file);
}

#define READERS 3000u

static int
read_byte(void *arg)
{
    char c = 0;
    int64_t n = file_read(arg, &c, 1, 0);
    return n == 1 && c == 'r' ? 0 : -EIO;
}

FIBER_TEST(more_operations_at_once_than_the_ring_has_entries)
{
    struct fiber_group group;
    struct file *file;
    uint64_t marks = mark_count("reactor: submission queue full");
    ASSERT_OK(file_open(path_of("ring"), FILE_READ | FILE_WRITE | FILE_CREATE, &file));
    ASSERT_OK(file_write(file, "r", 1, 0));
    fiber_group_init(&group);
    for (unsigned i = 0; i < READERS; i++) {
        fiber_group_spawn(&group, "reader", read_byte, file);
    }
    ASSERT_OK(fiber_group_wait(&group));
    ASSERT(reactor_engine() != IO_URING || mark_count("reactor: submission queue full") > marks);
    file_close(file);
}

struct cancelled {
    const char *path;
    int results[3];
};

static void
use_cancelled(void *arg)
{
    struct cancelled *cancelled = arg;
    struct file *file;
    cancelled->results[0] = file_open(cancelled->path, FILE_WRITE | FILE_CREATE, &file);
    fiber_cancel(fiber_current());
    cancelled->results[1] = file_write(file, "x", 1, 0);
    cancelled->results[2] = file_sync(file, false);
    /* Closing works all the same. */
    file_close(file);
}

FIBER_TEST(a_cancelled_fiber_does_no_more_input_or_output)
{
    struct cancelled cancelled = { .path = path_of("cancelled") };
    struct fiber *fiber;
    ASSERT_OK(fiber_spawn("cancelled", use_cancelled, &cancelled, &fiber));
    fiber_join(fiber);
    ASSERT_OK(cancelled.results[0]);
    ASSERT_ERROR(cancelled.results[1], -ECANCELED);
    ASSERT_ERROR(cancelled.results[2], -ECANCELED);
}

static void
write_until_cancelled(void *arg)
{
    struct cancelled *cancelled = arg;
    struct file *file;
    uint8_t *data = mem_alloc(1 << 20);
    cancelled->results[0] = file_open(cancelled->path, FILE_WRITE | FILE_CREATE, &file);
    for (unsigned i = 0; cancelled->results[1] == 0 && i < 10000; i++) {
        cancelled->results[1] = file_write_durable(file, data, 1 << 20, 0);
    }
    file_close(file);
    /* R1: the kernel no longer reads it. */
    mem_free(data);
}

/* R1 */
FIBER_TEST(a_write_under_way_is_waited_for_when_its_fiber_is_cancelled)
{
    struct cancelled cancelled = { .path = path_of("flight") };
    struct fiber *fiber;
    ASSERT_OK(fiber_spawn("writer", write_until_cancelled, &cancelled, &fiber));
    ASSERT_OK(fiber_sleep_ns(5 * NS_PER_MS));
    fiber_cancel(fiber);
    fiber_join(fiber);
    ASSERT_OK(cancelled.results[0]);
    ASSERT_ERROR(cancelled.results[1], -ECANCELED);
}

FIBER_TEST(disks_fail_by_order_of_a_test)
{
    struct file *file;
    CLEANUP(mem_freep) uint8_t *data = mem_try_alloc_aligned(FILE_ALIGNMENT, 16384);
    memset(data, 'x', 16384);
    ASSERT_OK(file_open(path_of("faulty"), FILE_READ | FILE_WRITE | FILE_CREATE, &file));
    ASSERT_OK(disk_faults_setup("write:other:eio;write:faulty:eio:skip=1:n=1"));
    ASSERT_OK(file_write(file, data, 8192, 0));
    ASSERT_ERROR(file_write_durable(file, data, 8192, 0), -EIO);
    ASSERT(strstr(fault_text(), "faulty"));
    ASSERT_OK(file_write(file, data, 8192, 0));
    ASSERT_OK(disk_faults_setup("sync::eio:n=1;write:faulty:enospc:n=1;read::slow:ms=20:n=1"));
    ASSERT_ERROR(file_sync(file, false), -EIO);
    ASSERT_OK(file_sync(file, true));
    ASSERT_ERROR(file_write(file, data, 1, 0), -ENOSPC);
    uint64_t began = clock_mono_ns();
    ASSERT_EQ(file_read(file, data, 1, 0), 1);
    ASSERT(clock_mono_ns() - began >= 20ull * NS_PER_MS);

    /* torn: the first half is there; lost: all of it, though it failed. */
    memset(data, 'y', 16384);
    ASSERT_OK(disk_faults_setup("write::torn:n=1;write::lost:n=1"));
    ASSERT_ERROR(file_write_durable(file, data, 8192, 0), -EIO);
    uint8_t back[2];
    ASSERT_EQ(file_read(file, &back[0], 1, 4095), 1);
    ASSERT_EQ(file_read(file, &back[1], 1, 4096), 1);
    ASSERT(back[0] == 'y' && back[1] == 'x');
    ASSERT_ERROR(file_write_durable(file, data, 16384, 0), -EIO);
    ASSERT_EQ(file_read(file, &back[0], 1, 16383), 1);
    ASSERT_EQ(back[0], 'y');
    ASSERT_OK(disk_faults_setup(NULL));
    file_close(file);
}

TEST(disk_faults_are_well_formed_or_refused)
{
    static const char *const bad[] = { "write", "write::", "erase::eio", "write::melts",
        "write::eio:skip=", "write::eio:skip=1x", "write::eio:often", "write::eio;;" };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ASSERT_ERROR(disk_faults_setup(bad[i]), -EINVAL);
    }
    ASSERT_OK(disk_faults_setup("any:wal/:torn:skip=9:n=2:ms=5;"));
    ASSERT_OK(disk_faults_setup(""));
}
