/* The states of a watched list. */
#include "kube/watch.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "kube/clock.h"
#include "kube/watch_internal.h"

#include <errno.h>
#include <stdio.h>

#define GOOD_MS 120000 /* a stream that lasted as long forgets the failures before it */
#define TOO_SHORT_MS 1000

static int on_line(void *arg, struct bytes line);
static int on_item(void *arg, struct bytes text);
static void on_timer(void *arg);

void
watch_init(struct watch *watch, struct kube *kube, const struct kube_kind *kind,
        const struct watch_sink *sink, void *arg)
{
    *watch = (struct watch){ .kube = kube, .kind = kind, .sink = sink, .arg = arg };
    watch->seconds_min = WATCH_SECONDS_MIN;
    watch->seconds_max = WATCH_SECONDS_MAX;
    watch->pause_ms_min = WATCH_PAUSE_MS_MIN;
    watch->timer.fn = on_timer;
    watch->timer.arg = watch;
    strbuf_init(&watch->continued, 64 << 10);
    lines_init(&watch->lines, WATCH_LINE_SIZE_MAX, on_line, watch);
    items_init(&watch->items, WATCH_LINE_SIZE_MAX, on_item, watch);
}

void
watch_stop(struct watch *watch)
{
    http_cancel(watch->transfer);
    watch->transfer = NULL;
    http_timer_stop(&watch->timer);
    lines_done(&watch->lines);
    items_done(&watch->items);
    strbuf_done(&watch->continued);
}

void
watch_start(struct watch *watch)
{
    watch->must_list = true;
    watch->state = WATCH_PAUSED;
    http_timer_start(watch->kube->http, &watch->timer, 0);
}

/* Full jitter: a server that comes back must not meet all of us at once. */
void
watch_pause(struct watch *watch, int error, int64_t wait_ms_min)
{
    int64_t cap_ms = watch->pause_ms_min;
    for (unsigned i = 0; i < watch->failures && cap_ms < WATCH_PAUSE_MS_MAX; i++) {
        cap_ms *= 2;
    }
    cap_ms = MIN(cap_ms, (int64_t)WATCH_PAUSE_MS_MAX);
    int64_t pause_ms = cap_ms / 2 + clock_dice((uint32_t)(cap_ms / 2) + 1);
    watch->failures++;
    watch->state = WATCH_PAUSED;
    http_timer_start(watch->kube->http, &watch->timer, MAX(pause_ms, wait_ms_min));
    if (error < 0) {
        LOG_WARN("watch interrupted", LOG_STR("kind", watch->kind->kind), LOG_FAULT(error),
                LOG_INT("pause_ms", MAX(pause_ms, wait_ms_min)));
    }
}

static int
on_stream_data(void *arg, struct bytes piece)
{
    struct watch *watch = arg;
    return lines_feed(&watch->lines, piece);
}

static int
on_list_data(void *arg, struct bytes piece)
{
    struct watch *watch = arg;
    return items_feed(&watch->items, piece);
}

int
watch_send(struct watch *watch, struct strbuf *path, int64_t timeout_ms,
        void (*done)(void *, const struct http_answer *), bool is_stream)
{
    struct kube *kube = watch->kube;
    struct strbuf url;
    credentials_refresh(kube->credentials, false);
    strbuf_init(&url, 80 << 10);
    strbuf_printf(&url, "%s%s", kube->credentials->server, strbuf_cstring(path));
    struct http_request request = {
        .method = "GET",
        .url = strbuf_cstring(&url),
        .authorization = kube->credentials->authorization,
        .tls = &kube->credentials->tls,
        .timeout_ms = timeout_ms,
        .answer_max = KUBE_ANSWER_MAX,
        .data = is_stream ? on_stream_data : on_list_data,
        .done = done,
        .arg = watch,
    };
    int r = path->error || url.error ? fault(-ENOBUFS, "kube: a path that is too long")
                                     : http_start(kube->http, &request, &watch->transfer);
    strbuf_done(&url);
    return r;
}

static void
on_timer(void *arg)
{
    struct watch *watch = arg;
    if (watch->must_list) {
        watch_list_begin(watch);
    } else {
        watch_stream_begin(watch);
    }
}

/* 401: the next try reads the token again. */
static void
look_at_error(struct watch *watch, int error)
{
    if (error == -EACCES) {
        credentials_refresh(watch->kube->credentials, true);
    }
    if (error == -EKEYEXPIRED) {
        watch->expired++;
        watch->must_list = true;
    }
}

