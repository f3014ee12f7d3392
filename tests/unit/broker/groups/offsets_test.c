/* Committed offsets: who may commit, what survives, what goes. */
#include "base/mark.h"
#include "objectstore/faulty.h"
#include "reactor/clock.h"
#include "support_groups.h"
#include "unit/test.h"

#include <stdio.h>

static const char *const often[] = { "offsets.retention.check.interval.ms=20", NULL };

static struct coordinator *
coordinator_of(struct bench *bench)
{
    const struct coordinators *home = bench->groups->by_reactor[0];
    const struct meta_topic *topic =
            meta_topic_by_name(meta_state(bench->rig.meta), BYTES_LITERAL("__consumer_offsets"));
    int32_t index = groups_partition_of(bench->group, topic->partition_count);
    LIST_FOREACH (link, &home->all) {
        struct coordinator *c = CONTAINER_OF(link, struct coordinator, link);
        if (c->key.index == index) {
            return c;
        }
    }
    return NULL;
}

static bool
is_gone(void *arg)
{
    return bench_group(arg) == NULL;
}

static struct group_forget
forget(struct bench *bench, struct group_offset *offset)
{
    struct group_forget call = {
        .groups = bench->groups, .group_id = bench->group, .offsets = offset, .count = 1
    };
    group_forget(&call);
    return call;
}

static int16_t
delete_group(struct bench *bench)
{
    struct group_delete call = { .groups = bench->groups, .group_id = bench->group };
    group_delete(&call);
    return call.error;
}

/* G1 */
FIBER_TEST(a_commit_that_was_answered_survives_a_crash)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "commit", NULL));
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    ASSERT_EQ(bench_commit(&bench, 0, 5), CODE_NONE);
    ASSERT_EQ(bench_commit(&bench, 1, 6), CODE_NONE);
    ASSERT_EQ(bench_commit(&bench, 0, 7), CODE_NONE);
    ASSERT_OK(bench_crash(&bench));
    ASSERT_EQ(bench_offset(&bench, 0), 7);
    ASSERT_EQ(bench_offset(&bench, 1), 6);
    struct group_fetch all = { .groups = bench.groups, .arena = &bench.arena };
    all.group_id = bench.group;
    group_fetch(&all);
    ASSERT_EQ(all.count, 2);
    ASSERT_BYTES(all.offsets[0].metadata, BYTES_LITERAL("note"));
    ASSERT(uuid_equal(&all.offsets[0].topic_id, &bench.rig.key.topic_id));
    ASSERT_OK(bench_stop(&bench));
}

/* From objects, not from the WAL; in compressed batches. */
FIBER_TEST(offsets_are_loaded_from_objects_of_any_codec)
{
    char setting[64];
    for (int codec = 1; codec <= 4; codec++) {
        struct bench bench;
        snprintf(setting, sizeof setting, "offsets.topic.compression.codec=%d", codec);
        const char *const settings[] = { setting, NULL };
        ASSERT_OK(bench_new(&bench, "codec", settings));
        for (int i = 0; i < 20; i++) {
            ASSERT_EQ(bench_commit(&bench, i % 4, i), CODE_NONE);
        }
        ASSERT_OK(shard_flush(bench.rig.shard));
        ASSERT_OK(bench_crash(&bench));
        ASSERT_EQ(bench_offset(&bench, 3), 19);
        ASSERT_OK(bench_stop(&bench));
    }
}

struct committer {
    struct bench *bench;
    int64_t offset;
    int16_t error;
    struct fiber *fiber;
};

static void
committer_main(void *arg)
{
    struct committer *committer = arg;
    committer->error = bench_commit(committer->bench, 0, committer->offset);
}

