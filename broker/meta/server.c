/* The internal listener and the controller's side of each connection: admission, leases, proposals,
 * and the log. One reading fiber and one writing fiber for each. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>
#include <stdio.h>

#define HELLO_NS (10 * (uint64_t)NS_PER_S)

struct server {
    struct meta *meta;
    struct listener *listener;
    struct fiber *accept_fiber;
    struct list peers;
    size_t peer_count;
    bool stopping;
    struct wait_queue gone;
};

struct peer_link {
    struct list link;
    struct server *server;
    struct stream *stream;
    struct member *member; /* NULL: not admitted yet */
    struct uuid incarnation;
    int64_t broker_epoch;
    uint64_t next;    /* log object to send */
    uint64_t away;    /* version of the list that it knows */
    uint64_t granted; /* number of a heartbeat to answer; 0: none */
    int refusal;      /* the sender says why and ends */
    char refusal_text[496];
    bool closing;
    struct wait_queue wake;
    struct fiber *sender;
};

static uint64_t
peer_deadline(const struct peer_link *peer)
{
    return clock_mono_ns() + MAX(peer->server->meta->lease_ns, HELLO_NS);
}

static int
peer_send(struct peer_link *peer, const struct peer_message *message)
{
    return peer_write(peer->stream, message, peer_deadline(peer));
}

static int
peer_send_refusal(struct peer_link *peer)
{
    const struct peer_message message = { .type = PEER_REFUSED,
        .refused = { -peer->refusal, bytes_of_string(peer->refusal_text) } };
    int r = peer_send(peer, &message);
    return r ? r : peer->refusal;
}

/* The reason goes to the other side, which says it to people. */
static int
peer_refuse(struct peer_link *peer, int r)
{
    snprintf(peer->refusal_text, sizeof peer->refusal_text, "%s", log_fault_text(r));
    peer->refusal = r;
    if (!peer->sender) {
        return peer_send_refusal(peer);
    }
    wait_queue_wake_all(&peer->wake);
    fiber_join(TAKE_PTR(peer->sender));
    return r;
}

/* Who wants to be admitted. */
struct applicant {
    const struct peer_hello *hello;
    struct meta_broker_record broker;
};

static bool
applicant_proves_death(const struct applicant *applicant, const struct uuid *incarnation)
{
    return uuid_equal(&applicant->hello->former[0], incarnation) ||
           uuid_equal(&applicant->hello->former[1], incarnation);
}

/* C1, C2: may this incarnation be the broker of that id? */
static int
admit_check(struct meta *meta, const struct applicant *applicant)
{
    int32_t id = applicant->broker.broker_id;
    const struct meta_broker *known = meta_broker_find(meta->replicas[0]->state, id);
    const struct member *member = member_find(meta, id);
    if (!uuid_equal(&applicant->hello->cluster_id, &meta->cluster_id)) {
        char text[UUID_TEXT_SIZE];
        return fault(-EMEDIUMTYPE, "the controller, broker %d, is of cluster %s", meta->broker_id,
                uuid_format(&meta->cluster_id, text));
    }
    bool same = known && uuid_equal(&known->incarnation, &applicant->broker.incarnation);
    if (applicant->hello->broker_epoch &&
            (!same || !known->alive || known->epoch != applicant->hello->broker_epoch ||
                    (member && member->condemned))) {
        MARK("server: a broker that was declared dead comes back");
        return fault(-ESTALE,
                "broker %d was declared dead, or started anew elsewhere: this incarnation is over",
                id);
    }
    if (id == meta->broker_id || (known && known->alive && !same &&
                                         !applicant_proves_death(applicant, &known->incarnation))) {
        MARK("server: an id is in use");
        return fault(-EBUSY,
                "broker id %d is in use by a live broker at %s:%d: each broker needs an "
                "id of its own",
                id, known ? known->endpoints[0].host : "?", known ? known->endpoints[0].port : 0);
    }
    return 0;
}

