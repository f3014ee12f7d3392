/* Members, generations and rebalances, as clients see them. */
#include "base/mark.h"
#include "reactor/clock.h"
#include "support_groups.h"
#include "unit/test.h"

static const char *const short_sessions[] = { "group.min.session.timeout.ms=1", NULL };

static bool
one_waits(void *arg)
{
    struct group *group = bench_group(arg);
    return group && group->joined_count == 1;
}

static bool
is_empty(void *arg)
{
    struct group *group = bench_group(arg);
    return !group || group->state == GROUP_EMPTY;
}

static bool
is_gone(void *arg)
{
    return bench_group(arg) == NULL;
}

/* The first member, stable. */
static int
lead(struct client *client)
{
    return client_join(client) || client_sync(client) ? -1 : 0;
}

FIBER_TEST(the_first_member_gets_an_id_then_leads_and_syncs)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "first", NULL));
    struct client a = client_of(&bench);
    ASSERT_EQ(client_join(&a), CODE_NONE);
    ASSERT_EQ(a.join.generation, 1);
    ASSERT(bytes_starts_with(a.id, BYTES_LITERAL("test-")));
    ASSERT_EQ(a.id.size, 5 + 36);
    ASSERT_BYTES(a.join.ret_leader, a.id);
    ASSERT_BYTES(a.join.ret_protocol_name, BYTES_LITERAL("range"));
    ASSERT_EQ(a.join.ret_member_count, 1);
    ASSERT_EQ(client_sync(&a), CODE_NONE);
    ASSERT_BYTES(a.sync.ret_assignment, a.id);
    ASSERT_BYTES(a.sync.ret_protocol_type, BYTES_LITERAL("consumer"));
    ASSERT_EQ(client_heartbeat(&a), CODE_NONE);
    ASSERT_EQ(client_leave(&a), CODE_NONE);
    ASSERT_EQ(client_heartbeat(&a), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_EQ(bench_group(&bench)->state, GROUP_EMPTY);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(a_second_member_makes_all_join_again)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "second", NULL));
    struct client a = client_of(&bench);
    struct client b = client_of(&bench);
    ASSERT_OK(lead(&a));
    ASSERT_OK(client_join_begin(&b));
    ASSERT(bench_wait(one_waits, &bench));
    ASSERT_EQ(client_heartbeat(&a), CODE_REBALANCE_IN_PROGRESS);
    ASSERT_EQ(client_sync(&a), CODE_REBALANCE_IN_PROGRESS);
    ASSERT_EQ(client_commit(&a, 4), CODE_NONE); /* before it joins again, as clients do */
    ASSERT_EQ(client_join(&a), CODE_NONE);
    client_end(&b);
    ASSERT_EQ(b.join.error, CODE_NONE);
    ASSERT_EQ(b.join.generation, 2);
    ASSERT_EQ(a.join.ret_member_count, 2);
    ASSERT_EQ(b.join.ret_member_count, 0);
    ASSERT_EQ(client_commit(&b, 5), CODE_REBALANCE_IN_PROGRESS);
    ASSERT_OK(client_sync_begin(&b));
    ASSERT_EQ(client_sync(&a), CODE_NONE);
    client_end(&b);
    ASSERT_BYTES(b.sync.ret_assignment, b.id);
    ASSERT_EQ(client_commit(&b, 5), CODE_NONE);
    ASSERT_OK(bench_stop(&bench));
}

