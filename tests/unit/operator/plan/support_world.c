/* Worlds in words. */
#include "unit/operator/plan/support_world.h"

#include "base/mem.h"
#include "resource/names.h"
#include "unit/test.h"

#include <stdio.h>

#define NOW_MS 1000000

static void
merge(cJSON *into, const cJSON *from)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, from)
    {
        cJSON *there = cJSON_GetObjectItemCaseSensitive(into, item->string);
        if (cJSON_IsObject(item) && cJSON_IsObject(there)) {
            merge(there, item);
        } else {
            cJSON_DeleteItemFromObjectCaseSensitive(into, item->string);
            cJSON_AddItemToObject(into, item->string, cJSON_Duplicate(item, true));
        }
    }
}

void
world_wish(struct world *world, int replicas, const char *spec)
{
    cJSON *more = NULL;
    static const char base[] =
            "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"c\",\"uid\":\"u\",\"generation\":2,"
            "\"resourceVersion\":\"5\",\"finalizers\":[\"freshet.dev/teardown\"]},\"spec\":{"
            "\"objectStore\":{\"bucket\":\"data\"},\"wal\":{\"size\":\"10Gi\",\"accessMode\":"
            "\"ReadWriteOncePod\"},\"listeners\":[{\"name\":\"kafka\",\"port\":9092,\"type\":"
            "\"internal\"}]}}";
    cluster_free(world->cluster);
    cJSON_Delete(world->object);
    world->cluster = NULL;
    world->object = NULL;
    if (json_parse(bytes_of_string(base), &world->object) < 0 ||
            json_parse(bytes_of_string(spec), &more) < 0) {
        return;
    }
    json_set_int(json_object(world->object, "spec"), "replicas", replicas);
    merge(world->object, more);
    cJSON_Delete(more);
    if (cluster_parse(world->object, &world->cluster) < 0) {
        world->cluster = NULL;
    }
    world_plan(world);
    snprintf(world->revision, sizeof world->revision, "%.16s", world->plan.status.revision);
}

void
world_begin(struct world *world, int replicas, const char *spec)
{
    json_setup();
    memset(world, 0, sizeof *world);
    list_init(&world->plan.actions);
    world->settings = (struct plan_settings){ "registry/freshet", "0.1.0", "system" };
    world_wish(world, replicas, spec);
}

void
world_end(struct world *world)
{
    plan_done(&world->plan);
    cluster_free(world->cluster);
    cJSON_Delete(world->object);
}

static bool
has(const char *words, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at++) {
        bool begins = at == words || at[-1] == ' ';
        if (begins && (at[size] == 0 || at[size] == ' ')) {
            return true;
        }
    }
    return false;
}

static char empty[] = "";

static struct meta
meta_of(struct world *world, size_t row, const char *prefix, int id)
{
    static char namespace[] = "ns";
    static char cluster[] = "c";
    static char owner[] = "u";
    static char version[] = "7";
    snprintf(world->names[row][0], 32, "%sc-%d", prefix, id);
    snprintf(world->names[row][1], 32, "uid-%s%d", prefix, id);
    return (struct meta){ .namespace = namespace,
        .name = world->names[row][0],
        .uid = world->names[row][1],
        .version = version,
        .owner_uid = owner,
        .cluster = cluster };
}

static void
zone_of(char out[32], const char *words)
{
    const char *at = strstr(words, "zone:");
    bytes_to_string(bytes_of(at ? at + 5 : "", at ? strcspn(at + 5, " ") : 0), out, 32);
}

static void
view_make(struct world *world, size_t row, int id, const char *words)
{
    struct broker_view *view = &world->views[row];
    struct broker *broker = &view->broker;
    view->is_known = strstr(words, "says:") && !has(words, "says:nothing");
    view->told_ms = NOW_MS - 1000;
    view->of_ms = has(words, "asked-before") ? NOW_MS - 500000 : NOW_MS - 1200;
    broker->id = id;
    broker->epoch = 40 + id;
    broker->partitions = has(words, "few") ? 1 : 9;
    broker->state = has(words, "says:draining")     ? BROKER_DRAINING
                    : strstr(words, "says:drained") ? BROKER_DRAINED
                                                    : BROKER_ACTIVE;
    broker->is_wal_empty = has(words, "says:drained");
    broker->quarantined = has(words, "damaged") ? 3 : 0;
}

static void
pod_make(struct world *world, int id, const char *words)
{
    static char old[] = "old";
    static char trouble[] = "ImagePullBackOff";
    static char draining[] = ROLE_DRAINING;
    static char broker[] = ROLE_BROKER;
    static char ip[] = "10.0.0.1";
    static char affinity[] = "0/2 nodes are available: 2 node(s) had volume node affinity conflict";
    size_t row = world->pod_count++;
    struct pod *pod = &world->pods[row];
    struct node *node = &world->nodes[row];
    struct plan_pod *seen = &world->plan_pods[row];
    zone_of(world->names[row][2], words);
    snprintf(world->names[row][4], 32, "node-%d", has(words, "together") ? 99 : id);
    *pod = (struct pod){ .meta = meta_of(world, row, "", id),
        .id = id,
        .revision = has(words, "old") ? old : world->revision,
        .role = has(words, "drained-role") ? draining : broker,
        .zone = world->names[row][2],
        .node = has(words, "waiting") ? empty : world->names[row][4],
        .ip = ip,
        .phase = has(words, "ended") ? POD_FAILED : POD_RUNNING,
        .is_ready = has(words, "ready"),
        .accepts_loss = has(words, "accepts"),
        .is_unschedulable = has(words, "unschedulable"),
        .is_volume_tied = has(words, "gone"),
        .trouble = has(words, "stuck") ? trouble : empty,
        .message = has(words, "gone") ? affinity : empty };
    pod->meta.is_deleting = has(words, "ending");
    node->is_ready = !has(words, "node:down");
    node->is_cordoned = has(words, "node:cordoned");
    view_make(world, row, id, words);
    *seen = (struct plan_pod){ .pod = pod,
        .since_ms = has(words, "young") ? NOW_MS - 10 : NOW_MS - 100000,
        .view = &world->views[row],
        .node = strstr(words, "node:") ? node : NULL,
        .node_since_ms = NOW_MS - 100000 };
}

