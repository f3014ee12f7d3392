/* Runs, engines, statistics, the stall detector, signals, clocks and randomness. */
#include "base/attr.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"
#include "reactor/fiber.h"
#include "reactor/random.h"
#include "unit/test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(engine_names_are_parsed)
{
    enum io_engine engine;
    ASSERT_OK(io_engine_parse(BYTES_LITERAL("auto"), &engine));
    ASSERT_EQ(engine, IO_AUTO);
    ASSERT_OK(io_engine_parse(BYTES_LITERAL("uring"), &engine));
    ASSERT_EQ(engine, IO_URING);
    ASSERT_OK(io_engine_parse(BYTES_LITERAL("threads"), &engine));
    ASSERT_EQ(engine, IO_THREADS);
    ASSERT_STRING(io_engine_name(IO_SIM), "sim");
    ASSERT_ERROR(io_engine_parse(BYTES_LITERAL("sim"), &engine), -EINVAL);
    ASSERT_ERROR(io_engine_parse(BYTES_NULL, &engine), -EINVAL);
    ASSERT_ERROR(io_engine_parse(BYTES_LITERAL("uring2"), &engine), -EINVAL);
    ASSERT(strstr(fault_text(), "uring2"));
}

static void
no_main(void *arg)
{
    (void)arg;
}

TEST(the_number_of_reactors_is_bounded)
{
    struct reactors_options options = { .count = 0, .engine = IO_THREADS };
    ASSERT_ERROR(reactors_run(&options, no_main, NULL), -EINVAL);
    options.count = 65;
    ASSERT_ERROR(reactors_run(&options, no_main, NULL), -EINVAL);
    ASSERT(!reactor_is_here());
    options.count = 64;
    ASSERT_OK(reactors_run(&options, no_main, NULL));
}

FIBER_TEST(a_reactor_knows_itself)
{
    ASSERT(reactor_is_here());
    ASSERT_EQ(reactor_index(), 0);
    ASSERT_EQ(reactor_count(), 2);
    ASSERT(reactor_engine() == IO_URING || reactor_engine() == IO_THREADS);
}

