/* The objects around the pods: configuration, Services, budget, network policy. */
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdio.h>

static void
owner_set(const struct cluster *cluster, cJSON *meta)
{
    cJSON *owner = json_push(json_array(meta, "ownerReferences"));
    json_set(owner, "apiVersion", KUBE_CLUSTERS.version);
    json_set(owner, "kind", KUBE_CLUSTERS.kind);
    json_set(owner, "name", cluster->meta.name);
    json_set(owner, "uid", cluster->meta.uid);
    json_set_bool(owner, "controller", true);
    json_set_bool(owner, "blockOwnerDeletion", true);
}

cJSON *
object_new(const struct planner *planner, const struct kube_kind *kind, const char *name,
        bool is_owned)
{
    const struct cluster *cluster = planner->in->cluster;
    cJSON *object = cJSON_CreateObject();
    json_set(object, "apiVersion", kind->version);
    json_set(object, "kind", kind->kind);
    cJSON *meta = json_object(object, "metadata");
    json_set(meta, "name", name);
    json_set(meta, "namespace", cluster->meta.namespace);
    cJSON *labels = json_object(meta, "labels");
    json_set(labels, LABEL_NAME, "freshet");
    json_set(labels, LABEL_MANAGED_BY, MANAGED_BY);
    json_set(labels, LABEL_CLUSTER, cluster->meta.name);
    if (is_owned) {
        owner_set(cluster, meta);
    }
    return object;
}

static struct action *
apply(struct planner *planner, enum child_kind child, cJSON *object)
{
    struct action *action = plan_action(planner, ACTION_APPLY, -1);
    action->child = child;
    action->object = object;
    action_set(&action->name, json_text(object, "metadata/name"));
    return action;
}

static void
selector_set(const struct planner *planner, cJSON *selector, const char *role)
{
    json_set(selector, LABEL_CLUSTER, planner->in->cluster->meta.name);
    if (role) {
        json_set(selector, LABEL_ROLE, role);
    }
}

static void
service_port(cJSON *spec, const char *name, int port)
{
    cJSON *item = json_push(json_array(spec, "ports"));
    json_set(item, "name", name);
    json_set_int(item, "port", port);
    json_set(item, "targetPort", name);
    json_set(item, "protocol", "TCP");
}

/* For the names of single brokers; those that start or drain have one too. */
static void
headless_plan(struct planner *planner)
{
    char name[OBJECT_NAME_SIZE];
    const struct cluster *cluster = planner->in->cluster;
    snprintf(name, sizeof name, "%s-brokers", cluster->meta.name);
    cJSON *object = object_new(planner, &KUBE_SERVICES, name, true);
    cJSON *spec = json_object(object, "spec");
    json_set(spec, "clusterIP", "None");
    json_set_bool(spec, "publishNotReadyAddresses", true);
    selector_set(planner, json_object(spec, "selector"), NULL);
    for (size_t i = 0; i < cluster->listener_count; i++) {
        service_port(spec, cluster->listeners[i].name, cluster->listeners[i].port);
    }
    service_port(spec, "admin", ADMIN_PORT);
    apply(planner, CHILD_SERVICE, object)->is_base = true; /* by it brokers find each other */
}

/* Where clients begin: brokers that are ready and stay. */
static void
bootstrap_plan(struct planner *planner)
{
    char name[OBJECT_NAME_SIZE];
    const struct cluster *cluster = planner->in->cluster;
    snprintf(name, sizeof name, "%s-bootstrap", cluster->meta.name);
    cJSON *object = object_new(planner, &KUBE_SERVICES, name, true);
    cJSON *spec = json_object(object, "spec");
    selector_set(planner, json_object(spec, "selector"), ROLE_BROKER);
    for (size_t i = 0; i < cluster->listener_count; i++) {
        service_port(spec, cluster->listeners[i].name, cluster->listeners[i].port);
    }
    apply(planner, CHILD_SERVICE, object);
}

