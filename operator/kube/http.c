/* The loop over a curl multi handle, and timers. */
#include "kube/http.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "kube/clock.h"
#include "kube/http_internal.h"

#include <errno.h>

void
http_setup(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

struct http *
http_new(void)
{
    struct http *http = mem_alloc(sizeof *http);
    http->multi = curl_multi_init();
    CHECK(http->multi);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 16L);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    list_init(&http->transfers);
    list_init(&http->timers);
    return http;
}

void
http_free(struct http *http)
{
    if (!http) {
        return;
    }
    CHECK(!http->is_inside);
    LIST_FOREACH_SAFE (node, &http->transfers) {
        http_cancel(CONTAINER_OF(node, struct http_transfer, node));
    }
    LIST_FOREACH_SAFE (node, &http->timers) {
        list_remove(node);
    }
    curl_multi_cleanup(http->multi);
    mem_free(http);
}

void
http_timer_start(struct http *http, struct http_timer *timer, int64_t delay_ms)
{
    http_timer_stop(timer);
    timer->due_ms = clock_now_ms() + delay_ms;
    list_push_back(&http->timers, &timer->node);
}

void
http_timer_stop(struct http_timer *timer)
{
    if (timer->node.next) {
        list_remove(&timer->node);
    } else {
        list_init(&timer->node);
    }
}

/* Timers that are started by others wait for the next round, so this ends. */
static void
timers_fire(struct http *http)
{
    int64_t now_ms = clock_now_ms();
    struct list due;
    list_init(&due);
    LIST_FOREACH_SAFE (node, &http->timers) {
        if (CONTAINER_OF(node, struct http_timer, node)->due_ms <= now_ms) {
            list_remove(node);
            list_push_back(&due, node);
        }
    }
    for (struct list *node; (node = list_pop_front(&due)) != NULL;) {
        struct http_timer *timer = CONTAINER_OF(node, struct http_timer, node);
        timer->fn(timer->arg);
    }
}

static int64_t
timers_wait_ms(const struct http *http, int64_t wait_ms)
{
    int64_t now_ms = clock_now_ms();
    LIST_FOREACH (node, &http->timers) {
        int64_t left_ms = CONTAINER_OF(node, struct http_timer, node)->due_ms - now_ms;
        wait_ms = MIN(wait_ms, MAX(left_ms, (int64_t)0));
    }
    return wait_ms;
}

static void
messages_take(struct http *http)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        struct http_transfer *transfer = NULL;
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        http_transfer_end(transfer, message->data.result);
    }
}

void
http_run(struct http *http, int64_t wait_ms)
{
    CHECK(!http->is_inside);
    int running = 0;
    http->is_inside = true;
    CHECK(curl_multi_perform(http->multi, &running) == CURLM_OK);
    messages_take(http);
    http->is_inside = false;
    wait_ms = timers_wait_ms(http, MAX(wait_ms, (int64_t)0));
    if (http->is_hurried) {
        wait_ms = 0;
    }
    http->is_hurried = false;
    CHECK(curl_multi_poll(http->multi, NULL, 0, (int)MIN(wait_ms, (int64_t)60000), NULL) ==
            CURLM_OK);
    http->is_inside = true;
    CHECK(curl_multi_perform(http->multi, &running) == CURLM_OK);
    messages_take(http);
    timers_fire(http);
    http->is_inside = false;
}

void
http_wake(struct http *http)
{
    curl_multi_wakeup(http->multi);
}

struct call {
    struct http_answer *answer;
    bool is_done;
};

static void
call_done(void *arg, const struct http_answer *answer)
{
    struct call *call = arg;
    *call->answer = *answer;
    call->answer->body.data = mem_dup(answer->body.data, answer->body.size);
    call->answer->reason = mem_strdup(answer->reason);
    call->is_done = true;
}

void
http_call(struct http *http, const struct http_request *request, struct http_answer *ret_answer)
{
    CHECK(request->timeout_ms > 0);
    struct call call = { .answer = ret_answer };
    struct http_request copy = *request;
    copy.data = NULL;
    copy.done = call_done;
    copy.arg = &call;
    struct http_transfer *transfer = NULL;
    int r = http_start(http, &copy, &transfer);
    if (r < 0) {
        *ret_answer = (struct http_answer){ .error = r, .unsent = true, .retry_after_ms = -1 };
        ret_answer->reason = mem_strdup("too many requests are under way");
        return;
    }
    while (!call.is_done) {
        http_run(http, 1000);
    }
}

void
http_answer_done(struct http_answer *answer)
{
    mem_free((void *)(uintptr_t)answer->body.data);
    mem_free((void *)(uintptr_t)answer->reason);
    *answer = (struct http_answer){ 0 };
}
