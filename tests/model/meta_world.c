/* See meta_world.h. Here: the hosts, the misfortunes and the last judgement; meta_broker.c is what
 * a broker does. */
#include "model/meta_world.h"

#include "base/attr.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "model/meta_broker.h"
#include "objectstore/faulty.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RUN_NS (60 * (uint64_t)NS_PER_S)
#define QUIET_NS (120 * (uint64_t)NS_PER_S)

static const char *const weather[] = {
    "put:meta/log*:lost:p=0.2:n=10",
    "put:meta/log*:late:p=0.1:n=5:ms=3000",
    "put:meta/log*:echo:p=0.2:n=10",
    "put:meta/log*:409:p=0.3:n=10",
    "put:meta/lease:lost:p=0.3:n=10",
    "put:meta/lease:late:p=0.2:n=3:ms=1500",
    "put:meta/lease:echo:p=0.3:n=10",
    "put:meta/lease:409:p=0.3:n=10",
    "put:meta/lease:hang:p=0.2:n=2",
    "put:meta/floor:lost:p=0.5:n=5",
    "put:meta/snapshot*:late:p=0.5:n=5:ms=5000",
    "put:data*:late:p=0.2:n=5:ms=3000",
    "put:data*:500:p=0.3:n=10",
    "get:meta*:truncated:p=0.1:n=20",
    "any::503:p=0.3:n=20:ms=200",
    "any::slow:p=0.1:n=20:ms=1500",
    "delete::lost:p=0.5:n=10",
    "delete:data*:hang:n=3",
    "delete:data*:denied:n=5",
    "list::500:p=0.2:n=5",
};

static void
misfortune(struct meta_world *world)
{
    struct broker *broker = &world->brokers[random_below(META_WORLD_BROKERS)];
    struct faulty_rule rule;
    switch (random_below(12)) {
    case 0:
        sim_host_pause(broker->host, random_below(12 * (uint64_t)NS_PER_S));
        break;
    case 1:
        sim_host_suspend(broker->host, random_below(8 * (uint64_t)NS_PER_S));
        break;
    case 2:
    case 3:
        sim_kill(broker->process);
        break;
    case 4:
        sim_clock_drift(broker->host, (int)random_below(40000) - 20000);
        break;
    case 5:
        sim_clock_jump(broker->host, (int64_t)random_below(2000000000000));
        break;
    case 6:
    case 7:
        faulty_clear(broker->name);
        break;
    default:
        CHECK(faulty_parse(weather[random_below(ARRAY_SIZE(weather))], &rule) == 0);
        (void)!faulty_add(broker->name, &rule);
        break;
    }
}

static bool
object_exists(struct objectstore *objects, uint64_t id)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    struct object_info info;
    return objectstore_head(objects, store_object_key(id, key), DEADLINE_NONE, &info) == 0;
}

/* Every object that the state names is there; names them all in `named`. */
static void
judge_named(struct meta_world *world, struct broker *broker, uint8_t *named, uint64_t named_size)
{
    const struct meta_state *state = meta_state(broker->meta);
    const struct meta_topic *topic = NULL;
    while ((topic = meta_topic_next(state, topic))) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct meta_partition *partition = &topic->partitions[i];
            for (int32_t j = 0; j < partition->range_count; j++) {
                CHECK(partition->ranges[j].object_id < named_size);
                named[partition->ranges[j].object_id] = 1;
            }
            struct manifest manifest;
            if (!partition->manifest_id) {
                continue;
            }
            named[partition->manifest_id] = 1;
            int r = store_read_manifest(
                    broker->store, partition->key, partition->manifest_id, &manifest);
            if (r) {
                ledger_violate(&world->ledger, "manifest %llu cannot be read: %s",
                        (unsigned long long)partition->manifest_id, fault_text());
                continue;
            }
            for (size_t j = 0; j < manifest.count; j++) {
                named[manifest.ranges[j].object_id] = 1;
            }
            manifest_done(&manifest);
        }
    }
    for (uint64_t id = 1; id < named_size; id++) {
        if (named[id] && !object_exists(broker->objects, id)) {
            ledger_violate(
                    &world->ledger, "object %llu is named, and gone", (unsigned long long)id);
        }
    }
}

/* Whatever lies under data/ is named, also what was sent by a broker that did not know of its end,
 * or was carried out late (G1 of meta/orphans.h). */
static void
judge_leftovers(struct meta_world *world, struct broker *broker, const uint8_t *named)
{
    struct object_list list;
    CHECK(objectstore_list(broker->objects, "data/", NULL, 1000, DEADLINE_NONE, &list) == 0);
    for (size_t i = 0; i < list.count; i++) {
        uint64_t id;
        CHECK(store_object_id_of_key(list.entries[i].key, &id) == 0);
        if (!named[id]) {
            ledger_violate(&world->ledger,
                    "object %llu is left over: written at %llu ms, collected at %llu ms",
                    (unsigned long long)id,
                    (unsigned long long)(world->write_ended_ns[id] / NS_PER_MS),
                    (unsigned long long)(world->collected_ns[id] / NS_PER_MS));
        }
    }
    object_list_done(&list);
}

static void
judge_acknowledged(struct meta_world *world, const struct meta_state *state)
{
    for (uint64_t slot = 1; slot <= world->ledger.last; slot++) {
        const struct ledger_entry *entry = &world->ledger.slots[slot];
        struct bytes value;
        char key[24];
        snprintf(key, sizeof key, "k%llu", (unsigned long long)entry->id);
        if (entry->acknowledged && !meta_config_get(state, META_RESOURCE_BROKER, BYTES_LITERAL(""),
                                           bytes_of_string(key), &value)) {
            ledger_violate(&world->ledger,
                    "lost: entry %llu was acknowledged and is not in the state",
                    (unsigned long long)entry->id);
        }
    }
    for (uint64_t id = 1; id <= world->next_id; id++) {
        if (world->refused[id] && ledger_slot(&world->ledger, id)) {
            ledger_violate(&world->ledger, "entry %llu was reported as not logged, and is",
                    (unsigned long long)id);
        }
    }
}

