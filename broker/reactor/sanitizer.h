#pragma once
/* Tells AddressSanitizer, ThreadSanitizer and valgrind about switches of stacks; nothing in other
 * builds. Without it they see one thread jump between stacks and report nonsense or miss errors.
 * Private to this room. */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER_ADDRESS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZER_ADDRESS 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SANITIZER_THREAD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZER_THREAD 1
#endif
#endif
#ifndef SANITIZER_ADDRESS
#define SANITIZER_ADDRESS 0
#endif
#ifndef SANITIZER_THREAD
#define SANITIZER_THREAD 0
#endif

#define SANITIZER_ANY (SANITIZER_ADDRESS || SANITIZER_THREAD)
/* Red zones make frames several times larger. */
#define SANITIZER_STACK_FACTOR (SANITIZER_ANY ? 4 : 1)

/* For functions around a switch: ThreadSanitizer counts calls and returns on the stack that it
 * believes in, and such a function is called on one and returns on the other. */
#if SANITIZER_THREAD && defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
#define SANITIZER_BLIND __attribute__((disable_sanitizer_instrumentation))
#endif
#endif
#ifndef SANITIZER_BLIND
#define SANITIZER_BLIND
#endif

struct fiber;
struct reactor;

/* With the memory of the stack. */
void sanitizer_stack_new(struct fiber *fiber);
void sanitizer_stack_free(struct fiber *fiber);
/* Before a new function starts on a used stack. */
void sanitizer_stack_reset(struct fiber *fiber);
/* On the loop: around the switch to the fiber. */
void sanitizer_before_run(struct reactor *reactor, struct fiber *fiber);
void sanitizer_after_run(struct reactor *reactor);
/* On the fiber: first thing it does, and around its switch to the loop. `last`: it never comes
 * back. */
void sanitizer_fiber_entered(struct reactor *reactor);
void sanitizer_before_leave(struct reactor *reactor, struct fiber *fiber, int last);
void sanitizer_after_leave(struct reactor *reactor, struct fiber *fiber);
