#pragma once
/* Object stores in memory, shared by name within the process: for unit tests and the simulator.
 * Entered through objectstore_open("memory://NAME"); the functions here are for tests.
 *
 * Exact and deterministic: an operation takes place at one point between two turns of the reactor,
 * etags are hashes of the content, as S3's (equal bytes have equal tags, so the ABA hole is there
 * to be found), and what S3 servers on file systems refuse (an object at a prefix of another one's
 * path) is refused. Limits: OBJECT_SIZE_MAX a piece; the whole is bounded by what tests write. */

#include "base/attr.h"

#include <stddef.h>

/* Frees the objects of that name. No store of that name may be used any more. Harmless when there
 * is none. */
void memory_store_forget(const char *name);
/* Objects under that name now. */
size_t memory_store_count(const char *name);
