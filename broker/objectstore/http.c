/* The client thread, its queue, and how fibers wait for it. */
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/http_internal.h"
#include "reactor/clock.h"
#include "reactor/sync.h"

#include <errno.h>
#include <pthread.h>
#include <strings.h>

#define POLL_MS_MAX 1000
#define WAKE_TRIES 3

/* A reactor's share of the queue; used by that reactor alone. */
struct lane {
    bool ready;
    struct semaphore permits;
};

struct http_client {
    char *ca_file;
    unsigned connections_max;
    struct lane lanes[REACTORS_MAX];
    pthread_t thread;
    CURLM *multi;
    pthread_mutex_t mutex; /* over what follows, for moments */
    struct list queue;     /* handed over, not seen by the thread yet */
    bool stopping;
    /* The thread's own. */
    struct list waiting; /* for a connection */
    struct list active;
    unsigned active_count;
    CURL *idle[HTTP_CONNECTIONS_MAX];
    unsigned idle_count;
};

static void
give_handle_back(struct http_client *client, CURL *easy)
{
    if (client->idle_count < ARRAY_SIZE(client->idle)) {
        curl_easy_reset(easy);
        client->idle[client->idle_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

/* Ends a transfer; after that its memory belongs to the fiber again (H2). */
static void
transfer_end(struct http_client *client, struct http_transfer *transfer, int result)
{
    list_remove(&transfer->link);
    if (transfer->easy) {
        curl_multi_remove_handle(client->multi, transfer->easy);
        give_handle_back(client, transfer->easy);
        client->active_count--;
        transfer->easy = NULL;
    }
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    foreign_wait_complete(&transfer->wait, result);
}

static void
transfer_start(struct http_client *client, struct http_transfer *transfer)
{
    CURL *easy = client->idle_count ? client->idle[--client->idle_count] : curl_easy_init();
    if (!easy) {
        transfer_end(client, transfer, -ENOMEM);
        return;
    }
    list_remove(&transfer->link);
    list_push_back(&client->active, &transfer->link);
    client->active_count++;
    int r = http_transfer_prepare(transfer, easy, client->ca_file);
    if (r == 0 && curl_multi_add_handle(client->multi, easy) != CURLM_OK) {
        r = -ENOMEM;
    }
    if (r < 0) {
        transfer_end(client, transfer, r);
    }
}

static bool
take_queue(struct http_client *client)
{
    pthread_mutex_lock(&client->mutex);
    for (struct list *node = list_pop_front(&client->queue); node;
            node = list_pop_front(&client->queue)) {
        list_push_back(&client->waiting, node);
    }
    bool stopping = client->stopping;
    pthread_mutex_unlock(&client->mutex);
    return !stopping;
}

/* Why the transfer must end now, or 0; lowers *poll_ns to when that may change. */
static int
overdue(struct http_transfer *transfer, uint64_t now_ns, uint64_t *poll_ns)
{
    const struct http_request *request = transfer->request;
    if (atomic_load(&transfer->cancelled)) {
        transfer->why = "cancelled";
        return -ECANCELED;
    }
    if (now_ns >= request->deadline_ns) {
        transfer->why = "the deadline passed";
        return -ETIMEDOUT;
    }
    *poll_ns = MIN(*poll_ns, request->deadline_ns - now_ns);
    if (!transfer->easy || !request->stall_ns_max) {
        return 0;
    }
    uint64_t still_ns = now_ns - MIN(now_ns, transfer->moved_ns);
    if (still_ns >= request->stall_ns_max) {
        transfer->why = "nothing moved for too long";
        return -EAGAIN;
    }
    *poll_ns = MIN(*poll_ns, request->stall_ns_max - still_ns);
    return 0;
}

static void
end_overdue(struct http_client *client, struct list *transfers, uint64_t *poll_ns)
{
    uint64_t now_ns = clock_mono_ns();
    LIST_FOREACH_SAFE (node, transfers) {
        struct http_transfer *transfer = CONTAINER_OF(node, struct http_transfer, link);
        int r = overdue(transfer, now_ns, poll_ns);
        if (r < 0) {
            transfer_end(client, transfer, r);
        }
    }
}

static void
end_finished(struct http_client *client)
{
    int left = 0;
    for (CURLMsg *message = curl_multi_info_read(client->multi, &left); message;
            message = curl_multi_info_read(client->multi, &left)) {
        struct http_transfer *transfer = NULL;
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer_end(client, transfer, http_transfer_result(transfer, code));
    }
}

/* NULL: nobody waits, or no connection is free. */
static struct http_transfer *
next_to_start(const struct http_client *client)
{
    return client->active_count < client->connections_max
                   ? LIST_FIRST(&client->waiting, struct http_transfer, link)
                   : NULL;
}

static void
client_turn(struct http_client *client)
{
    uint64_t poll_ns = (uint64_t)POLL_MS_MAX * NS_PER_MS;
    int running = 0;
    for (struct http_transfer *next = next_to_start(client); next; next = next_to_start(client)) {
        transfer_start(client, next);
    }
    CHECK(curl_multi_perform(client->multi, &running) == CURLM_OK);
    end_finished(client);
    end_overdue(client, &client->active, &poll_ns);
    end_overdue(client, &client->waiting, &poll_ns);
    int poll_ms = next_to_start(client) ? 0 : (int)((poll_ns + NS_PER_MS - 1) / NS_PER_MS);
    CHECK(curl_multi_poll(client->multi, NULL, 0, poll_ms, NULL) == CURLM_OK);
}

static void *
client_main(void *arg)
{
    struct http_client *client = arg;
    pthread_setname_np(pthread_self(), "http");
    while (take_queue(client)) {
        client_turn(client);
    }
    CHECK(list_is_empty(&client->active) && list_is_empty(&client->waiting));
    return NULL;
}

static void
curl_setup(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

int
http_client_open(const struct http_client_options *options, struct http_client **ret_client)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_setup);
    struct http_client *client = mem_alloc(sizeof *client);
    unsigned asked = options->connections_max;
    client->connections_max = asked && asked < HTTP_CONNECTIONS_MAX ? asked : HTTP_CONNECTIONS_MAX;
    client->ca_file = options->ca_file ? mem_strdup(options->ca_file) : NULL;
    pthread_mutex_init(&client->mutex, NULL);
    list_init(&client->queue);
    list_init(&client->waiting);
    list_init(&client->active);
    client->multi = curl_multi_init();
    CHECK(client->multi);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->connections_max);
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    int error = pthread_create(&client->thread, NULL, client_main, client);
    if (error) {
        curl_multi_cleanup(client->multi);
        pthread_mutex_destroy(&client->mutex);
        mem_free(client->ca_file);
        mem_free(client);
        return fault(-error, "http: cannot start the client thread");
    }
    *ret_client = client;
    return 0;
}

static int
join_thread(void *arg)
{
    struct http_client *client = arg;
    pthread_mutex_lock(&client->mutex);
    client->stopping = true;
    pthread_mutex_unlock(&client->mutex);
    curl_multi_wakeup(client->multi);
    pthread_join(client->thread, NULL);
    return 0;
}

void
http_client_close(struct http_client *client)
{
    if (!client) {
        return;
    }
    if (offload_run(join_thread, client) < 0) {
        (void)join_thread(client);
    }
    for (unsigned i = 0; i < client->idle_count; i++) {
        curl_easy_cleanup(client->idle[i]);
    }
    curl_multi_cleanup(client->multi);
    pthread_mutex_destroy(&client->mutex);
    mem_free(client->ca_file);
    mem_free(client);
}

/* One fiber hands the transfer over and waits for the thread; another one may be waiting for it and
 * be cancelled. */
struct waiter {
    struct http_client *client;
    struct http_transfer *transfer;
    struct wait_queue queue;
    bool ended;
    int result;
};

static void
waiter_run(void *arg)
{
    struct waiter *waiter = arg;
    struct http_client *client = waiter->client;
    foreign_wait_init(&waiter->transfer->wait);
    pthread_mutex_lock(&client->mutex);
    list_push_back(&client->queue, &waiter->transfer->link);
    pthread_mutex_unlock(&client->mutex);
    curl_multi_wakeup(client->multi);
    waiter->result = foreign_wait_for(&waiter->transfer->wait);
    waiter->ended = true;
    wait_queue_wake_all(&waiter->queue);
}

static int
transfer_wait(struct http_client *client, struct http_transfer *transfer)
{
    struct waiter waiter = { .client = client, .transfer = transfer };
    struct fiber *fiber = NULL;
    wait_queue_init(&waiter.queue);
    if (transfer->request->uncancellable || fiber_spawn("http", waiter_run, &waiter, &fiber) < 0) {
        waiter_run(&waiter);
        return waiter.result;
    }
    while (!waiter.ended) {
        if (wait_queue_wait(&waiter.queue, DEADLINE_NONE) == -ECANCELED) {
            MARK("http: a cancelled fiber aborts its request");
            atomic_store(&transfer->cancelled, true);
            curl_multi_wakeup(client->multi);
            break;
        }
    }
    fiber_join(fiber);
    return waiter.result;
}

static struct semaphore *
permits_of_this_reactor(struct http_client *client)
{
    struct lane *lane = &client->lanes[reactor_index()];
    if (!lane->ready) {
        lane->ready = true;
        semaphore_init(&lane->permits, HTTP_REQUESTS_PER_REACTOR_MAX);
    }
    return &lane->permits;
}

int
http_do(struct http_client *client, const struct http_request *request,
        struct http_response *ret_response, bool *ret_sent)
{
    struct http_transfer transfer = { .request = request };
    struct semaphore *permits = permits_of_this_reactor(client);
    bool ignored;
    ret_sent = ret_sent ? ret_sent : &ignored;
    *ret_sent = false;
    /* Cleaning up must not wait behind others, and it is rare. */
    int r = request->uncancellable ? 0 : semaphore_acquire(permits, 1, request->deadline_ns);
    if (r < 0) {
        return fault(r, "http: %s %s waited for its turn", request->method, request->url);
    }
    list_init(&transfer.link);
    strbuf_init(&transfer.response.headers, HTTP_HEADERS_SIZE_MAX);
    r = transfer_wait(client, &transfer);
    if (!request->uncancellable) {
        semaphore_release(permits, 1);
    }
    *ret_sent = transfer.starts > 0;
    if (r < 0) {
        http_response_done(&transfer.response);
        return fault(r, "http: %s %s: %s", request->method, request->url,
                transfer.why ? transfer.why : transfer.error_text);
    }
    *ret_response = transfer.response;
    return 0;
}

void
http_response_done(struct http_response *response)
{
    response->body = buf_unref(response->body);
    strbuf_done(&response->headers);
}

static struct bytes
trim(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t')) {
        from++;
    }
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r' || to[-1] == '\n')) {
        to--;
    }
    return bytes_of(from, (size_t)(to - from));
}

struct bytes
http_response_header(const struct http_response *response, const char *name)
{
    const char *line = (const char *)response->headers.data;
    const char *end = line ? line + response->headers.size : NULL;
    size_t name_size = strlen(name);
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *next = newline ? newline + 1 : end;
        if ((size_t)(next - line) > name_size && line[name_size] == ':' &&
                strncasecmp(line, name, name_size) == 0) {
            return trim(line + name_size + 1, next);
        }
        line = next;
    }
    return BYTES_NULL;
}
