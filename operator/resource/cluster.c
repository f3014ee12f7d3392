/* FreshetCluster from JSON. */
#include "resource/cluster.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "resource/names.h"
#include "resource/pod.h"

#include <errno.h>
#include <stdio.h>

static int
bounded(const cJSON *spec, const char *path, int64_t otherwise, int64_t max)
{
    int64_t number = json_int(spec, path, otherwise);
    return (int)(number < 0 ? 0 : number > max ? max : number);
}

static int
listeners_parse(struct cluster *cluster, const cJSON *list)
{
    const cJSON *item;
    cluster->listener_count = 0;
    cJSON_ArrayForEach(item, list)
    {
        const char *type = json_text(item, "type");
        if (cluster->listener_count == CLUSTER_LISTENERS_MAX) {
            return fault(-EBADMSG, "spec.listeners: more than %d", CLUSTER_LISTENERS_MAX);
        }
        struct listener *listener = &cluster->listeners[cluster->listener_count++];
        listener->name = json_text(item, "name");
        listener->port = bounded(item, "port", 0, 65535);
        listener->host = json_text(item, "host");
        listener->annotations = json_at(item, "annotations");
        listener->node_port = bounded(item, "nodePort", 0, 65535);
        listener->has_tls = json_bool(item, "tls/enabled", false);
        const char *authentication = json_text(item, "authentication/type");
        listener->has_authentication = *authentication && strcmp(authentication, "none") != 0;
        listener->type = strcmp(type, "loadbalancer") == 0 ? LISTENER_LOAD_BALANCER
                         : strcmp(type, "nodeport") == 0   ? LISTENER_NODE_PORT
                                                           : LISTENER_INTERNAL;
        if (!*listener->name || listener->port == 0) {
            return fault(-EBADMSG, "spec.listeners[%zu]: no name or no port",
                    cluster->listener_count - 1);
        }
    }
    return cluster->listener_count ? 0 : fault(-EBADMSG, "spec.listeners: there is none");
}

/* What the schema has and brokers of this version lack. */
static const char *
not_yet(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->listener_count; i++) {
        if (cluster->listeners[i].has_tls) {
            return "spec.listeners: brokers of this version have no TLS";
        }
        if (cluster->listeners[i].has_authentication) {
            return "spec.listeners: brokers of this version ask nobody who they are";
        }
    }
    return "";
}

/* N1. A status of before ports were in it names none that could be served. */
static int
listeners_choose(struct cluster *cluster)
{
    int r = listeners_parse(cluster, json_at(cluster->spec, "listeners"));
    cluster->not_yet = r < 0 ? "" : not_yet(cluster);
    if (r < 0 || !*cluster->not_yet) {
        return r;
    }
    if (listeners_parse(cluster, cluster->served) < 0) {
        fault_clear();
        cluster->listener_count = 0;
    }
    return 0;
}

static int
zones_parse(struct cluster *cluster)
{
    const cJSON *item;
    cluster->zone_key = json_text(cluster->spec, "zones/topologyKey");
    cJSON_ArrayForEach(item, json_at(cluster->spec, "zones/values"))
    {
        const char *zone = cJSON_GetStringValue(item);
        if (!zone || cluster->zone_count == CLUSTER_ZONES_MAX) {
            return fault(
                    -EBADMSG, "spec.zones.values: no text, or more than %d", CLUSTER_ZONES_MAX);
        }
        cluster->zones[cluster->zone_count++] = zone;
    }
    return 0;
}

static void
store_parse(struct cluster *cluster)
{
    const cJSON *spec = cluster->spec;
    cluster->bucket = json_text(spec, "objectStore/bucket");
    cluster->prefix = json_text(spec, "objectStore/prefix");
    cluster->region = json_text(spec, "objectStore/region");
    cluster->endpoint = json_text(spec, "objectStore/endpoint");
    cluster->path_style = json_bool(spec, "objectStore/pathStyle", false);
    cluster->credentials_secret = json_text(spec, "objectStore/credentials/secretName");
}

static void
wal_parse(struct cluster *cluster)
{
    const cJSON *spec = cluster->spec;
    cluster->wal_is_volume = strcmp(json_text(spec, "wal/type"), "s3") != 0;
    cluster->wal_size = json_text(spec, "wal/size");
    cluster->wal_class = json_text(spec, "wal/storageClassName");
    cluster->wal_access_mode = json_text(spec, "wal/accessMode");
    cluster->keeps_empty_volumes =
            cluster->wal_is_volume && strcmp(json_text(spec, "wal/reclaimPolicy"), "Retain") == 0;
}

