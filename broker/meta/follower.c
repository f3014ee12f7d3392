/* A broker that is not the controller: one connection to it, and what happens when that ends.
 *
 *                   +--------------- connection or leases end <-----------------+
 *                   v                                                          |
 *   start --> look for the controller --> connect, hello --> welcome --> follow, heartbeat, propose
 *                   |        ^    |             |
 *                   |        +----+ held by     | refused: dead, id in use, another cluster
 *                   |      somebody: read on    v
 *                   v                         fenced: the process ends
 *             the lease is free: lead (lead.c); this fiber ends */
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <stdio.h>

#define HEARTBEATS 16     /* whose times of sending are remembered */
#define HEARTBEAT_PARTS 4 /* of a lease between two */
#define ELECTION_PARTS 16 /* of a lease between two looks, and as much again at random */
#define WELCOME_PARTS 2   /* of a lease for the answer to a hello */
#define WRITE_NS (10 * (uint64_t)NS_PER_S)

struct follower {
    struct meta *meta;
    struct fiber *fiber;
    struct lease_watch watch;
    bool joined;
    bool over; /* the fiber has ended */
    int error; /* of the last session */
    char error_text[496];
    struct wait_queue joined_waiters;

    /* of the session */
    struct stream *stream;
    struct fiber *sender;
    struct wait_queue wake;
    struct peer_welcome welcome;
    bool closing;
    bool caught_up; /* the log is applied up to the welcome: proposals may be repeated (C5) */
    uint64_t heartbeat;
    uint64_t sent_ns[HEARTBEATS]; /* boot clock, by number of the heartbeat */
    uint64_t alive_ns;            /* mono clock: the controller last granted a lease */

    /* results of our own proposals as they pass by in the log */
    struct proposal *collecting;
    size_t collected;
};

/* --- results out of the log (C5) --- */

static struct proposal *
pending_find(struct meta *meta, uint64_t number)
{
    LIST_FOREACH (link, &meta->pending) {
        struct proposal *proposal = CONTAINER_OF(link, struct proposal, link);
        if (proposal->number == number) {
            return proposal;
        }
    }
    return NULL;
}

static void
follower_collect(struct follower *f, const struct meta_result *result, uint64_t sequence)
{
    struct proposal *proposal = f->collecting;
    proposal->results[f->collected++] = *result;
    if (f->collected == proposal->count) {
        f->collecting = NULL;
        proposal->sequence = sequence >> 20;
        list_remove(&proposal->link);
        proposal_end(proposal, 0);
    }
}

/* meta_listener_fn */
static void
follower_listen(void *arg, const struct meta_record *record, const struct meta_result *result,
        uint64_t sequence)
{
    struct follower *f = arg;
    struct meta *meta = f->meta;
    if (f->collecting) {
        follower_collect(f, result, sequence);
    } else if (record->type == META_PROPOSAL &&
               uuid_equal(&record->proposal.writer, &meta->writer)) {
        f->collecting = pending_find(meta, record->proposal.number);
        f->collected = 0;
        CHECK(!f->collecting || f->collecting->count == (size_t)record->proposal.count);
    }
    if (record->type == META_BROKER_GONE && result->error == 0 && !meta->leaving &&
            record->broker_gone.broker_id == meta->broker_id &&
            record->broker_gone.broker_epoch == meta->broker_epoch) {
        MARK("follower: hears of its own death");
        meta_fence(meta,
                fault(-ESTALE, "broker %d was declared dead: its lease ran out", meta->broker_id));
    }
}

/* --- the sending half of a session --- */

static int
send_heartbeat(struct follower *f)
{
    uint64_t number = ++f->heartbeat;
    f->sent_ns[number % HEARTBEATS] = clock_boot_ns();
    const struct peer_message message = { .type = PEER_HEARTBEAT, .number = number };
    return peer_write(f->stream, &message, clock_mono_ns() + WRITE_NS);
}

