#pragma once
/* Calls of the Kubernetes API: one request, one answer. While a call waits, the loop of its thread
 * runs: watches go on and fill the cache.
 *
 * Errors (negative errno; the fault has the server's words):
 *   -ENOENT       404
 *   -EEXIST       409 AlreadyExists
 *   -ESTALE       409 otherwise, or the uid is another one: read again and decide anew
 *   -EKEYEXPIRED  410: the resourceVersion or the continue token is too old
 *   -EACCES       401 after the token was read again, 403 of the authorizer
 *   -EDQUOT       403 of a quota that is used up
 *   -ESHUTDOWN    403 because the namespace is going away: create nothing there
 *   -EINVAL       400, 405, 413, 415, 422, 403 of admission (a policy, a missing account): the same
 *                 request will never work; tell a human
 *   -EBUSY        429, and 503 with Retry-After
 *   others        no answer or 5xx: see kube_is_unknown
 *
 * K4  Each write can be repeated without harm: it names what it expects (uid, resourceVersion), or
 * says the same thing again (apply). So an unknown outcome is answered by reading again, never by
 * assuming. Crash scenario: a DELETE whose answer got lost is sent again and hits the pod that
 * took the name meanwhile; the uid refuses it.
 *
 * K5  A server that asks for patience gets it: 429 and Retry-After are waited for, a bounded
 * number of times, and all calls that are waited for together keep to KUBE_RATE a second. Lists,
 * watches and events have bounds of their own: one request for each kind, EVENTS_UNDER_WAY_MAX. */

#include "base/strbuf.h"
#include "kube/credentials.h"
#include "kube/http.h"
#include "kube/json.h"

#define KUBE_FIELD_MANAGER "freshet-operator" /* fixed for ever: ownership of fields hangs on it */
#define KUBE_ANSWER_MAX ((size_t)16 << 20)
#define KUBE_TIMEOUT_MS 15000
#define KUBE_RATE 20  /* calls a second ... */
#define KUBE_BURST 60 /* ... after this many at once */
#define KUBE_BUSY_TRIES 3
#define KUBE_BUSY_WAIT_MS_MAX 10000

/* A kind of object, as paths name it. All are constants. */
struct kube_kind {
    const char *prefix;  /* "/api/v1", "/apis/freshet.dev/v1alpha1" */
    const char *version; /* apiVersion of its objects */
    const char *kind;
    const char *plural;
    bool is_cluster_wide;
};

struct kube {
    struct http *http;
    struct credentials *credentials; /* shared with nobody */
    int64_t timeout_ms;              /* of one request */
    bool is_unlimited;               /* the election's calls wait for no budget */
    int64_t budget_ms;               /* K5: time that is credited, in call lengths */
    int64_t budget_at_ms;
    uint64_t write_count; /* writes sent, for metrics and for tests that kill after the k-th */
    uint64_t call_count;
    uint64_t error_count;
    uint64_t die_after_writes; /* tests: the process ends after its k-th write; 0: never */
};

struct kube_call {
    const char *method;
    const char *path; /* with the query */
    const char *content_type;
    const cJSON *body;
};

/* Takes the credentials, borrows http. */
void kube_init(struct kube *kube, struct http *http, struct credentials *credentials);
void kube_done(struct kube *kube);

/* Counts a write that was sent: of the API server's or of a broker's state. */
void kube_wrote(struct kube *kube);

/* "/api/v1/namespaces/NS/pods/NAME/sub?..." into out; name, sub may be NULL; namespace NULL: all.
 * */
void kube_path(struct strbuf *out, const struct kube_kind *kind, const char *namespace,
        const char *name, const char *sub);
/* Adds name=value, escaped, with the '?' or '&' that is due. */
void kube_query(struct strbuf *path, const char *name, const char *value);

/* ret_json may be NULL; owned. */
MUST_CHECK int kube_call(struct kube *kube, const struct kube_call *call, cJSON **ret_json);
/* Whether the write may have been carried out although the call failed. */
bool kube_is_unknown(int error);
/* The error of a complete answer, with its fault; 0 for 2xx. Shared with the streams. */
MUST_CHECK int kube_answer_error(
        const char *method, const char *path, const struct http_answer *answer);

MUST_CHECK int kube_get(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const char *name, cJSON **ret_json);
/* POST; -EEXIST when the name is taken. */
MUST_CHECK int kube_create(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const cJSON *object, cJSON **ret_json);
/* The same, but nothing is made: whether it would be. -EEXIST: it would, were the name free. */
MUST_CHECK int kube_try(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const cJSON *object);
/* Server-side apply by KUBE_FIELD_MANAGER, forced: says what the fields that we own must be. `sub`
 * is NULL or "status". The object has apiVersion, kind and metadata.name. */
MUST_CHECK int kube_apply(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const char *sub, const cJSON *object, cJSON **ret_json);
/* PUT; the object carries the resourceVersion that it replaces, else -ESTALE. */
MUST_CHECK int kube_replace(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const cJSON *object, cJSON **ret_json);
/* JSON merge patch; put metadata.resourceVersion or uid into it to guard it. */
MUST_CHECK int kube_merge(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const char *name, const cJSON *patch, cJSON **ret_json);

struct kube_delete {
    const char *uid;              /* needed */
    const char *resource_version; /* or NULL */
    int64_t grace_s;              /* -1: the object's own */
};
/* 0 also when it is gone already or another object has its name now. */
MUST_CHECK int kube_delete(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const char *name, const struct kube_delete *options);

/* The listed kinds that the operator knows. */
extern const struct kube_kind KUBE_PODS, KUBE_CLAIMS, KUBE_SERVICES, KUBE_CONFIG_MAPS, KUBE_SECRETS,
        KUBE_NODES, KUBE_BUDGETS, KUBE_POLICIES, KUBE_MONITORS, KUBE_LEASES, KUBE_EVENTS,
        KUBE_CLUSTERS, KUBE_TOPICS, KUBE_USERS;