static void
numbers_parse(struct cluster *cluster)
{
    const cJSON *spec = cluster->spec;
    cluster->replicas = bounded(spec, "replicas", 3, CLUSTER_REPLICAS_MAX);
    cluster->rollout_max_unavailable = bounded(spec, "rollout/maxUnavailable", 1, 100);
    cluster->rollout_surge = bounded(spec, "rollout/surge", 0, 10);
    cluster->rollout_min_ready_ms = 1000LL * bounded(spec, "rollout/minReadySeconds", 5, 3600);
    cluster->rollout_pod_timeout_ms =
            1000LL * bounded(spec, "rollout/podTimeoutSeconds", 300, 86400);
    cluster->is_rollout_paused = json_bool(spec, "rollout/paused", false);
    cluster->drain_timeout_ms = 1000LL * bounded(spec, "drain/timeoutSeconds", 300, 86400);
    cluster->drain_max_concurrent = bounded(spec, "drain/maxConcurrent", 1, 100);
    cluster->node_toleration_s = bounded(spec, "nodeFailure/tolerationSeconds", 30, 86400);
    cluster->node_replace_after_ms =
            1000LL * bounded(spec, "nodeFailure/replaceAfterSeconds", 60, 86400);
    cluster->grace_s = bounded(spec, "template/terminationGracePeriodSeconds", 120, 3600);
    cluster->has_budget = json_bool(spec, "pdb/enabled", true);
    cluster->budget_max_unavailable = bounded(spec, "pdb/maxUnavailable", 1, 100);
    cluster->has_policy = json_bool(spec, "networkPolicy/enabled", true);
    cluster->has_monitor = json_bool(spec, "metrics/podMonitor", false);
    cluster->deletes_volumes = strcmp(json_text(spec, "deletionPolicy/volumes"), "Delete") == 0;
    cluster->deletes_objects = strcmp(json_text(spec, "deletionPolicy/objects"), "Delete") == 0;
}

static bool
names_finalizer(const cJSON *object)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(object, "metadata/finalizers"))
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, FINALIZER) == 0) {
            return true;
        }
    }
    return false;
}

static int
spec_parse(struct cluster *cluster)
{
    const cJSON *spec = cluster->spec;
    cluster->version = json_text(spec, "version");
    cluster->image = json_text(spec, "image");
    cluster->pull_policy = json_text(spec, "imagePullPolicy");
    store_parse(cluster);
    wal_parse(cluster);
    numbers_parse(cluster);
    if (!*cluster->bucket || !*cluster->wal_size) {
        return fault(-EBADMSG, "spec.objectStore.bucket or spec.wal.size is missing");
    }
    if (strlen(cluster->meta.name) > CLUSTER_NAME_SIZE_MAX) {
        return fault(-EBADMSG, "the name has more than %d characters", CLUSTER_NAME_SIZE_MAX);
    }
    int r = listeners_choose(cluster);
    return r < 0 ? r : zones_parse(cluster);
}

int
cluster_parse(const cJSON *object, struct cluster **ret_cluster)
{
    struct cluster *cluster = mem_alloc(sizeof *cluster);
    int r = meta_parse(object, &cluster->meta);
    const cJSON *spec = json_at(object, "spec");
    snprintf(cluster->created, sizeof cluster->created, "%s",
            json_text(object, "metadata/creationTimestamp"));
    const cJSON *conditions = json_at(object, "status/conditions");
    cluster->spec = cJSON_IsObject(spec) ? cJSON_Duplicate(spec, true) : cJSON_CreateObject();
    cluster->conditions = cJSON_IsArray(conditions) ? cJSON_Duplicate(conditions, true) : NULL;
    const cJSON *settings = json_at(object, "status/settings");
    const cJSON *served = json_at(object, "status/listeners");
    cluster->settings = cJSON_IsObject(settings) ? cJSON_Duplicate(settings, true) : NULL;
    cluster->served = cJSON_IsArray(served) ? cJSON_Duplicate(served, true) : NULL;
    const cJSON *losses = json_at(object, "status/acceptedLosses");
    cluster->losses = cJSON_IsArray(losses) ? cJSON_Duplicate(losses, true) : NULL;
    cluster->cluster_id = mem_strdup(json_text(object, "status/clusterId"));
    cluster->accepts_loss =
            mem_strdup(json_member(object, "metadata/annotations", ANNOTATION_ACCEPT_LOSS));
    cluster->has_finalizer = names_finalizer(object);
    cluster->is_paused =
            strcmp(json_member(object, "metadata/annotations", ANNOTATION_PAUSED), "true") == 0;
    r = r < 0 ? r : spec_parse(cluster);
    if (r < 0) {
        cluster_free(cluster);
        return r;
    }
    *ret_cluster = cluster;
    return 0;
}

