/* One pass over one topic, in steps: look, plan, do, and again until nothing is to be done; then
 * tell. A pass that is cut off anywhere is the same as one that never began (R1): what it meant to
 * do next is in the status and on the broker. */
#include "act/topics.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/clock.h"
#include "plan/topic.h"
#include "reconcile/reconcile_internal.h"
#include "resource/names.h"
#include "status/ready.h"

#include <errno.h>
#include <stdio.h>

#define STEPS_MAX 10 /* in one pass; more come with the next */

/* What one round of a pass knows; texts are its own, because calls may change the cache. */
struct round {
    struct reconciler *reconciler;
    struct topic *topic; /* owned copy */
    char ip[64];         /* of a broker to ask; "" */
    char rival[256];
    char noted[UUID_TEXT_SIZE]; /* the id that this pass chose; "" */
    struct topic_told told;
    bool is_told;
    struct topic_plan plan;
};

static const struct topic *
topic_find(const struct reconciler *reconciler, const char *key)
{
    char namespace[QUEUE_KEY_SIZE];
    const char *slash = strchr(key, '/');
    bytes_to_string(bytes_of(key, (size_t)(slash - key)), namespace, sizeof namespace);
    const struct table_entry *entry = table_find(&reconciler->cache->topics, namespace, slash + 1);
    return entry ? entry->object : NULL;
}

/* A broker of the cluster that serves. */
static void
broker_choose(struct round *round)
{
    *round->ip = 0;
    TABLE_FOREACH(entry, &round->reconciler->cache->pods)
    {
        const struct pod *pod = entry->object;
        bool is_its = strcmp(pod->meta.cluster, round->topic->cluster) == 0 &&
                      strcmp(pod->meta.namespace, round->topic->meta.namespace) == 0 &&
                      cache_cluster_of(round->reconciler->cache, &pod->meta);
        if (is_its && pod->is_ready && !pod->meta.is_deleting && *pod->ip &&
                strcmp(pod->role, ROLE_BROKER) == 0) {
            snprintf(round->ip, sizeof round->ip, "%s", pod->ip);
            return;
        }
    }
}

static bool
came_before(const struct topic *a, const struct topic *b)
{
    int order = strcmp(a->created, b->created);
    return order ? order < 0 : strcmp(a->meta.uid, b->meta.uid) < 0;
}

static void
rival_find(struct round *round)
{
    const struct topic *topic = round->topic;
    *round->rival = 0;
    TABLE_FOREACH(entry, &round->reconciler->cache->topics)
    {
        const struct topic *other = entry->object;
        if (strcmp(other->meta.uid, topic->meta.uid) != 0 && !other->meta.is_deleting &&
                strcmp(other->meta.namespace, topic->meta.namespace) == 0 &&
                strcmp(other->cluster, topic->cluster) == 0 &&
                strcmp(other->name, topic->name) == 0 && came_before(other, topic)) {
            snprintf(round->rival, sizeof round->rival, "%s", other->meta.name);
            return;
        }
    }
}

/* False: the topic is gone. */
static bool
round_begin(struct round *round, const char *key)
{
    const struct topic *topic = topic_find(round->reconciler, key);
    topic_free(round->topic);
    round->topic = topic ? topic_dup(topic) : NULL;
    if (!topic) {
        return false;
    }
    const struct table_entry *entry = table_find(
            &round->reconciler->cache->clusters, topic->meta.namespace, round->topic->cluster);
    const struct cluster *cluster = entry ? entry->object : NULL;
    broker_choose(round);
    rival_find(round);
    struct topic_input input = {
        .topic = round->topic,
        .has_cluster = cluster,
        .is_cluster_deleting = cluster && cluster->meta.is_deleting,
        .is_cluster_paused = cluster && cluster->is_paused,
        .has_broker = *round->ip,
        .rival = *round->rival ? round->rival : NULL,
        .told = round->is_told ? &round->told : NULL,
    };
    topic_plan_make(&input, &round->plan);
    return true;
}

