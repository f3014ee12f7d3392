/* See faults.h. */
#include "sim/faults.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "objectstore/faulty.h"
#include "reactor/crash_point.h"
#include "sim/client.h"

#include <signal.h>

#define TIB (1024 * GIB)
/* Every store has its ups and downs. */
#define STORE_USUAL "any::slow:p=0.5:ms=30"
/* Each try until the S3 client loses patience with it. */
#define STORE_SILENT "any::hang:ms=15000"

static const char *const store_rules[] = {
    "put:meta/log*:lost:p=0.2:n=10",
    "put:meta/log*:late:p=0.1:n=5:ms=3000",
    "put:meta/log*:echo:p=0.2:n=10",
    "put:meta/log*:409:p=0.3:n=10",
    "put:meta/lease:lost:p=0.3:n=10",
    "put:meta/lease:late:p=0.2:n=3:ms=1500",
    "put:meta/lease:409:p=0.3:n=10",
    "put:meta/lease:hang:p=0.2:n=2",
    "put:meta/floor:lost:p=0.5:n=5",
    "put:meta/snapshot*:late:p=0.5:n=5:ms=5000",
    "put:data*:late:p=0.2:n=5:ms=3000",
    "put:data*:500:p=0.3:n=10",
    "get:data*:truncated:p=0.2:n=20",
    "get:meta*:truncated:p=0.1:n=20",
    "any::503:p=0.3:n=20:ms=200",
    "any::slow:p=0.2:n=50:ms=1500",
    "delete::lost:p=0.5:n=10",
    "list::500:p=0.2:n=5",
};

/* Silent corruption on the way. */
static const char *const rot_rules[] = {
    "get:data*:wrong:p=0.3:n=10",
    "get:wal*:wrong:p=0.3:n=10",
    "get:meta/log*:wrong:p=0.2:n=5",
    "get:meta/snapshot*:wrong:p=0.3:n=3",
    "get:manifest*:wrong:p=0.3:n=5",
};

static void
store_heal(struct node *node)
{
    faulty_clear(node->name);
}

static void
store_rule(struct node *node, const char *text)
{
    struct faulty_rule rule;
    CHECK(faulty_parse(text, &rule) == 0);
    int r = faulty_add(node->name, &rule);
    if (r < 0) {
        store_heal(node); /* there are enough */
    }
}

static void
crash(struct world *world, struct node *node)
{
    size_t count = 0;
    while (crash_point_names[count]) {
        count++;
    }
    if (node_is_up(node)) {
        sim_crash_at(node->process, crash_point_names[world_between(world, 0, count - 1)],
                (unsigned)world_between(world, 1, 20));
    }
}

static void
power_cut(struct world *world, struct node *node)
{
    static const unsigned permilles[] = { 0, 500, 900, 1000 };
    const struct sim_crash crash = { .keep = SIM_KEEP_RANDOM,
        .seed = world_between(world, 0, UINT32_MAX),
        .permille = permilles[world_between(world, 0, 3)] };
    sim_power_cut(node->host, &crash);
}

static void
disk_trouble(struct world *world, struct node *node)
{
    static const enum sim_disk_fault_kind kinds[] = { SIM_DISK_READ_ERROR, SIM_DISK_READ_SHORT,
        SIM_DISK_WRITE_ERROR, SIM_DISK_FLUSH_ERROR, SIM_DISK_STALL };
    sim_disk_forgive(node->host); /* one at a time */
    sim_disk_inject(node->host, kinds[world_between(world, 0, ARRAY_SIZE(kinds) - 1)], NULL,
            world_between(world, 1, 50));
}

static struct sim_host *
any_host(struct world *world)
{
    struct client_process *client = clients_any(world);
    return client && world_between(world, 0, 1)
                   ? clients_host(world, client)
                   : world->nodes[world_between(world, 0, world->plan.brokers - 1)].host;
}

static void
cut(struct sim_host *a, struct sim_host *b, uint64_t directions, bool on)
{
    if (a != b && directions & 1) {
        sim_net_cut(a, b, on);
    }
    if (a != b && directions & 2) {
        sim_net_cut(b, a, on);
    }
}

/* One link, or all between the brokers and one of them; one direction or both. */
static void
net_cut(struct world *world, struct node *node)
{
    uint64_t directions = world_between(world, 1, 3);
    if (world_between(world, 0, 2) == 0) {
        for (unsigned i = 0; i < world->plan.brokers; i++) {
            cut(node->host, world->nodes[i].host, directions, true);
        }
        return;
    }
    cut(node->host, any_host(world), directions, true);
}

static void
net_weather(struct world *world, bool bad)
{
    const struct sim_net_weather weather = { .latency_min_ns = 50 * NS_PER_US,
        .latency_max_ns = bad ? world_between(world, 1, 100) * NS_PER_MS : 500 * NS_PER_US,
        .loss_ppm = bad ? (unsigned)world_between(world, 0, 50000) : 0,
        .reset_ppm = bad ? (unsigned)world_between(world, 0, 2000) : 0,
        .give_up_ns = bad ? world_between(world, 2, 20) * NS_PER_S : 20 * NS_PER_S };
    sim_net_set_weather(world->sim, &weather);
}

