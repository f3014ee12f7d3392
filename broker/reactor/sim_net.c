/* The simulated network: connections between hosts, delivered in order and late, cut and reset at
 * will. */
#include "reactor/sim_net.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

/* One direction that is cut. */
struct cut {
    struct list link;
    struct sim_host *from;
    struct sim_host *to;
};

void
sim_net_set_weather(struct sim *sim, const struct sim_net_weather *weather)
{
    sim->net = *weather;
}

static struct cut *
cut_find(const struct sim_host *from, const struct sim_host *to)
{
    LIST_FOREACH (node, &from->sim->cuts) {
        struct cut *cut = CONTAINER_OF(node, struct cut, link);
        if (cut->from == from && cut->to == to) {
            return cut;
        }
    }
    return NULL;
}

void
sim_net_cut(struct sim_host *from, struct sim_host *to, bool cut)
{
    struct cut *there = cut_find(from, to);
    if (there && !cut) {
        list_remove(&there->link);
        mem_free(there);
    } else if (!there && cut) {
        there = mem_alloc(sizeof *there);
        there->from = from;
        there->to = to;
        list_push_back(&from->sim->cuts, &there->link);
    }
    sim_note(from->sim, 8, cut, 0);
}

bool
sim_net_is_cut(const struct sim_host *from, const struct sim_host *to)
{
    return cut_find(from, to) != NULL;
}

uint64_t
sim_net_latency_ns(struct sim *sim)
{
    return sim_world_between(sim, sim->net.latency_min_ns, sim->net.latency_max_ns);
}

void
sim_net_wake(struct fiber **place, int result)
{
    struct fiber *fiber = *place;
    if (fiber) {
        *place = NULL;
        fiber_wake(fiber, result);
    }
}

static void
segments_free(struct list *segments)
{
    struct list *node;
    while ((node = list_pop_front(segments))) {
        mem_free(CONTAINER_OF(node, struct segment, link));
    }
}

/* The connection breaks for this end. */
static void
endpoint_break(struct endpoint *end, int error)
{
    if (!end->error) {
        end->error = error;
    }
    segments_free(&end->outgoing);
    segments_free(&end->received);
    end->unread = 0;
    sim_net_wake(&end->reader, 0);
    sim_net_wake(&end->writer, 0);
}

static void
endpoint_free(struct endpoint *end)
{
    if (end->peer) {
        end->peer->peer = NULL;
    }
    if (end->pump_armed) {
        timer_disarm(&end->sim->events, &end->pump.timer);
    }
    segments_free(&end->outgoing);
    segments_free(&end->received);
    list_remove(&end->backlog);
    list_remove(&end->link);
    mem_free(end);
}

/* Frees an end that nobody has and that has nothing more to say. */
static void
endpoint_tidy(struct endpoint *end)
{
    if (end->closed && list_is_empty(&end->outgoing) && !end->pump_armed) {
        endpoint_free(end);
    }
}

static void pump_arm(struct endpoint *end, uint64_t time_ns);

struct segment *
segment_new(struct endpoint *end, enum segment_kind kind, size_t size)
{
    struct sim *sim = end->sim;
    struct segment *segment = mem_alloc(sizeof *segment + size);
    struct segment *last = list_is_empty(&end->outgoing)
                                   ? NULL
                                   : CONTAINER_OF(end->outgoing.prev, struct segment, link);
    segment->kind = kind;
    segment->size = size;
    segment->due_ns = sim->now_ns + sim_net_latency_ns(sim);
    if (sim_world_chance(sim, sim->net.loss_ppm)) {
        segment->due_ns += RETRY_NS;
    }
    /* In order, whatever the times of each. */
    segment->due_ns = MAX(segment->due_ns, last ? last->due_ns : 0);
    list_push_back(&end->outgoing, &segment->link);
    pump_arm(end, segment->due_ns);
    return segment;
}

/* What the peer's kernel does with a segment. The segment is the receiver's then. */
static void
deliver(struct endpoint *from, struct segment *segment)
{
    struct endpoint *to = from->peer;
    if (!to || to->gone || ((to->closed || to->error) && segment->kind == SEGMENT_DATA)) {
        mem_free(segment);
        if (!from->closed) {
            endpoint_break(from, -ECONNRESET);
        }
        return;
    }
    if (segment->kind == SEGMENT_DATA) {
        sim_note(to->sim, 9, to->id,
                bytes_hash(bytes_of(segment->data, segment->size), segment->size));
        to->unread += segment->size;
        list_push_back(&to->received, &segment->link);
        sim_net_wake(&to->reader, 0);
        return;
    }
    if (segment->kind == SEGMENT_END) {
        to->ended = true;
        sim_net_wake(&to->reader, 0);
    } else if (segment->kind == SEGMENT_RESET) {
        endpoint_break(to, -ECONNRESET);
    }
    mem_free(segment);
}

