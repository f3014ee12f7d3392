/* Order on a connection: one fiber per request, answers sent by whoever finishes the head of the
 * line. */
#include "session/session.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "reactor/clock.h"
#include "session/dispatch.h"
#include "wire/messages/headers.h"

#include <errno.h>

#define ANSWER_SIZE_MAX (1 * GIB)
#define SEND_TIMEOUT_NS (60ull * NS_PER_S)

struct session_request {
    struct list link;
    struct session *session;
    struct request request;
    const struct dispatch_entry *entry;
    uint64_t started_ns;
    bool ordered; /* the next may start */
    bool done;
};

static _Thread_local struct session_api_stats stats[WIRE_API_KEY_MAX + 1];

const struct session_api_stats *
session_stats(int16_t api_key)
{
    return api_key >= 0 && api_key <= WIRE_API_KEY_MAX ? &stats[api_key] : NULL;
}

static atomic_uint_least64_t error_counts[WIRE_API_KEY_MAX + 1]
                                         [SESSION_ERROR_CODE_MAX - SESSION_ERROR_CODE_MIN + 1];

static void
session_count_error(void *arg, int16_t code)
{
    const struct session_request *r = arg;
    if (code < SESSION_ERROR_CODE_MIN || code > SESSION_ERROR_CODE_MAX) {
        code = SESSION_ERROR_CODE_MAX;
    }
    atomic_fetch_add_explicit(&error_counts[r->request.api->key][code - SESSION_ERROR_CODE_MIN], 1,
            memory_order_relaxed);
}

uint64_t
session_error_count(int16_t api_key, int16_t code)
{
    CHECK(api_key >= 0 && api_key <= WIRE_API_KEY_MAX);
    CHECK(code >= SESSION_ERROR_CODE_MIN && code <= SESSION_ERROR_CODE_MAX);
    return atomic_load_explicit(
            &error_counts[api_key][code - SESSION_ERROR_CODE_MIN], memory_order_relaxed);
}

void
session_init(
        struct session *session, struct broker *broker, const char *listener, struct stream *stream)
{
    *session = (struct session){
        .broker = broker, .listener = listener, .stream = stream, .find = dispatch_find
    };
    list_init(&session->requests);
    wait_queue_init(&session->turn);
    fiber_group_init(&session->handlers);
}

static void
session_request_free(struct session_request *r)
{
    list_remove(&r->link);
    r->session->request_count--;
    request_memory_give(&r->session->broker->memory, r->request.memory);
    buf_unref(r->request.frame);
    wire_writer_done(&r->request.answer);
    arena_done(&r->request.arena);
    mem_free(r);
}

static void
session_break(struct session *session)
{
    session->broken = true;
    stream_shutdown(session->stream);
    wait_queue_wake_all(&session->turn);
}

static int
session_send(struct session *session, struct wire_writer *answer)
{
    struct iovec few[16];
    size_t most = wire_writer_part_count_max(answer);
    struct iovec *parts = most <= ARRAY_SIZE(few) ? few : mem_alloc_array(most, sizeof *parts);
    size_t count = wire_writer_parts(answer, parts);
    int r = count ? stream_write(session->stream, parts, count, clock_mono_ns() + SEND_TIMEOUT_NS)
                  : 0;
    if (parts != few) {
        mem_free(parts);
    }
    return r;
}

static void
session_count(const struct session_request *r)
{
    struct session_api_stats *s = &stats[r->request.api->key];
    uint64_t us = (clock_mono_ns() - r->started_ns) / NS_PER_US;
    unsigned bucket = 0;
    while (bucket < ARRAY_SIZE(s->latency_us_buckets) - 1 && us > 1ull << bucket) {
        bucket++;
    }
    s->requests++;
    s->errors += r->request.close;
    s->bytes_in += r->request.frame->size;
    s->bytes_out += wire_writer_size(&r->request.answer);
    s->latency_us_sum += us;
    s->latency_us_buckets[bucket]++;
}

/* Sends the answers of all done requests at the head of the line (N1). */
static void
session_flush(struct session *session)
{
    if (session->sending) {
        return;
    }
    session->sending = true;
    struct session_request *head;
    while ((head = LIST_FIRST(&session->requests, struct session_request, link)) && head->done) {
        session_count(head);
        if (head->request.close && !session->broken) {
            session_break(session);
        }
        if (!session->broken && session_send(session, &head->request.answer) < 0) {
            session_break(session);
        }
        session_request_free(head);
        wait_queue_wake_all(&session->turn);
    }
    session->sending = false;
}