/* G4 */
FIBER_TEST(of_commits_at_one_time_memory_and_log_keep_the_same_one)
{
    struct bench bench;
    struct committer committers[64];
    ASSERT_OK(bench_new(&bench, "race", NULL));
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(committers); i++) {
            committers[i] = (struct committer){ &bench, round * 100 + (int64_t)i, 0, NULL };
            ASSERT_OK(
                    fiber_spawn("committer", committer_main, &committers[i], &committers[i].fiber));
        }
        for (size_t i = 0; i < ARRAY_SIZE(committers); i++) {
            fiber_join(committers[i].fiber);
            ASSERT_EQ(committers[i].error, CODE_NONE);
        }
        int64_t before = bench_offset(&bench, 0);
        ASSERT_OK(bench_crash(&bench));
        ASSERT_EQ(bench_offset(&bench, 0), before);
    }
    ASSERT_OK(bench_stop(&bench));
}

/* G5 */
FIBER_TEST(nobody_is_told_anything_before_all_is_loaded)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "loading", NULL));
    ASSERT_EQ(bench_commit(&bench, 0, 5), CODE_NONE);
    ASSERT_OK(shard_flush(bench.rig.shard));
    uint64_t failed = mark_count("groups: loading failed");
    ASSERT(rig_fault(&bench.rig, "get:data*:denied") >= 0);
    ASSERT_OK(bench_move(&bench));
    groups_close(bench.groups);
    groups_free(bench.groups);
    ASSERT_OK(rig_crash(&bench.rig)); /* no cache */
    ASSERT_OK(rig_start(&bench.rig));
    bench.shards[0] = bench.rig.shard;
    struct groups_options options = { bench.rig.meta, bench.shards, bench.settings };
    ASSERT_OK(groups_start(&options, &bench.groups));
    struct client a = client_of(&bench);
    struct group_list list = { .groups = bench.groups, .arena = &bench.arena, .states = ~0u };
    ASSERT_EQ(bench_offset(&bench, 0), -1000 - CODE_COORDINATOR_LOAD_IN_PROGRESS);
    ASSERT_EQ(bench_commit(&bench, 0, 1), CODE_COORDINATOR_LOAD_IN_PROGRESS);
    ASSERT_EQ(client_join(&a), CODE_COORDINATOR_LOAD_IN_PROGRESS);
    group_list(&list);
    ASSERT_EQ(list.error, CODE_COORDINATOR_LOAD_IN_PROGRESS);
    for (int i = 0; i < 30000 && mark_count("groups: loading failed") == failed; i++) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    ASSERT(mark_count("groups: loading failed") > failed);
    faulty_clear(bench.rig.faults);
    ASSERT(bench_loaded(&bench));
    ASSERT_EQ(bench_offset(&bench, 0), 5);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(too_long_a_note_is_refused_and_the_others_are_kept)
{
    static const char *const short_notes[] = { "offset.metadata.max.bytes=4", NULL };
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "note", short_notes));
    struct group_offset two[3] = {
        { .topic = BYTES_LITERAL("t"), .offset = 1, .metadata = BYTES_LITERAL("12345") },
        { .topic = BYTES_LITERAL("t"),
                .partition = 1,
                .offset = 2,
                .metadata = BYTES_LITERAL("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9") },
        { .topic = BYTES_LITERAL("x"), .error = CODE_UNKNOWN_TOPIC_OR_PARTITION },
    };
    struct group_commit call = { .groups = bench.groups,
        .group_id = bench.group,
        .member_id = BYTES_LITERAL(""),
        .generation = -1,
        .retention_ms = -1,
        .offsets = two,
        .count = 3 };
    group_commit(&call);
    ASSERT_EQ(two[0].error, CODE_OFFSET_METADATA_TOO_LARGE);
    ASSERT_EQ(two[1].error, CODE_NONE);
    ASSERT_EQ(two[2].error, CODE_UNKNOWN_TOPIC_OR_PARTITION);
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    ASSERT_EQ(bench_offset(&bench, 1), 2);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(a_member_of_a_group_that_is_not_there_commits_nothing)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "nogroup", NULL));
    struct client a = client_of(&bench);
    a.id = BYTES_LITERAL("m");
    a.join.generation = 1;
    ASSERT_EQ(client_commit(&a, 1), CODE_ILLEGAL_GENERATION);
    struct group_offset one = { .topic = BYTES_LITERAL("t"), .metadata = BYTES_LITERAL("") };
    struct group_commit call = { .groups = bench.groups,
        .group_id = bench.group,
        .member_id = BYTES_LITERAL("m"),
        .generation = 1,
        .retention_ms = -1,
        .group_error = true,
        .offsets = &one,
        .count = 1 };
    group_commit(&call);
    ASSERT_EQ(one.error, CODE_GROUP_ID_NOT_FOUND);
    ASSERT(bench_group(&bench) == NULL);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(offsets_of_topics_that_nobody_reads_can_be_forgotten)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "forget", NULL));
    struct group_offset one = { .topic = BYTES_LITERAL("t") };
    ASSERT_EQ(forget(&bench, &one).error, CODE_GROUP_ID_NOT_FOUND);
    ASSERT_EQ(bench_commit(&bench, 0, 5), CODE_NONE);
    ASSERT_EQ(bench_commit(&bench, 1, 6), CODE_NONE);
    ASSERT_EQ(forget(&bench, &one).error, CODE_NONE);
    ASSERT_EQ(one.error, CODE_NONE);
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    ASSERT_OK(bench_crash(&bench));
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    ASSERT_EQ(bench_offset(&bench, 1), 6);
    /* A consumer of "t": version 0, one topic, no user data. */
    static const char subscription[] = "\0\0\0\0\0\1\0\1t\377\377\377\377";
    struct client a = client_of(&bench);
    ASSERT_EQ(client_join(&a), CODE_NONE);
    struct group *group = bench_group(&bench);
    struct member *member = CONTAINER_OF(group->members.next, struct member, link);
    struct group_protocol protocol = { BYTES_LITERAL("range"),
        bytes_of(subscription, sizeof subscription - 1) };
    member_set_protocols(group, member, &protocol, 1);
    ASSERT_EQ(client_sync(&a), CODE_NONE);
    ASSERT_EQ(forget(&bench, &one).error, CODE_NONE);
    ASSERT_EQ(one.error, CODE_GROUP_SUBSCRIBED_TO_TOPIC);
    one = (struct group_offset){ .topic = BYTES_LITERAL("other") };
    ASSERT_EQ(forget(&bench, &one).error, CODE_NONE);
    ASSERT_EQ(one.error, CODE_NONE);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(a_deleted_group_is_gone_for_good)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "delete", NULL));
    ASSERT_EQ(delete_group(&bench), CODE_GROUP_ID_NOT_FOUND);
    struct client a = client_of(&bench);
    ASSERT_EQ(client_join(&a), CODE_NONE);
    ASSERT_EQ(client_sync(&a), CODE_NONE);
    ASSERT_EQ(client_commit(&a, 5), CODE_NONE);
    ASSERT_EQ(delete_group(&bench), CODE_NON_EMPTY_GROUP);
    struct group_offset one = { .topic = BYTES_LITERAL("t") };
    ASSERT_EQ(client_leave(&a), CODE_NONE);
    ASSERT_EQ(bench_offset(&bench, 0), 5);
    ASSERT_EQ(delete_group(&bench), CODE_NONE);
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    ASSERT(bench_group(&bench) == NULL);
    ASSERT_EQ(forget(&bench, &one).error, CODE_GROUP_ID_NOT_FOUND);
    ASSERT_OK(bench_crash(&bench));
    ASSERT(bench_group(&bench) == NULL);
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(offsets_and_then_the_group_go_when_their_time_is_up)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "expire", often));
    uint64_t expired = mark_count("groups: offset expired");
    struct group_offset one = { .topic = BYTES_LITERAL("t"), .metadata = BYTES_LITERAL("") };
    struct group_commit call = { .groups = bench.groups,
        .group_id = bench.group,
        .member_id = BYTES_LITERAL(""),
        .generation = -1,
        .retention_ms = 50,
        .offsets = &one,
        .count = 1 };
    ASSERT_EQ(bench_commit(&bench, 1, 6), CODE_NONE);
    group_commit(&call);
    ASSERT_EQ(one.error, CODE_NONE);
    for (int i = 0; i < 10000 && bench_offset(&bench, 0) == 0; i++) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    ASSERT_EQ(bench_offset(&bench, 1), 6); /* has a week */
    ASSERT(mark_count("groups: offset expired") > expired);
    one = (struct group_offset){ .topic = BYTES_LITERAL("t"), .partition = 1 };
    ASSERT_EQ(forget(&bench, &one).error, CODE_NONE);
    ASSERT(bench_wait(is_gone, &bench));
    ASSERT_OK(bench_crash(&bench));
    ASSERT(bench_group(&bench) == NULL);
    ASSERT_OK(bench_stop(&bench));
}

