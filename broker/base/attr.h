#pragma once
/* Compiler attributes and the cleanup grammar that every room uses. */

#include <stddef.h>
#include <stdint.h>

/* The result must be looked at: every function that can fail has it. */
#define MUST_CHECK __attribute__((warn_unused_result))
/* The call may suspend the calling fiber: all state may have changed when it returns. */
#define MAY_SUSPEND
#define PRINTF(format_index, args_index) __attribute__((format(printf, format_index, args_index)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* `CLEANUP(buf_unrefp) struct buf *b = NULL;` runs buf_unrefp(&b) when b goes out of scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Defines fn##p for CLEANUP: calls fn on the pointed-to pointer unless it is NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
    static inline void fn##p(type *p)                                                              \
    {                                                                                              \
        if (*p) {                                                                                  \
            fn(*p);                                                                                \
        }                                                                                          \
    }                                                                                              \
    struct fn##p##_semicolon

/* Moves ownership out of a variable that has a CLEANUP. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __auto_type taken_ = (p);                                                                  \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/* Through an integer, so that a pointer to const (map_equal_fn) needs no second macro. */
#define CONTAINER_OF(ptr, type, member) ((type *)((uintptr_t)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* Each expansion has its own variable names, so that the two nest without shadowing. */
#define UNIQUE_JOIN(a, b) a##b
#define UNIQUE(name, number) UNIQUE_JOIN(name, number)
#define PICK(a, b, op, n)                                                                          \
    ({                                                                                             \
        __auto_type UNIQUE(pick_a_, n) = (a);                                                      \
        __typeof__(UNIQUE(pick_a_, n)) UNIQUE(pick_b_, n) = (b);                                   \
        UNIQUE(pick_a_, n) op UNIQUE(pick_b_, n) ? UNIQUE(pick_a_, n) : UNIQUE(pick_b_, n);        \
    })
#define MIN(a, b) PICK(a, b, <, __COUNTER__)
#define MAX(a, b) PICK(a, b, >, __COUNTER__)
