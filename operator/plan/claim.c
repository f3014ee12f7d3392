/* The volume claim of one broker, or what stands for it. */
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdio.h>

char *
claim_name(const struct planner *planner, int id, char out[OBJECT_NAME_SIZE])
{
    snprintf(out, OBJECT_NAME_SIZE, "wal-%s-%d", planner->in->cluster->meta.name, id);
    return out;
}

/* Where the log is in the bucket a config map stands for the volume claim: the ledger of the
 * identity all the same. No owner: garbage collection must never take a volume. The operator
 * deletes claims by name, uid and mark. */
cJSON *
object_claim(const struct planner *planner, int id, const char *zone)
{
    char name[OBJECT_NAME_SIZE];
    char store[STORE_HASH_SIZE];
    const struct cluster *cluster = planner->in->cluster;
    const struct kube_kind *kind = cluster->wal_is_volume ? &KUBE_CLAIMS : &KUBE_CONFIG_MAPS;
    cJSON *object = object_new(planner, kind, claim_name(planner, id, name), false);
    identity_labels(object, id, zone);
    json_set(json_object(json_object(object, "metadata"), "annotations"), ANNOTATION_STORE,
            cluster_store_hash(cluster, store));
    if (!cluster->wal_is_volume) {
        json_set(json_object(json_object(object, "metadata"), "labels"), LABEL_LEDGER, "true");
        return object;
    }
    cJSON *spec = json_object(object, "spec");
    json_push_text(json_array(spec, "accessModes"), cluster->wal_access_mode);
    json_set(json_object(json_object(spec, "resources"), "requests"), "storage", cluster->wal_size);
    if (*cluster->wal_class) {
        json_set(spec, "storageClassName", cluster->wal_class);
    }
    return object;
}
