/* A member of the group: reads what it is given, commits now and then, begins anew when told so. */
#include "base/check.h"
#include "sim/group.h"

#include <errno.h>
#include <stdio.h>

struct slot {
    struct client client; /* of the partition's leader */
    char topic[16];
    int32_t partition;
    int64_t position;
    int64_t committed;
};

struct reader {
    struct member member;
    struct slot slots[GROUP_SLOTS_MAX]; /* by their place in member.slots */
    struct slot *current;
};

static void
say(struct reader *m, const struct slot *slot, const char *event, int64_t offset)
{
    world_event(m->member.client.world, m->member.client.name, event, slot->topic, slot->partition,
            "%lld g", (long long)offset);
}

static uint64_t
now_us(struct reader *m)
{
    return sim_now_ns(m->member.client.world->sim) / NS_PER_US;
}

/* Where the group stands in one partition. False: not now. */
static bool
slot_begin(struct reader *m, struct slot *slot, unsigned index)
{
    struct world *world = m->member.client.world;
    client_init(&slot->client, world, m->member.client.name);
    topic_name(index / 8, false, slot->topic);
    slot->partition = (int32_t)(index % 8);
    uint64_t asked_us = now_us(m);
    int r = member_committed(&m->member.client, slot->topic, slot->partition, &slot->committed);
    if (r) {
        return false;
    }
    world_event(world, m->member.client.name, "committed", slot->topic, slot->partition,
            "%lld g %llu", (long long)slot->committed, (unsigned long long)asked_us);
    slot->position = slot->committed < 0 ? 0 : slot->committed;
    say(m, slot, "assign", slot->committed);
    return true;
}

static void
on_record(void *arg, int64_t offset, int64_t number)
{
    struct reader *m = arg;
    world_event(m->member.client.world, m->member.client.name, "poll", m->current->topic,
            m->current->partition, "%lld %lld g", (long long)number, (long long)offset);
}

static int
slot_read(struct reader *m, struct slot *slot)
{
    struct fetched fetched;
    m->current = slot;
    int r = client_fetch(&slot->client, slot->topic, slot->partition, slot->position, 50, on_record,
            m, &fetched);
    if (r == 0) {
        slot->position = fetched.next;
    } else if (r == CODE_OFFSET_OUT_OF_RANGE) {
        say(m, slot, "reset", slot->position);
        if (client_restart(&slot->client, slot->topic, slot->partition, &slot->position)) {
            say(m, slot, "assign", slot->position);
        }
    }
    return r;
}

/* Codes behind which the commit may be there all the same. */
static bool
is_unknown(int r)
{
    return r < 0 || r == 7 || r == 15 || r == 16;
}

static int
slot_commit(struct reader *m, struct slot *slot)
{
    if (slot->position <= slot->committed) {
        return 0;
    }
    say(m, slot, "commit-asked", slot->position);
    int r = member_commit(&m->member, slot->topic, slot->partition, slot->position);
    if (r == 0) {
        slot->committed = slot->position;
        say(m, slot, "commit", slot->position);
    } else {
        world_event(m->member.client.world, m->member.client.name,
                is_unknown(r) ? "commit-unknown" : "commit-refused", slot->topic, slot->partition,
                "%lld g %s%d", (long long)slot->position, r < 0 ? "errno" : "code", r < 0 ? -r : r);
    }
    return r;
}

/* Until the generation ends, or the world. 0: the member may commit and leave. */
static int
read_generation(struct reader *m, unsigned begun)
{
    struct world *world = m->member.client.world;
    int r = 0;
    while (r == 0 && !world->closing) {
        for (unsigned i = 0; i < begun; i++) {
            if (slot_read(m, &m->slots[i]) == -ECANCELED) {
                return -ECANCELED;
            }
            if (world_between(world, 0, 3) == 0) {
                int committed = slot_commit(m, &m->slots[i]);
                r = committed == -ECANCELED ? committed : r;
            }
        }
        r = r ? r : world_sleep(world, 50, 300) ? member_heartbeat(&m->member) : -ECANCELED;
        r = r < 0 && r != -ECANCELED ? 0 : r; /* the coordinator may come back */
        r = m->member.id[0] ? r : CODE_UNKNOWN_MEMBER;
    }
    return r;
}

static int
one_generation(struct reader *m)
{
    unsigned begun = 0;
    int r = member_join(&m->member);
    if (r) {
        return r;
    }
    while (begun < m->member.slot_count &&
            slot_begin(m, &m->slots[begun], m->member.slots[begun])) {
        begun++;
    }
    r = begun < m->member.slot_count ? -EAGAIN : read_generation(m, begun);
    for (unsigned i = 0; i < begun; i++) {
        if (r == 0) {
            int committed = slot_commit(m, &m->slots[i]);
            r = committed == -ECANCELED ? committed : r;
        }
        world_event(m->member.client.world, m->member.client.name, "revoke", m->slots[i].topic,
                m->slots[i].partition, "g");
    }
    for (unsigned i = 0; i < begun; i++) {
        client_done(&m->slots[i].client);
    }
    return r;
}

void
member_main(void *arg)
{
    struct client_process *self = arg;
    struct world *world = self->world;
    static struct reader all[CLIENTS_MAX];
    struct reader *m = &all[self->index];
    char name[48];
    bool alive = true;
    snprintf(name, sizeof name, "%s-%u", self->host, self->starts);
    *m = (struct reader){ .member.generation = -1 };
    client_init(&m->member.client, world, name);
    while (alive && !world->closing) {
        int r = one_generation(m);
        bool at_once = r == CODE_MEMBER_ID_REQUIRED || r == CODE_REBALANCE;
        alive = r != -ECANCELED && (at_once || world_sleep(world, 50, 500));
    }
    if (alive && m->member.id[0]) {
        member_leave(&m->member);
    }
    client_done(&m->member.client);
    world->clients--;
}
