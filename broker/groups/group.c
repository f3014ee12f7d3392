/* The members of a group, and what the group takes of memory. */
#include "groups/group.h"

#include "base/check.h"
#include "base/mem.h"
#include "groups/kafka_codes.h"
#include "reactor/clock.h"

struct bytes
keep_bytes(struct bytes bytes)
{
    if (!bytes.data) {
        return BYTES_NULL;
    }
    uint8_t *copy = mem_alloc(bytes.size + 1);
    memcpy(copy, bytes.data, bytes.size);
    return bytes_of(copy, bytes.size);
}

void
drop_bytes(struct bytes *bytes)
{
    mem_free((void *)(uintptr_t)bytes->data);
    *bytes = BYTES_NULL;
}

void
replace_bytes(struct bytes *place, struct bytes bytes)
{
    struct bytes fresh = keep_bytes(bytes); /* first: it may be a part of the old one */
    drop_bytes(place);
    *place = fresh;
}

const char *
group_state_name(enum group_state state)
{
    static const char *const names[GROUP_STATE_COUNT] = { "Empty", "PreparingRebalance",
        "CompletingRebalance", "Stable" };
    return names[state];
}

struct group *
group_new(struct bytes id, struct coordinator *coordinator, size_t *memory)
{
    struct group *group = mem_alloc(sizeof *group);
    group->coordinator = coordinator;
    group->memory = memory;
    group->id = keep_bytes(id);
    group->state_ms = -1;
    group->join_due_ns = DEADLINE_NONE;
    group->sync_due_ns = DEADLINE_NONE;
    list_init(&group->members);
    map_init(&group->by_id);
    map_init(&group->by_instance);
    map_init(&group->protocols);
    map_init(&group->offsets);
    *memory += sizeof *group + id.size;
    return group;
}

void
group_free(struct group *group)
{
    LIST_FOREACH_SAFE (link, &group->members) {
        group_remove_member(group, CONTAINER_OF(link, struct member, link));
    }
    group_free_offsets(group);
    *group->memory -= sizeof *group + group->id.size;
    map_done(&group->by_id);
    map_done(&group->by_instance);
    map_done(&group->protocols);
    map_done(&group->offsets);
    drop_bytes(&group->id);
    drop_bytes(&group->protocol_type);
    drop_bytes(&group->protocol_name);
    drop_bytes(&group->leader);
    mem_free(group);
}

void
group_set_state(struct group *group, enum group_state state)
{
    group->state = state;
    group->state_ms = clock_wall_ms();
}

bool
group_is_unused(const struct group *group)
{
    return list_is_empty(&group->members) && group->offsets.count == 0 &&
           group->state == GROUP_EMPTY && group->generation == 0;
}

bool
group_leads(const struct group *group, const struct member *member)
{
    return group->leader.data && bytes_equal(group->leader, member->id);
}

bool
group_all_joined(const struct group *group)
{
    return group->pending_count == 0 && group->joined_count == group->member_count;
}

int32_t
group_rebalance_timeout_ms(const struct group *group)
{
    int32_t longest = 0;
    LIST_FOREACH (link, &group->members) {
        const struct member *member = CONTAINER_OF(link, const struct member, link);
        longest = MAX(longest, member->pending ? 0 : member->rebalance_timeout_ms);
    }
    return longest;
}

static bool
member_has_id(const struct map_node *node, const void *key)
{
    return bytes_equal(*(const struct bytes *)key, CONTAINER_OF(node, struct member, by_id)->id);
}

struct member *
group_member(const struct group *group, struct bytes member_id)
{
    struct map_node *node =
            map_find(&group->by_id, bytes_hash(member_id, 0), member_has_id, &member_id);
    return node ? CONTAINER_OF(node, struct member, by_id) : NULL;
}

static bool
member_has_instance(const struct map_node *node, const void *key)
{
    return bytes_equal(*(const struct bytes *)key,
            CONTAINER_OF(node, struct member, by_instance)->instance_id);
}

struct member *
group_static_member(const struct group *group, struct bytes instance_id)
{
    struct map_node *node = map_find(
            &group->by_instance, bytes_hash(instance_id, 0), member_has_instance, &instance_id);
    return node ? CONTAINER_OF(node, struct member, by_instance) : NULL;
}

