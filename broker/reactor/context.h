#pragma once
/* Stacks of control: saving the one and loading the other. Private to this room.
 *
 * Six callee-saved registers are kept (x86-64) or ten and eight (aarch64). Floating point control
 * words are not: nobody in Freshet changes them and keeping them costs ten times the switch. Where
 * there is no assembly, ucontext serves. */

#include <stddef.h>

#if defined(__x86_64__) || defined(__aarch64__)
#define CONTEXT_ASSEMBLY 1
#else
#define CONTEXT_ASSEMBLY 0
#include <ucontext.h>
#endif

struct context {
#if CONTEXT_ASSEMBLY
    void *stack_pointer;
#else
    ucontext_t *ucontext; /* heap; made by context_make or at the first switch away */
#endif
};

/* Prepares a context that calls entry(arg) on the stack when first switched to; entry must never
 * return. */
void context_make(struct context *context, void *stack, size_t stack_size, void (*entry)(void *arg),
        void *arg);
/* Frees what context_make took; the context must not be running. */
void context_done(struct context *context);
/* Continues `to`; returns when somebody switches back to `from`. */
void context_switch(struct context *from, struct context *to);