/* `number`: 0 for the Service of all, 1 above a broker's id. */
static cJSON *
listener_service_new(const struct planner *planner, const struct listener *listener,
        const char *name, int number)
{
    cJSON *object = object_new(planner, &KUBE_SERVICES, name, true);
    cJSON *spec = json_object(object, "spec");
    const cJSON *item;
    cJSON_ArrayForEach(item, listener->annotations)
    {
        json_set(json_object(json_object(object, "metadata"), "annotations"), item->string,
                item->valuestring);
    }
    service_port(spec, listener->name, listener->port);
    if (listener->type == LISTENER_NODE_PORT) {
        json_set(spec, "type", "NodePort");
        json_set_int(cJSON_GetArrayItem(json_array(spec, "ports"), 0), "nodePort",
                listener->node_port + number);
    } else {
        json_set(spec, "type", listener->type == LISTENER_INTERNAL ? "ClusterIP" : "LoadBalancer");
    }
    return object;
}

char *
listener_service_name(
        const struct cluster *cluster, const char *listener, int id, char out[OBJECT_NAME_SIZE])
{
    snprintf(out, OBJECT_NAME_SIZE, "%.40s-%.11s-%d", cluster->meta.name, listener, id);
    return out;
}

/* The address of one broker, which clients are told; it outlives the broker's pods. It leads to a
 * pod that is ready. kube-proxy goes on with one that ends, where there is no other: who connects
 * in the moment after its network's end hears nothing, not even a refusal. */
static void
broker_service_plan(struct planner *planner, const struct listener *listener, int id)
{
    char name[OBJECT_NAME_SIZE];
    char number[16];
    snprintf(number, sizeof number, "%d", id);
    listener_service_name(planner->in->cluster, listener->name, id, name);
    cJSON *object = listener_service_new(planner, listener, name, id + 1);
    cJSON *selector = json_object(json_object(object, "spec"), "selector");
    selector_set(planner, selector, NULL);
    json_set(selector, LABEL_BROKER_ID, number);
    apply(planner, CHILD_SERVICE, object);
}

/* One for each broker, and one for all where the bootstrap Service isn't it. */
static void
listener_plan(struct planner *planner, const struct listener *listener)
{
    char name[OBJECT_NAME_SIZE];
    if (listener->type != LISTENER_INTERNAL) {
        snprintf(name, sizeof name, "%.40s-%.11s", planner->in->cluster->meta.name, listener->name);
        cJSON *all = listener_service_new(planner, listener, name, 0);
        selector_set(planner, json_object(json_object(all, "spec"), "selector"), ROLE_BROKER);
        apply(planner, CHILD_SERVICE, all);
    }
    for (size_t i = 0; i < planner->count; i++) {
        broker_service_plan(planner, listener, planner->members[i].id);
    }
}

static void
budget_plan(struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    cJSON *object = object_new(planner, &KUBE_BUDGETS, cluster->meta.name, true);
    cJSON *spec = json_object(object, "spec");
    json_set_int(spec, "maxUnavailable", cluster->budget_max_unavailable);
    json_set(spec, "unhealthyPodEvictionPolicy", "AlwaysAllow");
    selector_set(planner, json_object(json_object(spec, "selector"), "matchLabels"), NULL);
    apply(planner, CHILD_BUDGET, object);
}

static void
policy_port(cJSON *rule, int port)
{
    cJSON *item = json_push(json_array(rule, "ports"));
    json_set_int(item, "port", port);
    json_set(item, "protocol", "TCP");
}

static void
policy_brokers(const struct planner *planner, cJSON *rule)
{
    cJSON *peer = json_push(json_array(rule, "from"));
    selector_set(planner, json_object(json_object(peer, "podSelector"), "matchLabels"), NULL);
}

static void
policy_operator(const struct planner *planner, cJSON *rule)
{
    cJSON *peer = json_push(json_array(rule, "from"));
    cJSON *spaces = json_object(peer, "namespaceSelector");
    if (*planner->in->settings->namespace) {
        json_set(json_object(spaces, "matchLabels"), "kubernetes.io/metadata.name",
                planner->in->settings->namespace);
    }
    json_set(json_object(json_object(peer, "podSelector"), "matchLabels"), LABEL_NAME, MANAGED_BY);
}

/* P11. Clients reach the listeners from everywhere. */
static void
policy_plan(struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    cJSON *object = object_new(planner, &KUBE_POLICIES, cluster->meta.name, true);
    cJSON *spec = json_object(object, "spec");
    selector_set(planner, json_object(json_object(spec, "podSelector"), "matchLabels"), NULL);
    json_push_text(json_array(spec, "policyTypes"), "Ingress");
    cJSON *clients = json_push(json_array(spec, "ingress"));
    for (size_t i = 0; i < cluster->listener_count; i++) {
        policy_port(clients, cluster->listeners[i].port);
    }
    cJSON *admin = json_push(json_array(spec, "ingress"));
    policy_port(admin, ADMIN_PORT);
    policy_brokers(planner, admin);
    policy_operator(planner, admin);
    cJSON *internal = json_push(json_array(spec, "ingress"));
    policy_port(internal, INTERNAL_PORT);
    policy_brokers(planner, internal);
    apply(planner, CHILD_POLICY, object);
}