/* G2 */
FIBER_TEST(who_speaks_for_another_generation_or_member_changes_nothing)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "fence", NULL));
    struct client a = client_of(&bench);
    ASSERT_OK(lead(&a));
    ASSERT_EQ(bench_commit(&bench, 0, 9), CODE_UNKNOWN_MEMBER_ID); /* a simple consumer */
    struct client old = a;
    for (old.join.generation = 0; old.join.generation <= 2; old.join.generation += 2) {
        ASSERT_EQ(client_heartbeat(&old), CODE_ILLEGAL_GENERATION);
        ASSERT_EQ(client_sync(&old), CODE_ILLEGAL_GENERATION);
        ASSERT_EQ(client_commit(&old, 9), CODE_ILLEGAL_GENERATION);
    }
    old = a;
    old.id = BYTES_LITERAL("nobody");
    ASSERT_EQ(client_heartbeat(&old), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_EQ(client_sync(&old), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_EQ(client_commit(&old, 9), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_EQ(client_leave(&old), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_EQ(client_join(&old), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_EQ(bench_offset(&bench, 0), -1);
    ASSERT_EQ(client_heartbeat(&a), CODE_NONE);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(joins_that_do_not_fit_are_refused)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "refuse", NULL));
    struct client a = client_of(&bench);
    struct client b = client_of(&bench);
    b.session_timeout_ms = 1;
    ASSERT_EQ(client_join(&b), CODE_INVALID_SESSION_TIMEOUT);
    b = client_of(&bench);
    b.type = "";
    ASSERT_EQ(client_join(&b), CODE_INCONSISTENT_GROUP_PROTOCOL);
    ASSERT(bench_group(&bench) == NULL); /* nothing is left of it */
    ASSERT_OK(lead(&a));
    b = client_of(&bench);
    b.protocol = "other";
    ASSERT_EQ(client_join(&b), CODE_INCONSISTENT_GROUP_PROTOCOL);
    b = client_of(&bench);
    b.type = "connect";
    ASSERT_EQ(client_join(&b), CODE_INCONSISTENT_GROUP_PROTOCOL);
    struct bytes group = bench.group;
    bench.group = BYTES_LITERAL("");
    ASSERT_EQ(client_join(&b), CODE_INVALID_GROUP_ID);
    ASSERT_EQ(client_heartbeat(&b), CODE_INVALID_GROUP_ID);
    bench.group = group;
    ASSERT_EQ(client_heartbeat(&a), CODE_NONE);
    ASSERT_OK(bench_stop(&bench));
}

/* KIP-345 */
FIBER_TEST(a_static_member_comes_again_without_a_rebalance)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "static", NULL));
    struct client a = client_of(&bench);
    a.instance_id = "one";
    ASSERT_OK(lead(&a));
    struct client again = client_of(&bench);
    again.instance_id = "one";
    again.skip = true;
    ASSERT_EQ(client_join(&again), CODE_NONE);
    ASSERT_EQ(again.join.generation, 1);
    ASSERT(!bytes_equal(again.id, a.id));
    ASSERT_BYTES(again.join.ret_leader, again.id);
    ASSERT(again.join.ret_skip_assignment);
    ASSERT_EQ(again.join.ret_member_count, 1);
    again.join.ret_member_count = 0;
    ASSERT_EQ(client_sync(&again), CODE_NONE);
    ASSERT_BYTES(again.sync.ret_assignment, a.id); /* what was assigned before */
    ASSERT_EQ(client_heartbeat(&a), CODE_FENCED_INSTANCE_ID);
    ASSERT_EQ(client_commit(&a, 1), CODE_FENCED_INSTANCE_ID);
    ASSERT_EQ(client_join(&a), CODE_FENCED_INSTANCE_ID);
    ASSERT_EQ(client_heartbeat(&again), CODE_NONE);
    /* The log knows the new id (G3). */
    ASSERT_OK(bench_crash(&bench));
    ASSERT_EQ(client_heartbeat(&again), CODE_NONE);
    /* A client that knows no version 9 is told that the old id leads: it must not assign anew. */
    struct client third = client_of(&bench);
    third.instance_id = "one";
    ASSERT_EQ(client_join(&third), CODE_NONE);
    ASSERT_EQ(third.join.ret_member_count, 0);
    ASSERT_BYTES(third.join.ret_leader, again.id);
    /* With another protocol the generation cannot stay. */
    struct client fourth = client_of(&bench);
    fourth.instance_id = "one";
    fourth.metadata = "changed";
    ASSERT_EQ(client_join(&fourth), CODE_NONE);
    ASSERT_EQ(fourth.join.generation, 1); /* metadata alone does not matter (KIP-345) */
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(an_operator_removes_a_static_member_by_its_name)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "remove", NULL));
    struct client a = client_of(&bench);
    a.instance_id = "one";
    ASSERT_OK(lead(&a));
    struct group_leaver leavers[2] = {
        { .member_id = BYTES_LITERAL(""), .instance_id = BYTES_LITERAL("two") },
        { .member_id = BYTES_LITERAL(""), .instance_id = BYTES_LITERAL("one") },
    };
    struct group_leave leave = {
        .groups = bench.groups, .group_id = bench.group, .leavers = leavers, .count = 2
    };
    group_leave(&leave);
    ASSERT_EQ(leavers[0].error, CODE_UNKNOWN_MEMBER_ID);
    ASSERT_EQ(leavers[1].error, CODE_NONE);
    ASSERT_EQ(client_heartbeat(&a), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_OK(bench_stop(&bench));
}

