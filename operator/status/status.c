/* Conditions, and the status as JSON. */
#include "status/status.h"

#include "base/mem.h"
#include "resource/names.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const types[CONDITION_COUNT] = { "Ready", "Available", "Reconciled",
    "Progressing", "Degraded", "ScaleInBlocked", "ConfigApplied", "Paused" };
static const char *const truths[] = { "Unknown", "True", "False" };

void
status_done(struct status *status)
{
    for (size_t i = 0; i < status->broker_count; i++) {
        mem_free(status->brokers[i].zone);
        mem_free(status->brokers[i].node);
        mem_free(status->brokers[i].revision);
    }
    mem_free(status->brokers);
    cJSON_Delete(status->settings);
    cJSON_Delete(status->losses);
    *status = (struct status){ 0 };
}

void
status_condition(struct status *status, enum condition_type type, enum truth truth,
        const char *reason, const char *format, ...)
{
    struct condition *condition = &status->conditions[type];
    va_list args;
    va_start(args, format);
    condition->truth = truth;
    condition->reason = reason;
    vsnprintf(condition->message, sizeof condition->message, format, args);
    va_end(args);
}

static bool
is(const struct status *status, enum condition_type type, enum truth truth)
{
    return status->conditions[type].truth == truth;
}

/* The first of the others that keeps the cluster from being ready, else READY itself. */
static enum condition_type
culprit(const struct status *status)
{
    if (is(status, CONDITION_RECONCILED, TRUTH_FALSE)) {
        return CONDITION_RECONCILED;
    }
    if (is(status, CONDITION_DEGRADED, TRUTH_TRUE)) {
        return CONDITION_DEGRADED;
    }
    if (is(status, CONDITION_SCALE_IN_BLOCKED, TRUTH_TRUE)) {
        return CONDITION_SCALE_IN_BLOCKED;
    }
    if (!is(status, CONDITION_AVAILABLE, TRUTH_TRUE)) {
        return CONDITION_AVAILABLE;
    }
    if (is(status, CONDITION_CONFIG_APPLIED, TRUTH_FALSE)) {
        return CONDITION_CONFIG_APPLIED;
    }
    if (is(status, CONDITION_PROGRESSING, TRUTH_TRUE)) {
        return CONDITION_PROGRESSING;
    }
    return CONDITION_READY;
}

void
status_sum_up(struct status *status)
{
    enum condition_type type = culprit(status);
    bool is_short = status->ready < status->wished || status->updated < status->wished;
    if (type != CONDITION_READY) {
        const struct condition *condition = &status->conditions[type];
        status_condition(
                status, CONDITION_READY, TRUTH_FALSE, condition->reason, "%s", condition->message);
    } else if (is_short) {
        status_condition(status, CONDITION_READY, TRUTH_FALSE, "Reconciling",
                "%d of %d brokers are ready, %d are up to date", status->ready, status->wished,
                status->updated);
    } else {
        status_condition(status, CONDITION_READY, TRUTH_TRUE, "Ready", "%d brokers are ready",
                status->ready);
    }
}

static const cJSON *
condition_before(const struct cluster *cluster, const char *type)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cluster->conditions)
    {
        if (strcmp(json_text(item, "type"), type) == 0) {
            return item;
        }
    }
    return NULL;
}

/* Sums of others, and what only says that something is under way, are none. */
static bool
is_bad(const struct condition *condition, enum condition_type type)
{
    switch (type) {
    case CONDITION_DEGRADED:
    case CONDITION_SCALE_IN_BLOCKED:
        return condition->truth == TRUTH_TRUE;
    case CONDITION_RECONCILED:
        return condition->truth == TRUTH_FALSE;
    case CONDITION_PROGRESSING:
        return condition->truth == TRUTH_FALSE && strcmp(condition->reason, "Idle") != 0;
    case CONDITION_CONFIG_APPLIED:
        return condition->truth == TRUTH_FALSE && strcmp(condition->reason, "Rejected") == 0;
    case CONDITION_READY:
    case CONDITION_AVAILABLE:
    case CONDITION_PAUSED:
    case CONDITION_COUNT:
        break;
    }
    return false;
}

bool
status_is_trouble(
        const struct status *status, const struct cluster *cluster, enum condition_type type)
{
    const struct condition *condition = &status->conditions[type];
    const cJSON *before = condition_before(cluster, types[type]);
    return is_bad(condition, type) &&
           (strcmp(json_text(before, "status"), truths[condition->truth]) != 0 ||
                   strcmp(json_text(before, "reason"), condition->reason) != 0);
}

bool
status_was_ready(const struct cluster *cluster)
{
    const cJSON *before = condition_before(cluster, types[CONDITION_READY]);
    return strcmp(json_text(before, "status"), truths[TRUTH_TRUE]) == 0;
}

bool
status_is_told(const struct status *status, const struct cluster *cluster, enum condition_type type)
{
    const struct condition *condition = &status->conditions[type];
    const cJSON *before = condition_before(cluster, types[type]);
    return strcmp(json_text(before, "reason"), condition->reason) == 0 &&
           strcmp(json_text(before, "message"), condition->message) == 0;
}

