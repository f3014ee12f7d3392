/* The fault that is planted, if any. */
#include "base/mutant.h"

enum mutant mutant_planted;

const char *const mutant_names[MUTANT_COUNT] = {
    "none",
    "ack-unflushed",
    "ack-failed-write",
    "trim-early",
    "recover-nothing",
    "no-sequences",
    "read-skips",
    "read-unflushed",
    "read-out-of-range",
    "high-too-low",
    "ack-other-offset",
    "refuse-appended",
    "invent-gaps",
    "forget-commits",
    "commit-ahead",
    "delete-too-much",
    "delete-nothing",
    "retain-nothing",
    "keep-deleted",
    "no-block-crc",
    "no-wal-object-crc",
};
