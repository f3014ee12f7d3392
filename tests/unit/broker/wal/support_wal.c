/* Helpers of the WAL's tests. */
#include "unit/broker/wal/support_wal.h"

#include "base/mem.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct wal_options
wal_test_options(const char *folder, uint64_t incarnation)
{
    return (struct wal_options){
        .folder = folder,
        .cluster_id = { { 1, 2, 3 } },
        .broker_id = 7,
        .incarnation = incarnation,
        .capacity = 4 * TEST_SEGMENT,
        .segment_size = TEST_SEGMENT,
    };
}

static uint8_t
payload_byte(uint64_t number, size_t at)
{
    return (uint8_t)(hash_u64(number * 1000003 + at / 8) >> at % 8 * 8);
}

struct buf *
wal_test_payload(uint64_t number, size_t size)
{
    struct buf *buf = buf_new(size + 1);
    for (size_t i = 0; i < size; i++) {
        buf->data[i] = payload_byte(number, i);
    }
    buf->size = size;
    return buf;
}

bool
wal_test_payload_fits(uint64_t number, struct bytes payload)
{
    for (size_t i = 0; i < payload.size; i++) {
        if (payload.data[i] != payload_byte(number, i)) {
            return false;
        }
    }
    return true;
}

struct wal_test_seen *
wal_test_seen_new(void)
{
    return mem_alloc(sizeof(struct wal_test_seen));
}

int
wal_test_replay_fn(void *arg, uint64_t sequence, struct bytes payload, bool damaged)
{
    struct wal_test_seen *seen = arg;
    if (!seen) {
        return 0;
    }
    if (seen->count == WAL_TEST_SEEN_MAX) {
        return -ENOBUFS;
    }
    seen->records[seen->count].sequence = sequence;
    seen->records[seen->count].size = payload.size;
    seen->records[seen->count].damaged = damaged;
    seen->count++;
    if (!damaged && !wal_test_payload_fits(sequence, payload)) {
        seen->wrong = true;
    }
    return 0;
}

int
wal_test_begin(const struct wal_options *options, struct wal_test_seen *seen, struct wal **ret_wal)
{
    struct wal *wal = NULL;
    int r = wal_open(options, &wal);
    if (r < 0) {
        return r;
    }
    struct wal_recovery recovery;
    r = wal_replay(wal, wal_test_replay_fn, seen, &recovery);
    if (r == 0) {
        r = wal_start(wal);
    }
    if (r < 0) {
        int closed = wal_close(wal);
        (void)closed;
        return r;
    }
    if (seen) {
        seen->recovery = recovery;
    }
    *ret_wal = wal;
    return 0;
}

int
wal_test_look(const struct wal_options *options, struct wal_test_seen *seen)
{
    struct wal *wal = NULL;
    int r = wal_open(options, &wal);
    if (r < 0) {
        return r;
    }
    r = wal_replay(wal, wal_test_replay_fn, seen, &seen->recovery);
    int closed = wal_close(wal);
    return r < 0 ? r : closed;
}

int
wal_test_append(struct wal *wal, size_t size)
{
    struct buf *payload = wal_test_payload(wal_next_sequence(wal), size);
    struct iovec parts[2] = {
        { .iov_base = payload->data, .iov_len = size / 3 },
        { .iov_base = payload->data + size / 3, .iov_len = size - size / 3 },
    };
    struct wal_append append;
    int r = wal_append_begin(wal, parts, 2, &append);
    buf_unref(payload);
    return r < 0 ? r : wal_wait(wal, &append);
}

void
wal_test_abandon(struct wal *wal)
{
    /* W2 ends all fibers without a last word on the disk. */
    wal_break(wal, -EIO);
    wait_queue_wake_all(&wal->keeper_queue);
    int r = wal_close(wal);
    (void)r;
}

static int
file_of(const char *folder, const char *name, int flags)
{
    char path[FILE_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int descriptor = open(path, flags | O_CLOEXEC, 0644);
    return descriptor < 0 ? -errno : descriptor;
}

int
wal_test_flip(const char *folder, const char *name, uint64_t offset, uint8_t mask)
{
    int descriptor = file_of(folder, name, O_RDWR);
    if (descriptor < 0) {
        return descriptor;
    }
    uint8_t byte;
    int r = pread(descriptor, &byte, 1, (off_t)offset) == 1 ? 0 : -EIO;
    byte ^= mask;
    if (r == 0) {
        r = pwrite(descriptor, &byte, 1, (off_t)offset) == 1 ? 0 : -EIO;
    }
    close(descriptor);
    return r;
}

int
wal_test_zero(const char *folder, const char *name, uint64_t offset, uint64_t size)
{
    int descriptor = file_of(folder, name, O_RDWR);
    if (descriptor < 0) {
        return descriptor;
    }
    uint8_t *zeros = mem_alloc(size);
    int r = pwrite(descriptor, zeros, size, (off_t)offset) == (ssize_t)size ? 0 : -EIO;
    mem_free(zeros);
    close(descriptor);
    return r;
}

struct buf *
wal_test_read(const char *folder, const char *name)
{
    int descriptor = file_of(folder, name, O_RDONLY);
    if (descriptor < 0) {
        return NULL;
    }
    off_t size = lseek(descriptor, 0, SEEK_END);
    struct buf *buf = buf_new((size_t)size);
    ssize_t got = pread(descriptor, buf->data, (size_t)size, 0);
    buf->size = got < 0 ? 0 : (size_t)got;
    close(descriptor);
    return buf;
}

int
wal_test_write(const char *folder, const char *name, struct bytes bytes)
{
    int descriptor = file_of(folder, name, O_RDWR | O_CREAT | O_TRUNC);
    if (descriptor < 0) {
        return descriptor;
    }
    int r = pwrite(descriptor, bytes.data, bytes.size, 0) == (ssize_t)bytes.size ? 0 : -EIO;
    close(descriptor);
    return r;
}
