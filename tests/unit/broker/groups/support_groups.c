/* Coordinators over a rig, and clients. */
#include "support_groups.h"

#include "partition/topics.h"
#include "reactor/clock.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

static int
apply_settings(struct settings *settings, const char *const *pairs)
{
    int r = settings_set(settings, BYTES_LITERAL("group.initial.rebalance.delay.ms"),
            BYTES_LITERAL("0"), SETTING_FROM_COMMAND_LINE);
    r = r < 0 ? r
              : settings_set(settings, BYTES_LITERAL("offsets.topic.num.partitions"),
                        BYTES_LITERAL("24"), SETTING_FROM_COMMAND_LINE);
    for (; r == 0 && pairs && *pairs; pairs++) {
        const char *value = strchr(*pairs, '=') + 1;
        r = settings_set(settings, bytes_of(*pairs, (size_t)(value - 1 - *pairs)),
                bytes_of_string(value), SETTING_FROM_COMMAND_LINE);
    }
    return r;
}

static int
start(struct bench *bench)
{
    bench->shards[0] = bench->rig.shard;
    struct groups_options options = { bench->rig.meta, bench->shards, bench->settings };
    return groups_start(&options, &bench->groups);
}

/* An id whose partition is of this reactor. */
static int
choose_group(struct bench *bench)
{
    static char names[16][32];
    static unsigned count;
    char *name = names[count++ % ARRAY_SIZE(names)];
    const struct meta_topic *topic =
            meta_topic_by_name(meta_state(bench->rig.meta), BYTES_LITERAL("__consumer_offsets"));
    for (int i = 0; i < 1000; i++) {
        snprintf(name, 32, "group-%d", i);
        struct partition_key key = { topic->id,
            groups_partition_of(bytes_of_string(name), topic->partition_count) };
        if (partition_reactor(key) == reactor_index()) {
            bench->group = bytes_of_string(name);
            return 0;
        }
    }
    return -ENOENT;
}

int
bench_new(struct bench *bench, const char *name, const char *const *settings)
{
    int32_t owner;
    *bench = (struct bench){ .settings = settings_new() };
    arena_init(&bench->arena, 64 << 20);
    int r = apply_settings(bench->settings, settings);
    r = r < 0 ? r : rig_new(&bench->rig, name);
    r = r < 0 ? r : start(bench);
    if (r == 0 && groups_locate(bench->groups, BYTES_LITERAL("any"), &owner) != 0) {
        r = -ENOENT;
    }
    r = r < 0 ? r : choose_group(bench);
    return r < 0 ? r : bench_loaded(bench) ? 0 : -ETIMEDOUT;
}

int
bench_stop(struct bench *bench)
{
    groups_close(bench->groups);
    groups_free(bench->groups);
    int r = rig_stop(&bench->rig);
    settings_free(bench->settings);
    arena_done(&bench->arena);
    return r;
}

int
bench_crash(struct bench *bench)
{
    groups_close(bench->groups);
    groups_free(bench->groups);
    int r = rig_crash(&bench->rig);
    r = r < 0 ? r : rig_start(&bench->rig);
    r = r < 0 ? r : start(bench);
    return r < 0 ? r : bench_loaded(bench) ? 0 : -ETIMEDOUT;
}

int
bench_move(struct bench *bench)
{
    const struct meta_topic *topic =
            meta_topic_by_name(meta_state(bench->rig.meta), BYTES_LITERAL("__consumer_offsets"));
    int32_t count = topic->partition_count;
    struct uuid id = topic->id;
    int r = shard_flush(bench->rig.shard);
    for (int32_t i = 0; i < count && r == 0; i++) {
        struct meta_result result;
        struct meta_record record = {
            .type = META_OPEN,
            .open = { { id, i }, 1, meta_broker_epoch(bench->rig.meta), .again = true },
        };
        r = meta_propose_one(bench->rig.meta, &record, &result);
    }
    return r;
}

bool
bench_wait(bool (*fn)(void *arg), void *arg)
{
    uint64_t deadline = clock_mono_ns() + 10ull * NS_PER_S;
    while (!fn(arg)) {
        if (clock_mono_ns() > deadline || fiber_sleep_ns(NS_PER_MS) < 0) {
            return false;
        }
    }
    return true;
}

static bool
is_loaded(void *arg)
{
    struct bench *bench = arg;
    struct groups_stats stats;
    groups_stats_get(bench->groups, &stats);
    return stats.coordinators > 0 && stats.loading == 0;
}

bool
bench_loaded(struct bench *bench)
{
    return bench_wait(is_loaded, bench);
}

struct group *
bench_group(struct bench *bench)
{
    const struct meta_topic *topic =
            meta_topic_by_name(meta_state(bench->rig.meta), BYTES_LITERAL("__consumer_offsets"));
    int16_t error;
    struct partition_key key = { topic->id,
        groups_partition_of(bench->group, topic->partition_count) };
    struct coordinator *c = coordinators_find(bench->groups->by_reactor[0], key, &error);
    return c ? coordinator_group(c, bench->group) : NULL;
}