static int
send_proposal(struct follower *f, const struct proposal *proposal)
{
    const struct peer_message message = { .type = PEER_PROPOSE,
        .propose = { proposal->number, (int32_t)proposal->count, proposal->records } };
    return peer_write(f->stream, &message, clock_mono_ns() + WRITE_NS);
}

static int
send_load(struct follower *f)
{
    CLEANUP(buf_unrefp) struct buf *load = TAKE_PTR(f->meta->load);
    const struct peer_message message = { .type = PEER_LOAD, .object = buf_bytes(load) };
    return peer_write(f->stream, &message, clock_mono_ns() + WRITE_NS);
}

/* The oldest pending proposal with a greater number, or NULL. */
static struct proposal *
pending_after(struct meta *meta, uint64_t number)
{
    LIST_FOREACH (link, &meta->pending) {
        struct proposal *proposal = CONTAINER_OF(link, struct proposal, link);
        if (proposal->number > number) {
            return proposal;
        }
    }
    return NULL;
}

/* Hands in what waits, oldest first; before it what an earlier session has handed in and the log
 * does not have. */
static int
send_proposals(struct follower *f, uint64_t *last)
{
    struct meta *meta = f->meta;
    int r = 0;
    while (r == 0 && !f->closing) {
        struct proposal *proposal = pending_after(meta, *last);
        if (!proposal) {
            struct list *link = list_pop_front(&meta->proposals);
            if (!link) {
                break;
            }
            proposal = CONTAINER_OF(link, struct proposal, link);
            proposal->number = meta->next_number++;
            list_push_back(&meta->pending, &proposal->link);
        }
        *last = proposal->number;
        r = send_proposal(f, proposal);
    }
    return r;
}

static void
sender_main(void *arg)
{
    struct follower *f = arg;
    uint64_t pause = f->welcome.lease_ns / HEARTBEAT_PARTS;
    uint64_t due = clock_mono_ns();
    uint64_t last = f->welcome.accepted;
    int r = 0;
    while (r == 0 && !f->closing && !atomic_load(&f->meta->fenced)) {
        if (clock_mono_ns() >= due) {
            due = clock_mono_ns() + pause;
            r = send_heartbeat(f);
        }
        if (r == 0 && f->caught_up) {
            r = send_proposals(f, &last);
        }
        if (r == 0 && f->meta->load) {
            r = send_load(f);
        }
        if (r == 0) {
            r = wait_queue_wait(&f->wake, due);
            r = r == -ETIMEDOUT ? 0 : r;
        }
    }
    stream_shutdown(f->stream);
}

/* --- the receiving half --- */

static void
follower_joined(struct follower *f)
{
    struct meta *meta = f->meta;
    if (!f->joined) {
        f->joined = true;
        meta_listen(meta, follower_listen, f);
    }
    wait_queue_wake_all(&f->joined_waiters);
}

static void
take_lease(struct follower *f, uint64_t number)
{
    struct meta *meta = f->meta;
    uint64_t lease = f->welcome.lease_ns;
    if (number == 0 || number > f->heartbeat || f->heartbeat - number >= HEARTBEATS ||
            atomic_load(&meta->fenced)) {
        return;
    }
    f->alive_ns = clock_mono_ns();
    f->error = 0; /* what ends next is news */
    uint64_t until = f->sent_ns[number % HEARTBEATS] + lease - lease / 8;
    if (until > atomic_load(&meta->granted_ns)) {
        atomic_store_explicit(&meta->granted_ns, until, memory_order_release);
    }
    meta->stats.lease_renewals++;
}

static int
take_log(struct follower *f, struct bytes object)
{
    struct objlog_entry entry;
    CLEANUP(buf_unrefp) struct buf *copy = buf_of_bytes(object);
    int r = objlog_feed(f->meta->log, copy, &entry);
    if (r == 0) {
        r = meta_apply_entry(f->meta, &entry);
        objlog_entry_done(&entry);
    }
    return r == -EALREADY ? 0 : r;
}

