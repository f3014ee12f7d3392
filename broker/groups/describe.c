/* ListGroups, DescribeGroups and DeleteGroups. */
#include "groups/call.h"
#include "groups/kafka_codes.h"
#include "groups/rebalance.h"

static struct bytes
tell(struct arena *arena, struct bytes text)
{
    return text.data ? arena_dup(arena, text) : BYTES_NULL;
}

static struct bytes
tell_text(struct arena *arena, struct bytes text)
{
    return text.data ? arena_dup(arena, text) : BYTES_LITERAL("");
}

/* --- list --- */

static void
list_group(struct group_list *list, const struct group *group)
{
    if (!(list->states & 1u << group->state)) {
        return;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        struct group_listing *grown = arena_alloc_array(list->arena, capacity, sizeof *grown);
        if (list->count) {
            memcpy(grown, list->listings, list->count * sizeof *grown);
        }
        list->listings = grown;
        list->capacity = capacity;
    }
    list->listings[list->count++] = (struct group_listing){
        arena_dup(list->arena, group->id),
        tell_text(list->arena, group->protocol_type),
        group->state,
    };
}

static int
list_here(void *arg)
{
    struct group_list *list = arg;
    const struct coordinators *home = list->groups->by_reactor[reactor_index()];
    if (!home) {
        return 0;
    }
    if (!list_is_empty(&home->all) && !meta_lease_is_valid(list->groups->options.meta)) {
        list->error = CODE_COORDINATOR_NOT_AVAILABLE; /* M4 */
        return 0;
    }
    LIST_FOREACH (link, &home->all) {
        const struct coordinator *c = CONTAINER_OF(link, const struct coordinator, link);
        if (!c->loaded && !c->closed) {
            list->error = CODE_COORDINATOR_LOAD_IN_PROGRESS;
            return 0;
        }
        LIST_FOREACH (entry, &c->all) {
            if (!c->closed) {
                list_group(list, CONTAINER_OF(entry, const struct group, link));
            }
        }
    }
    return 0;
}

void
group_list(struct group_list *list)
{
    list->error = CODE_NONE;
    for (unsigned i = 0; i < reactor_count() && !list->error; i++) {
        if (reactor_call(i, list_here, list) < 0) {
            list->error = CODE_COORDINATOR_NOT_AVAILABLE;
        }
    }
}

/* --- describe --- */

static void
describe_members(struct group_describe *describe, const struct group *group)
{
    bool stable = group->state == GROUP_STABLE;
    describe->members =
            arena_alloc_array(describe->arena, group->member_count, sizeof *describe->members);
    LIST_FOREACH (link, &group->members) {
        const struct member *member = CONTAINER_OF(link, const struct member, link);
        if (member->pending) {
            continue;
        }
        describe->members[describe->member_count++] = (struct group_member_description){
            tell(describe->arena, member->id),
            tell(describe->arena, member->instance_id),
            tell_text(describe->arena, member->client_id),
            tell_text(describe->arena, member->client_host),
            stable ? tell_text(describe->arena, member_metadata(member, group->protocol_name))
                   : BYTES_LITERAL(""),
            stable ? tell_text(describe->arena, member->assignment) : BYTES_LITERAL(""),
        };
    }
}

static int
describe_here(struct coordinator *c, void *arg)
{
    struct group_describe *describe = arg;
    const struct group *group = coordinator_group(c, describe->group_id);
    if (!group) {
        return CODE_GROUP_ID_NOT_FOUND;
    }
    describe->state = group->state;
    describe->protocol_type = tell_text(describe->arena, group->protocol_type);
    describe->protocol_name = group->state == GROUP_STABLE
                                      ? tell_text(describe->arena, group->protocol_name)
                                      : BYTES_LITERAL("");
    describe_members(describe, group);
    return CODE_NONE;
}

void
group_describe(struct group_describe *describe)
{
    describe->protocol_type = BYTES_LITERAL("");
    describe->protocol_name = BYTES_LITERAL("");
    describe->error =
            describe->group_id.size == 0
                    ? CODE_INVALID_GROUP_ID
                    : group_call(describe->groups, describe->group_id, describe_here, describe);
}

/* --- delete --- */

static int
delete_here(struct coordinator *c, void *arg)
{
    const struct group_delete *delete = arg;
    struct group_records records;
    const struct group *group = coordinator_group(c, delete->group_id);
    if (!group) {
        return CODE_GROUP_ID_NOT_FOUND;
    }
    if (group->state != GROUP_EMPTY) {
        return CODE_NON_EMPTY_GROUP;
    }
    group_records_init(&records);
    MAP_FOREACH(node, &group->offsets)
    {
        const struct committed *committed = CONTAINER_OF(node, struct committed, node);
        group_records_offset_gone(&records, group->id, committed->topic, committed->partition);
    }
    group_records_group_gone(&records, group->id);
    return coordinator_commit(c, &records);
}

void
group_delete(struct group_delete *delete)
{
    delete->error = delete->group_id.size == 0
                            ? CODE_INVALID_GROUP_ID
                            : group_call(delete->groups, delete->group_id, delete_here, delete);
}

/* --- numbers --- */

struct stats_call {
    struct groups *groups;
    struct groups_stats *stats;
};

static void
count_groups(const struct coordinator *c, struct groups_stats *stats)
{
    stats->coordinators++;
    stats->loading += !c->loaded;
    LIST_FOREACH (link, &c->all) {
        const struct group *group = CONTAINER_OF(link, const struct group, link);
        stats->groups[group->state]++;
        stats->members += group->member_count;
        stats->offsets += group->offsets.count;
    }
}

static int
stats_here(void *arg)
{
    const struct stats_call *call = arg;
    const struct coordinators *home = call->groups->by_reactor[reactor_index()];
    struct groups_stats *stats = call->stats;
    if (!home) {
        return 0;
    }
    LIST_FOREACH (link, &home->all) {
        count_groups(CONTAINER_OF(link, const struct coordinator, link), stats);
    }
    stats->memory_bytes += home->memory;
    stats->commits += home->commits;
    stats->expired_offsets += home->expired_offsets;
    stats->rebalances += home->rebalances;
    return 0;
}

void
groups_stats_get(struct groups *groups, struct groups_stats *ret_stats)
{
    struct stats_call call = { groups, ret_stats };
    *ret_stats = (struct groups_stats){ 0 };
    for (unsigned i = 0; i < reactor_count(); i++) {
        (void)!reactor_call(i, stats_here, &call);
    }
}