struct client
client_of(struct bench *bench)
{
    return (struct client){ .bench = bench,
        .session_timeout_ms = 30000,
        .rebalance_timeout_ms = 30000,
        .id = BYTES_LITERAL("") };
}

static void
join_once(struct client *client)
{
    client->join = (struct group_join){
        .groups = client->bench->groups,
        .arena = &client->bench->arena,
        .group_id = client->bench->group,
        .member_id = client->id,
        .instance_id = client->instance_id ? bytes_of_string(client->instance_id) : BYTES_NULL,
        .client_id = BYTES_LITERAL("test"),
        .client_host = BYTES_LITERAL("/127.0.0.1"),
        .session_timeout_ms = client->session_timeout_ms,
        .rebalance_timeout_ms = client->rebalance_timeout_ms,
        .protocol_type = bytes_of_string(client->type ? client->type : "consumer"),
        .protocols = &client->protocol_storage,
        .protocol_count = 1,
        .id_required = !client->old,
        .may_skip_assign = client->skip,
    };
    client->protocol_storage = (struct group_protocol){
        bytes_of_string(client->protocol ? client->protocol : "range"),
        bytes_of_string(client->metadata ? client->metadata : ""),
    };
    group_join(&client->join);
    client->id = client->join.ret_member_id;
}

static void
join_main(void *arg)
{
    struct client *client = arg;
    join_once(client);
    if (client->join.error == CODE_MEMBER_ID_REQUIRED) {
        join_once(client);
    }
}

static void
sync_main(void *arg)
{
    struct client *client = arg;
    size_t count = client->join.ret_member_count;
    for (size_t i = 0; i < count && i < ARRAY_SIZE(client->assignments); i++) {
        struct bytes id = client->join.ret_members[i].member_id;
        client->assignments[i] = (struct group_assignment){ id, id };
    }
    client->sync = (struct group_sync){
        .groups = client->bench->groups,
        .arena = &client->bench->arena,
        .group_id = client->bench->group,
        .member_id = client->id,
        .instance_id = client->instance_id ? bytes_of_string(client->instance_id) : BYTES_NULL,
        .generation = client->join.generation,
        .assignments = client->assignments,
        .assignment_count = count,
    };
    group_sync(&client->sync);
}

int
client_join_begin(struct client *client)
{
    return fiber_spawn("join", join_main, client, &client->fiber);
}

int
client_sync_begin(struct client *client)
{
    return fiber_spawn("sync", sync_main, client, &client->fiber);
}

void
client_end(struct client *client)
{
    fiber_join(TAKE_PTR(client->fiber));
}

int16_t
client_join(struct client *client)
{
    join_main(client);
    return client->join.error;
}

int16_t
client_sync(struct client *client)
{
    sync_main(client);
    return client->sync.error;
}

int16_t
client_heartbeat(struct client *client)
{
    struct group_heartbeat heartbeat = {
        .groups = client->bench->groups,
        .group_id = client->bench->group,
        .member_id = client->id,
        .instance_id = client->instance_id ? bytes_of_string(client->instance_id) : BYTES_NULL,
        .generation = client->join.generation,
    };
    group_heartbeat(&heartbeat);
    return heartbeat.error;
}

int16_t
client_leave(struct client *client)
{
    struct group_leaver leaver = { .member_id = client->id };
    struct group_leave leave = { .groups = client->bench->groups,
        .group_id = client->bench->group,
        .leavers = &leaver,
        .count = 1 };
    group_leave(&leave);
    return leave.error ? leave.error : leaver.error;
}

static int16_t
commit(struct bench *bench, const struct client *client, int32_t partition, int64_t offset)
{
    struct group_offset one = {
        .topic = BYTES_LITERAL("t"),
        .topic_id = bench->rig.key.topic_id,
        .partition = partition,
        .offset = offset,
        .leader_epoch = -1,
        .metadata = BYTES_LITERAL("note"),
    };
    struct group_commit call = {
        .groups = bench->groups,
        .group_id = bench->group,
        .member_id = client ? client->id : BYTES_LITERAL(""),
        .instance_id =
                client && client->instance_id ? bytes_of_string(client->instance_id) : BYTES_NULL,
        .generation = client ? client->join.generation : -1,
        .retention_ms = -1,
        .offsets = &one,
        .count = 1,
    };
    group_commit(&call);
    return one.error;
}

int16_t
client_commit(struct client *client, int64_t offset)
{
    return commit(client->bench, client, 0, offset);
}

int16_t
bench_commit(struct bench *bench, int32_t partition, int64_t offset)
{
    return commit(bench, NULL, partition, offset);
}

int64_t
bench_offset(struct bench *bench, int32_t partition)
{
    struct group_offset one = { .topic = BYTES_LITERAL("t"), .partition = partition };
    struct group_fetch fetch = { .groups = bench->groups,
        .arena = &bench->arena,
        .group_id = bench->group,
        .offsets = &one,
        .count = 1 };
    group_fetch(&fetch);
    return fetch.error ? -1000 - fetch.error : one.offset;
}
