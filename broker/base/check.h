#pragma once
/* CHECK states what must be true unless Freshet itself has a bug. It stays on in release builds: a
 * broker that stops is recovered from its WAL, one that goes on with broken state is not. The
 * world's failures (bad input, disks, networks) are never CHECKed: they are returned as negative
 * errno. */

#include "base/attr.h"

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (UNLIKELY(!(x))) {                                                                      \
            check_failed(__FILE__, __LINE__, __func__, #x);                                        \
        }                                                                                          \
    } while (0)

#define UNREACHABLE() check_failed(__FILE__, __LINE__, __func__, "unreachable")

/* Prints the place and the condition to standard error and aborts. */
NORETURN void check_failed(const char *file, int line, const char *function, const char *condition);