static bool
was_sound(const struct watch *watch)
{
    return watch->heard > 0 || clock_now_ms() - watch->began_ms >= TOO_SHORT_MS;
}

static void
on_stream_end(void *arg, const struct http_answer *answer)
{
    struct watch *watch = arg;
    watch->transfer = NULL;
    lines_reset(&watch->lines);
    int r = kube_answer_error("WATCH", watch->kind->plural, answer);
    if (clock_now_ms() - watch->began_ms >= GOOD_MS) {
        watch->failures = 0;
    }
    look_at_error(watch, r);
    if (r == -EKEYEXPIRED && watch->failures == 0) {
        MARK("watch: expired version");
        fault_clear();
        watch->failures++; /* a second one in a row waits */
        watch_list_begin(watch);
    } else if (r < 0) {
        watch_pause(watch, r, answer->retry_after_ms);
    } else if (!was_sound(watch)) {
        MARK("watch: closed at once");
        watch_pause(watch, fault(-EIO, "the watch was closed at once"), 0);
    } else if (watch->heard == 0) {
        MARK("watch: silent to its end");
        watch_list_begin(watch);
    } else {
        watch->failures = 0;
        watch_stream_begin(watch);
    }
}

void
watch_stream_begin(struct watch *watch)
{
    struct strbuf path;
    char text[32];
    int spread = watch->seconds_max - watch->seconds_min + 1;
    int seconds = watch->seconds_min + (int)clock_dice((uint32_t)spread);
    strbuf_init(&path, 16 << 10);
    kube_path(&path, watch->kind, watch->namespace, NULL, NULL);
    kube_query(&path, "watch", "1");
    kube_query(&path, "allowWatchBookmarks", "true");
    kube_query(&path, "resourceVersion", watch->version);
    snprintf(text, sizeof text, "%d", seconds);
    kube_query(&path, "timeoutSeconds", text);
    if (watch->label_selector) {
        kube_query(&path, "labelSelector", watch->label_selector);
    }
    watch->state = WATCH_WATCHING;
    watch->must_list = false;
    watch->heard = 0;
    watch->began_ms = clock_now_ms();
    /* The server ends it; K2 when it doesn't. */
    int r = watch_send(watch, &path, (int64_t)seconds * 1000 + 30000, on_stream_end, true);
    strbuf_done(&path);
    if (r < 0) {
        watch_pause(watch, r, 0);
    }
}

static int
error_event(const cJSON *status)
{
    int64_t code = json_int(status, "code", 500);
    const char *reason = json_text(status, "reason");
    bool is_old = code == 410 || strcmp(reason, "Expired") == 0 || strcmp(reason, "Gone") == 0;
    return fault(is_old ? -EKEYEXPIRED : -EREMOTEIO, "the watch ended with %lld %s: %.200s",
            (long long)code, reason, json_text(status, "message"));
}

static int
on_line(void *arg, struct bytes line)
{
    struct watch *watch = arg;
    CLEANUP(json_freep) cJSON *event = NULL;
    int r = json_parse(line, &event);
    if (r < 0) {
        return r;
    }
    const char *type = json_text(event, "type");
    const cJSON *object = json_at(event, "object");
    const char *version = json_text(object, "metadata/resourceVersion");
    if (strcmp(type, "ERROR") == 0) {
        return error_event(object);
    }
    if (!*version || strlen(version) >= sizeof watch->version) {
        return fault(-EBADMSG, "an event of type \"%s\" without a resourceVersion", type);
    }
    if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0) {
        watch->sink->upsert(watch->arg, object);
    } else if (strcmp(type, "DELETED") == 0) {
        watch->sink->remove(watch->arg, object);
    } else if (strcmp(type, "BOOKMARK") != 0) {
        return fault(-EBADMSG, "an event of the unknown type \"%s\"", type);
    }
    watch->heard++;
    snprintf(watch->version, sizeof watch->version, "%s", version);
    return 0;
}

static int
on_item(void *arg, struct bytes text)
{
    struct watch *watch = arg;
    CLEANUP(json_freep) cJSON *object = NULL;
    int r = json_parse(text, &object);
    if (r < 0) {
        return r;
    }
    watch->sink->upsert(watch->arg, object);
    return 0;
}
