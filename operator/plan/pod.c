/* The pods of a cluster, under the restricted profile of Pod Security. */
#include "base/strbuf.h"
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdio.h>

#define STARTUP_PERIOD_S 1
#define STARTUP_TRIES 900 /* 15 minutes: a full log is read and uploaded before the broker serves */

char *
pod_name(const struct planner *planner, int id, char out[OBJECT_NAME_SIZE])
{
    snprintf(out, OBJECT_NAME_SIZE, "%s-%d", planner->in->cluster->meta.name, id);
    return out;
}

void
identity_labels(cJSON *object, int id, const char *zone)
{
    char text[16];
    cJSON *labels = json_object(json_object(object, "metadata"), "labels");
    snprintf(text, sizeof text, "%d", id);
    json_set(labels, LABEL_BROKER_ID, text);
    if (*zone) {
        json_set(labels, LABEL_ZONE, zone);
    }
}

static void
env(cJSON *list, const char *name, const char *value)
{
    cJSON *item = json_push(list);
    json_set(item, "name", name);
    json_set(item, "value", value);
}

static void
env_secret(cJSON *list, const char *name, const char *secret, const char *key, bool is_optional)
{
    cJSON *item = json_push(list);
    json_set(item, "name", name);
    cJSON *from = json_object(json_object(item, "valueFrom"), "secretKeyRef");
    json_set(from, "name", secret);
    json_set(from, "key", key);
    if (is_optional) {
        json_set_bool(from, "optional", true);
    }
}

/* "broker-{id}.example.com" with the id in it. */
static void
host_of(struct strbuf *out, const char *pattern, int id)
{
    for (const char *c = pattern; *c;) {
        if (strncmp(c, "{id}", 4) == 0) {
            strbuf_printf(out, "%d", id);
            c += 4;
        } else {
            strbuf_append_char(out, *c++);
        }
    }
}

