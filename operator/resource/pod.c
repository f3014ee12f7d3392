/* Pods, volume claims and nodes from JSON. */
#include "resource/pod.h"

#include "base/mem.h"
#include "resource/names.h"
#include "resource/scheduler.h"

#include <stdio.h>
#include <time.h>

#define MESSAGE_SIZE_MAX 300
#define SHORT_RUN_S 300 /* a container that ended sooner never worked */
#define TOPOLOGY_ZONE "topology.kubernetes.io/zone"

/* Reasons of waiting containers that a human or another revision must end. */
static const char *const troubles[] = { "ErrImagePull", "ImagePullBackOff", "InvalidImageName",
    "ErrImageNeverPull", "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError",
    "RunContainerError" };

int64_t
number_parse(const char *text, int64_t max)
{
    int64_t number = 0;
    if (!*text || strlen(text) > 18) {
        return -1;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9') {
            return -1;
        }
        number = number * 10 + (*text - '0');
    }
    return number <= max ? number : -1;
}

static char *
cut(const char *text)
{
    char out[MESSAGE_SIZE_MAX + 1];
    snprintf(out, sizeof out, "%s", text);
    return mem_strdup(out);
}

/* What begins our own lines: when, and how bad. */
static size_t
words_skipped(const char *line, size_t size)
{
    static const char *const words[] = { "time=", "level=" };
    size_t skipped = 0;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t length = strlen(words[i]);
        const char *rest = line + skipped;
        const char *space = memchr(rest, ' ', size - skipped);
        if (space && size - skipped > length && strncmp(rest, words[i], length) == 0) {
            skipped = (size_t)(space + 1 - line);
        }
    }
    return skipped;
}

/* The last line that says something: of a log that ends with why its program ended. */
static char *
last_line(const char *text)
{
    size_t end = strlen(text);
    while (end && (text[end - 1] == '\n' || text[end - 1] == ' ')) {
        end--;
    }
    size_t begin = end;
    while (begin && text[begin - 1] != '\n') {
        begin--;
    }
    begin += words_skipped(text + begin, end - begin);
    char out[MESSAGE_SIZE_MAX + 1];
    return mem_strdup(bytes_to_string(bytes_of(text + begin, end - begin), out, sizeof out));
}

static int
broker_id(const cJSON *object)
{
    return (int)number_parse(json_member(object, "metadata/labels", LABEL_BROKER_ID), INT32_MAX);
}

static char *
label(const cJSON *object, const char *name)
{
    return mem_strdup(json_member(object, "metadata/labels", name));
}

/* The condition of that type, or NULL. */
static const cJSON *
condition(const cJSON *object, const char *type)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(object, "status/conditions"))
    {
        if (strcmp(json_text(item, "type"), type) == 0) {
            return item;
        }
    }
    return NULL;
}

static bool
is_true(const cJSON *object, const char *type)
{
    return strcmp(json_text(condition(object, type), "status"), "True") == 0;
}

static enum pod_phase
phase_of(const char *text)
{
    static const char *const names[] = { "Pending", "Running", "Succeeded", "Failed" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum pod_phase)i;
        }
    }
    return *text ? POD_UNKNOWN : POD_PENDING;
}