static int
admit_register(struct meta *meta, const struct applicant *applicant, int64_t *ret_epoch)
{
    const struct meta_record record = { .type = META_BROKER, .broker = applicant->broker };
    struct meta_result result;
    int r = meta_propose(meta, &record, 1, &result);
    if (r) {
        return r;
    }
    if (result.error && result.error != -EEXIST) {
        return fault(result.error, "the registration of broker %d was refused",
                applicant->broker.broker_id);
    }
    *ret_epoch = result.epoch;
    return 0;
}

static void
admit_member(struct peer_link *peer, const struct applicant *applicant)
{
    struct meta *meta = peer->server->meta;
    struct member *member = member_get(meta, applicant->broker.broker_id);
    if (!uuid_equal(&member->incarnation, &applicant->broker.incarnation)) {
        member->incarnation = applicant->broker.incarnation;
        member->accepted = 0;
    }
    if (member->peer) {
        stream_shutdown(member->peer->stream);
        member->peer->member = NULL;
    }
    /* Silence counts from here. */
    member->heard_ns = clock_boot_ns();
    member->hung_up = false;
    away_drop(meta, peer->broker_epoch);
    member->peer = peer;
    peer->member = member;
}

static int
applicant_read(const struct peer_hello *hello, struct arena *arena, struct applicant *ret_applicant)
{
    struct meta_record record;
    size_t size;
    int r = meta_record_decode(hello->registration, arena, &record, &size);
    if (r) {
        return r;
    }
    if (record.type != META_BROKER || size != hello->registration.size) {
        return fault(-EPROTO, "the registration in a hello is none");
    }
    *ret_applicant = (struct applicant){ hello, record.broker };
    return 0;
}

static int
peer_admit(struct peer_link *peer, const struct applicant *applicant)
{
    const struct peer_hello *hello = applicant->hello;
    struct meta *meta = peer->server->meta;
    if (meta->role != META_CONTROLS || !lease_is_valid(meta->lease)) {
        return fault(-EAGAIN, "broker %d is not the controller", meta->broker_id);
    }
    int r = admit_check(meta, applicant);
    peer->broker_epoch = hello->broker_epoch;
    if (r == 0 && !hello->broker_epoch) {
        r = admit_register(meta, applicant, &peer->broker_epoch);
        /* Another connection may have been quicker. */
        r = r ? r : admit_check(meta, applicant);
    }
    if (r) {
        return r;
    }
    peer->incarnation = applicant->broker.incarnation;
    peer->next = hello->next_sequence;
    admit_member(peer, applicant);
    const struct peer_message welcome = { .type = PEER_WELCOME,
        .welcome = { meta_state_controller_epoch(meta->replicas[0]->state), peer->broker_epoch,
                replica_object(meta->replicas[0]), peer->member->accepted, meta->lease_ns } };
    return peer_send(peer, &welcome);
}

/* The next thing to send: 1: sent; 0: nothing to do. */
static int
peer_send_next(struct peer_link *peer)
{
    struct meta *meta = peer->server->meta;
    if (peer->refusal) {
        return peer_send_refusal(peer);
    }
    if (peer->granted) {
        const struct peer_message lease = { .type = PEER_LEASE, .number = peer->granted };
        peer->granted = 0;
        int r = peer_send(peer, &lease);
        return r ? r : 1;
    }
    if (peer->away != meta->away_version) {
        uint8_t list[META_AWAY_MAX * sizeof(int64_t)];
        const struct peer_message away = { .type = PEER_AWAY, .object = away_list(meta, list) };
        peer->away = meta->away_version;
        int r = peer_send(peer, &away);
        return r ? r : 1;
    }
    if (peer->next > replica_object(meta->replicas[0])) {
        return 0;
    }
    struct buf *object = feed_find(meta, peer->next);
    if (!object) {
        const struct peer_message behind = { .type = PEER_BEHIND, .number = feed_first(meta) };
        MARK("server: a follower is behind what is kept");
        int r = peer_send(peer, &behind);
        return r ? r : fault(-ESTALE, "behind");
    }
    CLEANUP(buf_unrefp) struct buf *kept = buf_ref(object);
    const struct peer_message log = { .type = PEER_LOG, .object = buf_bytes(kept) };
    peer->next++;
    int r = peer_send(peer, &log);
    return r ? r : 1;
}

