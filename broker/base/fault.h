#pragma once
/* The story behind a negative errno. A function that meets an error of the world says what happened
 * once, where it knows most: `return fault(-EIO, "wal: short write at %llu", ...)`; callers may add
 * what they were doing with fault_note. Whoever handles the error (a handler, main) logs
 * fault_text() with it; rooms below never log errors. Each fiber has its own fault, so a wait in
 * between does not lose it. Fixed size; never allocates. */

#include "base/attr.h"

struct fault {
    int error;
    char text[496]; /* newest note first, then the causes after ": " */
};

/* Starts a new story: keeps the text with file and line, returns `error` (negative errno). */
#define fault(error, ...) fault_set((error), __FILE__, __LINE__, __VA_ARGS__)
/* Puts what the caller was doing in front of the story; returns `error`. */
#define fault_note(error, ...) fault_add((error), __VA_ARGS__)

PRINTF(4, 5) int fault_set(int error, const char *file, int line, const char *format, ...);
PRINTF(2, 3) int fault_add(int error, const char *format, ...);
/* The current story, "" when there is none. Valid until the next fault on this fiber. */
const char *fault_text(void);
void fault_clear(void);
/* The reactor gives each fiber its own; returns the one before. NULL goes back to the thread's own.
 */
struct fault *fault_swap(struct fault *fault);
