/* Committed offsets in memory, and who may commit. */
#include "base/mem.h"
#include "groups/group.h"
#include "groups/kafka_codes.h"
#include "unit/test.h"

static struct groups *
make(struct settings **ret_settings)
{
    static struct groups groups;
    groups = (struct groups){ .options = { .settings = settings_new() } };
    *ret_settings = (struct settings *)(uintptr_t)groups.options.settings;
    map_init(&groups.by_id);
    list_init(&groups.all);
    wait_queue_init(&groups.idle);
    wait_queue_init(&groups.calls_ended);
    return &groups;
}

static void
unmake(struct groups *groups, struct settings *settings)
{
    LIST_FOREACH_SAFE (link, &groups->all) {
        struct group *group = CONTAINER_OF(link, struct group, link);
        LIST_FOREACH_SAFE (member, &group->members) {
            group_remove_member(groups, group, CONTAINER_OF(member, struct member, link));
        }
        group_free_offsets(group);
        map_remove(&groups->by_id, &group->node);
        mem_free(group->id);
        mem_free(group);
    }
    map_done(&groups->by_id);
    settings_free(settings);
}

static int64_t
offset_of(const struct group *group, const char *topic, int32_t partition)
{
    const struct committed *committed = group_get_offset(group, bytes_of_string(topic), partition);
    return committed ? committed->offset : -1;
}

TEST(offsets_are_kept_by_topic_and_partition)
{
    struct settings *settings;
    struct groups *groups = make(&settings);
    struct group *group = group_get(groups, BYTES_LITERAL("g"));
    group_set_offset(group, &(struct group_offset){ BYTES_LITERAL("a"), 0, 5, -1, BYTES_NULL, 0 });
    group_set_offset(group, &(struct group_offset){ BYTES_LITERAL("a"), 1, 6, -1, BYTES_NULL, 0 });
    group_set_offset(group, &(struct group_offset){ BYTES_LITERAL("a"), 0, 7, -1, BYTES_NULL, 0 });
    ASSERT_EQ(offset_of(group, "a", 0), 7);
    ASSERT_EQ(offset_of(group, "a", 1), 6);
    ASSERT_EQ(offset_of(group, "b", 0), -1);
    group_set_offset(group, &(struct group_offset){ BYTES_LITERAL("a"), 0, -1, -1, BYTES_NULL, 0 });
    ASSERT_EQ(offset_of(group, "a", 0), -1);
    unmake(groups, settings);
}

/* G2: nothing of these reaches the log, so no log is needed here. */
FIBER_TEST(only_the_present_generation_commits)
{
    struct settings *settings;
    struct groups *groups = make(&settings);
    struct group *group = group_get(groups, BYTES_LITERAL("g"));
    struct member *member = group_add_member(group, BYTES_LITERAL("m"), BYTES_NULL);
    member->session_timeout_ns = 1;
    group->generation = 4;
    group->state = GROUP_COMPLETING;
    const struct {
        const char *member_id;
        int32_t generation;
        int16_t error;
    } cases[] = {
        { "", -1, CODE_UNKNOWN_MEMBER_ID },
        { "other", 4, CODE_UNKNOWN_MEMBER_ID },
        { "m", 3, CODE_ILLEGAL_GENERATION },
        { "m", 5, CODE_ILLEGAL_GENERATION },
        { "m", 4, CODE_REBALANCE_IN_PROGRESS },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct group_offset offset = { .topic = BYTES_LITERAL("a"), .offset = 1 };
        struct group_commit commit = {
            .groups = groups,
            .group_id = BYTES_LITERAL("g"),
            .member_id = bytes_of_string(cases[i].member_id),
            .generation = cases[i].generation,
            .offsets = &offset,
            .count = 1,
        };
        group_commit(&commit);
        ASSERT_EQ(offset.error, cases[i].error);
        ASSERT_EQ(offset_of(group, "a", 0), -1);
    }
    unmake(groups, settings);
}