static void
conditions_render(
        const struct status *status, const struct cluster *cluster, cJSON *json, const char *now)
{
    for (size_t i = 0; i < CONDITION_COUNT; i++) {
        const struct condition *condition = &status->conditions[i];
        const cJSON *before = condition_before(cluster, types[i]);
        const char *since = json_text(before, "lastTransitionTime");
        bool is_same = strcmp(json_text(before, "status"), truths[condition->truth]) == 0;
        cJSON *item = json_push(json);
        json_set(item, "type", types[i]);
        json_set(item, "status", truths[condition->truth]);
        json_set_int(item, "observedGeneration", status->generation);
        json_set(item, "lastTransitionTime", is_same && *since ? since : now);
        json_set(item, "reason", condition->reason ? condition->reason : "Unknown");
        json_set(item, "message", condition->message);
    }
}

static void
brokers_render(const struct status *status, cJSON *json)
{
    for (size_t i = 0; i < MIN(status->broker_count, (size_t)STATUS_BROKERS_MAX); i++) {
        const struct status_broker *broker = &status->brokers[i];
        cJSON *item = json_push(json);
        json_set_int(item, "id", broker->id);
        json_set(item, "zone", broker->zone);
        json_set(item, "node", broker->node);
        json_set(item, "phase", broker->phase);
        json_set(item, "revision", broker->revision);
        if (broker->epoch >= 0) {
            json_set_int(item, "epoch", broker->epoch);
        }
    }
}

/* N1: what a wish that cannot be served leaves in force, in the form of spec.listeners. */
static void
served_render(const struct listener *listener, cJSON *item)
{
    json_set_int(item, "port", listener->port);
    json_set(item, "type",
            listener->type == LISTENER_LOAD_BALANCER ? "loadbalancer"
            : listener->type == LISTENER_NODE_PORT   ? "nodeport"
                                                     : "internal");
    if (*listener->host) {
        json_set(item, "host", listener->host);
    }
    if (listener->node_port) {
        json_set_int(item, "nodePort", listener->node_port);
    }
    if (listener->annotations) {
        cJSON_AddItemToObject(item, "annotations", cJSON_Duplicate(listener->annotations, true));
    }
}

static void
listeners_render(const struct cluster *cluster, cJSON *json)
{
    char text[300];
    for (size_t i = 0; i < cluster->listener_count; i++) {
        const struct listener *listener = &cluster->listeners[i];
        cJSON *item = json_push(json);
        bool is_internal = listener->type == LISTENER_INTERNAL;
        snprintf(text, sizeof text, "%s-%s.%s.svc:%d", cluster->meta.name,
                is_internal ? "bootstrap" : listener->name, cluster->meta.namespace,
                listener->port);
        json_set(item, "name", listener->name);
        json_set(item, "bootstrap", text);
        served_render(listener, item);
    }
}

cJSON *
status_render(const struct status *status, const struct cluster *cluster,
        const char *operator_version, const char *now)
{
    char selector[128];
    cJSON *object = cJSON_CreateObject();
    json_set(object, "apiVersion", KUBE_CLUSTERS.version);
    json_set(object, "kind", KUBE_CLUSTERS.kind);
    json_set(json_object(object, "metadata"), "name", cluster->meta.name);
    json_set(json_object(object, "metadata"), "uid", cluster->meta.uid); /* T4 */
    cJSON *json = json_object(object, "status");
    json_set_int(json, "observedGeneration", status->generation);
    json_set_int(json, "replicas", status->replicas);
    json_set_int(json, "readyReplicas", status->ready);
    json_set_int(json, "updatedReplicas", status->updated);
    json_set_int(json, "drainingReplicas", status->draining);
    json_set_int(json, "desiredReplicas", status->wished);
    snprintf(selector, sizeof selector, LABEL_CLUSTER "=%s," LABEL_ROLE "=" ROLE_BROKER,
            cluster->meta.name);
    json_set(json, "labelSelector", selector);
    json_set(json, "targetRevision", status->revision);
    if (*status->cluster_id) {
        json_set(json, "clusterId", status->cluster_id);
    }
    cJSON *version = json_object(json, "version");
    json_set(version, "operator", operator_version);
    json_set(version, "target", status->version_target);
    if (status->updated >= status->wished) {
        json_set(version, "current", status->version_target);
    }
    listeners_render(cluster, json_array(json, "listeners"));
    brokers_render(status, json_array(json, "brokers"));
    if (cJSON_GetArraySize(status->settings)) {
        cJSON_AddItemToObject(json, "settings", cJSON_Duplicate(status->settings, true));
    }
    if (cJSON_GetArraySize(status->losses)) {
        cJSON_AddItemToObject(json, "acceptedLosses", cJSON_Duplicate(status->losses, true));
    }
    conditions_render(status, cluster, json_array(json, "conditions"), now);
    return object;
}