void
cluster_free(struct cluster *cluster)
{
    if (cluster) {
        meta_done(&cluster->meta);
        cJSON_Delete(cluster->spec);
        cJSON_Delete(cluster->conditions);
        cJSON_Delete(cluster->settings);
        cJSON_Delete(cluster->served);
        cJSON_Delete(cluster->losses);
        mem_free(cluster->accepts_loss);
        mem_free(cluster->cluster_id);
        mem_free(cluster);
    }
}

bool
cluster_is_ready(const struct cluster *cluster)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cluster->conditions)
    {
        if (strcmp(json_text(item, "type"), "Ready") == 0) {
            return strcmp(json_text(item, "status"), "True") == 0;
        }
    }
    return false;
}

bool
cluster_is_rival(const struct cluster *a, const struct cluster *b)
{
    bool is_same = strcmp(a->endpoint, b->endpoint) == 0 && strcmp(a->bucket, b->bucket) == 0 &&
                   strcmp(a->prefix, b->prefix) == 0;
    int order = strcmp(b->created, a->created);
    order = order ? order : strcmp(b->meta.uid, a->meta.uid);
    return is_same && order < 0;
}

static void
store_hash(const struct cluster *cluster, const char *endpoint, char out[STORE_HASH_SIZE])
{
    struct strbuf text;
    strbuf_init(&text, 2048);
    strbuf_printf(&text, "%s\n%s\n%s", endpoint, cluster->bucket, cluster->prefix);
    snprintf(out, STORE_HASH_SIZE, "%016llx",
            (unsigned long long)bytes_hash(strbuf_bytes(&text), 0));
    strbuf_done(&text);
}

char *
cluster_store_hash(const struct cluster *cluster, char out[STORE_HASH_SIZE])
{
    store_hash(cluster, "", out);
    return out;
}

/* Claims of before had the endpoint in it. */
bool
cluster_has_store(const struct cluster *cluster, const char *hash)
{
    char now[STORE_HASH_SIZE];
    char before[STORE_HASH_SIZE];
    store_hash(cluster, "", now);
    store_hash(cluster, cluster->endpoint, before);
    return strcmp(hash, now) == 0 || strcmp(hash, before) == 0;
}

static bool
names_loss(const struct cluster *cluster, int id)
{
    const char *list = cluster->accepts_loss;
    while (*list) {
        size_t size = strcspn(list, ",");
        char text[16];
        bytes_to_string(bytes_of(list, size), text, sizeof text);
        if (size < sizeof text && number_parse(text, INT32_MAX) == id) {
            return true;
        }
        list += size + (list[size] == ',');
    }
    return false;
}

static bool
is_in(const cJSON *ids, int id)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, ids)
    {
        if (cJSON_IsNumber(item) && item->valueint == id) {
            return true;
        }
    }
    return false;
}

bool
cluster_accepts_loss(const struct cluster *cluster, int id)
{
    return names_loss(cluster, id) && !is_in(cluster->losses, id);
}

bool
cluster_loss_is_spent(const struct cluster *cluster, int id)
{
    return names_loss(cluster, id) && is_in(cluster->losses, id);
}

void
cluster_losses_follow(const struct cluster *before, struct cluster *after)
{
    for (int i = cJSON_GetArraySize(after->losses) - 1; i >= 0; i--) {
        int id = cJSON_GetArrayItem(after->losses, i)->valueint;
        if (is_in(before->losses, id) && !names_loss(before, id) && names_loss(after, id)) {
            cJSON_DeleteItemFromArray(after->losses, i);
        }
    }
}

void
cluster_losses_note(struct cluster *cluster, const cJSON *losses)
{
    cJSON_Delete(cluster->losses);
    cluster->losses = losses ? cJSON_Duplicate(losses, true) : NULL;
}