/* For what this thread does from here on, and those that it starts. */
static int
filter_set(struct sock_filter *filter, size_t count)
{
    struct sock_fprog program = { .len = (unsigned short)count, .filter = filter };
    int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return r < 0 ? r : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* As the default seccomp profile of container runtimes does. */
static int
deny_uring(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return filter_set(filter, ARRAY_SIZE(filter));
}

/* How a process of its own ends that does this and no more. */
static int
status_of(int (*steps)(void))
{
    pid_t child = fork();
    if (child == 0) {
        log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
        _exit(steps());
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static void
keep_engine(void *arg)
{
    *(enum io_engine *)arg = reactor_engine();
}

/* In a process of its own: 0, or the number of the step that went wrong. */
static int
run_denied(void)
{
    enum io_engine engine = IO_AUTO;
    struct reactors_options options = { .count = 1, .engine = IO_URING };
    if (deny_uring() < 0) {
        return 77;
    }
    if (reactors_run(&options, keep_engine, &engine) != -ENOSYS ||
            !strstr(fault_text(), "seccomp")) {
        return 1;
    }
    options.engine = IO_AUTO;
    if (reactors_run(&options, keep_engine, &engine) != 0) {
        return 2;
    }
    return engine == IO_THREADS ? 0 : 3;
}

TEST(where_io_uring_is_denied_auto_takes_threads_and_uring_says_why)
{
    int status = status_of(run_denied);
    ASSERT(WIFEXITED(status));
    ASSERT(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}

/* As where RLIMIT_MEMLOCK leaves room for the ring of the probe and not for a reactor's. */
static int
deny_large_uring(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 64, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return filter_set(filter, ARRAY_SIZE(filter));
}

/* In a process of its own: 0, or the number of the step that went wrong. */
static int
run_without_room(void)
{
    enum io_engine engine = IO_AUTO;
    struct reactors_options options = { .count = 2, .engine = IO_URING };
    if (reactors_run(&options, keep_engine, &engine) < 0 || deny_large_uring() < 0) {
        return 77;
    }
    if (reactors_run(&options, keep_engine, &engine) != -ENOSYS ||
            !strstr(fault_text(), "RLIMIT_MEMLOCK")) {
        return 1;
    }
    options.engine = IO_AUTO;
    if (reactors_run(&options, keep_engine, &engine) != 0) {
        return 2;
    }
    if (engine != IO_THREADS) {
        return 3;
    }
    return mark_count("reactor: io_uring is there and its memory is not") == 1 ? 0 : 4;
}

TEST(where_io_uring_has_no_room_auto_takes_threads)
{
    int status = status_of(run_without_room);
    ASSERT(WIFEXITED(status));
    ASSERT(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}

static char logged[4096];

static void
keep_line(void *arg, enum log_level level, const char *line, size_t size)
{
    (void)arg;
    (void)level;
    bytes_to_string(bytes_of(line, size), logged, sizeof logged);
}

static void
hog(void *arg)
{
    (void)arg;
    usleep(125000);
}

static unsigned lines;

static void
count_line(void *arg, enum log_level level, const char *line, size_t size)
{
    (void)arg;
    (void)level;
    (void)size;
    lines += strstr(line, "reactor stalled") != NULL;
}

FIBER_TEST(stalls_in_a_row_cost_one_line_a_second)
{
    struct reactor_stats before;
    struct reactor_stats after;
    struct fiber *fiber;
    uint64_t begun_ns = clock_mono_ns();
    lines = 0;
    reactor_stats_get(&before);
    log_set_sink(count_line, NULL);
    for (int i = 0; i < 12; i++) {
        ASSERT_OK(fiber_spawn("the hog", hog, NULL, &fiber));
        fiber_join(fiber);
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    log_set_sink(NULL, NULL);
    reactor_stats_get(&after);
    ASSERT(after.stalls - before.stalls >= 12);
    ASSERT(lines <= 1 + (clock_mono_ns() - begun_ns) / NS_PER_S);
}

FIBER_TEST(a_stall_is_counted_and_logged_with_the_name_of_the_fiber)
{
    struct reactor_stats before;
    struct reactor_stats after;
    struct fiber *fiber;
    reactor_stats_get(&before);
    log_set_sink(keep_line, NULL);
    logged[0] = 0;
    /* A busy machine may have stalled us in the same second, and been worse. */
    for (int tries = 0; tries < 200 && !strstr(logged, "longest_fiber=\"the hog\""); tries++) {
        ASSERT_OK(fiber_spawn("the hog", hog, NULL, &fiber));
        fiber_join(fiber);
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    log_set_sink(NULL, NULL);
    reactor_stats_get(&after);
    ASSERT(after.stalls > before.stalls);
    ASSERT(after.stall_max_ns > 100 * NS_PER_MS);
    ASSERT(strstr(logged, "reactor stalled"));
    ASSERT(strstr(logged, "longest_fiber=\"the hog\""));
    ASSERT(after.turns > before.turns && after.switches > before.switches);
    ASSERT(after.busy_ns - before.busy_ns > 100 * NS_PER_MS);
}

static void
raise_soon(void *arg)
{
    if (fiber_sleep_ns(2 * NS_PER_MS) == 0) {
        kill(getpid(), *(int *)arg);
    }
}

FIBER_TEST(signals_are_waited_for)
{
    int numbers[] = { SIGTERM, SIGINT };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        struct fiber *fiber;
        ASSERT_OK(fiber_spawn("raise", raise_soon, &numbers[i], &fiber));
        ASSERT_EQ(signal_wait(), numbers[i]);
        fiber_join(fiber);
    }
    /* One that came before anybody waited. */
    kill(getpid(), SIGTERM);
    ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    ASSERT_EQ(signal_wait(), SIGTERM);
}

static void
wait_signal(void *arg)
{
    *(int *)arg = signal_wait();
}

FIBER_TEST(waiting_for_a_signal_can_be_cancelled)
{
    struct fiber *fiber;
    int result = 0;
    ASSERT_OK(fiber_spawn("signal", wait_signal, &result, &fiber));
    ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    fiber_cancel(fiber);
    fiber_join(fiber);
    ASSERT_ERROR(result, -ECANCELED);
}

TEST(clocks_do_not_go_back)
{
    uint64_t mono = clock_mono_ns();
    uint64_t boot = clock_boot_ns();
    for (int i = 0; i < 1000; i++) {
        ASSERT(clock_mono_ns() >= mono && clock_boot_ns() >= boot);
        mono = clock_mono_ns();
        boot = clock_boot_ns();
    }
    ASSERT(clock_wall_ms() > 1700000000000ll);
}

TEST(random_numbers_below_a_bound_reach_all_of_it)
{
    unsigned seen[7] = { 0 };
    for (int i = 0; i < 7000; i++) {
        uint64_t number = random_below(7);
        ASSERT(number < 7);
        seen[number]++;
    }
    for (size_t i = 0; i < 7; i++) {
        ASSERT(seen[i] > 700 && seen[i] < 1300);
    }
    ASSERT_EQ(random_below(1), 0);
    ASSERT(random_u64() != random_u64());
}

TEST(random_bytes_fill_any_size)
{
    static const size_t sizes[] = { 0, 1, 7, 255, 256, 257, 5000 };
    static uint8_t bytes[2][5001];
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        memset(bytes, 0, sizeof bytes);
        random_fill(bytes[0], sizes[i]);
        random_fill(bytes[1], sizes[i]);
        ASSERT_EQ(bytes[0][sizes[i]], 0);
        ASSERT(sizes[i] < 7 || memcmp(bytes[0], bytes[1], sizes[i]) != 0);
    }
}

/* Etags of two processes that share a folder would meet (F4 of the file store). */
TEST(a_forked_process_does_not_go_on_with_the_same_random_numbers)
{
    int ends[2];
    uint64_t theirs = 0;
    ASSERT(random_u64() != random_u64()); /* now some are in store */
    ASSERT_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        uint64_t word = random_u64();
        _exit(write(ends[1], &word, sizeof word) != sizeof word);
    }
    uint64_t ours = random_u64();
    ssize_t n = read(ends[0], &theirs, sizeof theirs);
    close(ends[0]);
    close(ends[1]);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    ASSERT_EQ(n, sizeof theirs);
    ASSERT(ours != theirs);
}

TEST(random_ids_suit_kafka)
{
    for (int i = 0; i < 20000; i++) {
        char text[UUID_TEXT_SIZE];
        struct uuid uuid = random_uuid();
        ASSERT(uuid_format(&uuid, text)[0] != '-');
        ASSERT_EQ(uuid.bytes[6] >> 4, 4);
        ASSERT_EQ(uuid.bytes[8] >> 6, 2);
    }
}

TEST(crash_points_must_be_known)
{
    ASSERT_OK(crash_point_setup(NULL));
    ASSERT_OK(crash_point_setup(""));
    ASSERT_OK(crash_point_setup("test: first:3"));
    ASSERT_OK(crash_point_setup("test: first"));
    ASSERT_ERROR(crash_point_setup("test: nowhere"), -EINVAL);
    ASSERT_ERROR(crash_point_setup("test: first:0"), -EINVAL);
    ASSERT_ERROR(crash_point_setup("test: first:1x"), -EINVAL);
    ASSERT_ERROR(crash_point_setup("test"), -EINVAL);
    ASSERT_OK(crash_point_setup(NULL));
}

TEST(a_crash_point_kills_on_the_nth_pass)
{
    pid_t child = fork();
    if (child == 0) {
        if (crash_point_setup("test: first:3") < 0) {
            _exit(9);
        }
        crash_point("test: first");
        crash_point("test: second");
        crash_point("test: first");
        if (write(1, "", 0) == 0) {
            crash_point("test: first");
        }
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Every crash_point("...") in the broker must be in the list, or it could never be armed. */
TEST(the_list_of_crash_points_is_complete)
{
    char command[1024];
    char line[512];
    snprintf(command, sizeof command,
            "grep -rhoE 'crash_point\\(\"[^\"]*\"\\)' %s/broker --include=*.c", test_source_root());
    FILE *found = popen(command, "r");
    ASSERT(found);
    bool complete = true;
    while (fgets(line, sizeof line, found)) {
        char *name = strchr(line, '"') + 1;
        *strchr(name, '"') = 0;
        if (crash_point_setup(name) < 0) {
            fprintf(stderr, "missing in crash_point.c: %s\n", name);
            complete = false;
        }
    }
    pclose(found);
    ASSERT_OK(crash_point_setup(NULL));
    ASSERT(complete);
}

static void
exit_main(void *arg)
{
    (void)arg;
    process_exit(5);
}

TEST(process_exit_ends_the_process)
{
    pid_t child = fork();
    if (child == 0) {
        struct reactors_options options = { .count = 2, .engine = IO_THREADS };
        _exit(reactors_run(&options, exit_main, NULL) < 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 5);
}