/* G3 */
FIBER_TEST(members_keep_their_sessions_over_a_restart)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "restart", NULL));
    struct client a = client_of(&bench);
    ASSERT_OK(lead(&a));
    ASSERT_EQ(client_commit(&a, 41), CODE_NONE);
    ASSERT_OK(bench_crash(&bench));
    ASSERT_EQ(client_heartbeat(&a), CODE_NONE);
    ASSERT_EQ(client_commit(&a, 42), CODE_NONE);
    ASSERT_EQ(bench_offset(&bench, 0), 42);
    struct client reader = a;
    reader.join.ret_member_count = 0;
    ASSERT_EQ(client_sync(&reader), CODE_NONE);
    ASSERT_BYTES(reader.sync.ret_assignment, a.id);
    ASSERT_EQ(client_leave(&a), CODE_NONE);
    ASSERT(bench_wait(is_empty, &bench));
    /* That nobody is there any more survives too, once it is in the log. */
    ASSERT_EQ(bench_commit(&bench, 0, 43), CODE_NONE);
    ASSERT_OK(bench_crash(&bench));
    ASSERT_EQ(client_heartbeat(&a), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_EQ(bench_group(&bench)->generation, 2);
    ASSERT_OK(bench_stop(&bench));
}

/* G5 */
FIBER_TEST(who_waits_is_told_when_the_coordinator_moves_and_members_stay)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "move", NULL));
    struct client a = client_of(&bench);
    struct client b = client_of(&bench);
    ASSERT_OK(lead(&a));
    ASSERT_OK(client_join_begin(&b));
    ASSERT(bench_wait(one_waits, &bench));
    ASSERT_OK(bench_move(&bench));
    client_end(&b);
    ASSERT_EQ(b.join.error, CODE_NOT_COORDINATOR);
    ASSERT(bench_loaded(&bench));
    ASSERT_EQ(client_heartbeat(&a), CODE_NONE);
    /* No partition here: no answer but that. */
    const struct meta_topic *topic =
            meta_topic_by_name(meta_state(bench.rig.meta), BYTES_LITERAL("__consumer_offsets"));
    struct meta_record record = { .type = META_TOPIC_DELETE, .topic_delete = { topic->id } };
    struct meta_result result;
    ASSERT_OK(meta_propose_one(bench.rig.meta, &record, &result));
    ASSERT_EQ(client_heartbeat(&a), CODE_NOT_COORDINATOR);
    ASSERT_EQ(bench_offset(&bench, 0), -1000 - CODE_NOT_COORDINATOR);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(a_silent_member_is_removed_and_the_next_one_leads)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "silent", short_sessions));
    struct client a = client_of(&bench);
    struct client b = client_of(&bench);
    uint64_t expired = mark_count("groups: session expired");
    ASSERT_OK(lead(&a));
    ASSERT_OK(client_join_begin(&b));
    ASSERT(bench_wait(one_waits, &bench));
    a.session_timeout_ms = 50;
    ASSERT_EQ(client_join(&a), CODE_NONE); /* and then nothing more */
    client_end(&b);
    ASSERT_BYTES(b.join.ret_leader, a.id);
    /* The leader never syncs: its session ends, and b hears that it has to join again. */
    ASSERT_EQ(client_sync(&b), CODE_REBALANCE_IN_PROGRESS);
    ASSERT_EQ(client_join(&b), CODE_NONE);
    ASSERT_BYTES(b.join.ret_leader, b.id);
    ASSERT_EQ(b.join.ret_member_count, 1);
    ASSERT(mark_count("groups: session expired") > expired);
    ASSERT_EQ(client_heartbeat(&a), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(who_does_not_join_again_in_time_is_left_out)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "late", NULL));
    struct client a = client_of(&bench);
    struct client b = client_of(&bench);
    uint64_t left_out = mark_count("groups: did not rejoin in time");
    a.rebalance_timeout_ms = 50;
    b.rebalance_timeout_ms = 50;
    ASSERT_OK(lead(&a));
    ASSERT_EQ(client_join(&b), CODE_NONE);
    ASSERT_EQ(b.join.ret_member_count, 1);
    ASSERT(mark_count("groups: did not rejoin in time") > left_out);
    ASSERT_EQ(client_heartbeat(&a), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(static_members_that_are_away_keep_the_rebalance_open)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "away", NULL));
    struct client a = client_of(&bench);
    struct client b = client_of(&bench);
    uint64_t nobody = mark_count("groups: nobody has rejoined");
    a.instance_id = "one";
    ASSERT_OK(lead(&a));
    ASSERT_OK(client_join_begin(&b));
    ASSERT(bench_wait(one_waits, &bench));
    ASSERT_EQ(client_leave(&b), CODE_NONE);
    client_end(&b);
    ASSERT_EQ(b.join.error, CODE_UNKNOWN_MEMBER_ID);
    struct group *group = bench_group(&bench);
    group->join_due_ns = clock_mono_ns(); /* the time is up */
    coordinator_arm(group->coordinator, group, group->join_due_ns);
    for (int i = 0; i < 10000 && mark_count("groups: nobody has rejoined") == nobody; i++) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    ASSERT_EQ(mark_count("groups: nobody has rejoined"), nobody + 1);
    ASSERT_EQ(client_heartbeat(&a), CODE_REBALANCE_IN_PROGRESS);
    ASSERT_EQ(client_join(&a), CODE_NONE);
    ASSERT_EQ(a.join.generation, 2);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(who_never_asks_for_its_assignment_is_removed)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "nosync", NULL));
    struct client a = client_of(&bench);
    uint64_t removed = mark_count("groups: did not sync in time");
    a.rebalance_timeout_ms = 50;
    ASSERT_EQ(client_join(&a), CODE_NONE);
    ASSERT(bench_wait(is_empty, &bench));
    ASSERT(mark_count("groups: did not sync in time") > removed);
    ASSERT_EQ(client_sync(&a), CODE_UNKNOWN_MEMBER_ID);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(an_id_that_nobody_joins_with_is_forgotten)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "pending", short_sessions));
    struct group_protocol protocol = { BYTES_LITERAL("range"), BYTES_LITERAL("") };
    struct group_join join = { .groups = bench.groups,
        .arena = &bench.arena,
        .group_id = bench.group,
        .member_id = BYTES_LITERAL(""),
        .session_timeout_ms = 20,
        .protocol_type = BYTES_LITERAL("consumer"),
        .protocols = &protocol,
        .protocol_count = 1,
        .id_required = true };
    group_join(&join);
    ASSERT_EQ(join.error, CODE_MEMBER_ID_REQUIRED);
    ASSERT(bench_wait(is_gone, &bench));
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(the_first_rebalance_waits_for_company)
{
    static const char *const delay[] = { "group.initial.rebalance.delay.ms=150", NULL };
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "company", delay));
    struct client clients[3];
    uint64_t began = clock_mono_ns();
    for (int i = 0; i < 3; i++) {
        clients[i] = client_of(&bench);
        ASSERT_OK(client_join_begin(&clients[i]));
    }
    for (int i = 0; i < 3; i++) {
        client_end(&clients[i]);
        ASSERT_EQ(clients[i].join.generation, 1);
    }
    /* Two came after the first: the delay was extended once. */
    ASSERT(clock_mono_ns() - began >= 290 * (uint64_t)NS_PER_MS);
    ASSERT_EQ(bench_group(&bench)->member_count, 3);
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(a_group_takes_no_more_members_than_it_may)
{
    static const char *const one[] = { "group.max.size=1", NULL };
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "max", one));
    struct client a = client_of(&bench);
    struct client b = client_of(&bench);
    ASSERT_OK(lead(&a));
    ASSERT_EQ(client_join(&b), CODE_GROUP_MAX_SIZE_REACHED);
    ASSERT_EQ(client_heartbeat(&a), CODE_NONE);
    ASSERT_EQ(client_join(&a), CODE_NONE); /* who is in may join again */
    ASSERT_OK(bench_stop(&bench));
}

