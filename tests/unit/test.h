#pragma once
/* Unit tests: one program per file, run by CUnit under ctest. A test's name is a sentence.
 *
 *   TEST(crc32c_of_the_empty_string_is_zero) { ASSERT_EQ(crc32c(BYTES_NULL), 0); }
 *
 * FIBER_TEST bodies run on a fiber of a reactor, once per real engine (uring where the machine
 * allows it, threads). */

#include "base/bytes.h"

#include <stdint.h>

typedef void (*test_fn)(void);

void test_register(const char *file, const char *name, test_fn fn);
/* Registers fn to be run inside a reactor, for each real engine. */
void test_register_fiber(const char *file, const char *name, test_fn fn);
/* Records a failure and leaves the test by longjmp-free return: the ASSERT macros return from the
 * test function. */
void test_fail(const char *file, int line, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void test_pass(void);
/* A fresh empty folder for this test, removed at exit. Valid until the program ends. */
const char *test_directory(void);
/* The root of the source tree: FRESHET_SOURCE, which ctest sets, else the folder we are in. */
const char *test_source_root(void);

#define TEST(name)                                                                                 \
    static void test_##name(void);                                                                 \
    __attribute__((constructor)) static void register_##name(void)                                 \
    {                                                                                              \
        test_register(__FILE__, #name, test_##name);                                               \
    }                                                                                              \
    static void test_##name(void)

#define FIBER_TEST(name)                                                                           \
    static void test_##name(void);                                                                 \
    __attribute__((constructor)) static void register_##name(void)                                 \
    {                                                                                              \
        test_register_fiber(__FILE__, #name, test_##name);                                         \
    }                                                                                              \
    static void test_##name(void)

#define ASSERT(x)                                                                                  \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            test_fail(__FILE__, __LINE__, "%s", #x);                                               \
            return;                                                                                \
        }                                                                                          \
        test_pass();                                                                               \
    } while (0)

/* Integers of any type; prints both. */
#define ASSERT_EQ(actual, expected)                                                                \
    do {                                                                                           \
        long long actual_ = (long long)(actual);                                                   \
        long long expected_ = (long long)(expected);                                               \
        if (actual_ != expected_) {                                                                \
            test_fail(__FILE__, __LINE__, "%s is %lld, not %lld (%s)", #actual, actual_,           \
                    expected_, #expected);                                                         \
            return;                                                                                \
        }                                                                                          \
        test_pass();                                                                               \
    } while (0)

/* r >= 0 */
#define ASSERT_OK(call)                                                                            \
    do {                                                                                           \
        long long ok_ = (long long)(call);                                                         \
        if (ok_ < 0) {                                                                             \
            test_fail(__FILE__, __LINE__, "%s failed with %lld: %s", #call, ok_, test_fault(ok_)); \
            return;                                                                                \
        }                                                                                          \
        test_pass();                                                                               \
    } while (0)

#define ASSERT_ERROR(call, error) ASSERT_EQ(call, error)

#define ASSERT_BYTES(actual, expected)                                                             \
    do {                                                                                           \
        if (!test_bytes_equal(__FILE__, __LINE__, #actual, (actual), (expected))) {                \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#define ASSERT_STRING(actual, expected)                                                            \
    ASSERT_BYTES(bytes_of_string(actual), bytes_of_string(expected))

const char *test_fault(long long error);
bool test_bytes_equal(
        const char *file, int line, const char *what, struct bytes actual, struct bytes expected);
