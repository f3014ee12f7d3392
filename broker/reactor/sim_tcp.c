/* Streams and listeners of the simulated network. */
#include "base/mem.h"
#include "reactor/sim_net.h"

#include <errno.h>
#include <stdio.h>

/* Bytes that may be on their way or unread in one direction. */
#define WINDOW_SIZE (256 * KIB)
#define BACKLOG_MAX 128u

struct sim_stream {
    struct stream stream;
    struct endpoint *end;
};

static const struct stream_kind sim_stream_kind;

static void
wake_interrupt(struct fiber *fiber, int reason)
{
    struct fiber **place = fiber->wait_object;
    *place = NULL;
    fiber_wake(fiber, reason);
}

/* Until somebody wakes *place. */
static int
wait_at(struct fiber **place, uint64_t deadline_ns)
{
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    CHECK(!*place);
    *place = fiber_current();
    fiber_current()->wait_object = place;
    return fiber_suspend(wake_interrupt, deadline_ns);
}

static struct endpoint *
end_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct sim_stream, stream)->end;
}

static int
stream_new(struct endpoint *end, struct stream **ret_stream)
{
    struct sim_stream *stream = mem_alloc(sizeof *stream);
    stream->stream.kind = &sim_stream_kind;
    stream->end = end;
    snprintf(stream->stream.local, sizeof stream->stream.local, "%s", end->text);
    snprintf(stream->stream.peer, sizeof stream->stream.peer, "%s",
            end->peer ? end->peer->text : "gone");
    *ret_stream = &stream->stream;
    return 0;
}

static size_t
take_bytes(struct endpoint *end, uint8_t *out, size_t size)
{
    size_t done = 0;
    struct segment *segment;
    /* A reader may get less than there is. */
    if (size > 1 && sim_world_random(end->sim) % 4 == 0) {
        size = (size_t)sim_world_between(end->sim, 1, size);
    }
    while (done < size && (segment = LIST_FIRST(&end->received, struct segment, link))) {
        size_t n = MIN(size - done, segment->size - segment->used);
        memcpy(out + done, segment->data + segment->used, n);
        segment->used += n;
        done += n;
        if (segment->used == segment->size) {
            list_remove(&segment->link);
            mem_free(segment);
        }
    }
    end->unread -= done;
    if (end->peer) {
        end->peer->in_flight -= done;
        sim_net_wake(&end->peer->writer, 0);
    }
    return done;
}

static int64_t
sim_stream_read(struct stream *stream, void *data, size_t size, uint64_t deadline_ns)
{
    struct endpoint *end = end_of(stream);
    for (;;) {
        if (end->error) {
            return fault(end->error, "tcp: read from %s: %s", stream->peer,
                    strerrordesc_np(-end->error));
        }
        if (end->unread > 0) {
            fiber_give_way();
            return end->error ? end->error : (int64_t)take_bytes(end, data, size);
        }
        if (end->ended || end->shut) {
            return 0;
        }
        int r = wait_at(&end->reader, deadline_ns);
        if (r < 0) {
            return fault(r, "tcp: read from %s: %s", stream->peer, strerrordesc_np(-r));
        }
    }
}

/* Waits for room in the window; bytes that may be sent. */
static int64_t
wait_for_room(struct endpoint *end, uint64_t deadline_ns)
{
    while (!end->error && !end->shut && end->in_flight >= WINDOW_SIZE) {
        int r = wait_at(&end->writer, deadline_ns);
        if (r < 0) {
            return r;
        }
    }
    return end->error ? end->error : end->shut ? -EPIPE : (int64_t)(WINDOW_SIZE - end->in_flight);
}

static int
write_part(struct endpoint *end, const uint8_t *data, size_t size, uint64_t deadline_ns)
{
    while (size > 0) {
        int64_t room = wait_for_room(end, deadline_ns);
        if (room < 0) {
            return (int)room;
        }
        size_t n =
                MIN(size, MIN((size_t)room, (size_t)sim_world_between(end->sim, 1, SEGMENT_MAX)));
        struct segment *segment = segment_new(end, SEGMENT_DATA, n);
        memcpy(segment->data, data, n);
        end->in_flight += n;
        data += n;
        size -= n;
    }
    return 0;
}

