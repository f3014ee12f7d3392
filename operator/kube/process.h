#pragma once
/* A program that is run for its output, bounded in time and size. Private to this room: exec.c.
 *
 * The caller's thread waits meanwhile, so the time is short. The program has its own group, reads
 * nothing, and gets no descriptor but its output; its standard error is ours. */

#include "base/attr.h"
#include "base/bytes.h"

#include <stdint.h>

struct process {
    const char *path;  /* without '/': found in PATH */
    char *const *argv; /* ends with NULL */
    char *const *envp;
    int64_t limit_ms;
    size_t output_max;
};

/* What it wrote, when it ended with status 0; owned. -ENOENT: there is no such program. -ETIMEDOUT,
 * -EFBIG: it, and what it started in its group, was killed. -EIO: it ended otherwise, or could not
 * be run. */
MUST_CHECK int process_run(const struct process *process, struct bytes *ret_output);
