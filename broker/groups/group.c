/* Members, generations and rebalances of one group. */
#include "groups/group.h"

#include "base/check.h"
#include "base/mem.h"
#include "reactor/clock.h"

static char *
dup_bytes(struct bytes bytes)
{
    char *text = mem_alloc(bytes.size + 1);
    if (bytes.size) {
        memcpy(text, bytes.data, bytes.size);
    }
    return text;
}

static bool
group_has_id(const struct map_node *node, const void *key)
{
    const struct bytes *id = key;
    return bytes_equal(*id, bytes_of_string(CONTAINER_OF(node, struct group, node)->id));
}

struct group *
group_find(struct groups *groups, struct bytes id)
{
    struct map_node *node = map_find(&groups->by_id, bytes_hash(id, 0), group_has_id, &id);
    return node ? CONTAINER_OF(node, struct group, node) : NULL;
}

struct group *
group_get(struct groups *groups, struct bytes id)
{
    struct group *group = group_find(groups, id);
    if (group || groups->by_id.count >= GROUPS_MAX) {
        return group;
    }
    group = mem_alloc(sizeof *group);
    group->id = dup_bytes(id);
    list_init(&group->members);
    wait_queue_init(&group->changed);
    map_init(&group->offsets);
    map_insert(&groups->by_id, &group->node, bytes_hash(id, 0));
    list_push_back(&groups->all, &group->link);
    return group;
}

struct member *
group_member(struct group *group, struct bytes member_id)
{
    LIST_FOREACH (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        if (bytes_equal(member_id, bytes_of_string(member->id))) {
            return member;
        }
    }
    return NULL;
}

struct member *
group_static_member(struct group *group, struct bytes instance_id)
{
    LIST_FOREACH (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        if (member->instance_id && bytes_equal(instance_id, bytes_of_string(member->instance_id))) {
            return member;
        }
    }
    return NULL;
}

struct member *
group_add_member(struct group *group, struct bytes id, struct bytes instance_id)
{
    struct member *member = mem_alloc(sizeof *member);
    member->id = dup_bytes(id);
    member->instance_id = instance_id.data ? dup_bytes(instance_id) : NULL;
    list_push_back(&group->members, &member->link);
    group->member_count++;
    return member;
}

static void
member_free_protocols(struct member *member)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        mem_free((void *)(uintptr_t)member->protocols[i].name.data);
        mem_free((void *)(uintptr_t)member->protocols[i].metadata.data);
    }
    mem_free(member->protocols);
    member->protocols = NULL;
    member->protocol_count = 0;
}

void
member_set_protocols(struct member *member, const struct group_protocol *protocols, size_t count)
{
    member_free_protocols(member);
    member->protocols = mem_alloc_array(count, sizeof *protocols);
    member->protocol_count = count;
    for (size_t i = 0; i < count; i++) {
        member->protocols[i].name = bytes_of(dup_bytes(protocols[i].name), protocols[i].name.size);
        member->protocols[i].metadata =
                bytes_of(dup_bytes(protocols[i].metadata), protocols[i].metadata.size);
    }
}

bool
member_has_protocols(
        const struct member *member, const struct group_protocol *protocols, size_t count)
{
    if (member->protocol_count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal(member->protocols[i].name, protocols[i].name) ||
                !bytes_equal(member->protocols[i].metadata, protocols[i].metadata)) {
            return false;
        }
    }
    return true;
}

void
member_alive(struct member *member)
{
    member->expires_ns = clock_mono_ns() + member->session_timeout_ns;
}

static bool
member_supports(const struct member *member, struct bytes protocol)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        if (bytes_equal(member->protocols[i].name, protocol)) {
            return true;
        }
    }
    return false;
}

static bool
all_support(const struct group *group, const struct member *except, struct bytes protocol)
{
    LIST_FOREACH (link, &group->members) {
        const struct member *member = CONTAINER_OF(link, struct member, link);
        if (member != except && !member->pending && !member_supports(member, protocol)) {
            return false;
        }
    }
    return true;
}

bool
group_supports(const struct group *group, const struct member *except, struct bytes protocol_type,
        const struct group_protocol *protocols, size_t count)
{
    if (protocol_type.size == 0 || count == 0) {
        return false;
    }
    bool others = group->member_count > (except && !except->pending ? 1u : 0u);
    if (!others) {
        return true;
    }
    if (!group->protocol_type ||
            !bytes_equal(protocol_type, bytes_of_string(group->protocol_type))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (all_support(group, except, protocols[i].name)) {
            return true;
        }
    }
    return false;
}