/* What passes by itself is no event. */
static void
trouble_tell(const struct round *round, const struct ready *ready)
{
    const struct meta *meta = ready->meta;
    bool is_passing = round->plan.will_pass && !*round->rival;
    if (ready_is_trouble(ready) && !is_passing && !meta->is_deleting) {
        events_tell(round->reconciler->act->events,
                &(struct event){
                        .regarding = { &KUBE_TOPICS, meta->namespace, meta->name, meta->uid },
                        .is_warning = true,
                        .reason = ready->reason,
                        .action = "Reconcile",
                        .note = ready->message,
                });
    }
}

/* `id` and `pending`: what is noted from now on. */
static int
tell(struct round *round, const char *id, const char *pending)
{
    char now[KUBE_TIME_SIZE];
    const struct topic *topic = round->topic;
    struct reconciler *reconciler = round->reconciler;
    struct ready ready = { &KUBE_TOPICS, &topic->meta, topic->conditions, round->plan.ready,
        round->plan.reason, round->plan.message };
    CLEANUP(json_freep) cJSON *object = ready_render(&ready, clock_time(now));
    cJSON *status = json_object(object, "status");
    trouble_tell(round, &ready);
    int partitions = round->is_told && round->told.exists ? round->told.partitions
                     : round->is_told                     ? 0
                                                          : topic->partitions_told;
    if (*id) {
        json_set(status, "topicId", id);
    }
    if (*pending) {
        json_set(status, "pendingTopicId", pending);
    }
    if (partitions > 0) {
        json_set_int(status, "partitions", partitions);
    }
    return act_status(
            reconciler->act, &KUBE_TOPICS, &reconciler->cache->topics, &topic->meta, object);
}

/* As Kafka's, it never begins like an option of a command line. */
static void
id_choose(char out[UUID_TEXT_SIZE])
{
    struct uuid id;
    do {
        for (size_t i = 0; i < sizeof id.bytes; i++) {
            id.bytes[i] = (uint8_t)clock_dice(256);
        }
        uuid_format(&id, out);
    } while (*out == '-');
}

/* P7: the id is noted before it is used, and never used again: a topic that was created under it
 * and is gone must not come back. */
static int
step_create(struct round *round)
{
    struct act *act = round->reconciler->act;
    char text[UUID_TEXT_SIZE];
    id_choose(text);
    const struct topic_call call = { round->ip, round->topic, text };
    int r = act_topic_create(act, &call, true);
    r = r < 0 ? r : tell(round, "", text);
    if (r < 0) {
        return r;
    }
    snprintf(round->noted, sizeof round->noted, "%s", text);
    return act_topic_create(act, &call, false);
}

static int
step_do(struct round *round)
{
    struct act *act = round->reconciler->act;
    const struct topic *topic = round->topic;
    const struct topic_call call = { round->ip, topic, round->told.id };
    switch (round->plan.step) {
    case TOPIC_ADD_FINALIZER:
        return act_topic_finalizer(act, topic, true);
    case TOPIC_REMOVE_FINALIZER:
        return act_topic_finalizer(act, topic, false);
    case TOPIC_ADOPT:
        return tell(round, round->told.id, "");
    case TOPIC_CREATE:
        return step_create(round);
    case TOPIC_ALTER:
        return act_topic_alter(act, &call);
    case TOPIC_GROW:
        return act_topic_grow(act, &call);
    case TOPIC_DELETE:
        return act_topic_delete(act, &call);
    case TOPIC_DONE:
        break;
    }
    return 0;
}

static void
step_tell(struct round *round)
{
    static const char *const reasons[] = { [TOPIC_ADOPT] = "TopicAdopted",
        [TOPIC_CREATE] = "TopicCreated",
        [TOPIC_ALTER] = "TopicConfigChanged",
        [TOPIC_GROW] = "PartitionsAdded",
        [TOPIC_DELETE] = "TopicDeleted" };
    const struct topic *topic = round->topic;
    const char *reason = reasons[round->plan.step];
    LOG_INFO("done", LOG_STR("topic", topic->meta.name),
            LOG_STR("namespace", topic->meta.namespace),
            LOG_STR("action", topic_step_name(round->plan.step)), LOG_STR("name", topic->name));
    if (reason) {
        events_tell(round->reconciler->act->events,
                &(struct event){
                        .regarding = { &KUBE_TOPICS, topic->meta.namespace, topic->meta.name,
                                topic->meta.uid },
                        .reason = reason,
                        .action = topic_step_name(round->plan.step),
                        .note = topic->name,
                });
    }
}