/* KIP-211 */
TEST(retention_begins_when_the_group_is_empty_or_at_the_last_commit)
{
    size_t memory = 0;
    struct group *group = group_new(BYTES_LITERAL("g"), NULL, &memory);
    struct committed offset = { .topic = BYTES_LITERAL("t"), .commit_ms = 1000, .expire_ms = -1 };
    ASSERT(!group_offset_expired(group, &offset, 1099, 100)); /* a simple group */
    ASSERT(group_offset_expired(group, &offset, 1100, 100));
    replace_bytes(&group->protocol_type, BYTES_LITERAL("consumer"));
    group->state_ms = 5000;
    ASSERT(!group_offset_expired(group, &offset, 5099, 100)); /* empty since 5000 */
    ASSERT(group_offset_expired(group, &offset, 5100, 100));
    group->state_ms = -1;
    ASSERT(group_offset_expired(group, &offset, 1100, 100));
    group->state = GROUP_STABLE;
    ASSERT(group_offset_expired(group, &offset, 1100, 100)); /* nobody subscribes */
    group->state = GROUP_PREPARING;
    ASSERT(!group_offset_expired(group, &offset, 9999, 100));
    group->state = GROUP_STABLE;
    replace_bytes(&group->protocol_type, BYTES_LITERAL("connect"));
    ASSERT(!group_offset_expired(group, &offset, 9999, 100));
    group->state = GROUP_EMPTY;
    offset.expire_ms = 20000; /* its own */
    ASSERT(!group_offset_expired(group, &offset, 19999, 100));
    ASSERT(group_offset_expired(group, &offset, 20000, 100));
    group_free(group);
    ASSERT_EQ(memory, 0);
}

