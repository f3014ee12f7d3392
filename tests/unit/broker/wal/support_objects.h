#pragma once
/* What the tests of the WAL in the bucket share: a store with faults, one log in it, and its
 * recovery. */

#include "support_wal.h"
#include "wal/objects_internal.h"

/* A fresh store in memory, with the rules of objects_test_rule. NULL: none. */
MAY_SUSPEND struct objectstore *objects_test_store(void);
bool objects_test_rule(const char *text);
void objects_test_heal(void); /* no rules any more */
/* Log 0 of two. */
struct wal_objects_options objects_test_options(struct objectstore *store);
MUST_CHECK MAY_SUSPEND int objects_test_create(struct objectstore *store, struct wal **ret_wal);
/* Begins the append of the next record. */
MUST_CHECK MAY_SUSPEND int objects_test_begin(
        struct wal *wal, size_t size, struct wal_append *append);
MUST_CHECK MAY_SUSPEND int objects_test_append(struct wal *wal, size_t size);
/* Fences and reads; NULL: an error. ret_log_count may be NULL. */
MAY_SUSPEND struct wal_test_seen *objects_test_recover(
        struct objectstore *store, uint32_t *ret_log_count);
/* How many objects there are. */
MAY_SUSPEND size_t objects_test_keys(struct objectstore *store);
MUST_CHECK MAY_SUSPEND int objects_test_remove(struct objectstore *store, uint64_t slot);
/* Flips bits of the byte at `at`, or of the last. */
MUST_CHECK MAY_SUSPEND int objects_test_flip(struct objectstore *store, uint64_t slot, size_t at);