/* True while the way to the peer is cut; gives up after long enough. */
static bool
is_blocked(struct endpoint *end)
{
    struct sim *sim = end->sim;
    if (!end->peer || !sim_net_is_cut(end->host, end->peer->host)) {
        end->blocked_since_ns = 0;
        return false;
    }
    if (!end->blocked_since_ns) {
        end->blocked_since_ns = sim->now_ns;
    }
    if (sim->now_ns - end->blocked_since_ns > sim->net.give_up_ns) {
        endpoint_break(end, -ETIMEDOUT);
    }
    return true;
}

static void
pump(struct sim *sim, struct sim_event *event)
{
    struct endpoint *end = CONTAINER_OF(event, struct endpoint, pump);
    struct segment *segment;
    end->pump_armed = false;
    while ((segment = LIST_FIRST(&end->outgoing, struct segment, link)) &&
            segment->due_ns <= sim->now_ns) {
        if (is_blocked(end)) {
            break;
        }
        list_remove(&segment->link);
        if (sim_world_chance(sim, sim->net.reset_ppm) && end->peer) {
            endpoint_break(end->peer, -ECONNRESET);
            endpoint_break(end, -ECONNRESET);
            mem_free(segment);
            break;
        }
        deliver(end, segment);
    }
    segment = LIST_FIRST(&end->outgoing, struct segment, link);
    if (segment) {
        pump_arm(end, segment->due_ns <= sim->now_ns ? sim->now_ns + RETRY_NS : segment->due_ns);
    }
    endpoint_tidy(end);
}

static void
pump_arm(struct endpoint *end, uint64_t time_ns)
{
    if (!end->pump_armed) {
        end->pump_armed = true;
        end->pump.fn = pump;
        sim_event_at(end->sim, &end->pump, time_ns);
    }
}

struct endpoint *
endpoint_new(struct sim_host *host, struct sim_process *process, uint16_t port)
{
    struct sim *sim = host->sim;
    struct endpoint *end = mem_alloc(sizeof *end);
    end->sim = sim;
    end->host = host;
    end->process = process;
    end->id = ++sim->endpoint_next;
    list_init(&end->outgoing);
    list_init(&end->received);
    list_init(&end->backlog);
    list_push_back(&sim->endpoints, &end->link);
    snprintf(end->text, sizeof end->text, "%s:%u", host->address, port);
    return end;
}

void
endpoint_close(struct endpoint *end)
{
    bool silent = end->process && end->process->dying && end->process->silent;
    CHECK(!end->reader && !end->writer);
    end->closed = true;
    list_remove(&end->backlog);
    if (silent) {
        end->gone = true;
        segments_free(&end->outgoing);
        return;
    }
    if (!end->error && end->unread > 0) {
        segment_new(end, SEGMENT_RESET, 0);
    } else if (!end->error && !end->shut) {
        segment_new(end, SEGMENT_END, 0);
    }
    endpoint_tidy(end);
}

void
sim_net_process_over(struct sim_process *process)
{
    struct sim *sim = process->host->sim;
    LIST_FOREACH_SAFE (node, &sim->endpoints) {
        struct endpoint *end = CONTAINER_OF(node, struct endpoint, link);
        if (end->process == process && !end->closed) {
            end->reader = NULL;
            end->writer = NULL;
            endpoint_close(end);
        }
    }
    LIST_FOREACH_SAFE (node, &sim->listeners) {
        struct sim_listener *listener = CONTAINER_OF(node, struct sim_listener, link);
        if (listener->process == process) {
            list_remove(&listener->link);
            list_remove(&listener->backlog);
            mem_free(listener);
        }
    }
}

void
sim_net_free(struct sim *sim)
{
    struct list *node;
    while (!list_is_empty(&sim->endpoints)) {
        endpoint_free(CONTAINER_OF(sim->endpoints.next, struct endpoint, link));
    }
    while ((node = list_pop_front(&sim->cuts))) {
        mem_free(CONTAINER_OF(node, struct cut, link));
    }
}