FIBER_TEST(offsets_of_a_deleted_topic_go_with_it)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "topic", NULL));
    uint64_t removed = mark_count("groups: offset of a deleted topic");
    ASSERT_EQ(bench_commit(&bench, 0, 5), CODE_NONE);
    struct meta_record record = { .type = META_TOPIC_DELETE,
        .topic_delete = { bench.rig.key.topic_id } };
    struct meta_result result;
    ASSERT_OK(meta_propose_one(bench.rig.meta, &record, &result));
    ASSERT(bench_wait(is_gone, &bench));
    ASSERT(mark_count("groups: offset of a deleted topic") > removed);
    ASSERT_OK(bench_crash(&bench));
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    ASSERT_OK(bench_stop(&bench));
}

/* The janitor may meet a coordinator that has no fiber yet: it must not be the last to leave. */
FIBER_TEST(a_topic_is_deleted_while_a_coordinator_opens)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "opens", NULL));
    ASSERT(bench_loaded(&bench));
    const struct coordinators *home = bench.groups->by_reactor[0];
    struct partition_key key = CONTAINER_OF(home->all.next, struct coordinator, link)->key;
    const struct meta_record records[] = {
        { .type = META_TOPIC_DELETE, .topic_delete = { bench.rig.key.topic_id } },
        { .type = META_OPEN, .open = { key, 1, meta_broker_epoch(bench.rig.meta), .again = true } },
    };
    struct meta_result results[ARRAY_SIZE(records)];
    ASSERT_OK(meta_propose(bench.rig.meta, records, ARRAY_SIZE(records), results));
    ASSERT_EQ(results[0].error, 0);
    ASSERT_EQ(results[1].error, 0);
    ASSERT(bench_loaded(&bench));
    ASSERT_OK(bench_stop(&bench));
}