static void
peer_sender(void *arg)
{
    struct peer_link *peer = arg;
    int r = 1;
    while (r >= 0 && !peer->closing) {
        r = peer_send_next(peer);
        if (r == 0) {
            r = wait_queue_wait(&peer->wake, DEADLINE_NONE);
        }
    }
    if (!peer->refusal) {
        stream_shutdown(peer->stream);
    }
}

static int
peer_take(struct peer_link *peer, const struct peer_message *message)
{
    struct meta *meta = peer->server->meta;
    struct member *member = peer->member;
    if (!member) {
        return fault(-ECONNABORTED, "replaced by a newer connection");
    }
    if (message->type == PEER_HEARTBEAT) {
        if (!member_hear(meta, member, peer->broker_epoch)) {
            return peer_refuse(
                    peer, meta->role == META_CONTROLS && lease_is_valid(meta->lease)
                                  ? fault(-ESTALE, "broker %d was declared dead: its lease ran out",
                                            member->id)
                                  : fault(-EAGAIN, "broker %d is the controller no more",
                                            meta->broker_id));
        }
        peer->granted = message->number;
        wait_queue_wake_all(&peer->wake);
        return 0;
    }
    if (message->type == PEER_LOAD) {
        int r = member_take_load(member, message->object);
        balancer_hear(meta);
        return r;
    }
    if (message->type != PEER_PROPOSE) {
        return fault(-EPROTO, "a broker does not say %d", (int)message->type);
    }
    /* C5 */
    if (message->propose.number <= member->accepted) {
        MARK("server: a proposal was handed in before");
        return 0;
    }
    member->accepted = message->propose.number;
    return proposal_take(meta, &peer->incarnation, message->propose.number, message->propose.count,
            message->propose.records);
}

static int
peer_register(struct peer_link *peer, const struct peer_hello *hello)
{
    struct applicant applicant;
    CLEANUP(arena_done) struct arena arena;
    arena_init(&arena, INTERNAL_HELLO_SIZE_MAX);
    int r = applicant_read(hello, &arena, &applicant);
    return r ? r : peer_admit(peer, &applicant);
}

static int
peer_serve(struct peer_link *peer)
{
    CLEANUP(buf_unrefp) struct buf *first = NULL;
    struct peer_message message;
    int r = peer_read(
            peer->stream, INTERNAL_HELLO_SIZE_MAX, clock_mono_ns() + HELLO_NS, &first, &message);
    if (r == 0 && message.type != PEER_HELLO) {
        r = fault(-EPROTO, "the first message is no hello");
    }
    if (r) {
        return r;
    }
    r = peer_register(peer, &message.hello);
    if (r) {
        return peer_refuse(peer, r);
    }
    r = fiber_spawn("meta sender", peer_sender, peer, &peer->sender);
    while (r == 0) {
        CLEANUP(buf_unrefp) struct buf *frame = NULL;
        r = peer_read(peer->stream, INTERNAL_FRAME_SIZE_MAX, peer_deadline(peer), &frame, &message);
        r = r ? r : peer_take(peer, &message);
    }
    return r;
}

