/* What the members of a group speak: which protocols all of them support, and what Kafka consumers
 * subscribe to. */
#include "base/check.h"
#include "base/mem.h"
#include "groups/group.h"
#include "wire/messages/consumer_protocol.h"

#include <errno.h>

/* How many members support a protocol, so that nobody has to ask them all. */
struct protocol_use {
    struct map_node node; /* in group.protocols */
    struct bytes name;    /* owned */
    size_t supporters;
    size_t votes;
};

static bool
use_has_name(const struct map_node *node, const void *key)
{
    return bytes_equal(
            *(const struct bytes *)key, CONTAINER_OF(node, struct protocol_use, node)->name);
}

static struct protocol_use *
find_use(const struct group *group, struct bytes name)
{
    struct map_node *node = map_find(&group->protocols, bytes_hash(name, 0), use_has_name, &name);
    return node ? CONTAINER_OF(node, struct protocol_use, node) : NULL;
}

static void
add_use(struct group *group, struct bytes name)
{
    struct protocol_use *use = find_use(group, name);
    if (!use) {
        use = mem_alloc(sizeof *use);
        use->name = keep_bytes(name);
        map_insert(&group->protocols, &use->node, bytes_hash(name, 0));
        *group->memory += sizeof *use + name.size;
    }
    use->supporters++;
}

static void
remove_use(struct group *group, struct bytes name)
{
    struct protocol_use *use = find_use(group, name);
    CHECK(use && use->supporters > 0);
    if (--use->supporters == 0) {
        *group->memory -= sizeof *use + name.size;
        map_remove(&group->protocols, &use->node);
        drop_bytes(&use->name);
        mem_free(use);
    }
}

size_t
protocols_size(const struct group_protocol *protocols, size_t count)
{
    size_t size = count * sizeof *protocols;
    for (size_t i = 0; i < count; i++) {
        size += protocols[i].name.size + protocols[i].metadata.size;
    }
    return size;
}

/* The array and all bytes in one allocation. */
static struct group_protocol *
copy_protocols(const struct group_protocol *protocols, size_t count, size_t *ret_size)
{
    size_t size = protocols_size(protocols, count);
    struct group_protocol *copy = mem_alloc(size);
    uint8_t *at = (uint8_t *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        const struct bytes *from[2] = { &protocols[i].name, &protocols[i].metadata };
        struct bytes *to[2] = { &copy[i].name, &copy[i].metadata };
        for (int k = 0; k < 2; k++) {
            *to[k] = bytes_of(at, from[k]->size);
            if (from[k]->size) {
                memcpy(at, from[k]->data, from[k]->size);
            }
            at += from[k]->size;
        }
    }
    *ret_size = size;
    return copy;
}

/* A client may name a protocol twice; it counts once. */
static bool
named_before(const struct group_protocol *protocols, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (bytes_equal(protocols[i].name, protocols[index].name)) {
            return true;
        }
    }
    return false;
}

void
member_set_protocols(struct group *group, struct member *member,
        const struct group_protocol *protocols, size_t count)
{
    struct group_protocol *old = member->protocols;
    for (size_t i = 0; i < member->protocol_count; i++) {
        if (!named_before(old, i)) {
            remove_use(group, old[i].name);
        }
    }
    *group->memory -= member->protocols_size;
    member->protocols = NULL;
    member->protocols_size = 0;
    member->protocol_count = count;
    if (count) {
        member->protocols = copy_protocols(protocols, count, &member->protocols_size);
    }
    mem_free(old);
    *group->memory += member->protocols_size;
    for (size_t i = 0; i < count; i++) {
        if (!named_before(member->protocols, i)) {
            add_use(group, member->protocols[i].name);
        }
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

struct bytes
member_metadata(const struct member *member, struct bytes protocol)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        if (bytes_equal(member->protocols[i].name, protocol)) {
            return member->protocols[i].metadata;
        }
    }
    return BYTES_NULL;
}

static bool
all_support(const struct group *group, struct bytes protocol)
{
    const struct protocol_use *use = find_use(group, protocol);
    return use && use->supporters == group->member_count;
}

bool
group_supports(const struct group *group, struct bytes protocol_type,
        const struct group_protocol *protocols, size_t count)
{
    if (group->state == GROUP_EMPTY) {
        return protocol_type.size > 0 && count > 0;
    }
    if (!group->protocol_type.data || !bytes_equal(protocol_type, group->protocol_type)) {
        return false;
    }
    if (group->member_count == 0) {
        return count > 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (all_support(group, protocols[i].name)) {
            return true;
        }
    }
    return false;
}

struct bytes
group_choose_protocol(const struct group *group)
{
    struct protocol_use *best = NULL;
    MAP_FOREACH(node, &group->protocols)
    {
        CONTAINER_OF(node, struct protocol_use, node)->votes = 0;
    }
    LIST_FOREACH (link, &group->members) {
        const struct member *voter = CONTAINER_OF(link, const struct member, link);
        size_t i = 0;
        while (i < voter->protocol_count && !all_support(group, voter->protocols[i].name)) {
            i++;
        }
        if (i == voter->protocol_count) {
            continue;
        }
        struct protocol_use *use = find_use(group, voter->protocols[i].name);
        use->votes++;
        best = !best || use->votes > best->votes ? use : best;
    }
    return best ? best->name : BYTES_NULL;
}

bool
group_of_consumers(const struct group *group)
{
    return bytes_equal(group->protocol_type, BYTES_LITERAL("consumer"));
}

/* 1 or 0; -EBADMSG: not metadata of a Kafka consumer. Version 0 is the beginning of each version,
 * so Kafka reads nothing else either. */
static int
member_subscribes(const struct member *member, struct bytes protocol, struct bytes topic)
{
    struct wire_reader r;
    struct consumer_protocol_subscription subscription;
    wire_reader_init(&r, member_metadata(member, protocol));
    if (wire_reader_int16(&r) < 0) {
        return -EBADMSG;
    }
    int error = wire_read(&r, &consumer_protocol_subscription_type, 0, &subscription);
    if (error < 0) {
        return error;
    }
    struct wire_iterator it = wire_iterate(&subscription.topics);
    struct bytes name;
    while (wire_string_next(&it, &name)) {
        if (bytes_equal(name, topic)) {
            return 1;
        }
    }
    return 0;
}

bool
group_subscribes(const struct group *group, struct bytes topic)
{
    if (!group_of_consumers(group)) {
        return false;
    }
    if (group->member_count == 0) {
        return false;
    }
    if (!group->protocol_name.data) {
        return true;
    }
    LIST_FOREACH (link, &group->members) {
        const struct member *member = CONTAINER_OF(link, const struct member, link);
        if (!member->pending && member_subscribes(member, group->protocol_name, topic) != 0) {
            return true;
        }
    }
    return false;
}