/* Nothing is marked and no dead epoch's ids are left. */
static bool
is_quiet(const struct meta_state *state)
{
    if (meta_garbage_list(state, NULL, 0) || meta_dead_manifest_list(state, NULL, 0)) {
        return false;
    }
    const struct meta_intent *intent = meta_intent_next(state, 0);
    for (; intent; intent = meta_intent_next(state, intent->first_id)) {
        if (meta_intent_is_dead(state, intent)) {
            return false;
        }
    }
    return true;
}

/* All others are dead: what their epochs have left may be collected. */
static int
bury(struct broker *broker)
{
    for (int32_t id = 1; id <= META_WORLD_BROKERS; id++) {
        const struct meta_broker *dead = meta_broker_find(meta_state(broker->meta), id);
        if (!dead || !dead->alive) {
            continue;
        }
        const struct meta_record gone = { .type = META_BROKER_GONE,
            .broker_gone = { id, dead->epoch, true } };
        int r = meta_propose_one(broker->meta, &gone, NULL);
        if (r) {
            return r;
        }
    }
    return 0;
}

/* A last broker on a store without faults: everything must be there, and only that. */
static void
judgement_main(void *arg)
{
    struct broker *broker = arg;
    struct meta_world *world = broker->world;
    int r = broker_open(broker);
    CHECK(r == 0);
    faulty_land_all(broker->objects);
    r = broker_start(broker);
    r = r ? r : bury(broker);
    if (r) {
        ledger_violate(&world->ledger, "no broker can start at the end: %d: %s", r, fault_text());
    } else {
        uint64_t deadline_ns = clock_mono_ns() + QUIET_NS;
        while (!is_quiet(meta_state(broker->meta)) && clock_mono_ns() < deadline_ns && r == 0) {
            r = fiber_sleep_ns(NS_PER_S);
        }
        if (!is_quiet(meta_state(broker->meta))) {
            ledger_violate(&world->ledger, "garbage is never removed");
        }
        uint64_t size = meta_state_next_object_id(meta_state(broker->meta));
        uint8_t *named = mem_alloc(size);
        judge_named(world, broker, named, size);
        judge_leftovers(world, broker, named);
        judge_acknowledged(world, meta_state(broker->meta));
        mem_free(named);
        r = meta_stop(broker->meta);
        if (r) {
            ledger_violate(&world->ledger, "the last broker cannot stop: %s", fault_text());
        }
    }
    broker_close(broker);
}

static void
driver_main(void *arg)
{
    struct meta_world *world = arg;
    uint64_t end_ns = clock_mono_ns() + RUN_NS;
    for (unsigned i = 0; i < META_WORLD_BROKERS; i++) {
        world->brokers[i].process = sim_start(
                world->brokers[i].host, 1 + i % 2, "broker", broker_main, &world->brokers[i]);
    }
    while (clock_mono_ns() < end_ns && !world->ledger.violation[0]) {
        if (fiber_sleep_ns(random_below(2 * (uint64_t)NS_PER_S))) {
            return;
        }
        misfortune(world);
        for (unsigned i = 0; i < META_WORLD_BROKERS; i++) {
            struct broker *broker = &world->brokers[i];
            if (sim_process_state(broker->process) != SIM_RUNNING && random_below(2) == 0) {
                broker->process = sim_start(broker->host, 1 + i % 2, "broker", broker_main, broker);
            }
        }
    }
    world->stopping = true;
    for (unsigned i = 0; i < META_WORLD_BROKERS; i++) {
        faulty_clear(world->brokers[i].name);
        sim_kill(world->brokers[i].process);
        (void)!sim_wait(world->brokers[i].process);
    }
    struct broker *last = &world->brokers[META_WORLD_BROKERS];
    last->process = sim_start(last->host, 1, "last", judgement_main, last);
    (void)!sim_wait(last->process);
}

static struct meta_world the_world;

bool
meta_world_run(uint64_t seed, unsigned mutants, char *why, size_t why_size)
{
    struct meta_world *world = &the_world;
    memset(world, 0, sizeof *world);
    ledger_init(&world->ledger);
    faulty_forget_all();
    memory_store_forget("model");
    world->mutants = mutants;
    world->sim = sim_new(seed);
    for (unsigned i = 0; i <= META_WORLD_BROKERS; i++) {
        struct broker *broker = &world->brokers[i];
        snprintf(broker->name, sizeof broker->name, "broker%u", i);
        broker->world = world;
        broker->id = (int32_t)i + 1;
        broker->host = sim_host(world->sim, broker->name);
        broker->snapshot_interval = 3 + sim_random_below(world->sim, 30);
    }
    struct sim_process *driver =
            sim_start(sim_host(world->sim, "driver"), 1, "driver", driver_main, world);
    int r = sim_run_process(driver, 3600 * (uint64_t)NS_PER_S);
    if (r) {
        ledger_violate(&world->ledger, "the simulation ended with %d: %s", r, fault_text());
    }
    snprintf(why, why_size, "%s", world->ledger.violation);
    bool ok = !world->ledger.violation[0];
    sim_free(world->sim);
    ledger_done(&world->ledger);
    faulty_forget_all();
    memory_store_forget("model");
    return ok;
}
