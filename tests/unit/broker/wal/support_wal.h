#pragma once
/* What the tests of the WAL share: options, records whose content follows from their number, and a
 * collector. */

#include "wal/wal.h"

#define TEST_SEGMENT ((uint64_t)64 * 1024)

struct wal_options wal_test_options(const char *folder, uint64_t incarnation);

/* The bytes of record number `number`: `size` of them, all different between numbers. Owned by the
 * caller. */
struct buf *wal_test_payload(uint64_t number, size_t size);
bool wal_test_payload_fits(uint64_t number, struct bytes payload);

/* What a replay gave, in order. */
#define WAL_TEST_SEEN_MAX 4096
struct wal_test_seen {
    struct {
        uint64_t sequence;
        size_t size;
        bool damaged;
    } records[WAL_TEST_SEEN_MAX];
    size_t count;
    uint64_t number_shift; /* record number = sequence - shift */
    bool wrong;            /* some payload was not what its number says */
    struct wal_recovery recovery;
};
struct wal_test_seen *wal_test_seen_new(void);

int wal_test_replay_fn(void *arg, uint64_t sequence, struct bytes payload, bool damaged);
/* Open, replay into `seen` (may be NULL), start. */
MUST_CHECK MAY_SUSPEND int wal_test_begin(
        const struct wal_options *options, struct wal_test_seen *seen, struct wal **ret_wal);
/* Open, replay into `seen`, close without start. */
MUST_CHECK MAY_SUSPEND int wal_test_look(
        const struct wal_options *options, struct wal_test_seen *seen);
/* Appends the record that has the next sequence as its number and waits. */
MUST_CHECK MAY_SUSPEND int wal_test_append(struct wal *wal, size_t size);
/* Leaves the WAL as a crash would: files closed, nothing finished or said. Nothing may be under
 * way. */
MAY_SUSPEND void wal_test_abandon(struct wal *wal);

/* Changes bytes of a file in the folder: xors `mask` into the byte at `offset`. 0 or -errno. */
int wal_test_flip(const char *folder, const char *name, uint64_t offset, uint8_t mask);
int wal_test_zero(const char *folder, const char *name, uint64_t offset, uint64_t size);
/* The file's bytes; owned by the caller. NULL when it cannot be read. */
struct buf *wal_test_read(const char *folder, const char *name);
int wal_test_write(const char *folder, const char *name, struct bytes bytes);