static int
sim_stream_write(
        struct stream *stream, const struct iovec *parts, size_t count, uint64_t deadline_ns)
{
    struct endpoint *end = end_of(stream);
    for (size_t i = 0; i < count; i++) {
        int r = write_part(end, parts[i].iov_base, parts[i].iov_len, deadline_ns);
        if (r < 0) {
            return fault(r, "tcp: write to %s: %s", stream->peer, strerrordesc_np(-r));
        }
    }
    return 0;
}

static void
sim_stream_shutdown(struct stream *stream)
{
    struct endpoint *end = end_of(stream);
    if (end->shut || end->error) {
        return;
    }
    end->shut = true;
    segment_new(end, SEGMENT_END, 0);
    sim_net_wake(&end->reader, 0);
    sim_net_wake(&end->writer, 0);
}

static bool
sim_stream_is_ended_by_peer(struct stream *stream)
{
    const struct endpoint *end = end_of(stream);
    return end->ended || end->error;
}

static void
sim_stream_close(struct stream *stream)
{
    endpoint_close(end_of(stream));
    mem_free(CONTAINER_OF(stream, struct sim_stream, stream));
}

static const struct stream_kind sim_stream_kind = {
    .read = sim_stream_read,
    .write = sim_stream_write,
    .shutdown = sim_stream_shutdown,
    .is_ended_by_peer = sim_stream_is_ended_by_peer,
    .close = sim_stream_close,
};

/* ---- listeners and connections ---- */

static struct sim_listener *
listener_find(const struct sim_host *host, uint16_t port)
{
    LIST_FOREACH (node, &host->sim->listeners) {
        struct sim_listener *listener = CONTAINER_OF(node, struct sim_listener, link);
        if (listener->host == host && listener->listener.port == port) {
            return listener;
        }
    }
    return NULL;
}

static int
sim_accept(struct listener *base, struct accepted *ret_accepted)
{
    struct sim_listener *listener = CONTAINER_OF(base, struct sim_listener, listener);
    while (list_is_empty(&listener->backlog)) {
        int r = wait_at(&listener->acceptor, DEADLINE_NONE);
        if (r < 0) {
            return r;
        }
    }
    struct endpoint *end =
            CONTAINER_OF(list_pop_front(&listener->backlog), struct endpoint, backlog);
    listener->backlog_count--;
    ret_accepted->descriptor = (int)end->id;
    snprintf(ret_accepted->peer, sizeof ret_accepted->peer, "%s",
            end->peer ? end->peer->text : "gone");
    return 0;
}

static void
sim_listener_close(struct listener *base)
{
    struct sim_listener *listener = CONTAINER_OF(base, struct sim_listener, listener);
    CHECK(!listener->acceptor);
    while (!list_is_empty(&listener->backlog)) {
        endpoint_close(CONTAINER_OF(listener->backlog.next, struct endpoint, backlog));
    }
    list_remove(&listener->link);
    mem_free(listener);
}

static const struct listener_kind sim_listener_kind = {
    .accept = sim_accept,
    .close = sim_listener_close,
};

static int
sim_listen(const char *address, uint16_t port, struct listener **ret_listener)
{
    struct sim_process *process = sim_process_here();
    (void)address;
    while (port == 0) {
        uint16_t next = process->host->port_next++;
        port = listener_find(process->host, next) ? 0 : next;
    }
    if (listener_find(process->host, port)) {
        return fault(
                -EADDRINUSE, "tcp: cannot listen on %s port %u: in use", process->host->name, port);
    }
    struct sim_listener *listener = mem_alloc(sizeof *listener);
    listener->listener.kind = &sim_listener_kind;
    listener->listener.port = port;
    listener->host = process->host;
    listener->process = process;
    list_init(&listener->backlog);
    list_push_back(&sim_here->listeners, &listener->link);
    *ret_listener = &listener->listener;
    return 0;
}

