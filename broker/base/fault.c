/* Per-fiber error story; the reactor swaps the pointer at each switch. */
#include "base/fault.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct fault thread_fault;
static _Thread_local struct fault *current_fault;

static struct fault *
fault_current(void)
{
    return current_fault ? current_fault : &thread_fault;
}

int
fault_set(int error, const char *file, int line, const char *format, ...)
{
    struct fault *f = fault_current();
    const char *name = strrchr(file, '/');
    CHECK(error < 0);
    f->error = error;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof f->text) {
        snprintf(f->text + n, sizeof f->text - (size_t)n, " (%s:%d)", name ? name + 1 : file, line);
    }
    return error;
}

int
fault_add(int error, const char *format, ...)
{
    struct fault *f = fault_current();
    char old[sizeof f->text];
    memcpy(old, f->text, sizeof old);
    f->error = error;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    if (old[0] && n >= 0 && (size_t)n < sizeof f->text) {
        size_t room = sizeof f->text - (size_t)n;
        snprintf(f->text + n, room, ": %.*s", (int)room, old);
    }
    return error;
}

const char *
fault_text(void)
{
    return fault_current()->text;
}

void
fault_clear(void)
{
    fault_current()->error = 0;
    fault_current()->text[0] = 0;
}

struct fault *
fault_swap(struct fault *fault)
{
    struct fault *before = current_fault;
    current_fault = fault;
    return before;
}