static int
take_behind(struct follower *f, uint64_t first)
{
    struct meta *meta = f->meta;
    objlog_look_again(meta->log);
    int r = meta_read_on(meta);
    if (r == 0 && first && objlog_next_sequence(meta->log) < first) {
        r = fault(-ESTALE, "meta: log object %llu is gone from the bucket: start again",
                (unsigned long long)objlog_next_sequence(meta->log));
    }
    return r ? r : -EAGAIN;
}

static int
take_refusal(const struct peer_message *message)
{
    int error = message->refused.error;
    bool known = error == EAGAIN || error == EBUSY || error == ESTALE || error == EMEDIUMTYPE;
    return fault(known ? -error : -EPROTO, "the controller refuses us: %.*s",
            (int)message->refused.text.size,
            message->refused.text.data ? (const char *)message->refused.text.data : "");
}

static int
take_message(struct follower *f, const struct peer_message *message)
{
    switch (message->type) {
    case PEER_LOG:
        return take_log(f, message->object);
    case PEER_LEASE:
        take_lease(f, message->number);
        return 0;
    case PEER_AWAY:
        away_take(f->meta, message->object);
        return 0;
    case PEER_BEHIND:
        return take_behind(f, message->number);
    case PEER_REFUSED:
        return take_refusal(message);
    case PEER_HELLO:
    case PEER_WELCOME:
    case PEER_HEARTBEAT:
    case PEER_PROPOSE:
    case PEER_LOAD:
    default:
        return fault(-EPROTO, "a controller does not say %d", (int)message->type);
    }
}

/* The log is applied up to the welcome: from here on we see what we propose. */
static void
session_look(struct follower *f)
{
    struct meta *meta = f->meta;
    if (!f->caught_up && replica_object(meta->replicas[0]) >= f->welcome.sequence) {
        f->caught_up = true;
        wait_queue_wake_all(&f->wake);
    }
    if (f->caught_up && !f->joined && meta_lease_is_valid(meta)) {
        meta->role = META_FOLLOWER;
        follower_joined(f);
    }
}

static int
session_receive(struct follower *f)
{
    int r = 0;
    while (r == 0 && !atomic_load(&f->meta->fenced)) {
        CLEANUP(buf_unrefp) struct buf *frame = NULL;
        struct peer_message message;
        session_look(f);
        r = peer_read(f->stream, INTERNAL_FRAME_SIZE_MAX, f->alive_ns + f->welcome.lease_ns, &frame,
                &message);
        r = r ? r : take_message(f, &message);
    }
    return r;
}

/* A controller that stands still takes connections, for its kernel does, and says nothing: its
 * lease must be looked at again soon (M2). A first registration waits for the log. */
static uint64_t
welcome_deadline(const struct meta *meta)
{
    uint64_t patience_ns =
            meta->broker_epoch ? meta->lease_ns / WELCOME_PARTS : MAX(meta->lease_ns, WRITE_NS);
    return clock_mono_ns() + patience_ns;
}

