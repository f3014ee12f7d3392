#pragma once
/* Memory with the lifetime of one request: allocated by moving a pointer, freed all at once. Has a
 * budget, so that no input can make one request take more than its share. */

#include "base/attr.h"
#include "base/bytes.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunk; /* newest; older ones linked behind it */
    size_t used;               /* bytes handed out since init or reset */
    size_t budget;             /* most bytes that may be handed out */
};

/* `budget`: most bytes between resets. */
void arena_init(struct arena *arena, size_t budget);
void arena_done(struct arena *arena);
/* Forgets everything allocated; keeps one chunk for the next request. */
void arena_reset(struct arena *arena);
/* Zeroed, aligned for any type. NULL when the budget is spent: answer -ENOBUFS. */
MUST_CHECK void *arena_try_alloc(struct arena *arena, size_t size);
/* As arena_try_alloc for count elements; checks the product. */
MUST_CHECK void *arena_try_alloc_array(struct arena *arena, size_t count, size_t size);
/* For sizes that our own code bounds: stops the process when the budget is spent. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);
/* Copies; the result has a NUL behind its bytes. */
struct bytes arena_dup(struct arena *arena, struct bytes bytes);
PRINTF(2, 3) struct bytes arena_printf(struct arena *arena, const char *format, ...);
