/* kill -9 on a real disk: a child appends and reports what was acknowledged, dies at a random
 * moment, and recovery must find all of it. Each round recovers what the round before left. */
#include "base/mem.h"
#include "reactor/random.h"
#include "unit/broker/wal/support_wal.h"
#include "unit/test.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 30
#define WRITERS 4

struct report {
    uint64_t trimmed; /* 0: `sequence` was acknowledged */
    uint64_t sequence;
    uint64_t size;
};

struct child {
    struct wal_options options;
    struct wal *wal;
    int pipe;
};

static void
report_write(int pipe, struct report report)
{
    if (write(pipe, &report, sizeof report) != (ssize_t)sizeof report) {
        _exit(3);
    }
}

static void
child_writer(void *arg)
{
    struct child *child = arg;
    uint64_t last = 0;
    for (;;) {
        size_t size = (size_t)random_below(random_below(8) == 0 ? 90000 : 3000);
        struct buf *payload = wal_test_payload(wal_next_sequence(child->wal), size);
        struct iovec part = { .iov_base = payload->data, .iov_len = payload->size };
        struct wal_append append;
        /* The payload's number is right only when the append did not wait for room. */
        uint64_t expected = wal_next_sequence(child->wal);
        int r = wal_append_begin(child->wal, &part, 1, &append);
        if (r < 0 || append.sequence != expected) {
            _exit(4);
        }
        buf_unref(payload);
        r = wal_wait(child->wal, &append);
        if (r < 0) {
            _exit(5);
        }
        report_write(child->pipe, (struct report){ .sequence = append.sequence, .size = size });
        if (last > 0) {
            report_write(child->pipe, (struct report){ .trimmed = last });
            wal_trim(child->wal, last);
        }
        last = append.sequence > 20 ? append.sequence - 20 : 0;
    }
}

static void
child_main(void *arg)
{
    struct child *child = arg;
    if (wal_test_begin(&child->options, NULL, &child->wal) < 0) {
        _exit(6);
    }
    for (int i = 0; i < WRITERS; i++) {
        if (fiber_spawn("writer", child_writer, child, NULL) < 0) {
            _exit(7);
        }
    }
    for (;;) {
        int r = fiber_sleep_ns(1000000000);
        (void)r;
    }
}

struct check {
    struct wal_options options;
    enum io_engine engine;
    struct wal_test_seen *seen;
    int result;
};

static void
check_main(void *arg)
{
    struct check *check = arg;
    do {
        check->result = wal_test_look(&check->options, check->seen);
        /* The kernel may still be busy with the dead one's last writes (W4). */
        if (check->result == -EWOULDBLOCK && fiber_sleep_ns(1000000) < 0) {
            return;
        }
    } while (check->result == -EWOULDBLOCK);
}

static pid_t
child_start(struct wal_options options, enum io_engine engine, int *ret_pipe)
{
    int ends[2];
    if (pipe(ends) < 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        struct child child = { .options = options, .pipe = ends[1] };
        struct reactors_options run = { .count = 1, .engine = engine };
        int r = reactors_run(&run, child_main, &child);
        _exit(r < 0 ? 8 : 9);
    }
    close(ends[1]);
    *ret_pipe = ends[0];
    return pid;
}

static struct report acked[100000];

/* Reads reports until the pipe is empty and closed; kills the child after a while. */
static size_t
child_watch(pid_t pid, int pipe, uint64_t *trimmed)
{
    size_t count = 0;
    static uint64_t draws;
    size_t kill_at = 10 + (size_t)(hash_u64(++draws) % 300);
    struct report report;
    size_t reports = 0;
    while (count < ARRAY_SIZE(acked) &&
            read(pipe, &report, sizeof report) == (ssize_t)sizeof report) {
        if (report.trimmed) {
            *trimmed = MAX(*trimmed, report.trimmed);
        } else {
            acked[count++] = report;
        }
        if (++reports == kill_at) {
            kill(pid, SIGKILL);
        }
    }
    close(pipe);
    return count;
}

static bool
was_found(const struct wal_test_seen *seen, struct report report)
{
    for (size_t i = 0; i < seen->count; i++) {
        if (seen->records[i].sequence == report.sequence) {
            return seen->records[i].size == report.size && !seen->records[i].damaged;
        }
    }
    return false;
}

static void
kill_rounds(enum io_engine engine)
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    options.capacity = 128 * TEST_SEGMENT;
    for (int round = 0; round < ROUNDS; round++) {
        int pipe = -1;
        pid_t pid = child_start(options, engine, &pipe);
        ASSERT(pid > 0);
        uint64_t trimmed = 0;
        size_t count = child_watch(pid, pipe, &trimmed);
        int status = 0;
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        struct check check = { .options = options, .seen = seen };
        check.options.incarnation = options.incarnation + 1;
        options.incarnation += 2;
        seen->count = 0;
        struct reactors_options run = { .count = 1, .engine = engine };
        ASSERT_OK(reactors_run(&run, check_main, &check));
        ASSERT_OK(check.result);
        ASSERT(!seen->wrong);
        ASSERT_EQ(seen->recovery.damaged_records, 0);
        ASSERT(count > 0);
        for (size_t i = 0; i < count; i++) {
            if (acked[i].sequence >= trimmed && !was_found(seen, acked[i])) {
                test_fail(__FILE__, __LINE__,
                        "round %d: sequence %llu was acknowledged and is lost", round,
                        (unsigned long long)acked[i].sequence);
                return;
            }
        }
    }
}

TEST(nothing_acknowledged_is_lost_by_kill_9_with_io_uring) /* W1 W4 */
{
    kill_rounds(IO_URING);
}

TEST(nothing_acknowledged_is_lost_by_kill_9_with_threads) /* W1 W4 */
{
    kill_rounds(IO_THREADS);
}