static void
told_drop(struct round *round)
{
    topic_told_done(&round->told);
    round->is_told = false;
}

static int
look(struct round *round)
{
    const struct topic_call call = { round->ip, round->topic, NULL };
    int r = act_topic_look(round->reconciler->act, &call, &round->told);
    round->is_told = r == 0;
    return r;
}

/* Rounds until there is nothing more to do. 1: the topic is gone. */
static int
rounds(struct round *round, const char *key)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        if (!round_begin(round, key)) {
            return 1;
        }
        if (!round->plan.must_ask && round->plan.step == TOPIC_DONE) {
            return 0;
        }
        int r = round->plan.must_ask ? look(round) : step_do(round);
        if (r < 0) {
            return r;
        }
        if (!round->plan.must_ask) {
            step_tell(round);
            told_drop(round);
        }
    }
    return fault(-EAGAIN, "the topic changes under our hands");
}

/* What failed, in the condition. */
static void
failure_tell(struct round *round, int error)
{
    const char *reason = reconcile_reason(error);
    if (reason) {
        round->plan.ready = TRUTH_FALSE;
        round->plan.reason = reason;
        snprintf(round->plan.message, sizeof round->plan.message, "%s", log_fault_text(error));
    }
}

static int
finish(struct round *round, int error)
{
    const struct topic *topic = round->topic;
    bool is_ours = round->is_told && round->told.exists && round->plan.ready == TRUTH_TRUE;
    if (error < 0) {
        failure_tell(round, error);
        LOG_WARN("a topic's pass was cut off", LOG_STR("topic", topic->meta.name),
                LOG_STR("namespace", topic->meta.namespace), LOG_FAULT(error));
        if (!reconcile_reason(error)) {
            return error;
        }
    }
    const char *pending = *round->noted ? round->noted : topic->pending;
    int r = is_ours ? tell(round, round->told.id, "") : tell(round, topic->id, pending);
    if (r == -ENOENT) {
        fault_clear();
        return 0;
    }
    return error < 0 && error != -EINVAL ? error : r;
}

int
reconcile_topic(struct reconciler *reconciler, const char *key, int64_t *ret_again_ms)
{
    struct round round = { .reconciler = reconciler };
    if (!reconciler->cache->topics.is_synced) {
        *ret_again_ms = RECONCILE_TOPIC_SOON_MS; /* an older one may not be there yet */
        return 0;
    }
    int r = rounds(&round, key);
    if (r == 1) {
        reconcile_forget(reconciler, key);
        r = 0;
    } else {
        *ret_again_ms = round.plan.will_pass ? RECONCILE_TOPIC_SOON_MS : RECONCILE_TOPIC_RESYNC_MS;
        r = finish(&round, r);
        reconciler->failures += r < 0;
    }
    topic_free(round.topic);
    topic_told_done(&round.told);
    return r;
}

/* Brokers have no authentication yet: the resource says so, and nothing else is done. */
int
reconcile_user(struct reconciler *reconciler, const char *key)
{
    char now[KUBE_TIME_SIZE];
    char namespace[QUEUE_KEY_SIZE];
    const char *slash = strchr(key, '/');
    bytes_to_string(bytes_of(key, (size_t)(slash - key)), namespace, sizeof namespace);
    struct table *users = &reconciler->cache->users;
    const struct table_entry *entry = table_find(users, namespace, slash + 1);
    if (!entry) {
        reconcile_forget(reconciler, key);
        return 0;
    }
    const struct user *user = entry->object;
    struct ready ready = { &KUBE_USERS, &user->meta, user->conditions, TRUTH_FALSE, "NotYet",
        "brokers of this version ask nobody who they are: credentials, ACLs and quotas of this "
        "resource have no effect. Keep clients out by network policies" };
    CLEANUP(json_freep) cJSON *object = ready_render(&ready, clock_time(now));
    struct meta meta;
    meta_dup(&user->meta, &meta);
    int r = act_status(reconciler->act, &KUBE_USERS, users, &meta, object);
    meta_done(&meta);
    if (r == -ENOENT) {
        fault_clear();
        return 0;
    }
    return r;
}