static int
session_hello(struct follower *f)
{
    struct meta *meta = f->meta;
    CLEANUP(buf_unrefp) struct buf *frame = NULL;
    CLEANUP(strbuf_done) struct strbuf registration;
    const struct meta_record record = { .type = META_BROKER, .broker = meta->self };
    strbuf_init(&registration, INTERNAL_HELLO_SIZE_MAX);
    int r = meta_record_encode(&record, &registration);
    struct peer_message answer;
    const struct peer_message hello = { .type = PEER_HELLO,
        .hello = { .cluster_id = meta->cluster_id,
                .former = { meta->former[0], meta->former[1] },
                .broker_epoch = meta->broker_epoch,
                .next_sequence = objlog_next_sequence(meta->log),
                .registration = strbuf_bytes(&registration) } };
    r = r ? r : peer_write(f->stream, &hello, clock_mono_ns() + WRITE_NS);
    if (r == 0) {
        r = peer_read(f->stream, INTERNAL_HELLO_SIZE_MAX, welcome_deadline(meta), &frame, &answer);
    }
    if (r == 0 && answer.type != PEER_WELCOME) {
        r = take_message(f, &answer);
        r = r ? r : fault(-EPROTO, "no welcome from the controller");
    }
    if (r) {
        return r;
    }
    if (answer.welcome.lease_ns == 0 || answer.welcome.lease_ns > LEASE_DURATION_NS_MAX) {
        return fault(-EPROTO, "the controller grants a lease of %llu ns",
                (unsigned long long)answer.welcome.lease_ns);
    }
    f->welcome = answer.welcome;
    away_take(meta, BYTES_NULL);
    meta->broker_epoch = answer.welcome.broker_epoch;
    return 0;
}

static void
session_end(struct follower *f)
{
    f->closing = true;
    wait_queue_wake_all(&f->wake);
    stream_shutdown(f->stream);
    if (f->sender) {
        fiber_cancel(f->sender);
        fiber_join(TAKE_PTR(f->sender));
    }
    stream_close(TAKE_PTR(f->stream));
}

static int
session_connect(struct follower *f)
{
    struct meta *meta = f->meta;
    const struct meta_state *state = meta->replicas[0]->state;
    int32_t id = meta_state_controller(state);
    const struct meta_broker *broker = meta_broker_find(state, id);
    if (!broker || uuid_equal(&broker->incarnation, &meta->writer)) {
        return fault(-EAGAIN, "meta: the controller is not known yet");
    }
    if (!broker->internal_host || !broker->internal_port) {
        return fault(-EHOSTUNREACH,
                "meta: broker %d is the controller and has no internal.listener", id);
    }
    int r = away_connect(meta, broker, clock_mono_ns() + meta->lease_ns / 8, &f->stream);
    return r ? fault_note(r, "meta: the controller, broker %d, cannot be reached", id) : 0;
}

/* Connects, follows, and returns why it ended. */
static int
session_run(struct follower *f)
{
    if (!f->meta->broker_epoch) {
        int r = meta_admit_self(f->meta);
        if (r) {
            return r;
        }
    }
    int r = session_connect(f);
    if (r) {
        return r;
    }
    f->closing = false;
    f->caught_up = false;
    r = session_hello(f);
    if (r == 0) {
        f->alive_ns = clock_mono_ns();
        r = fiber_spawn("meta heartbeat", sender_main, f, &f->sender);
    }
    if (r == 0) {
        r = session_receive(f);
    }
    session_end(f);
    return r;
}

/* --- the controller is gone --- */

static int
follower_read_on(struct meta *meta)
{
    objlog_look_again(meta->log);
    int r = meta_read_on(meta);
    return r == -ESTALE && !meta->broker_epoch ? meta_replay(meta) : r;
}

static int
follower_lead(struct follower *f)
{
    struct meta *meta = f->meta;
    MARK("follower: becomes the controller");
    int r = follower_read_on(meta);
    r = r ? r : meta_lead(meta);
    if (r) {
        return r;
    }
    LOG_INFO("this broker is the controller now",
            LOG_INT("epoch", meta_state_controller_epoch(meta->replicas[0]->state)));
    f->collecting = NULL;
    proposals_adopt(meta);
    follower_joined(f);
    return 0;
}

/* One look at the lease. 0: go on looking for a controller; 1: it is us; else it is over. */
static int
follower_elect(struct follower *f)
{
    struct meta *meta = f->meta;
    int r = lease_look_out(meta->lease, &f->watch);
    if (r == 0) {
        r = lease_seize(meta->lease, &f->watch);
        if (r == 0) {
            r = follower_lead(f);
            return r ? fault_note(r == -EBUSY ? -ESTALE : r, "meta: taking over as the controller")
                     : 1;
        }
    } else if (r == -EBUSY) {
        bool followed = uuid_equal(
                &f->watch.content.holder, meta_state_controller_writer(meta->replicas[0]->state));
        r = followed ? 0 : follower_read_on(meta);
    }
    bool fatal = r == -ESTALE || r == -EMEDIUMTYPE || r == -EBADMSG || r == -ECANCELED;
    return fatal ? r : 0;
}

