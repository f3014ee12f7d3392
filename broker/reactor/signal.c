/* SIGTERM and SIGINT, which all threads block, read from a signalfd. */
#include "reactor/internal.h"
#include "reactor/sim_internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int
signal_read(struct descriptor *descriptor)
{
    for (;;) {
        struct signalfd_siginfo info;
        ssize_t n = read(descriptor->number, &info, sizeof info);
        if (n == (ssize_t)sizeof info) {
            return (int)info.ssi_signo;
        }
        if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
            return fault(n < 0 ? -errno : -EIO, "reactor: signalfd cannot be read");
        }
        int r = reactor_here->engine->wait(reactor_here, descriptor, DIRECTION_READ, DEADLINE_NONE);
        if (r < 0) {
            return r;
        }
    }
}

int
signal_wait(void)
{
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    if (is_sim()) {
        return sim_signal_wait();
    }
    CHECK(reactor_here->index == 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    struct descriptor descriptor = { .number = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) };
    if (descriptor.number < 0) {
        return fault(-errno, "reactor: signalfd failed");
    }
    r = reactor_here->engine->watch(reactor_here, &descriptor);
    if (r == 0) {
        r = signal_read(&descriptor);
        reactor_here->engine->unwatch(reactor_here, &descriptor);
    }
    close(descriptor.number);
    return r;
}