static int
sim_adopt(const struct accepted *accepted, struct stream **ret_stream)
{
    LIST_FOREACH (node, &sim_here->endpoints) {
        struct endpoint *end = CONTAINER_OF(node, struct endpoint, link);
        if (end->id == (uint64_t)accepted->descriptor && !end->closed) {
            return stream_new(end, ret_stream);
        }
    }
    return fault(
            -EBADF, "sim: connection %d from %s is gone", accepted->descriptor, accepted->peer);
}

static struct sim_host *
host_find(const char *name)
{
    struct sim_host *here = sim_process_here()->host;
    if (name[0] == 0 || strcmp(name, "localhost") == 0 || strcmp(name, "127.0.0.1") == 0) {
        return here;
    }
    LIST_FOREACH (node, &sim_here->hosts) {
        struct sim_host *host = CONTAINER_OF(node, struct sim_host, link);
        if (strcmp(host->name, name) == 0 || strcmp(host->address, name) == 0) {
            return host;
        }
    }
    return NULL;
}

static int
sleep_within(uint64_t duration_ns, uint64_t deadline_ns)
{
    uint64_t now_ns = clock_mono_ns();
    bool late = deadline_ns != DEADLINE_NONE && now_ns + duration_ns >= deadline_ns;
    int r = fiber_sleep_until(late ? deadline_ns : now_ns + duration_ns);
    return r < 0 ? r : late ? -ETIMEDOUT : 0;
}

/* Sends SYN until it comes through to a listener with room, or nobody listens. */
static int
find_listener(struct sim_host *to, uint16_t port, uint64_t deadline_ns,
        struct sim_listener **ret_listener)
{
    struct sim_host *from = sim_process_here()->host;
    uint64_t start_ns = clock_mono_ns();
    for (;;) {
        int r = sleep_within(sim_net_latency_ns(sim_here), deadline_ns);
        if (r < 0) {
            return r;
        }
        bool open = !sim_net_is_cut(from, to) && !sim_net_is_cut(to, from);
        *ret_listener = open ? listener_find(to, port) : NULL;
        if (open && !*ret_listener) {
            return -ECONNREFUSED;
        }
        if (open && (*ret_listener)->backlog_count < BACKLOG_MAX) {
            return 0;
        }
        if (clock_mono_ns() - start_ns > sim_here->net.give_up_ns) {
            return -ETIMEDOUT;
        }
        r = sleep_within(RETRY_NS, deadline_ns);
        if (r < 0) {
            return r;
        }
    }
}

static int
sim_connect(const char *name, uint16_t port, uint64_t deadline_ns, struct stream **ret_stream)
{
    struct sim_process *process = sim_process_here();
    struct sim_host *to = host_find(name);
    struct sim_listener *listener;
    if (!to) {
        return fault(-EADDRNOTAVAIL, "tcp: cannot resolve %s", name);
    }
    int r = find_listener(to, port, deadline_ns, &listener);
    if (r < 0) {
        return fault(r, "tcp: no connection to %s port %u: %s", name, port, strerrordesc_np(-r));
    }
    struct endpoint *here = endpoint_new(process->host, process, process->host->port_next++);
    struct endpoint *there = endpoint_new(to, listener->process, port);
    here->peer = there;
    there->peer = here;
    list_push_back(&listener->backlog, &there->backlog);
    listener->backlog_count++;
    sim_net_wake(&listener->acceptor, 0);
    r = stream_new(here, ret_stream);
    if (r == 0 && (r = sleep_within(sim_net_latency_ns(sim_here), deadline_ns)) < 0) {
        stream_close(*ret_stream);
        return fault(r, "tcp: no answer from %s port %u", name, port);
    }
    return r;
}

const struct net_driver net_sim = {
    .listen = sim_listen,
    .adopt = sim_adopt,
    .connect = sim_connect,
};