/* G1, G3: what cannot be written is not answered as if it were. */
FIBER_TEST(when_the_log_refuses_nothing_has_happened)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "refused", NULL));
    uint64_t stored = mark_count("groups: assignments could not be stored");
    uint64_t failed = mark_count("groups: a replacement failed");
    struct client a = client_of(&bench);
    struct client b = client_of(&bench);
    a.instance_id = "one";
    ASSERT_EQ(client_join(&a), CODE_NONE);
    ASSERT_EQ(client_sync(&a), CODE_NONE);
    ASSERT_OK(shard_drain(bench.rig.shard)); /* no appends any more */
    ASSERT_EQ(client_commit(&a, 5), CODE_NOT_COORDINATOR);
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    struct client again = client_of(&bench);
    again.instance_id = "one";
    ASSERT_EQ(client_join(&again), CODE_NOT_COORDINATOR);
    ASSERT_EQ(mark_count("groups: a replacement failed"), failed + 1);
    ASSERT_EQ(client_heartbeat(&a), CODE_NONE); /* it was not replaced */
    struct bytes group = bench.group;
    ASSERT_EQ(client_join(&a), CODE_NONE);
    ASSERT_EQ(client_sync(&a), CODE_NOT_COORDINATOR);
    ASSERT_EQ(mark_count("groups: assignments could not be stored"), stored + 1);
    ASSERT_EQ(client_heartbeat(&a), CODE_REBALANCE_IN_PROGRESS);
    bench.group = group;
    (void)b;
    ASSERT_OK(bench_stop(&bench));
}

/* G4: a write that may or may not be in the log. */
FIBER_TEST(after_an_unknown_outcome_the_log_is_asked)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "unknown", NULL));
    ASSERT_EQ(bench_commit(&bench, 0, 5), CODE_NONE);
    bench.rig.lease_ns = 300 * NS_PER_MS;
    ASSERT_OK(bench_crash(&bench));
    uint64_t unknown = mark_count("groups: a write without a known outcome");
    ASSERT(rig_fault(&bench.rig, "put:meta/lease*:503:ms=1") >= 0);
    for (int i = 0; i < 1000 && meta_lease_is_valid(bench.rig.meta); i++) {
        ASSERT_OK(fiber_sleep_ns(10 * NS_PER_MS));
    }
    ASSERT_EQ(bench_offset(&bench, 0), -1000 - CODE_NOT_COORDINATOR); /* M4 */
    struct group_list list = { .groups = bench.groups, .arena = &bench.arena };
    group_list(&list);
    ASSERT_EQ(list.error, CODE_COORDINATOR_NOT_AVAILABLE); /* M4 */
    struct group_records records;
    struct group_offset offset = { .topic = BYTES_LITERAL("t"),
        .topic_id = bench.rig.key.topic_id,
        .offset = 6,
        .expire_ms = -1 };
    group_records_init(&records);
    group_records_offset(&records, bench.group, &offset);
    struct coordinator *c = coordinator_of(&bench);
    ASSERT(c && c->loaded);
    ASSERT_EQ(coordinator_commit(c, &records), CODE_COORDINATOR_NOT_AVAILABLE);
    ASSERT_EQ(mark_count("groups: a write without a known outcome"), unknown + 1);
    faulty_clear(bench.rig.faults);
    for (int i = 0; i < 10000 && bench_offset(&bench, 0) < -1; i++) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    ASSERT_EQ(bench_offset(&bench, 0), 6); /* it was in the log */
    ASSERT_OK(bench_stop(&bench));
}