void
group_remove_member(struct groups *groups, struct group *group, struct member *member)
{
    (void)groups;
    if (group->leader && strcmp(group->leader, member->id) == 0) {
        mem_free(group->leader);
        group->leader = NULL;
    }
    if (!member->pending) {
        group->member_count--;
    }
    list_remove(&member->link);
    member_free_protocols(member);
    mem_free((void *)(uintptr_t)member->assignment.data);
    mem_free(member->id);
    mem_free(member->instance_id);
    mem_free(member);
    wait_queue_wake_all(&group->changed);
}

void
group_prepare(struct groups *groups, struct group *group)
{
    uint64_t now = clock_mono_ns();
    uint64_t longest = 0;
    if (group->state == GROUP_PREPARING) {
        return;
    }
    LIST_FOREACH (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        member->joined = false;
        longest = MAX(longest, member->rebalance_timeout_ns);
    }
    group->initial = group->state == GROUP_EMPTY;
    int32_t delay_ms = settings_int(groups->options.settings, "group.initial.rebalance.delay.ms");
    group->deadline_ns = now + (group->initial ? (uint64_t)delay_ms * NS_PER_MS : longest);
    group->initial &= delay_ms > 0;
    group->state = GROUP_PREPARING;
    wait_queue_wake_all(&group->changed);
    groups_wake_sweeper(groups);
}

/* The protocol that most members like best among those that all support. */
static struct bytes
choose_protocol(const struct group *group)
{
    struct bytes best = BYTES_NULL;
    size_t best_votes = 0;
    LIST_FOREACH (link, &group->members) {
        const struct member *candidate_of = CONTAINER_OF(link, struct member, link);
        for (size_t i = 0; i < candidate_of->protocol_count; i++) {
            struct bytes candidate = candidate_of->protocols[i].name;
            size_t votes = 0;
            if (!all_support(group, NULL, candidate)) {
                continue;
            }
            LIST_FOREACH (other, &group->members) {
                const struct member *voter = CONTAINER_OF(other, struct member, link);
                size_t v = 0;
                while (v < voter->protocol_count &&
                        !all_support(group, NULL, voter->protocols[v].name)) {
                    v++;
                }
                votes += v < voter->protocol_count &&
                         bytes_equal(voter->protocols[v].name, candidate);
            }
            if (votes > best_votes) {
                best = candidate;
                best_votes = votes;
            }
        }
    }
    return best;
}

static void
group_complete_join(struct group *group)
{
    struct member *first = NULL;
    LIST_FOREACH (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        mem_free((void *)(uintptr_t)member->assignment.data);
        member->assignment = BYTES_NULL;
        if (!first && !member->pending) {
            first = member;
        }
        member_alive(member);
    }
    group->initial = false;
    if (group->member_count == 0) {
        group->state = GROUP_EMPTY;
        group->generation++;
    } else {
        CHECK(first);
        struct bytes protocol = choose_protocol(group);
        mem_free(group->protocol_name);
        group->protocol_name = dup_bytes(protocol);
        if (!group->leader) {
            group->leader = mem_strdup(first->id);
        }
        group->generation++;
        group->state = GROUP_COMPLETING;
    }
    wait_queue_wake_all(&group->changed);
}

static bool
all_joined(const struct group *group)
{
    LIST_FOREACH (link, &group->members) {
        const struct member *member = CONTAINER_OF(link, struct member, link);
        if (member->pending || !member->joined) {
            return false;
        }
    }
    return true;
}

void
group_try_complete(struct group *group)
{
    if (group->state == GROUP_PREPARING && !group->initial && all_joined(group)) {
        group_complete_join(group);
    }
}

/* The time of a rebalance is up: who did not join is out. Static members stay until their session
 * ends. */
static void
group_end_preparation(struct groups *groups, struct group *group)
{
    LIST_FOREACH_SAFE (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        if (!member->joined && !member->pending && !member->instance_id) {
            group_remove_member(groups, group, member);
        }
    }
    group_complete_join(group);
}

void
group_tick(struct groups *groups, struct group *group, uint64_t now_ns)
{
    bool removed = false;
    LIST_FOREACH_SAFE (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        bool rejoining = group->state == GROUP_PREPARING && member->joined;
        if (now_ns >= member->expires_ns && member->waiting == 0 && !rejoining) {
            removed |= !member->pending;
            group_remove_member(groups, group, member);
        }
    }
    if (removed && group->state != GROUP_PREPARING && group->state != GROUP_EMPTY) {
        group_prepare(groups, group);
    }
    if (group->state == GROUP_PREPARING && now_ns >= group->deadline_ns) {
        group_end_preparation(groups, group);
    } else {
        group_try_complete(group);
    }
}
