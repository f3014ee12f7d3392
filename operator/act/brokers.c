/* Calls of a broker's admin API: docs/admin-api.md. */
#include "act/act_internal.h"
#include "base/fault.h"
#include "base/strbuf.h"
#include "resource/names.h"

#include <errno.h>
#include <stdio.h>

static int
answer_error(const struct action *action, const char *url, const struct http_answer *answer)
{
    if (answer->error < 0) {
        return fault(-EAGAIN, "%s of broker %d: %s: %s", action_name(action->kind), action->id, url,
                answer->reason);
    }
    if (answer->status >= 200 && answer->status < 300) {
        return 0;
    }
    CLEANUP(json_freep) cJSON *json = NULL;
    if (json_parse(answer->body, &json) < 0) {
        fault_clear();
    }
    const char *word = answer->status == 409 ? json_text(json, "error") : "";
    int error = strcmp(word, "BROKER_ALIVE") == 0    ? -ESTALE /* its lease runs out by itself */
                : strcmp(word, "LOG_NOT_EMPTY") == 0 ? -ENOTEMPTY
                                                     : -EAGAIN;
    return fault(error, "%s of broker %d: %s: HTTP %ld %s %s", action_name(action->kind),
            action->id, url, answer->status, json_text(json, "error"), json_text(json, "message"));
}

static void
url_of(const struct action *action, struct strbuf *url)
{
    bool is_v6 = strchr(action->ip, ':') != NULL;
    strbuf_printf(url, is_v6 ? "http://[%s]:%d/v1/brokers/%d" : "http://%s:%d/v1/brokers/%d",
            action->ip, ADMIN_PORT, action->id);
    if (action->kind == ACTION_DRAIN) {
        strbuf_append_string(url, "/drain");
    } else if (action->kind == ACTION_UNDRAIN) {
        strbuf_append_string(url, "/cordon");
    } else if (action->epoch >= 0) {
        strbuf_printf(url, "?epoch=%lld", (long long)action->epoch);
    }
}

int
act_broker(struct act *act, const struct act_for *cluster, const struct action *action)
{
    struct strbuf url;
    struct http_answer answer;
    strbuf_init(&url, 512);
    url_of(action, &url);
    struct http_request request = {
        .method = action->kind == ACTION_DRAIN ? "POST" : "DELETE",
        .url = strbuf_cstring(&url),
        .timeout_ms = BROKER_CALL_MS,
        .answer_max = BROKER_ANSWER_MAX,
    };
    http_call(act->kube->http, &request, &answer);
    kube_wrote(act->kube);
    int r = answer_error(action, request.url, &answer);
    if (r == 0 && (action->kind == ACTION_UNREGISTER || action->kind == ACTION_FORGET)) {
        char key[QUEUE_KEY_SIZE];
        cache_roster_drop(
                act->cache, cache_key(key, cluster->namespace, cluster->name), action->id);
    }
    http_answer_done(&answer);
    strbuf_done(&url);
    return r;
}
