#pragma once
/* Fibers and their stacks, recycled. One pool per reactor thread. Private to this room.
 *
 * All stacks lie in one reservation, each with a guard page below. Where the kernel has
 * MADV_GUARD_INSTALL (6.13) a guard costs nothing; else each costs a mapping (mprotect), and
 * vm.max_map_count ends the supply at some 32,000 per process: fiber_spawn then says -ENOMEM. */

#include "base/attr.h"

#include <stddef.h>

struct fiber;
struct fiber_pool;

struct fiber_pool *fiber_pool_new(size_t fibers_max);
/* All fibers must have been given back. */
void fiber_pool_free(struct fiber_pool *pool);
/* A fiber in state FIBER_IDLE with a stack. -ENOMEM. */
MUST_CHECK int fiber_pool_take(struct fiber_pool *pool, struct fiber **ret_fiber);
void fiber_pool_give(struct fiber_pool *pool, struct fiber *fiber);