static void
client_trouble(struct world *world)
{
    struct client_process *client = clients_any(world);
    if (client && client->may_be_killed && world_between(world, 0, 1)) {
        sim_kill(client->process);
    } else if (client) {
        sim_host_pause(clients_host(world, client), world_between(world, 100, 8000) * NS_PER_MS);
    }
}

static void
clocks(struct world *world, struct node *node)
{
    if (world_between(world, 0, 1)) {
        sim_clock_drift(node->host, (int)world_between(world, 0, 40000) - 20000);
    } else {
        /* Producers' timestamps may be an hour off. */
        int64_t wall_ms = (int64_t)world_between(world, 0, 3000000) - 1500000;
        sim_clock_jump(node->host, wall_ms - node->wall_jump_ms);
        node->wall_jump_ms = wall_ms;
    }
}

static void
do_fault(struct world *world, struct node *node, enum plan_fault fault)
{
    uint64_t lease_ms = world->plan.lease_ms;
    switch (fault) {
    case FAULT_KILL:
        if (node->process) {
            sim_kill(node->process);
        }
        break;
    case FAULT_TERMINATE:
        if (node->process) {
            sim_signal(node->process, SIGTERM);
            node->is_ready = false;
        }
        break;
    case FAULT_POWER:
        power_cut(world, node);
        break;
    case FAULT_CRASH:
        crash(world, node);
        break;
    case FAULT_PAUSE:
        sim_host_pause(node->host, world_between(world, 100, 3 * lease_ms) * NS_PER_MS);
        break;
    case FAULT_SUSPEND:
        sim_host_suspend(node->host, world_between(world, 100, 3 * lease_ms) * NS_PER_MS);
        break;
    case FAULT_CLOCK:
        clocks(world, node);
        break;
    case FAULT_DISK:
        disk_trouble(world, node);
        break;
    case FAULT_FULL:
        sim_disk_set_capacity(node->host, world_between(world, 0, 1) ? MIB : TIB);
        break;
    case FAULT_NET:
        net_weather(world, world_between(world, 0, 2) > 0);
        break;
    case FAULT_CUT:
        net_cut(world, node);
        break;
    case FAULT_STORE:
        store_rule(node, store_rules[world_between(world, 0, ARRAY_SIZE(store_rules) - 1)]);
        break;
    case FAULT_STORE_CUT:
        store_heal(node);
        store_rule(node, STORE_SILENT);
        break;
    case FAULT_CLIENT:
        client_trouble(world);
        break;
    case FAULT_ROT:
        if (world_between(world, 0, 1)) {
            rot_one(world);
        } else {
            store_rule(node, rot_rules[world_between(world, 0, ARRAY_SIZE(rot_rules) - 1)]);
        }
        break;
    case FAULT_MOVE: /* this and the next: by a client */
    case FAULT_DELETE:
    case FAULT_COUNT:
        break;
    }
}

static void
heal_links(struct world *world, struct node *node)
{
    for (unsigned i = 0; i < world->plan.brokers; i++) {
        cut(node->host, world->nodes[i].host, 3, false);
    }
    for (unsigned i = 0; i < clients_count(); i++) {
        cut(node->host, clients_host(world, clients_at(i)), 3, false);
    }
}

static void
heal(struct world *world, struct node *node)
{
    store_heal(node);
    store_rule(node, STORE_USUAL);
    heal_links(world, node);
    sim_disk_set_capacity(node->host, TIB);
}

void
misfortune(struct world *world)
{
    struct node *node = &world->nodes[world_between(world, 0, world->plan.brokers - 1)];
    /* One time in four something gets better. */
    if (world_between(world, 0, 3) == 0) {
        heal(world, node);
        return;
    }
    unsigned first = (unsigned)world_between(world, 0, FAULT_COUNT - 1);
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        enum plan_fault fault = (enum plan_fault)((first + i) % FAULT_COUNT);
        if (plan_has(&world->plan, fault)) {
            do_fault(world, node, fault);
            return;
        }
    }
}

void
faults_end(struct world *world)
{
    rot_heal();
    for (unsigned i = 0; i < world->plan.brokers; i++) {
        struct node *node = &world->nodes[i];
        const struct sim_disk_weather fair = { .latency_min_ns = 20 * NS_PER_US,
            .latency_max_ns = 200 * NS_PER_US };
        heal(world, node);
        sim_disk_set_weather(node->host, &fair);
        sim_disk_forgive(node->host);
        node->start_ns = 0;
        if (node_is_up(node)) {
            sim_crash_at(node->process, "test: first", 1); /* nobody passes it */
        }
        if (plan_has(&world->plan, FAULT_ROT) && node_is_up(node)) {
            /* What is in quarantine is looked at again by a start. */
            sim_signal(node->process, SIGTERM);
            node->is_ready = false;
        }
    }
    net_weather(world, false);
    clients_tend(world);
}
