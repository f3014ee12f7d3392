/* Starting, reading, waiting. */
#include "kube/process.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "kube/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_LOOK_MS 10

static int
spawn(const struct process *process, int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawnp(ret_pid, process->path, &actions, &attr, process->argv, process->envp);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        return fault(error == ENOENT ? -ENOENT : -EIO, "cannot run %s: %s", process->path,
                strerrordesc_np(error));
    }
    return 0;
}

/* Until the output ends; -ETIMEDOUT, -EFBIG. */
static int
output_read(const struct process *process, int fd, int64_t end_ms, struct strbuf *out)
{
    char piece[2048];
    for (;;) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int64_t left_ms = end_ms - clock_now_ms();
        int ready = left_ms > 0 ? poll(&wait, 1, (int)left_ms) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return fault(-ETIMEDOUT, "%s did not end within %lld ms", process->path,
                    (long long)process->limit_ms);
        }
        ssize_t size = read(fd, piece, sizeof piece);
        if (size == 0) {
            return 0;
        }
        if (size > 0) {
            strbuf_append(out, bytes_of(piece, (size_t)size));
        }
        if (out->error) {
            return fault(
                    -EFBIG, "%s wrote more than %zu bytes", process->path, process->output_max);
        }
    }
}

/* Its output may end before it does. */
static int
end_wait(const struct process *process, pid_t pid, int64_t end_ms, int *ret_status)
{
    for (;;) {
        pid_t ended = waitpid(pid, ret_status, WNOHANG);
        if (ended == pid) {
            return 0;
        }
        if (ended < 0 && errno != EINTR) {
            return fault(-EIO, "%s: %s", process->path, strerrordesc_np(errno));
        }
        if (clock_now_ms() >= end_ms) {
            return fault(-ETIMEDOUT, "%s did not end within %lld ms", process->path,
                    (long long)process->limit_ms);
        }
        poll(NULL, 0, END_LOOK_MS);
    }
}

/* The group is killed in any case: what the program left behind must not hold up anything. */
static int
finish(const struct process *process, pid_t pid, int64_t end_ms, int r)
{
    int status = 0;
    r = r < 0 ? r : end_wait(process, pid, end_ms, &status);
    kill(-pid, SIGKILL);
    if (r < 0) {
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        return r;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    return fault(-EIO, "%s ended with %s %d", process->path,
            WIFEXITED(status) ? "status" : "signal",
            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

int
process_run(const struct process *process, struct bytes *ret_output)
{
    int64_t end_ms = clock_now_ms() + process->limit_ms;
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return fault(-EIO, "cannot run %s: %s", process->path, strerrordesc_np(errno));
    }
    int r = spawn(process, ends[1], &pid);
    close(ends[1]);
    if (r < 0) {
        close(ends[0]);
        return r;
    }
    struct strbuf out;
    strbuf_init(&out, process->output_max);
    r = finish(process, pid, end_ms, output_read(process, ends[0], end_ms, &out));
    close(ends[0]);
    if (r == 0) {
        *ret_output = bytes_of(mem_dup(out.data, out.size), out.size);
    }
    strbuf_done(&out);
    return r;
}
