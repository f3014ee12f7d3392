/* Annotations of stack switches for the tools that need them. */
#include "reactor/sanitizer.h"

#include "reactor/internal.h"

#if SANITIZER_ADDRESS
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if SANITIZER_THREAD
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) ((void)(start), (void)(end), 0u)
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#endif

void
sanitizer_stack_new(struct fiber *fiber)
{
    char *end = (char *)fiber->stack + fiber->stack_size;
    fiber->valgrind_id = (unsigned)VALGRIND_STACK_REGISTER(fiber->stack, end);
#if SANITIZER_THREAD
    fiber->sanitizer_fiber = __tsan_create_fiber(0);
#endif
}

void
sanitizer_stack_free(struct fiber *fiber)
{
    VALGRIND_STACK_DEREGISTER(fiber->valgrind_id);
#if SANITIZER_THREAD
    __tsan_destroy_fiber(fiber->sanitizer_fiber);
#endif
}

void
sanitizer_stack_reset(struct fiber *fiber)
{
#if SANITIZER_ADDRESS
    /* The last function on it ended in a switch, so the red zones of its frames are still marked.
     */
    __asan_unpoison_memory_region(fiber->stack, fiber->stack_size);
    fiber->sanitizer_fiber = NULL;
#elif SANITIZER_THREAD
    /* The functions that never returned are still on its list of calls. */
    __tsan_destroy_fiber(fiber->sanitizer_fiber);
    fiber->sanitizer_fiber = __tsan_create_fiber(0);
#else
    (void)fiber;
#endif
}

SANITIZER_BLIND void
sanitizer_before_run(struct reactor *reactor, struct fiber *fiber)
{
#if SANITIZER_ADDRESS
    __sanitizer_start_switch_fiber(&reactor->loop_sanitizer, fiber->stack, fiber->stack_size);
#elif SANITIZER_THREAD
    reactor->loop_sanitizer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber->sanitizer_fiber, 0);
#else
    (void)reactor;
    (void)fiber;
#endif
}

void
sanitizer_after_run(struct reactor *reactor)
{
#if SANITIZER_ADDRESS
    __sanitizer_finish_switch_fiber(reactor->loop_sanitizer, NULL, NULL);
#else
    (void)reactor;
#endif
}

void
sanitizer_fiber_entered(struct reactor *reactor)
{
#if SANITIZER_ADDRESS
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(NULL, &bottom, &size);
    reactor->loop_stack = (void *)(uintptr_t)bottom;
    reactor->loop_stack_size = size;
#else
    (void)reactor;
#endif
}

SANITIZER_BLIND void
sanitizer_before_leave(struct reactor *reactor, struct fiber *fiber, int last)
{
#if SANITIZER_ADDRESS
    __sanitizer_start_switch_fiber(
            last ? NULL : &fiber->sanitizer_fiber, reactor->loop_stack, reactor->loop_stack_size);
#elif SANITIZER_THREAD
    (void)fiber;
    (void)last;
    __tsan_switch_to_fiber(reactor->loop_sanitizer, 0);
#else
    (void)reactor;
    (void)fiber;
    (void)last;
#endif
}

void
sanitizer_after_leave(struct reactor *reactor, struct fiber *fiber)
{
#if SANITIZER_ADDRESS
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(fiber->sanitizer_fiber, &bottom, &size);
    reactor->loop_stack = (void *)(uintptr_t)bottom;
    reactor->loop_stack_size = size;
#else
    (void)reactor;
    (void)fiber;
#endif
}