static bool
session_is_fatal(const struct follower *f, int r)
{
    return r == -ECANCELED || r == -EMEDIUMTYPE || (r == -ESTALE && f->meta->broker_epoch);
}

/* Said once, however often it is tried. */
static void
follower_note(struct follower *f, int r)
{
    const char *text = log_fault_text(r);
    bool is_news = f->error != r || strncmp(f->error_text, text, sizeof f->error_text - 1) != 0;
    f->error = r;
    snprintf(f->error_text, sizeof f->error_text, "%s", text);
    if (is_news && f->joined && !f->meta->stopping && r != -ECANCELED) {
        LOG_INFO("the connection to the controller has ended", LOG_FAULT(r));
    }
}

static int
follower_loop(struct follower *f)
{
    struct meta *meta = f->meta;
    for (;;) {
        int r = session_run(f);
        if (atomic_load(&meta->fenced)) {
            return 0;
        }
        follower_note(f, r);
        if (session_is_fatal(f, r)) {
            return r;
        }
        r = follower_elect(f);
        if (r) {
            return r;
        }
        uint64_t part = meta->lease_ns / ELECTION_PARTS;
        r = fiber_sleep_ns(part / 4 + random_below(part));
        if (r) {
            return r;
        }
    }
}

static void
follower_main(void *arg)
{
    struct follower *f = arg;
    struct meta *meta = f->meta;
    int r = follower_loop(f);
    if (r < 0 && r != -ECANCELED) {
        follower_note(f, r);
        if (meta->broker_epoch) {
            meta_fence(meta, r);
        }
    }
    if (r <= 0) {
        /* Nobody will hand these in. */
        bool fenced = atomic_load(&meta->fenced);
        meta->stopping = true;
        proposals_fail(&meta->pending, fenced ? -ESTALE : -EINPROGRESS);
        proposals_fail(&meta->proposals, fenced ? -ESTALE : -ESHUTDOWN);
    }
    f->over = true;
    wait_queue_wake_all(&f->joined_waiters);
}

int
follower_start(struct meta *meta)
{
    struct follower *f = mem_alloc(sizeof *f);
    f->meta = meta;
    wait_queue_init(&f->wake);
    wait_queue_init(&f->joined_waiters);
    int r = fiber_spawn("meta follower", follower_main, f, &f->fiber);
    if (r) {
        mem_free(f);
        return r;
    }
    meta->follower = f;
    return 0;
}

int
follower_wait_joined(struct meta *meta, uint64_t deadline_ns)
{
    struct follower *f = meta->follower;
    while (!f->joined && !f->over) {
        int r = wait_queue_wait(&f->joined_waiters, deadline_ns);
        if (r == -ETIMEDOUT) {
            return fault(-EBUSY, "meta: not admitted to the cluster: %s", f->error_text);
        }
        if (r) {
            return r;
        }
    }
    return f->joined ? 0 : fault(f->error ? f->error : -ECANCELED, "%s", f->error_text);
}

void
follower_stop(struct meta *meta)
{
    struct follower *f = TAKE_PTR(meta->follower);
    if (!f) {
        return;
    }
    fiber_cancel(f->fiber);
    fiber_join(f->fiber);
    if (f->joined) {
        meta_unlisten(meta, follower_listen, f);
    }
    mem_free(f);
}

void
follower_wake(struct meta *meta)
{
    if (meta->follower) {
        wait_queue_wake_all(&meta->follower->wake);
    }
}
