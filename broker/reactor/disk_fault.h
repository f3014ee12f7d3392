#pragma once
/* Disks that fail by order of a test, on both real engines: FRESHET_DISK_FAULTS="rule;rule", where
 * a rule is OPERATION:PATTERN:KIND[:skip=N][:n=COUNT][:ms=DELAY].
 *   OPERATION  read, write (flushed or not), sync (a flush of its own), any
 *   PATTERN    a part of the file's path; empty: every file
 *   KIND       eio, enospc: not carried out; torn: the first half is carried out, then -EIO; lost:
 *              carried out, then -EIO (the flush failed, the bytes may be there); slow: carried out
 *              after `ms`
 * `skip` spares the first that fit (0), `n` is how often at most (no limit). The first rule that
 * fits applies. Costs one load when unset. The simulator has faults of its own (sim.h). Limits:
 * DISK_FAULT_RULES_MAX. */

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

#define DISK_FAULT_RULES_MAX 16
#define DISK_FAULT_PATTERN_SIZE 64

enum disk_fault_kind {
    DISK_FAULT_NONE,
    DISK_FAULT_EIO,
    DISK_FAULT_ENOSPC,
    DISK_FAULT_TORN,
    DISK_FAULT_LOST,
    DISK_FAULT_SLOW,
};

struct disk_fault {
    enum disk_fault_kind kind;
    uint64_t delay_ns;
};

/* Reads the environment; called by main before the reactors run. NULL or "": none. -EINVAL. */
MUST_CHECK int disk_faults_setup(const char *setting);
