#pragma once
/* A world of whole brokers' metadata in the simulator: each host runs meta_start, proposes configs,
 * commits, merges, log starts and deletions, writes data objects, stops or is killed, and starts
 * again; one holds the lease at a time.
 *
 * Beyond what ledger.h knows:
 *   one lease       of two epochs, the lower one's lease is never valid after the higher one's was
 * (M4) own term        what was acknowledged was applied in the proposer's own term (M2) no false
 * no     what was reported as not logged is nowhere no live object removed, no dead one left (O2),
 * looked at when all is quiet */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runs one seed; `why` says what went wrong when it returns false. */
bool meta_world_run(uint64_t seed, unsigned mutants, char *why, size_t why_size);