/* For the Prometheus operator, where it is installed. */
static void
monitor_plan(struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    cJSON *object = object_new(planner, &KUBE_MONITORS, cluster->meta.name, true);
    cJSON *labels = json_object(json_object(object, "metadata"), "labels");
    const cJSON *label;
    cJSON_ArrayForEach(label, json_at(cluster->spec, "metrics/podMonitorLabels"))
    {
        if (cJSON_IsString(label) && !cJSON_GetObjectItemCaseSensitive(labels, label->string)) {
            json_set(labels, label->string, label->valuestring); /* ours win */
        }
    }
    cJSON *spec = json_object(object, "spec");
    selector_set(planner, json_object(json_object(spec, "selector"), "matchLabels"), NULL);
    cJSON *endpoint = json_push(json_array(spec, "podMetricsEndpoints"));
    json_set(endpoint, "port", "admin");
    json_set(endpoint, "path", "/metrics");
    apply(planner, CHILD_MONITOR, object);
}

static void
monitor_seek(struct planner *planner)
{
    struct action *action = plan_action(planner, ACTION_SEEK_CHILD, -1);
    action->child = CHILD_MONITOR;
    action_set(&action->name, planner->in->cluster->meta.name);
}

/* Whether some pod still reads the config map of that name. */
static bool
config_is_used(const struct planner *planner, const char *name)
{
    char used[OBJECT_NAME_SIZE];
    if (strcmp(name, json_text(planner->config, "metadata/name")) == 0) {
        return true;
    }
    for (size_t i = 0; i < planner->in->pod_count; i++) {
        snprintf(used, sizeof used, "%.40s-config-%.16s", planner->in->cluster->meta.name,
                planner->in->pods[i].pod->revision);
        if (strcmp(name, used) == 0) {
            return true;
        }
    }
    return false;
}

static bool
service_is_wished(const struct planner *planner, const char *name)
{
    LIST_FOREACH (node, &planner->plan->actions) {
        const struct action *action = CONTAINER_OF(node, struct action, node);
        if (action->kind == ACTION_APPLY && action->child == CHILD_SERVICE &&
                strcmp(action->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool
is_wished(const struct planner *planner, const struct plan_child *child)
{
    switch (child->kind) {
    case CHILD_SERVICE:
        return service_is_wished(planner, child->meta->name);
    case CHILD_CONFIG_MAP:
        return config_is_used(planner, child->meta->name);
    case CHILD_BUDGET:
        return planner->in->cluster->has_budget;
    case CHILD_POLICY:
        return planner->in->cluster->has_policy;
    case CHILD_MONITOR:
        return planner->in->cluster->has_monitor;
    case CHILD_KIND_COUNT:
        break;
    }
    return true;
}

static void
leftovers_plan(struct planner *planner)
{
    for (size_t i = 0; i < planner->in->child_count; i++) {
        const struct plan_child *child = &planner->in->children[i];
        bool is_ours = strcmp(child->meta->owner_uid, planner->in->cluster->meta.uid) == 0;
        if (is_ours && !child->meta->is_deleting && !is_wished(planner, child)) {
            struct action *action = plan_action(planner, ACTION_DELETE_CHILD, -1);
            action->child = child->kind;
            action_set(&action->name, child->meta->name);
            action_set(&action->uid, child->meta->uid);
        }
    }
}

void
children_plan(struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    apply(planner, CHILD_CONFIG_MAP, cJSON_Duplicate(planner->config, true))->is_base = true;
    headless_plan(planner);
    bootstrap_plan(planner);
    for (size_t i = 0; i < cluster->listener_count; i++) {
        listener_plan(planner, &cluster->listeners[i]);
    }
    if (cluster->has_budget) {
        budget_plan(planner);
    }
    if (cluster->has_policy) {
        policy_plan(planner);
    }
    if (cluster->has_monitor) {
        monitor_plan(planner);
    } else {
        monitor_seek(planner);
    }
    leftovers_plan(planner);
}
