/* Readers without a group: the one that follows, and the last reading. */
#include "base/check.h"
#include "base/fault.h"
#include "sim/group.h"

#include <errno.h>
#include <stdio.h>

struct tail {
    uint64_t bytes; /* of the last reading, with what is around each value at most */
    struct client client;
    unsigned index; /* of the topic */
    char topic[16];
    int32_t partition;
    int64_t position;
};

static void
tail_record(void *arg, int64_t offset, int64_t number)
{
    struct tail *t = arg;
    world_event(t->client.world, t->client.name, "poll", t->topic, t->partition, "%lld %lld -",
            (long long)number, (long long)offset);
}

static void
tail_assign(struct tail *t)
{
    world_event(t->client.world, t->client.name, "assign", t->topic, t->partition, "%lld -",
            (long long)t->position);
}

/* Where objects rot somebody must read them: now and then from further back, wherever that is. */
static void
tail_look_back(struct tail *t)
{
    struct world *world = t->client.world;
    if (plan_has(&world->plan, FAULT_ROT) && world_between(world, 0, 7) == 0) {
        t->position = (int64_t)world_between(world, 0, (uint64_t)t->position);
        tail_assign(t);
    }
}

static int
tail_partition_main(void *arg)
{
    struct tail *t = arg;
    struct world *world = t->client.world;
    bool alive = true;
    world_event(world, t->client.name, "assign", t->topic, t->partition, "-1 -");
    while (alive && !world->closing) {
        struct fetched fetched;
        tail_look_back(t);
        uint64_t asked_us = sim_now_ns(world->sim) / NS_PER_US;
        int r = client_fetch(
                &t->client, t->topic, t->partition, t->position, 500, tail_record, t, &fetched);
        if (r == 0) {
            t->position = fetched.next;
            world_event(world, t->client.name, "high", t->topic, t->partition, "%lld %llu",
                    (long long)fetched.high_watermark, (unsigned long long)asked_us);
        } else if (r == CODE_OFFSET_OUT_OF_RANGE) {
            world_event(world, t->client.name, "reset", t->topic, t->partition, "%lld -",
                    (long long)t->position);
            if (client_restart(&t->client, t->topic, t->partition, &t->position)) {
                tail_assign(t);
            }
        }
        alive = r != -ECANCELED && world_sleep(world, r ? 50 : 0, r ? 400 : 50);
    }
    client_done(&t->client);
    return 0;
}

void
tail_main(void *arg)
{
    struct client_process *self = arg;
    struct world *world = self->world;
    struct fiber_group group;
    static struct tail all[PLAN_TOPICS_MAX][8];
    bool plain = self->index >= world->plan.idempotent;
    fiber_group_init(&group);
    for (unsigned i = 0; i < world->plan.partitions; i++) {
        struct tail *t = &all[self->index][i];
        char name[32];
        snprintf(name, sizeof name, "%s-%u-%u", self->host, i, self->starts);
        client_init(&t->client, world, name);
        topic_name(self->index, plain, t->topic);
        t->partition = (int32_t)i;
        t->position = 0;
        fiber_group_spawn(&group, "partition", tail_partition_main, t);
    }
    CHECK(fiber_group_wait(&group) == 0);
    world->clients--;
}

/* ---- the last reading ---- */

#define AROUND_RECORD 100 /* its own fields, and its batch's */

static void
last_record(void *arg, int64_t offset, int64_t number)
{
    struct tail *t = arg;
    uint8_t value[RECORD_VALUE_MAX];
    t->bytes += AROUND_RECORD + record_value(t->partition, number, value);
    world_event(t->client.world, "reader", "read", t->topic, t->partition, "%lld %lld",
            (long long)number, (long long)offset);
}

/* Repeats while the answer is one that passes. Faults are over: that has an end. */
static bool
last_offset(struct tail *t, int64_t timestamp, int64_t *ret_offset)
{
    for (unsigned i = 0; i < 600; i++) {
        if (client_offset(&t->client, t->topic, t->partition, timestamp, ret_offset) == 0) {
            return true;
        }
        if (!world_sleep(t->client.world, 100, 100)) {
            return false;
        }
    }
    world_violate(t->client.world, "%s/%d: its bounds cannot be read after all faults", t->topic,
            t->partition);
    return false;
}

/* Retention takes nothing that the topic's retention.bytes hold. */
static void
last_retained(struct tail *t, int64_t begin)
{
    struct world *world = t->client.world;
    if (begin > world->trim_asked[t->index][t->partition] && t->bytes < RETENTION_BYTES) {
        world_violate(world, "%s/%d: begins at %lld, and less than %d bytes are left", t->topic,
                t->partition, (long long)begin, RETENTION_BYTES);
    }
}

/* False: retention took the place away where it was; again from the beginning. */
static bool
last_partition(struct tail *t)
{
    int64_t begin;
    int64_t end;
    if (!last_offset(t, -2, &begin) || !last_offset(t, -1, &end)) {
        return true;
    }
    world_event(t->client.world, "reader", "bounds", t->topic, t->partition, "%lld %lld",
            (long long)begin, (long long)end);
    t->position = begin;
    t->bytes = 0;
    for (unsigned failures = 0; t->position < end && failures < 600;) {
        struct fetched fetched;
        int r = client_fetch(
                &t->client, t->topic, t->partition, t->position, 500, last_record, t, &fetched);
        if (r == CODE_OFFSET_OUT_OF_RANGE && plan_has(&t->client.world->plan, FAULT_DELETE)) {
            return false;
        }
        bool moved = r == 0 && fetched.next > t->position;
        failures = moved ? 0 : failures + 1;
        t->position = moved ? fetched.next : t->position;
        if (!moved && !world_sleep(t->client.world, 100, 100)) {
            return true;
        }
    }
    if (t->position < end) {
        world_violate(t->client.world, "%s/%d: offset %lld cannot be read after all faults",
                t->topic, t->partition, (long long)t->position);
    }
    last_retained(t, begin);
    return true;
}

static void
last_committed(struct client *client, const char *topic, int32_t partition)
{
    struct world *world = client->world;
    int64_t offset;
    for (unsigned i = 0; i < 600; i++) {
        uint64_t asked_us = sim_now_ns(world->sim) / NS_PER_US;
        if (member_committed(client, topic, partition, &offset) == 0) {
            world_event(world, "reader", "committed", topic, partition, "%lld g %llu",
                    (long long)offset, (unsigned long long)asked_us);
            return;
        }
        if (!world_sleep(world, 100, 100)) {
            return;
        }
    }
    world_violate(world, "%s/%d: what the group has committed cannot be read after all faults",
            topic, partition);
}

void
last_reading(struct client *client)
{
    struct world *world = client->world;
    struct tail t;
    for (unsigned i = 0; i < world->plan.idempotent + world->plan.plain; i++) {
        for (unsigned p = 0; p < world->plan.partitions; p++) {
            client_init(&t.client, world, "reader");
            topic_name(i, i >= world->plan.idempotent, t.topic);
            t.index = i;
            t.partition = (int32_t)p;
            for (unsigned again = 0; !last_partition(&t); again++) {
                client_forget(&t.client);
                if (again > 50) {
                    world_violate(
                            world, "%s/%d: its beginning moves all the time", t.topic, t.partition);
                    break;
                }
            }
            if (i < world->plan.idempotent && world->plan.members) {
                last_committed(client, t.topic, t.partition);
            }
            client_done(&t.client);
        }
    }
}
