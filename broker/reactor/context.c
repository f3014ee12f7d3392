/* The first frame of a new stack, and the ucontext fallback. */
#include "reactor/context.h"

#include "base/check.h"
#include "base/mem.h"
#include "reactor/sanitizer.h"

#include <stdint.h>

#if CONTEXT_ASSEMBLY

void context_switch_assembly(void **save, void *load);
void context_start_assembly(void);

void
context_make(struct context *context, void *stack, size_t stack_size, void (*entry)(void *arg),
        void *arg)
{
    uintptr_t top = ((uintptr_t)stack + stack_size) & ~(uintptr_t)15;
#if defined(__x86_64__)
    /* From low to high: r15 r14 r13 r12 rbx rbp, the address to jump to, and a zero where a return
     * address would be. After the jump sp is at the zero, which must be 16 bytes aligned for the
     * call in context_start_assembly. */
    void **frame = (void **)(top - 9 * sizeof(void *));
    void *image[8] = { NULL, NULL, arg, (void *)(uintptr_t)entry, NULL, NULL,
        (void *)(uintptr_t)context_start_assembly, NULL };
    for (size_t i = 0; i < 8; i++) {
        frame[i] = image[i];
    }
    CHECK(((uintptr_t)(frame + 7) & 15) == 0);
    context->stack_pointer = frame;
#else
    /* x19 x20 ... x29 x30 d8 ... d15: twenty words. */
    uint64_t *frame = (uint64_t *)(top - 20 * sizeof(uint64_t));
    for (size_t i = 0; i < 20; i++) {
        frame[i] = 0;
    }
    frame[0] = (uint64_t)(uintptr_t)entry;
    frame[1] = (uint64_t)(uintptr_t)arg;
    frame[11] = (uint64_t)(uintptr_t)context_start_assembly;
    context->stack_pointer = frame;
#endif
}

void
context_done(struct context *context)
{
    context->stack_pointer = NULL;
}

SANITIZER_BLIND void
context_switch(struct context *from, struct context *to)
{
    context_switch_assembly(&from->stack_pointer, to->stack_pointer);
}

#else

/* makecontext passes ints only: the pointers travel through these. */
static _Thread_local void (*start_entry)(void *arg);
static _Thread_local void *start_arg;
static _Thread_local ucontext_t *start_maker;
static _Thread_local ucontext_t *start_made;

static void
context_start(void)
{
    void (*entry)(void *arg) = start_entry;
    void *arg = start_arg;
    CHECK(swapcontext(start_made, start_maker) == 0);
    entry(arg);
    UNREACHABLE();
}

void
context_make(struct context *context, void *stack, size_t stack_size, void (*entry)(void *arg),
        void *arg)
{
    ucontext_t maker;
    context->ucontext = mem_alloc(sizeof *context->ucontext);
    CHECK(getcontext(context->ucontext) == 0);
    context->ucontext->uc_stack.ss_sp = stack;
    context->ucontext->uc_stack.ss_size = stack_size;
    context->ucontext->uc_link = NULL;
    makecontext(context->ucontext, context_start, 0);
    start_entry = entry;
    start_arg = arg;
    start_maker = &maker;
    start_made = context->ucontext;
    CHECK(swapcontext(&maker, context->ucontext) == 0);
}

void
context_done(struct context *context)
{
    mem_free(context->ucontext);
    context->ucontext = NULL;
}

SANITIZER_BLIND void
context_switch(struct context *from, struct context *to)
{
    if (!from->ucontext) {
        from->ucontext = mem_alloc(sizeof *from->ucontext);
    }
    CHECK(swapcontext(from->ucontext, to->ucontext) == 0);
}

#endif