static void
peer_main(void *arg)
{
    struct peer_link *peer = arg;
    struct server *server = peer->server;
    int r = server->stopping ? -ECANCELED : peer_serve(peer);
    if (r != -ECANCELED && !server->stopping) {
        /* Who is refused tries again and again, and says so itself. */
        LOG_AT(peer->broker_epoch ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
                "a broker's connection has ended", LOG_STR("peer", stream_peer(peer->stream)),
                LOG_INT("broker", peer->member ? peer->member->id : -1), LOG_FAULT(r));
    }
    peer->closing = true;
    stream_shutdown(peer->stream);
    wait_queue_wake_all(&peer->wake);
    if (peer->sender) {
        fiber_cancel(peer->sender);
        fiber_join(peer->sender);
    }
    int32_t missed = -1;
    if (peer->member) {
        missed = peer->member->id;
        peer->member->peer = NULL;
        peer->member->hung_up = true;
    }
    list_remove(&peer->link);
    stream_close(peer->stream);
    if (missed >= 0 && r == -ECONNRESET && !server->stopping) {
        away_knock(server->meta, missed, peer->broker_epoch);
    }
    server->peer_count--;
    wait_queue_wake_all(&server->gone);
    mem_free(peer);
}

static int
server_accept(struct server *server, const struct accepted *accepted)
{
    struct stream *stream;
    int r = stream_adopt(accepted, &stream);
    if (r) {
        return r;
    }
    if (server->peer_count >= INTERNAL_CONNECTIONS_MAX) {
        stream_close(stream);
        return fault(-EUSERS, "%d internal connections are open", INTERNAL_CONNECTIONS_MAX);
    }
    struct peer_link *peer = mem_alloc(sizeof *peer);
    peer->server = server;
    peer->stream = stream;
    wait_queue_init(&peer->wake);
    list_push_back(&server->peers, &peer->link);
    server->peer_count++;
    r = fiber_spawn("meta peer", peer_main, peer, NULL);
    if (r) {
        list_remove(&peer->link);
        server->peer_count--;
        stream_close(stream);
        mem_free(peer);
    }
    return r;
}

static void
server_main(void *arg)
{
    struct server *server = arg;
    for (;;) {
        struct accepted accepted;
        int r = listener_accept(server->listener, &accepted);
        if (r == -ECANCELED) {
            return;
        }
        r = r ? r : server_accept(server, &accepted);
        if (r) {
            LOG_WARN("an internal connection was refused", LOG_FAULT(r));
        }
    }
}

int
server_start(struct meta *meta, const struct meta_options *options)
{
    char host[META_HOST_SIZE_MAX + 1];
    if (!options->internal_host.data) {
        return 0;
    }
    snprintf(host, sizeof host, "%.*s", (int)options->internal_host.size,
            (const char *)options->internal_host.data);
    struct server *server = mem_alloc(sizeof *server);
    server->meta = meta;
    list_init(&server->peers);
    wait_queue_init(&server->gone);
    int r = tcp_listen(host, options->internal_port, &server->listener);
    if (r == 0) {
        r = fiber_spawn("meta accept", server_main, server, &server->accept_fiber);
    }
    if (r) {
        if (server->listener) {
            listener_close(server->listener);
        }
        mem_free(server);
        return fault_note(r, "internal.listener");
    }
    meta->server = server;
    meta->self.internal_port = listener_port(server->listener);
    return 0;
}

void
server_stop(struct meta *meta)
{
    struct server *server = TAKE_PTR(meta->server);
    if (!server) {
        return;
    }
    server->stopping = true;
    fiber_cancel(server->accept_fiber);
    fiber_join(server->accept_fiber);
    listener_close(server->listener);
    LIST_FOREACH (link, &server->peers) {
        stream_shutdown(CONTAINER_OF(link, struct peer_link, link)->stream);
    }
    while (server->peer_count) {
        /* Not to be cancelled: the fibers use the server. */
        if (wait_queue_wait(&server->gone, DEADLINE_NONE) == -ECANCELED) {
            break;
        }
    }
    if (server->peer_count == 0) {
        mem_free(server);
    }
}

void
server_wake(struct meta *meta)
{
    LIST_FOREACH (link, &meta->server->peers) {
        wait_queue_wake_all(&CONTAINER_OF(link, struct peer_link, link)->wake);
    }
}

uint16_t
meta_internal_port(const struct meta *meta)
{
    return (uint16_t)meta->self.internal_port;
}