static bool
is_trouble(const char *reason)
{
    for (size_t i = 0; i < ARRAY_SIZE(troubles); i++) {
        if (strcmp(reason, troubles[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Of the kubelet's clock. -1: none. */
static int64_t
seconds_of(const char *text)
{
    struct tm time = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &time);
    return end ? (int64_t)timegm(&time) : -1;
}

/* Between two waits of a crash loop its container runs for a moment; that it ends again and again
 * is still so. */
static bool
keeps_ending(const cJSON *item)
{
    const cJSON *last = json_at(item, "lastState/terminated");
    int64_t began_s = seconds_of(json_text(last, "startedAt"));
    int64_t ended_s = seconds_of(json_text(last, "finishedAt"));
    bool was_short = began_s >= 0 && ended_s >= began_s && ended_s - began_s < SHORT_RUN_S;
    return json_int(item, "restartCount", 0) >= 2 && !json_bool(item, "ready", false) &&
           json_int(last, "exitCode", 0) != 0 && was_short;
}

static char *
why_ended(const cJSON *item)
{
    const cJSON *last = json_at(item, "lastState/terminated");
    const char *exit = json_text(last, "message");
    if (strcmp(json_text(last, "reason"), "OOMKilled") == 0) {
        return mem_strdup("OOMKilled: it took more memory than resources.limits.memory");
    }
    return *exit ? last_line(exit) : cut(json_text(item, "state/waiting/message"));
}

static void
containers_parse(const cJSON *object, struct pod *pod)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(object, "status/containerStatuses"))
    {
        const char *reason = json_text(item, "state/waiting/reason");
        pod->restarts += (int)json_int(item, "restartCount", 0);
        reason = !is_trouble(reason) && keeps_ending(item) ? "CrashLoopBackOff" : reason;
        if (!pod->trouble && is_trouble(reason)) {
            mem_free(pod->message);
            pod->trouble = mem_strdup(reason);
            pod->message = why_ended(item);
        } else if (!pod->message && strcmp(reason, "ContainerCreating") == 0) {
            pod->message =
                    mem_strdup("its container is not made yet: a volume that is not mounted, "
                               "or the node; see kubectl describe pod");
        }
    }
}

static void
scheduling_parse(const cJSON *object, struct pod *pod)
{
    const cJSON *scheduled = condition(object, "PodScheduled");
    const char *reason = json_text(scheduled, "reason");
    bool is_one = strcmp(reason, "Unschedulable") == 0 || strcmp(reason, "SchedulerError") == 0;
    if (!pod->trouble && is_one) {
        pod->is_unschedulable = true;
        const char *message = json_text(scheduled, "message");
        pod->is_volume_tied = scheduler_ties_volume(message);
        pod->is_volume_missed = scheduler_misses_volume(message);
        mem_free(pod->message);
        pod->message = cut(message);
    }
}

int
pod_parse(const cJSON *object, struct pod **ret_pod)
{
    struct pod *pod = mem_alloc(sizeof *pod);
    int r = meta_parse(object, &pod->meta);
    if (r < 0) {
        mem_free(pod);
        return r;
    }
    pod->id = broker_id(object);
    pod->revision = label(object, LABEL_REVISION);
    pod->role = label(object, LABEL_ROLE);
    pod->zone = label(object, LABEL_ZONE);
    pod->node = mem_strdup(json_text(object, "spec/nodeName"));
    pod->ip = mem_strdup(json_text(object, "status/podIP"));
    pod->phase = phase_of(json_text(object, "status/phase"));
    pod->is_ready = is_true(object, "Ready") && pod->phase == POD_RUNNING;
    pod->accepts_loss =
            strcmp(json_member(object, "metadata/annotations", ANNOTATION_ACCEPTS), "true") == 0;
    containers_parse(object, pod);
    scheduling_parse(object, pod);
    pod->trouble = pod->trouble ? pod->trouble : mem_strdup("");
    pod->message = pod->message ? pod->message : mem_strdup("");
    *ret_pod = pod;
    return 0;
}

void
pod_free(struct pod *pod)
{
    if (pod) {
        meta_done(&pod->meta);
        mem_free(pod->revision);
        mem_free(pod->role);
        mem_free(pod->zone);
        mem_free(pod->node);
        mem_free(pod->ip);
        mem_free(pod->trouble);
        mem_free(pod->message);
        mem_free(pod);
    }
}

const char *
claim_state_name(enum claim_state state)
{
    static const char *const names[] = { "", "draining", "empty" };
    return names[state];
}

static enum claim_state
state_of(const char *text)
{
    /* A word that we don't know is a state in which nothing is proven. */
    return strcmp(text, "empty") == 0      ? CLAIM_EMPTY
           : strcmp(text, "draining") == 0 ? CLAIM_DRAINING
                                           : CLAIM_ACTIVE;
}

int
claim_parse(const cJSON *object, struct claim **ret_claim)
{
    struct claim *claim = mem_alloc(sizeof *claim);
    int r = meta_parse(object, &claim->meta);
    if (r < 0) {
        mem_free(claim);
        return r;
    }
    const char *phase = json_text(object, "status/phase");
    claim->id = broker_id(object);
    claim->zone = label(object, LABEL_ZONE);
    claim->store = mem_strdup(json_member(object, "metadata/annotations", ANNOTATION_STORE));
    claim->size = mem_strdup(json_member(object, "spec/resources/requests", "storage"));
    claim->node = mem_strdup(json_member(object, "metadata/annotations", ANNOTATION_SELECTED_NODE));
    claim->state = state_of(json_member(object, "metadata/annotations", ANNOTATION_STATE));
    claim->epoch =
            number_parse(json_member(object, "metadata/annotations", ANNOTATION_EPOCH), INT64_MAX);
    const cJSON *mode = cJSON_GetArrayItem(json_at(object, "spec/accessModes"), 0);
    claim->is_exclusive = strcmp(json_text(mode, ""), "ReadWriteOncePod") == 0;
    claim->is_bound = strcmp(phase, "Bound") == 0;
    claim->has_volume = claim->is_bound || *json_text(object, "spec/volumeName");
    claim->is_lost = strcmp(phase, "Lost") == 0;
    *ret_claim = claim;
    return 0;
}

int
ledger_parse(const cJSON *object, struct claim **ret_claim)
{
    int r = claim_parse(object, ret_claim);
    if (r == 0) {
        (*ret_claim)->is_bound = true;
        (*ret_claim)->has_volume = true;
    }
    return r;
}

void
claim_free(struct claim *claim)
{
    if (claim) {
        meta_done(&claim->meta);
        mem_free(claim->zone);
        mem_free(claim->store);
        mem_free(claim->size);
        mem_free(claim->node);
        mem_free(claim);
    }
}

int
node_parse(const cJSON *object, struct node **ret_node)
{
    struct node *node = mem_alloc(sizeof *node);
    int r = meta_parse(object, &node->meta);
    if (r < 0) {
        mem_free(node);
        return r;
    }
    node->zone = label(object, TOPOLOGY_ZONE);
    node->is_ready = is_true(object, "Ready");
    node->is_cordoned = json_bool(object, "spec/unschedulable", false);
    *ret_node = node;
    return 0;
}

void
node_free(struct node *node)
{
    if (node) {
        meta_done(&node->meta);
        mem_free(node->zone);
        mem_free(node);
    }
}
