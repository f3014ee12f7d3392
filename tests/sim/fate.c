/* The process that makes the faults, ends them, and asks for the last reading. */
#include "audit.h"
#include "base/check.h"
#include "base/fault.h"
#include "sim/client.h"
#include "sim/faults.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define START_NS (120ull * NS_PER_S)
/* Whoever was declared dead in the last moments hears of it: requests of then still wait. */
#define SETTLE_NS (60ull * NS_PER_S)

static void
tend_main(void *arg)
{
    struct world *world = arg;
    do {
        nodes_tend(world);
    } while (world_sleep(world, 100, 100));
}

/* Until it holds. False: it did not within that time. */
static bool
wait_until(struct world *world, bool (*holds)(struct world *world), uint64_t limit_ns)
{
    uint64_t end_ns = sim_now_ns(world->sim) + limit_ns;
    while (!holds(world)) {
        if (sim_now_ns(world->sim) > end_ns || !world_sleep(world, 100, 100)) {
            return false;
        }
    }
    return true;
}

static bool
topics_are_there(struct world *world)
{
    struct client client;
    client_init(&client, world, "admin");
    int r = admin_create_topics(&client);
    client_done(&client);
    return r == 0;
}

static void
stop_brokers(struct world *world)
{
    for (unsigned i = 0; i < world->plan.brokers; i++) {
        struct node *node = &world->nodes[i];
        sim_signal(node->process, SIGTERM);
        if (sim_wait(node->process) < 0) {
            return;
        }
        if (sim_process_state(node->process) != SIM_ENDED) {
            world_violate(world, "%s does not stop cleanly: status %d", node->name,
                    sim_process_code(node->process));
        }
    }
}

/* What is there is all named, whole and without a hole; what was deleted is gone (O2, O3). */
static void
audit_bucket(struct world *world)
{
    struct audit audit = { .url = "memory://sim", .read_objects = true, .quiet = true };
    int r = audit_look(&audit);
    if (r < 0) {
        world_violate(world, "the bucket cannot be looked at: %s", fault_text());
    } else if (audit.out.damaged) {
        world_violate(
                world, "freshet audit has %llu findings", (unsigned long long)audit.out.damaged);
    } else if (audit.claims[AUDIT_GARBAGE]) {
        world_violate(world, "%llu deleted objects are still there",
                (unsigned long long)audit.claims[AUDIT_GARBAGE]);
    }
}

static void
faults_go_on(struct world *world)
{
    uint64_t end_ns = sim_now_ns(world->sim) + world->plan.seconds * (uint64_t)NS_PER_S;
    while (sim_now_ns(world->sim) < end_ns && world_sleep(world, 10, world->plan.gap_ms)) {
        clients_tend(world);
        misfortune(world);
    }
}

static void
live(struct world *world)
{
    struct client client;
    world->began_ns = sim_now_ns(world->sim);
    world->calm = true;
    if (!wait_until(world, nodes_are_ready, START_NS) ||
            !wait_until(world, topics_are_there, START_NS)) {
        world_violate(world, "the cluster does not start");
        return;
    }
    clients_add(world);
    world->calm = false;
    faults_go_on(world);
    world->calm = true;
    faults_end(world);
    if (!wait_until(world, nodes_are_ready, LIVENESS_NS)) {
        world_violate(world, "not all brokers are ready %llu s after the last fault",
                LIVENESS_NS / NS_PER_S);
        return;
    }
    world->closing = true;
    if (!wait_until(world, clients_are_over, LIVENESS_NS)) {
        world_violate(world, "%u clients still wait %llu s after the last fault", world->clients,
                LIVENESS_NS / NS_PER_S);
        return;
    }
    client_init(&client, world, "reader");
    last_reading(&client);
    last_topics(&client);
    client_done(&client);
    world->may_stop =
            fiber_sleep_ns(SETTLE_NS) == 0 && wait_until(world, nodes_are_ready, LIVENESS_NS);
    if (!world->may_stop) {
        world_violate(world, "not all brokers are ready behind the last reading");
    }
}

void
fate_main(void *arg)
{
    struct world *world = arg;
    struct fiber *tend;
    int r = fiber_spawn("tend", tend_main, world, &tend);
    CHECK(r == 0);
    live(world);
    fiber_cancel(tend);
    fiber_join(tend);
    if (world->may_stop) {
        stop_brokers(world);
        audit_bucket(world);
    }
}
