#pragma once
/* The memory that all requests of the process may take together: their frames, what handlers
 * allocate, and their answers. Entered from net/ (frames), request.c (the rest) and session/ (which
 * gives it back).
 *
 * H1  However many clients send however much, requests under way hold no more than the limit and
 *     what those that run already ask for on top (REQUEST_MEMORY_MAX each). Scenario: 400
 *     connections announce 100 MiB each; or each of thousands sends 2 MB that take 100 MB to
 *     answer: the process would be killed for its memory, and with it everybody's connections.
 * Limits: queued.max.request.bytes, REQUEST_MEMORY_MAX. Full means that frames are not read. */

#include "base/attr.h"
#include "base/limits.h"

#include <stdatomic.h>
#include <stdint.h>

/* Zeros are "no limit". */
struct request_memory {
    uint64_t limit; /* 0: none */
    _Atomic uint64_t used;
    _Atomic uint64_t waits; /* frames that had to wait */
};

/* Waits until there is room, or nobody else holds any. -ETIMEDOUT, -ECANCELED: not taken. Any
 * reactor. */
MUST_CHECK MAY_SUSPEND int request_memory_take(
        struct request_memory *memory, uint64_t size, uint64_t deadline_ns);
/* Takes what a request that runs already needs, room or not. */
void request_memory_add(struct request_memory *memory, uint64_t size);
void request_memory_give(struct request_memory *memory, uint64_t size);