static void
claim_make(struct world *world, int id, const char *words)
{
    static char size[] = "10Gi";
    static char other[] = "0000";
    size_t row = WORLD_MAX / 2 + world->claim_count;
    struct claim *claim = &world->claims[world->claim_count];
    zone_of(world->names[row][2], words);
    cluster_store_hash(world->cluster, world->names[row][3]);
    *claim = (struct claim){ .meta = meta_of(world, row, "wal-", id),
        .id = id,
        .zone = world->names[row][2],
        .store = has(words, "foreign") ? other : world->names[row][3],
        .size = size,
        .node = empty,
        .state = has(words, "draining") ? CLAIM_DRAINING
                 : has(words, "empty")  ? CLAIM_EMPTY
                                        : CLAIM_ACTIVE,
        .epoch = has(words, "empty") && !has(words, "unproven") ? 40 + id : -1,
        .is_exclusive = !has(words, "shared"),
        .is_bound = !has(words, "unbound"),
        .has_volume = !has(words, "unbound") || has(words, "chosen"),
        .is_lost = has(words, "lost") };
    claim->meta.is_deleting = has(words, "deleting");
    world->plan_claims[world->claim_count++] =
            (struct plan_claim){ claim, NOW_MS - 400000, has(words, "gone") };
}

void
world_broker(struct world *world, int id, const char *words)
{
    if (strstr(words, "ghost")) {
        world->roster.entries = world->registered;
        world->roster.told_ms = NOW_MS - 1000;
        world->registered[world->roster.count++] = (struct roster_entry){ id,
            40 + id + has(words, "again"), has(words, "ghost-alive") };
        return;
    }
    if (!has(words, "noclaim")) {
        claim_make(world, id, words);
    }
    if (!has(words, "nopod")) {
        pod_make(world, id, words);
    }
}

static void
action_show(struct world *world, const struct action *action)
{
    char name[32];
    size_t used = strlen(world->text);
    snprintf(name, sizeof name, "%s", action_name(action->kind));
    for (char *c = name; *c; c++) {
        *c = (char)(*c == ' ' ? '-' : *c);
    }
    snprintf(world->text + used, sizeof world->text - used, "%s%s", used ? ", " : "", name);
    used = strlen(world->text);
    if (action->id >= 0) {
        snprintf(world->text + used, sizeof world->text - used, " %d", action->id);
        used = strlen(world->text);
    }
    if (action->kind == ACTION_MARK_CLAIM) {
        const char *state = claim_state_name(action->state);
        snprintf(world->text + used, sizeof world->text - used, " %s", *state ? state : "active");
    } else if (*action->text) {
        snprintf(world->text + used, sizeof world->text - used, " %s", action->text);
    } else if (action->kind == ACTION_DELETE_CHILD) {
        snprintf(world->text + used, sizeof world->text - used, " %s", action->name);
    }
}

const char *
world_plan(struct world *world)
{
    struct plan_input input = {
        .cluster = world->cluster,
        .settings = &world->settings,
        .pods = world->plan_pods,
        .pod_count = world->pod_count,
        .claims = world->plan_claims,
        .claim_count = world->claim_count,
        .children = world->plan_children,
        .child_count = world->child_count,
        .roster = world->roster.told_ms ? &world->roster : NULL,
        .rival = world->rival,
        .now_ms = NOW_MS,
    };
    plan_done(&world->plan);
    plan_make(&input, &world->plan);
    status_sum_up(&world->plan.status);
    world->text[0] = 0;
    LIST_FOREACH (node, &world->plan.actions) {
        const struct action *action = CONTAINER_OF(node, struct action, node);
        if (action->kind != ACTION_APPLY && action->kind != ACTION_SEEK_CHILD) {
            action_show(world, action);
        }
    }
    return world->text;
}

const char *
world_condition(struct world *world, enum condition_type type)
{
    static char text[64];
    static const char *const truths[] = { "Unknown", "True", "False" };
    const struct condition *condition = &world->plan.status.conditions[type];
    snprintf(text, sizeof text, "%s/%s", truths[condition->truth], condition->reason);
    return text;
}

void
world_expect(struct world *world, const char *why, const char *const brokers[WORLD_ROW_BROKERS],
        const char *plan)
{
    for (int id = 0; id < WORLD_ROW_BROKERS && brokers[id]; id++) {
        if (*brokers[id]) {
            world_broker(world, id, brokers[id]);
        }
    }
    const char *planned = world_plan(world);
    if (strcmp(planned, plan) != 0) {
        test_fail(__FILE__, __LINE__, "%s: planned \"%s\", not \"%s\"", why, planned, plan);
    }
    test_pass();
}

void
world_rows_check(const struct world_row *rows, size_t count, const char *spec)
{
    for (size_t i = 0; i < count; i++) {
        static struct world world;
        world_begin(&world, rows[i].replicas, spec);
        world_expect(&world, rows[i].why, rows[i].brokers, rows[i].plan);
        world_end(&world);
    }
}