struct member *
group_speaker(const struct group *group, struct bytes member_id, struct bytes instance_id,
        int16_t *ret_error)
{
    struct member *member;
    *ret_error = CODE_UNKNOWN_MEMBER_ID;
    if (instance_id.data) {
        member = group_static_member(group, instance_id);
        if (member && !bytes_equal(member_id, member->id)) {
            *ret_error = CODE_FENCED_INSTANCE_ID;
            return NULL;
        }
    } else {
        member = group_member(group, member_id);
    }
    if (!member || member->pending) {
        return NULL;
    }
    *ret_error = CODE_NONE;
    return member;
}

static size_t
member_size(const struct member *member)
{
    return sizeof *member + member->id.size + member->instance_id.size + member->client_id.size +
           member->client_host.size + member->assignment.size + member->proposed.size;
}

struct member *
group_add_member(struct group *group, struct bytes id, struct bytes instance_id, bool pending)
{
    struct member *member = mem_alloc(sizeof *member);
    member->id = keep_bytes(id);
    member->instance_id = keep_bytes(instance_id);
    member->pending = pending;
    list_push_back(&group->members, &member->link);
    map_insert(&group->by_id, &member->by_id, bytes_hash(id, 0));
    if (instance_id.data) {
        map_insert(&group->by_instance, &member->by_instance, bytes_hash(instance_id, 0));
    }
    *group->memory += member_size(member);
    if (pending) {
        group->pending_count++;
        return member;
    }
    group->pending_count++;
    member->pending = true;
    group_admit_pending(group, member);
    return member;
}

void
group_admit_pending(struct group *group, struct member *member)
{
    CHECK(member->pending);
    member->pending = false;
    group->pending_count--;
    group->member_count++;
    if (!group->leader.data) {
        group->leader = keep_bytes(member->id);
    }
}

static void
leader_left(struct group *group)
{
    drop_bytes(&group->leader);
    LIST_FOREACH (link, &group->members) {
        const struct member *next = CONTAINER_OF(link, const struct member, link);
        if (!next->pending) {
            group->leader = keep_bytes(next->id);
            return;
        }
    }
}

void
group_remove_member(struct group *group, struct member *member)
{
    CHECK(!member->join && !member->sync);
    bool led = !member->pending && group_leads(group, member);
    list_remove(&member->link);
    map_remove(&group->by_id, &member->by_id);
    if (member->instance_id.data) {
        map_remove(&group->by_instance, &member->by_instance);
    }
    *(member->pending ? &group->pending_count : &group->member_count) -= 1;
    if (led) {
        leader_left(group);
    }
    *group->memory -= member_size(member);
    member_set_protocols(group, member, NULL, 0);
    drop_bytes(&member->id);
    drop_bytes(&member->instance_id);
    drop_bytes(&member->client_id);
    drop_bytes(&member->client_host);
    drop_bytes(&member->assignment);
    drop_bytes(&member->proposed);
    mem_free(member);
}

void
group_rename_member(struct group *group, struct member *member, struct bytes id)
{
    if (group_leads(group, member)) {
        replace_bytes(&group->leader, id);
    }
    *group->memory -= member_size(member);
    map_remove(&group->by_id, &member->by_id);
    replace_bytes(&member->id, id);
    map_insert(&group->by_id, &member->by_id, bytes_hash(id, 0));
    *group->memory += member_size(member);
}

void
member_set_client(struct group *group, struct member *member, struct bytes client_id,
        struct bytes client_host)
{
    *group->memory -= member_size(member);
    replace_bytes(&member->client_id, client_id.data ? client_id : BYTES_LITERAL(""));
    replace_bytes(&member->client_host, client_host);
    *group->memory += member_size(member);
}

void
member_set_assignment(
        struct group *group, struct member *member, struct bytes *place, struct bytes assignment)
{
    *group->memory -= member_size(member);
    replace_bytes(place, assignment);
    *group->memory += member_size(member);
}

void
member_alive(struct member *member)
{
    member->expires_ns = clock_mono_ns() + (uint64_t)member->session_timeout_ms * NS_PER_MS;
}