FIBER_TEST(when_memory_is_full_who_is_in_goes_on)
{
    struct bench bench;
    ASSERT_OK(bench_new(&bench, "full", NULL));
    struct client a = client_of(&bench);
    struct client b = client_of(&bench);
    uint64_t no_offset = mark_count("groups: no room for an offset");
    uint64_t no_member = mark_count("groups: no room for a member");
    uint64_t no_group = mark_count("groups: no room for a group");
    ASSERT_OK(lead(&a));
    ASSERT_EQ(client_commit(&a, 1), CODE_NONE);
    size_t *memory = &bench.groups->by_reactor[0]->memory;
    *memory += GROUPS_MEMORY_MAX;
    ASSERT_EQ(client_join(&b), CODE_GROUP_MAX_SIZE_REACHED);
    ASSERT_EQ(client_commit(&a, 2), CODE_NONE);
    ASSERT_EQ(bench_offset(&bench, 0), 2);
    uint64_t no_more = mark_count("groups: no room for what a member brings");
    struct client larger = a;
    larger.metadata = "more than before";
    ASSERT_EQ(client_join(&larger), CODE_GROUP_MAX_SIZE_REACHED);
    ASSERT(mark_count("groups: no room for what a member brings") > no_more);
    uint64_t too_much = mark_count("groups: too much waits for the log");
    bench.groups->by_reactor[0]->writes_size += GROUP_WRITES_SIZE_MAX;
    ASSERT_EQ(client_commit(&a, 3), CODE_COORDINATOR_NOT_AVAILABLE);
    bench.groups->by_reactor[0]->writes_size -= GROUP_WRITES_SIZE_MAX;
    ASSERT(mark_count("groups: too much waits for the log") > too_much);
    ASSERT_EQ(bench_offset(&bench, 0), 2);
    ASSERT_EQ(client_leave(&a), CODE_NONE);
    ASSERT_EQ(bench_commit(&bench, 1, 1), CODE_COORDINATOR_NOT_AVAILABLE);
    struct bytes group = bench.group;
    struct group_delete delete = { .groups = bench.groups, .group_id = group };
    group_delete(&delete);
    ASSERT_EQ(delete.error, CODE_NONE);
    ASSERT_EQ(client_join(&b), CODE_GROUP_MAX_SIZE_REACHED);
    *memory -= GROUPS_MEMORY_MAX;
    ASSERT(mark_count("groups: no room for an offset") > no_offset);
    ASSERT(mark_count("groups: no room for a member") > no_member);
    ASSERT(mark_count("groups: no room for a group") > no_group);
    ASSERT_EQ(*memory, 0); /* all was given back */
    ASSERT_OK(bench_stop(&bench));
}
