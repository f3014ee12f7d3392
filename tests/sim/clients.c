/* The processes of the model clients. */
#include "base/check.h"
#include "sim/client.h"

#include <stdio.h>

static struct client_process clients[CLIENTS_MAX];
static unsigned client_count;

static void
client_start(struct client_process *c)
{
    c->starts++;
    c->world->clients++;
    c->process = sim_start(sim_host(c->world->sim, c->host), 1, c->host, c->main_fn, c);
}

static struct client_process *
client_add(struct world *world, const char *kind, unsigned index, fiber_fn main_fn)
{
    struct client_process *c = &clients[client_count++];
    CHECK(client_count <= CLIENTS_MAX);
    *c = (struct client_process){ .world = world, .main_fn = main_fn, .index = index };
    snprintf(c->host, sizeof c->host, "%s%u", kind, index);
    client_start(c);
    return c;
}

void
clients_add(struct world *world)
{
    const struct plan *plan = &world->plan;
    for (unsigned i = 0; i < plan->idempotent + plan->plain; i++) {
        client_add(world, i < plan->idempotent ? "producer" : "plain", i, producer_main);
        client_add(world, "tail", i, tail_main)->may_be_killed = true;
    }
    for (unsigned i = 0; plan->idempotent && i < plan->members; i++) {
        client_add(world, "member", i, member_main)->may_be_killed = true;
    }
    if (plan_has(plan, FAULT_MOVE)) {
        client_add(world, "mover", 0, mover_main);
    }
    if (plan_has(plan, FAULT_DELETE)) {
        client_add(world, "deleter", 0, deleter_main);
    }
}

void
clients_tend(struct world *world)
{
    for (unsigned i = 0; i < client_count; i++) {
        if (sim_process_state(clients[i].process) == SIM_KILLED &&
                (world->calm || world_between(world, 0, 3) == 0)) {
            client_start(&clients[i]);
        }
    }
}

bool
clients_are_over(struct world *world)
{
    (void)world;
    for (unsigned i = 0; i < client_count; i++) {
        if (sim_process_state(clients[i].process) == SIM_RUNNING) {
            return false;
        }
    }
    return true;
}

struct client_process *
clients_any(struct world *world)
{
    return client_count ? &clients[world_between(world, 0, client_count - 1)] : NULL;
}

unsigned
clients_count(void)
{
    return client_count;
}

struct client_process *
clients_at(unsigned i)
{
    return &clients[i];
}

struct sim_host *
clients_host(struct world *world, const struct client_process *client)
{
    return sim_host(world->sim, client->host);
}
