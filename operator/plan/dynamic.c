/* Settings that brokers take over while they run. They never lie in the configuration file, so that
 * changing one is no new revision; they are told to one broker, which writes them into the metadata
 * log for all (POST /v1/config). */
#include "plan/plan_internal.h"

#include <stdio.h>

/* As docs/configuration.md has them; check/dynamic_settings compares. Known here and not asked of a
 * broker: what lies in the file must be known before there is a broker, and may not change because
 * one answers. A broker of another version that disagrees refuses, and ConfigApplied has its
 * words. */
static const char *const names[] = {
    "balancer.enable",
    "balancer.imbalance.percent",
    "balancer.moves.max",
    "balancer.settle.ms",
    "compression.type",
    "log.cleaner.delete.retention.ms",
    "log.cleaner.max.compaction.lag.ms",
    "log.cleaner.min.cleanable.ratio",
    "log.cleaner.min.compaction.lag.ms",
    "log.cleanup.policy",
    "log.level",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.retention.bytes",
    "log.retention.ms",
    "log.roll.ms",
    "log.segment.bytes",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "max.decompressed.message.bytes",
    "message.max.bytes",
    "producer.id.expiration.ms",
    "upload.bytes",
    "upload.interval.ms",
};

bool
setting_is_dynamic(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static cJSON *
wished(const struct cluster *cluster)
{
    cJSON *settings = cJSON_CreateObject();
    char number[JSON_SCALAR_SIZE];
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(cluster->spec, "config"))
    {
        if (setting_is_dynamic(item->string)) {
            json_set(settings, item->string, json_scalar(item, number));
        }
    }
    return settings;
}

/* {"set": what is wished and differs, "unset": what we set and isn't wished}. What others set is
 * theirs. NULL: nothing. */
static cJSON *
change_make(const cJSON *wish, const cJSON *applied)
{
    cJSON *body = cJSON_CreateObject();
    cJSON *set = json_object(body, "set");
    cJSON *unset = json_array(body, "unset");
    const cJSON *item;
    cJSON_ArrayForEach(item, wish)
    {
        const char *before = json_text(applied, item->string);
        if (strcmp(before, item->valuestring) != 0 ||
                !cJSON_GetObjectItemCaseSensitive(applied, item->string)) {
            json_set(set, item->string, item->valuestring);
        }
    }
    cJSON_ArrayForEach(item, applied)
    {
        if (!cJSON_GetObjectItemCaseSensitive(wish, item->string)) {
            json_push_text(unset, item->string);
        }
    }
    if (cJSON_GetArraySize(set) + cJSON_GetArraySize(unset) == 0) {
        cJSON_Delete(body);
        return NULL;
    }
    return body;
}

static void
settings_told(struct planner *planner, cJSON *wish)
{
    struct status *status = &planner->plan->status;
    cJSON_Delete(status->settings);
    status->settings = wish;
    status_condition(status, CONDITION_CONFIG_APPLIED, TRUTH_TRUE, "Applied", "%s", "as wished");
}

void
settings_plan(struct planner *planner)
{
    cJSON *wish = wished(planner->in->cluster);
    cJSON *change = change_make(wish, planner->in->cluster->settings);
    const struct member *broker = member_witness(planner);
    if (!change) {
        settings_told(planner, wish);
    } else if (broker) {
        struct action *action = plan_action(planner, ACTION_SETTINGS, broker->id);
        action_set(&action->ip, broker->pod->pod->ip);
        action_event(action, "ConfigApplied", "Configure", "settings of all brokers were changed");
        action->object = change;
        settings_told(planner, wish);
    } else {
        status_condition(&planner->plan->status, CONDITION_CONFIG_APPLIED, TRUTH_FALSE, "Waiting",
                "settings that brokers take over while they run wait for one that is ready");
        cJSON_Delete(wish);
        cJSON_Delete(change);
    }
}
