/* One call: rate, credentials, retries, and what the server's Status means. */
#include "kube/client.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "kube/clock.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define CALL_MS (1000 / KUBE_RATE)

void
kube_init(struct kube *kube, struct http *http, struct credentials *credentials)
{
    *kube = (struct kube){ .http = http, .credentials = credentials };
    kube->timeout_ms = KUBE_TIMEOUT_MS;
    kube->budget_ms = KUBE_BURST * CALL_MS;
    kube->budget_at_ms = clock_now_ms();
}

void
kube_done(struct kube *kube)
{
    credentials_free(kube->credentials);
    kube->credentials = NULL;
}

void
kube_path(struct strbuf *out, const struct kube_kind *kind, const char *namespace, const char *name,
        const char *sub)
{
    strbuf_append_string(out, kind->prefix);
    if (namespace && !kind->is_cluster_wide) {
        strbuf_printf(out, "/namespaces/%s", namespace);
    }
    strbuf_printf(out, "/%s", kind->plural);
    if (name) {
        strbuf_printf(out, "/%s", name);
    }
    if (sub) {
        strbuf_printf(out, "/%s", sub);
    }
}

void
kube_query(struct strbuf *path, const char *name, const char *value)
{
    static const char plain[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    bool is_first = !memchr(path->data, '?', path->size);
    strbuf_printf(path, "%c%s=", is_first ? '?' : '&', name);
    for (const char *c = value; *c; c++) {
        if (strchr(plain, *c)) {
            strbuf_append_char(path, *c);
        } else {
            strbuf_printf(path, "%%%02X", (unsigned)(unsigned char)*c);
        }
    }
}

void
kube_wrote(struct kube *kube)
{
    kube->write_count++;
    if (kube->write_count == kube->die_after_writes) {
        _exit(137);
    }
}

/* Lets the loop run for that long. */
static void
wait_for(struct kube *kube, int64_t wait_ms)
{
    int64_t end_ms = clock_now_ms() + wait_ms;
    for (int64_t now_ms; (now_ms = clock_now_ms()) < end_ms;) {
        http_run(kube->http, end_ms - now_ms);
    }
}

/* K5. */
static void
budget_take(struct kube *kube)
{
    if (kube->is_unlimited) {
        return;
    }
    int64_t now_ms = clock_now_ms();
    kube->budget_ms =
            MIN(kube->budget_ms + now_ms - kube->budget_at_ms, (int64_t)KUBE_BURST * CALL_MS);
    kube->budget_at_ms = now_ms;
    kube->budget_ms -= CALL_MS;
    if (kube->budget_ms < 0) {
        wait_for(kube, -kube->budget_ms);
    }
}

bool
kube_is_unknown(int error)
{
    return error == -EIO || error == -ETIMEDOUT || error == -EREMOTEIO || error == -EBADMSG ||
           error == -EMSGSIZE;
}

static bool
has_cause(const cJSON *status, const char *what, const char *text)
{
    const cJSON *cause;
    cJSON_ArrayForEach(cause, json_at(status, "details/causes"))
    {
        if (strcmp(json_text(cause, what), text) == 0) {
            return true;
        }
    }
    return false;
}

/* A 403 is the authorizer's, or of an admission plug-in (quota, Pod Security, a policy), which has
 * nothing to do with our rights. Only the words tell them apart. */
static int
forbidden(const cJSON *status)
{
    const char *words = json_text(status, "message");
    if (has_cause(status, "reason", "NamespaceTerminating")) {
        return -ESHUTDOWN;
    }
    if (strstr(words, "exceeded quota")) {
        return -EDQUOT;
    }
    return !*words || strstr(words, " cannot ") ? -EACCES : -EINVAL;
}

static int
error_of(const struct http_answer *answer, const cJSON *status)
{
    switch (answer->status) {
    case 404:
        return -ENOENT;
    case 409:
        return strcmp(json_text(status, "reason"), "AlreadyExists") == 0 ? -EEXIST : -ESTALE;
    case 410:
        return -EKEYEXPIRED;
    case 401:
        return -EACCES;
    case 403:
        return forbidden(status);
    case 422: /* a guard by uid is refused as a change of the uid */
        return has_cause(status, "field", "metadata.uid") ? -ESTALE : -EINVAL;
    case 400:
    case 405:
    case 413:
    case 415:
        return -EINVAL;
    case 429:
        return -EBUSY;
    case 503:
        return answer->retry_after_ms >= 0 ? -EBUSY : -EREMOTEIO;
    case 504:
        return -ETIMEDOUT;
    default:
        return -EREMOTEIO;
    }
}

int
kube_answer_error(const char *method, const char *path, const struct http_answer *answer)
{
    int shown = (int)strcspn(path, "?");
    if (answer->error < 0) {
        int error = answer->unsent && answer->error == -ETIMEDOUT ? -ECONNREFUSED : answer->error;
        return fault(error, "%s %.*s: %s", method, shown, path, answer->reason);
    }
    if (answer->status >= 200 && answer->status < 300) {
        return 0;
    }
    CLEANUP(json_freep) cJSON *status = NULL;
    if (json_parse(answer->body, &status) < 0) {
        fault_clear();
    }
    return fault(error_of(answer, status), "%s %.*s: HTTP %ld %s: %.420s", method, shown, path,
            answer->status, json_text(status, "reason"), json_text(status, "message"));
}

static void
call_once(struct kube *kube, const struct kube_call *call, struct bytes body,
        struct http_answer *ret_answer)
{
    struct strbuf url;
    strbuf_init(&url, 16 << 10);
    strbuf_printf(&url, "%s%s", kube->credentials->server, call->path);
    struct http_request request = {
        .method = call->method,
        .url = strbuf_cstring(&url),
        .body = body,
        .content_type = call->content_type,
        .authorization = kube->credentials->authorization,
        .tls = &kube->credentials->tls,
        .timeout_ms = kube->timeout_ms,
        .answer_max = KUBE_ANSWER_MAX,
    };
    kube->call_count++;
    http_call(kube->http, &request, ret_answer);
    strbuf_done(&url);
    if (strcmp(call->method, "GET") != 0) {
        kube_wrote(kube);
    }
}

/* Whether to try again: after a 401 once with the credentials as they are now, and after a polite
 * refusal as long as it asked for. */
static bool
again(struct kube *kube, const struct http_answer *answer, unsigned try_number, bool *is_refreshed)
{
    if (answer->error < 0) {
        return false;
    }
    if (answer->status == 401 && !*is_refreshed) {
        *is_refreshed = true;
        credentials_refresh(kube->credentials, true);
        return true;
    }
    bool is_busy = answer->status == 429 || (answer->status == 503 && answer->retry_after_ms >= 0);
    if (!is_busy || try_number >= KUBE_BUSY_TRIES ||
            answer->retry_after_ms > KUBE_BUSY_WAIT_MS_MAX) {
        return false;
    }
    int64_t wait_ms = MAX(answer->retry_after_ms, (int64_t)100 << try_number);
    wait_for(kube, wait_ms + clock_dice(100));
    return true;
}

int
kube_call(struct kube *kube, const struct kube_call *call, cJSON **ret_json)
{
    CLEANUP(mem_freep) char *body = call->body ? json_print(call->body) : NULL;
    struct http_answer answer;
    bool is_refreshed = false;
    credentials_refresh(kube->credentials, false);
    for (unsigned try_number = 0;; try_number++) {
        budget_take(kube);
        call_once(kube, call, bytes_of_string(body), &answer);
        if (!again(kube, &answer, try_number, &is_refreshed)) {
            break;
        }
        http_answer_done(&answer);
    }
    int r = kube_answer_error(call->method, call->path, &answer);
    if (r == 0 && ret_json) {
        r = json_parse(answer.body, ret_json);
        r = r < 0 ? fault_note(r, "%s %s", call->method, call->path) : 0;
    }
    kube->error_count += r < 0;
    http_answer_done(&answer);
    return r;
}