static void
env_advertised(const struct planner *planner, int id, cJSON *list)
{
    const struct cluster *cluster = planner->in->cluster;
    char service[OBJECT_NAME_SIZE];
    struct strbuf text;
    strbuf_init(&text, 8192);
    for (size_t i = 0; i < cluster->listener_count; i++) {
        const struct listener *listener = &cluster->listeners[i];
        strbuf_append_string(&text, i ? "," : "");
        for (const char *c = listener->name; *c; c++) {
            strbuf_append_char(&text, (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
        }
        strbuf_append_string(&text, "://");
        if (listener->type == LISTENER_INTERNAL) {
            /* Not the pod's own name: whoever has looked that up goes on to the address of the pod
             * before, for as long as the name's answer may be kept. */
            strbuf_printf(&text, "%s.%s.svc",
                    listener_service_name(cluster, listener->name, id, service),
                    cluster->meta.namespace);
        } else {
            host_of(&text, listener->host, id);
        }
        /* Known before its Service is there: at a fixed distance. */
        strbuf_printf(&text, ":%d",
                listener->type == LISTENER_NODE_PORT ? listener->node_port + 1 + id
                                                     : listener->port);
    }
    env(list, "FRESHET_ADVERTISED_LISTENERS", strbuf_cstring(&text));
    strbuf_done(&text);
}

/* Where other brokers find this one, whatever the first listener tells clients. */
static void
env_internal(const struct planner *planner, int id, cJSON *list)
{
    const struct cluster *cluster = planner->in->cluster;
    char pod[OBJECT_NAME_SIZE];
    struct strbuf host;
    strbuf_init(&host, 1024);
    strbuf_printf(&host, "%s.%s-brokers.%s.svc", pod_name(planner, id, pod), cluster->meta.name,
            cluster->meta.namespace);
    env(list, "FRESHET_INTERNAL_ADVERTISED_HOST", strbuf_cstring(&host));
    strbuf_done(&host);
}

static void
env_credentials(const struct planner *planner, cJSON *list)
{
    const char *secret = planner->in->cluster->credentials_secret;
    if (*secret) {
        env_secret(list, "AWS_ACCESS_KEY_ID", secret, "accessKeyId", false);
        env_secret(list, "AWS_SECRET_ACCESS_KEY", secret, "secretAccessKey", false);
        env_secret(list, "AWS_SESSION_TOKEN", secret, "sessionToken", true);
    }
}

static void
env_make(const struct planner *planner, int id, const char *zone, cJSON *list)
{
    char text[16];
    snprintf(text, sizeof text, "%d", id);
    env(list, "FRESHET_NODE_ID", text);
    env_advertised(planner, id, list);
    env_internal(planner, id, list);
    if (*zone) {
        env(list, "FRESHET_BROKER_RACK", zone);
    }
    if (cluster_accepts_loss(planner->in->cluster, id)) {
        env(list, "FRESHET_WAL_RECOVERY_ACCEPT_LOSS", "true"); /* P6 */
    }
    env_credentials(planner, list);
}

static void
probe(cJSON *container, const char *name, const char *path, int period_s, int failures)
{
    cJSON *json = json_object(container, name);
    cJSON *get = json_object(json, "httpGet");
    json_set(get, "path", path);
    json_set(get, "port", "admin");
    json_set_int(json, "periodSeconds", period_s);
    json_set_int(json, "timeoutSeconds", 3);
    json_set_int(json, "failureThreshold", failures);
}

static void
mount(cJSON *container, const char *name, const char *path)
{
    cJSON *item = json_push(json_array(container, "volumeMounts"));
    json_set(item, "name", name);
    json_set(item, "mountPath", path);
}

static void
container_port(cJSON *container, const char *name, int port)
{
    cJSON *item = json_push(json_array(container, "ports"));
    json_set(item, "name", name);
    json_set_int(item, "containerPort", port);
}

static void
container_security(cJSON *container)
{
    cJSON *security = json_object(container, "securityContext");
    json_set_bool(security, "allowPrivilegeEscalation", false);
    json_set_bool(security, "readOnlyRootFilesystem", true);
    json_push_text(json_array(json_object(security, "capabilities"), "drop"), "ALL");
}

static void
container_program(const struct planner *planner, cJSON *container)
{
    const cJSON *resources = json_at(planner->in->cluster->spec, "resources");
    json_set(container, "name", "freshet");
    json_set(container, "image", planner->image);
    json_set(container, "imagePullPolicy", planner->in->cluster->pull_policy);
    /* Why it ended is its last line: it becomes the condition's message. */
    json_set(container, "terminationMessagePolicy", "FallbackToLogsOnError");
    /* Also of the one that empties the bucket: a quota may want them of every pod. */
    if (resources) {
        cJSON_AddItemToObject(container, "resources", cJSON_Duplicate(resources, true));
    }
}

static void
container_make(const struct planner *planner, int id, const char *zone, cJSON *container)
{
    const struct cluster *cluster = planner->in->cluster;
    container_program(planner, container);
    cJSON *args = json_array(container, "args");
    json_push_text(args, "broker");
    json_push_text(args, "--config");
    json_push_text(args, "/etc/freshet/freshet.yaml");
    env_make(planner, id, zone, json_array(container, "env"));
    for (size_t i = 0; i < cluster->listener_count; i++) {
        container_port(container, cluster->listeners[i].name, cluster->listeners[i].port);
    }
    container_port(container, "admin", ADMIN_PORT);
    probe(container, "startupProbe", "/healthz", STARTUP_PERIOD_S, STARTUP_TRIES);
    probe(container, "livenessProbe", "/healthz", 10, 6);
    /* The first refusal counts, for an ending broker waits for its consequences (linger_line). */
    probe(container, "readinessProbe", "/readyz", 1, 1);
    mount(container, "wal", "/var/lib/freshet");
    mount(container, "config", "/etc/freshet");
    mount(container, "tmp", "/tmp");
    container_security(container);
}

static void
volumes_make(const struct planner *planner, int id, cJSON *volumes)
{
    char name[OBJECT_NAME_SIZE];
    cJSON *wal = json_push(volumes);
    json_set(wal, "name", "wal");
    if (planner->in->cluster->wal_is_volume) {
        json_set(json_object(wal, "persistentVolumeClaim"), "claimName",
                claim_name(planner, id, name));
    } else {
        json_object(wal, "emptyDir");
    }
    cJSON *config = json_push(volumes);
    json_set(config, "name", "config");
    json_set(json_object(config, "configMap"), "name", json_text(planner->config, "metadata/name"));
    cJSON *tmp = json_push(volumes);
    json_set(tmp, "name", "tmp");
    json_object(tmp, "emptyDir");
}

static void
toleration(cJSON *list, const char *key, int64_t seconds)
{
    cJSON *item = json_push(list);
    json_set(item, "key", key);
    json_set(item, "operator", "Exists");
    json_set(item, "effect", "NoExecute");
    json_set_int(item, "tolerationSeconds", seconds);
}

static void
spread(cJSON *list, const struct cluster *cluster, const char *key)
{
    cJSON *item = json_push(list);
    json_set_int(item, "maxSkew", 1);
    json_set(item, "topologyKey", key);
    json_set(item, "whenUnsatisfiable", "ScheduleAnyway");
    json_set(json_object(json_object(item, "labelSelector"), "matchLabels"), LABEL_CLUSTER,
            cluster->meta.name);
}

/* A broker whose zone is chosen goes there and nowhere else: its volume is there too. */
static void
placement_make(const struct planner *planner, const char *zone, cJSON *spec)
{
    const struct cluster *cluster = planner->in->cluster;
    const cJSON *selector = json_at(cluster->spec, "template/nodeSelector");
    const cJSON *affinity = json_at(cluster->spec, "template/affinity");
    const cJSON *more = json_at(cluster->spec, "template/tolerations");
    cJSON *tolerations = json_array(spec, "tolerations");
    cJSON *nodes = selector ? cJSON_Duplicate(selector, true) : cJSON_CreateObject();
    cJSON_AddItemToObject(spec, "nodeSelector", nodes);
    if (*zone && *cluster->zone_key) {
        json_set(nodes, cluster->zone_key, zone);
    }
    if (affinity) {
        cJSON_AddItemToObject(spec, "affinity", cJSON_Duplicate(affinity, true));
    }
    toleration(tolerations, "node.kubernetes.io/not-ready", cluster->node_toleration_s);
    toleration(tolerations, "node.kubernetes.io/unreachable", cluster->node_toleration_s);
    const cJSON *item;
    cJSON_ArrayForEach(item, more)
    {
        cJSON_AddItemToArray(tolerations, cJSON_Duplicate(item, true));
    }
    cJSON *constraints = json_array(spec, "topologySpreadConstraints");
    spread(constraints, cluster, "kubernetes.io/hostname");
    if (*cluster->zone_key && !*zone) {
        spread(constraints, cluster, cluster->zone_key);
    }
}

static void
security_make(cJSON *spec)
{
    cJSON *security = json_object(spec, "securityContext");
    json_set_bool(security, "runAsNonRoot", true);
    json_set_int(security, "runAsUser", 65532);
    json_set_int(security, "runAsGroup", 65532);
    json_set_int(security, "fsGroup", 65532);
    json_set(security, "fsGroupChangePolicy", "OnRootMismatch");
    json_set(json_object(security, "seccompProfile"), "type", "RuntimeDefault");
}

/* Labels and annotations of the template; ours win. */
static void
template_labels(const struct cluster *cluster, cJSON *object)
{
    static const char *const names[] = { "labels", "annotations" };
    const cJSON *template = json_at(cluster->spec, "template");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const cJSON *item;
        cJSON_ArrayForEach(item, json_at(template, names[i]))
        {
            cJSON *target = json_object(json_object(object, "metadata"), names[i]);
            if (cJSON_IsString(item) && !cJSON_GetObjectItemCaseSensitive(target, item->string)) {
                json_set(target, item->string, item->valuestring);
            }
        }
    }
}

/* Of all pods of a cluster. */
static void
spec_common(const struct planner *planner, const char *zone, cJSON *spec)
{
    const struct cluster *cluster = planner->in->cluster;
    const cJSON *secrets = json_at(cluster->spec, "imagePullSecrets");
    const char *account = json_text(cluster->spec, "template/serviceAccountName");
    const char *priority = json_text(cluster->spec, "template/priorityClassName");
    json_set_bool(spec, "automountServiceAccountToken", false);
    json_set_bool(spec, "enableServiceLinks", false);
    if (*account) {
        json_set(spec, "serviceAccountName", account);
    }
    if (*priority) {
        json_set(spec, "priorityClassName", priority);
    }
    if (secrets) {
        cJSON_AddItemToObject(spec, "imagePullSecrets", cJSON_Duplicate(secrets, true));
    }
    security_make(spec);
    placement_make(planner, zone, spec);
}

static void
spec_make(const struct planner *planner, int id, const char *zone, cJSON *spec)
{
    char name[OBJECT_NAME_SIZE];
    const struct cluster *cluster = planner->in->cluster;
    snprintf(name, sizeof name, "%s-brokers", cluster->meta.name);
    json_set(spec, "subdomain", name);
    json_set(spec, "hostname", pod_name(planner, id, name));
    json_set_int(spec, "terminationGracePeriodSeconds", cluster->grace_s);
    spec_common(planner, zone, spec);
    container_make(planner, id, zone, json_push(json_array(spec, "containers")));
    volumes_make(planner, id, json_array(spec, "volumes"));
}

cJSON *
object_pod(const struct planner *planner, int id, const char *zone)
{
    char name[OBJECT_NAME_SIZE];
    const struct member *member = member_find(planner, id);
    /* One that was taken back, too, until its broker said that it does not drain any more. */
    bool is_draining =
            member && (member->ledger == CLAIM_DRAINING ||
                              (member->claim && member->claim->claim->state != CLAIM_ACTIVE));
    cJSON *object = object_new(planner, &KUBE_PODS, pod_name(planner, id, name), true);
    cJSON *meta = json_object(object, "metadata");
    identity_labels(object, id, zone);
    json_set(json_object(meta, "labels"), LABEL_REVISION, planner->revision);
    json_set(json_object(meta, "labels"), LABEL_ROLE, is_draining ? ROLE_DRAINING : ROLE_BROKER);
    /* Autoscalers of nodes may move it: its data is in the bucket, and SIGTERM hands over. */
    json_set(json_object(meta, "annotations"), "cluster-autoscaler.kubernetes.io/safe-to-evict",
            "true");
    if (cluster_accepts_loss(planner->in->cluster, id)) {
        json_set(json_object(meta, "annotations"), ANNOTATION_ACCEPTS, "true");
    }
    template_labels(planner->in->cluster, object);
    spec_make(planner, id, zone, json_object(object, "spec"));
    return object;
}

/* P10. Its own retries are the kubelet's. */
cJSON *
object_purge(const struct planner *planner, const char *name)
{
    const struct cluster *cluster = planner->in->cluster;
    struct strbuf url;
    strbuf_init(&url, STORE_URL_MAX);
    store_url(cluster, &url);
    cJSON *object = object_new(planner, &KUBE_PODS, name, true);
    json_set(json_object(json_object(object, "metadata"), "labels"), LABEL_ROLE, ROLE_PURGE);
    template_labels(cluster, object);
    cJSON *spec = json_object(object, "spec");
    json_set(spec, "restartPolicy", "OnFailure");
    json_set_int(spec, "terminationGracePeriodSeconds", 5);
    spec_common(planner, "", spec);
    cJSON *container = json_push(json_array(spec, "containers"));
    container_program(planner, container);
    cJSON *args = json_array(container, "args");
    json_push_text(args, "purge");
    json_push_text(args, "--cluster-id");
    json_push_text(args, cluster->cluster_id);
    json_push_text(args, strbuf_cstring(&url));
    env_credentials(planner, json_array(container, "env"));
    container_security(container);
    strbuf_done(&url);
    return object;
}
