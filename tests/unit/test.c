/* The harness behind test.h: registers what the macros collected with CUnit, runs fiber tests once
 * per real engine, and gives each test a folder of its own.
 *
 *   unit_wal_append [part of a test's name]        FRESHET_TEST_ENGINE=threads limits the engines
 */
#include "unit/test.h"

#include "base/attr.h"
#include "base/fault.h"
#include "base/log.h"
#include "reactor/reactor.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TESTS_MAX 1024
#define DIRECTORIES_MAX 4096
#define TEST_REACTORS 2

struct test {
    char name[160];
    const char *file;
    test_fn fn;
    enum io_engine engine; /* IO_AUTO: a plain test */
};

static struct test tests[TESTS_MAX];
static size_t test_count;
static char *directories[DIRECTORIES_MAX];
static size_t directory_count;
static char *current_directory; /* made when the running test first asks for it */
static pthread_mutex_t assert_mutex = PTHREAD_MUTEX_INITIALIZER;

static void
test_add(const char *file, const char *name, test_fn fn, enum io_engine engine)
{
    if (test_count == TESTS_MAX) {
        fprintf(stderr, "more than %d tests in one program\n", TESTS_MAX);
        exit(2);
    }
    struct test *test = &tests[test_count++];
    const char *suffix = engine == IO_URING ? " [uring]" : engine == IO_THREADS ? " [threads]" : "";
    snprintf(test->name, sizeof test->name, "%s%s", name, suffix);
    test->file = file;
    test->fn = fn;
    test->engine = engine;
}

void
test_register(const char *file, const char *name, test_fn fn)
{
    test_add(file, name, fn, IO_AUTO);
}

void
test_register_fiber(const char *file, const char *name, test_fn fn)
{
    test_add(file, name, fn, IO_URING);
    test_add(file, name, fn, IO_THREADS);
}

void
test_fail(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&assert_mutex);
    fprintf(stderr, "\n%s:%d: %s\n", file, line, text);
    CU_assertImplementation(CU_FALSE, (unsigned)line, text, file, "", CU_FALSE);
    pthread_mutex_unlock(&assert_mutex);
}

void
test_pass(void)
{
    pthread_mutex_lock(&assert_mutex);
    CU_assertImplementation(CU_TRUE, 0, "", "", "", CU_FALSE);
    pthread_mutex_unlock(&assert_mutex);
}

const char *
test_fault(long long error)
{
    return log_fault_text((int)error);
}

/* Writes up to 64 bytes as text where printable. */
static void
bytes_show(struct bytes bytes, char *out, size_t out_size)
{
    size_t n = 0;
    for (size_t i = 0; i < MIN(bytes.size, (size_t)64) && n + 5 < out_size; i++) {
        uint8_t c = bytes.data[i];
        int put = c >= ' ' && c < 0x7f && c != '\\' ? snprintf(out + n, out_size - n, "%c", c)
                                                    : snprintf(out + n, out_size - n, "\\x%02x", c);
        n += (size_t)put;
    }
    out[n] = 0;
}

bool
test_bytes_equal(
        const char *file, int line, const char *what, struct bytes actual, struct bytes expected)
{
    char shown[2][300];
    if (bytes_equal(actual, expected)) {
        test_pass();
        return true;
    }
    bytes_show(actual, shown[0], sizeof shown[0]);
    bytes_show(expected, shown[1], sizeof shown[1]);
    test_fail(file, line, "%s is %zu bytes \"%s\", not %zu bytes \"%s\"", what, actual.size,
            shown[0], expected.size, shown[1]);
    return false;
}

static int
remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void
remove_directories(void)
{
    for (size_t i = 0; i < directory_count; i++) {
        nftw(directories[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        free(directories[i]);
    }
    directory_count = 0;
}

const char *
test_source_root(void)
{
    const char *root = getenv("FRESHET_SOURCE");
    return root ? root : ".";
}

const char *
test_directory(void)
{
    if (current_directory) {
        return current_directory;
    }
    const char *base = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof path, "%s/freshet-test-XXXXXX", base ? base : "/tmp");
    if (directory_count == DIRECTORIES_MAX || !mkdtemp(path)) {
        fprintf(stderr, "cannot make a test folder %s: %s\n", path, strerror(errno));
        exit(2);
    }
    current_directory = strdup(path);
    directories[directory_count++] = current_directory;
    return current_directory;
}

struct fiber_test {
    test_fn fn;
};

static void
fiber_test_main(void *arg)
{
    struct fiber_test *test = arg;
    test->fn();
}

static struct test *
test_running(void)
{
    const char *name = CU_get_current_test()->pName;
    for (size_t i = 0; i < test_count; i++) {
        if (strcmp(tests[i].name, name) == 0) {
            return &tests[i];
        }
    }
    abort();
}

static void
run_one(void)
{
    struct test *test = test_running();
    struct fiber_test fiber_test = { test->fn };
    current_directory = NULL;
    fault_clear();
    if (test->engine == IO_AUTO) {
        test->fn();
        return;
    }
    const char *only = getenv("FRESHET_TEST_ENGINE");
    if (only && *only && strcmp(only, io_engine_name(test->engine)) != 0) {
        return;
    }
    struct reactors_options options = { .count = TEST_REACTORS, .engine = test->engine };
    int r = reactors_run(&options, fiber_test_main, &fiber_test);
    if (r == -ENOSYS && test->engine == IO_URING) {
        fprintf(stderr, "(skipped: %s) ", fault_text());
    } else if (r < 0) {
        test_fail(test->file, 0, "reactors_run failed with %d: %s", r, test_fault(r));
    }
}

static int
register_all(const char *filter)
{
    CU_pSuite suite = NULL;
    for (size_t i = 0; i < test_count; i++) {
        if (filter && !strstr(tests[i].name, filter)) {
            continue;
        }
        const char *file = strrchr(tests[i].file, '/');
        if (!suite) {
            suite = CU_add_suite(file ? file + 1 : tests[i].file, NULL, NULL);
        }
        if (!suite || !CU_add_test(suite, tests[i].name, run_one)) {
            return -1;
        }
    }
    return suite ? 0 : -1;
}

int
main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    atexit(remove_directories);
    if (CU_initialize_registry() != CUE_SUCCESS || register_all(argc > 1 ? argv[1] : NULL) != 0) {
        fprintf(stderr, "no tests to run: %s\n", CU_get_error_msg());
        return 2;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    bool failed = CU_get_number_of_failures() > 0 || CU_get_error() != CUE_SUCCESS;
    CU_cleanup_registry();
    return failed ? 1 : 0;
}