static void
session_ordered(struct request *request)
{
    struct session_request *r = CONTAINER_OF(request, struct session_request, request);
    if (!r->ordered) {
        r->ordered = true;
        wait_queue_wake_all(&r->session->turn);
    }
}

static bool
session_is_gone(struct request *request)
{
    const struct session *session = CONTAINER_OF(request, struct session_request, request)->session;
    return session->broken || stream_is_ended_by_peer(session->stream);
}

static int
session_request_main(void *arg)
{
    struct session_request *r = arg;
    struct session *session = r->session;
    /* The fiber's own: another would be gone after the first wait. */
    struct log_context *context = log_context_get();
    struct log_context before = *context;
    context->client = r->request.peer;
    context->api = r->request.api->name;
    context->api_version = r->request.version;
    fault_clear();
    r->entry->handler(&r->request);
    *context = before;
    r->ordered = true;
    r->done = true;
    session_flush(session);
    wait_queue_wake_all(&session->turn);
    return 0;
}

/* Kafka answers an ApiVersions request of an unknown version with version 0 and
 * UNSUPPORTED_VERSION, so that the client can choose again (KIP-511). Everything else unknown
 * closes the connection. */
static int
session_check_version(struct session_request *r, int16_t version)
{
    const struct dispatch_entry *entry = r->entry;
    if (entry && version >= entry->version_min && version <= entry->version_max) {
        return 0;
    }
    if (entry && entry->key == 18) {
        r->request.version = 0;
        r->entry = dispatch_unsupported_api_versions();
        return 0;
    }
    LOG_WARN("request of an API or version that is not here",
            LOG_STR("client", stream_peer(r->session->stream)),
            LOG_STR("requested", r->request.api ? r->request.api->name : "unknown"),
            LOG_INT("requested_version", version));
    return -EPROTO;
}

static int
session_read_header(struct session_request *r)
{
    struct request_header header;
    struct request *request = &r->request;
    wire_reader_init(&request->body, buf_bytes(request->frame));
    int result = wire_request_header_read(&request->body, &header, &request->api);
    if (result < 0) {
        LOG_WARN("unreadable request header", LOG_STR("client", stream_peer(r->session->stream)),
                LOG_FAULT(result));
        return -EPROTO;
    }
    request->version = header.request_api_version;
    request->correlation_id = header.correlation_id;
    request->client_id = header.client_id;
    r->entry = request->api ? r->session->find(request->api->key) : NULL;
    return session_check_version(r, header.request_api_version);
}

static void
session_start_request(struct session *session, struct session_request *r)
{
    r->request.broker = session->broker;
    r->request.peer = stream_peer(session->stream);
    r->request.local = stream_local(session->stream);
    r->request.listener = session->listener;
    r->request.ordered = session_ordered;
    r->request.is_gone = session_is_gone;
    r->request.connection = &session->state;
    r->started_ns = clock_mono_coarse_ns();
    arena_init(&r->request.arena, REQUEST_MEMORY_MAX);
    wire_writer_init(&r->request.answer, ANSWER_SIZE_MAX);
    r->request.answer.on_error_code = session_count_error;
    r->request.answer.on_error_code_arg = r;
    list_push_back(&session->requests, &r->link);
    fiber_group_spawn(&session->handlers, "request", session_request_main, r);
}

/* N2 and the pipeline's limit. */
static int
session_wait_turn(struct session *session)
{
    while (!session->broken) {
        bool room = session->request_count < CONNECTION_PIPELINE_MAX;
        bool may_start =
                list_is_empty(&session->requests) ||
                CONTAINER_OF(session->requests.prev, struct session_request, link)->ordered;
        if (room && may_start) {
            return 0;
        }
        int r = wait_queue_wait(&session->turn, DEADLINE_NONE);
        if (r < 0) {
            return r;
        }
    }
    return -EPROTO;
}

int
session_request(struct session *session, struct buf *frame)
{
    struct session_request *r = mem_alloc(sizeof *r);
    list_init(&r->link);
    r->session = session;
    r->request.frame = frame;
    r->request.memory = frame->size;
    session->request_count++;
    /* What was read before the connection broke is not carried out behind an unknown outcome. */
    int result = session->broken ? -EPROTO : session_read_header(r);
    if (result < 0) {
        session_request_free(r);
        return result;
    }
    session_start_request(session, r);
    return session_wait_turn(session);
}

void
session_done(struct session *session)
{
    session_break(session);
    /* The members log their own failures. */
    int r = fiber_group_wait(&session->handlers);
    CHECK(r == 0 && list_is_empty(&session->requests));
    connection_state_done(session->broker, &session->state);
}
