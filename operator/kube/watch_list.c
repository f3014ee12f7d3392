/* The list that a watch begins with, page by page. */
#include "base/fault.h"
#include "base/mark.h"
#include "kube/watch_internal.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

static void page_begin(struct watch *watch);

/* A quorum read: no resourceVersion. Our lists are short, and a cached one may be older than what
 * we have seen. */
void
watch_list_begin(struct watch *watch)
{
    strbuf_clear(&watch->continued);
    watch->state = WATCH_LISTING;
    watch->must_list = true;
    watch->restarts++;
    watch->sink->restart(watch->arg);
    page_begin(watch);
}

/* What is around its items, which were handed over one by one. */
static int
page_take(struct watch *watch)
{
    CLEANUP(json_freep) cJSON *list = NULL;
    struct bytes envelope;
    int r = items_end(&watch->items, &envelope);
    r = r < 0 ? r : json_parse(envelope, &list);
    if (r < 0) {
        return r;
    }
    const char *version = json_text(list, "metadata/resourceVersion");
    if (!cJSON_IsArray(json_at(list, "items")) || !*version ||
            strlen(version) >= sizeof watch->version) {
        return fault(-EBADMSG, "a list without items or resourceVersion");
    }
    snprintf(watch->version, sizeof watch->version, "%s", version);
    strbuf_clear(&watch->continued);
    strbuf_append_string(&watch->continued, json_text(list, "metadata/continue"));
    return watch->continued.error;
}

static void
list_end(struct watch *watch)
{
    watch->is_synced = true;
    watch->sink->synced(watch->arg);
    malloc_trim(0);
    watch_stream_begin(watch);
}

static void
on_page(void *arg, const struct http_answer *answer)
{
    struct watch *watch = arg;
    watch->transfer = NULL;
    int r = kube_answer_error("LIST", watch->kind->plural, answer);
    r = r < 0 ? r : page_take(watch);
    items_reset(&watch->items);
    if (r == -EKEYEXPIRED) {
        /* The continue token is too old; the one that the answer offers would mix two states. */
        MARK("watch: expired page");
        watch->expired++;
    }
    if (r == -EACCES) {
        credentials_refresh(watch->kube->credentials, true);
    }
    if (r < 0) {
        watch_pause(watch, r, answer->retry_after_ms);
    } else if (watch->continued.size > 0) {
        page_begin(watch);
    } else {
        list_end(watch);
    }
}

static void
page_begin(struct watch *watch)
{
    struct strbuf path;
    char limit[16];
    strbuf_init(&path, 72 << 10);
    kube_path(&path, watch->kind, watch->namespace, NULL, NULL);
    snprintf(limit, sizeof limit, "%d", WATCH_PAGE);
    kube_query(&path, "limit", limit);
    if (watch->label_selector) {
        kube_query(&path, "labelSelector", watch->label_selector);
    }
    if (watch->continued.size > 0) {
        kube_query(&path, "continue", strbuf_cstring(&watch->continued));
    }
    int r = watch_send(watch, &path, KUBE_TIMEOUT_MS, on_page, false);
    strbuf_done(&path);
    if (r < 0) {
        watch_pause(watch, r, 0);
    }
}
