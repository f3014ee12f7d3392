/* See log_world.h. */
#include "model/log_world.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/mem.h"
#include "meta/log.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <stdio.h>

#define ENTRY_SIZE 8
#define FENCE_TRIES 50

/* The state machine of the model: the ids in order. */
struct history {
    uint64_t *ids;
    size_t count;
    size_t capacity;
};

/* One life of a writer or reader. */
struct life {
    struct actor *actor;
    struct objlog *log;
    struct history history;
    size_t reported; /* entries of the history that the ledger has */
    int64_t epoch;
    uint64_t last_snapshot;
    uint64_t former_snapshot;
    bool ended;
};

uint64_t
world_now_ns(void)
{
    return clock_mono_ns();
}

static void
history_add(struct history *history, uint64_t id)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity * 2 + 64;
        history->ids = mem_realloc(history->ids, history->capacity * sizeof *history->ids);
    }
    history->ids[history->count++] = id;
}

static struct buf *
history_encode(const struct history *history)
{
    struct buf *bytes = buf_new(history->count * ENTRY_SIZE);
    for (size_t i = 0; i < history->count; i++) {
        store_be64(bytes->data + i * ENTRY_SIZE, history->ids[i]);
    }
    bytes->size = history->count * ENTRY_SIZE;
    return bytes;
}

static void
history_decode(struct history *history, struct bytes bytes)
{
    history->count = 0;
    for (size_t i = 0; i + ENTRY_SIZE <= bytes.size; i += ENTRY_SIZE) {
        history_add(history, load_be64(bytes.data + i));
    }
}

/* Reads to the present end. */
static int
life_read_on(struct life *life)
{
    for (;;) {
        struct objlog_entry entry;
        int r = objlog_read_next(life->log, &entry);
        if (r) {
            return r == -ENOENT ? 0 : r;
        }
        CHECK(entry.payload.size == ENTRY_SIZE && entry.sequence == life->history.count + 1);
        history_add(&life->history, load_be64(entry.payload.data));
        objlog_entry_done(&entry);
    }
}

/* What was read is confirmed: it goes into the ledger. */
static void
life_report(struct life *life)
{
    for (; life->reported < life->history.count; life->reported++) {
        ledger_saw(&life->actor->world->ledger, life->actor->name, life->reported + 1,
                life->history.ids[life->reported], 0);
    }
}

static int
life_open(struct life *life)
{
    const struct objlog_options options = { .objects = life->actor->objects,
        .prefix = "meta",
        .log_id = { { 1 } },
        .writer = random_uuid(),
        .epoch = life->epoch,
        .mutants = life->actor->world->mutants };
    objlog_free(life->log);
    life->log = NULL;
    life->history.count = 0;
    life->reported = 0;
    return objlog_new(&options, &life->log);
}

static int
life_load(struct life *life)
{
    CLEANUP(buf_unrefp) struct buf *state = NULL;
    struct objlog_position position;
    int r = objlog_read_snapshot(life->log, UINT64_MAX, &position, &state);
    if (r == -ENOENT) {
        return 0;
    }
    if (r) {
        return r;
    }
    history_decode(&life->history, buf_bytes(state));
    CHECK(life->history.count + 1 == position.next_sequence);
    objlog_seek(life->log, &position);
    life->last_snapshot = life->history.count;
    return 0;
}

static int
life_replay_once(struct life *life)
{
    uint64_t tail;
    int r = life_open(life);
    if (r) {
        return r;
    }
    r = life_load(life);
    if (r) {
        return r;
    }
    r = objlog_find_tail(life->log, &tail);
    if (r) {
        return r;
    }
    r = life_read_on(life);
    if (r) {
        return r;
    }
    r = objlog_confirm(life->log);
    if (r == 0) {
        life_report(life);
    }
    return r;
}

/* -EBADMSG is never right here: nobody damages anything in this world. */
static void
life_judge(struct life *life, const char *what, int r)
{
    if (r == -EBADMSG || r == -EMEDIUMTYPE) {
        ledger_violate(&life->actor->world->ledger, "%s while %s: %s", life->actor->name, what,
                fault_text());
    }
}

/* Errors of a store that is away: the life ends, another one begins. */
static int
life_replay(struct life *life)
{
    int r = -ESTALE;
    for (int i = 0; i < 20 && r == -ESTALE; i++) {
        r = life_replay_once(life);
    }
    if (r == -ESTALE) {
        ledger_violate(&life->actor->world->ledger, "%s: the log cannot be read from any snapshot",
                life->actor->name);
    }
    life_judge(life, "reading", r);
    return r;
}

/* Appends one entry until it is in, or we are fenced. */
static int
life_append(struct life *life, uint64_t id)
{
    for (int i = 0; i < FENCE_TRIES; i++) {
        uint8_t payload[ENTRY_SIZE];
        store_be64(payload, id);
        const struct iovec part = { payload, sizeof payload };
        int r = objlog_append(life->log, &part, 1);
        if (r == 0) {
            uint64_t sequence = objlog_next_sequence(life->log) - 1;
            history_add(&life->history, id);
            ledger_acknowledged(
                    &life->actor->world->ledger, life->actor->name, sequence, id, life->epoch);
            life->reported = life->history.count;
            return 0;
        }
        life_judge(life, "appending", r);
        if (r != -EAGAIN) {
            return r;
        }
        /* Somebody else's entry is in the slot, so ours is not logged: read it, and try the next
         * slot. */
        r = life_read_on(life);
        if (r == 0) {
            r = objlog_confirm(life->log);
        }
        life_judge(life, "reading on", r);
        if (r) {
            return r;
        }
        life_report(life);
    }
    return -EAGAIN;
}

/* Snapshots and the floor, beside the writer, as meta/ does it. */
static void
life_collect(void *arg)
{
    struct life *life = arg;
    while (!life->ended && fiber_sleep_ns(1 + random_below(200 * (uint64_t)NS_PER_MS)) == 0) {
        uint64_t sequence = objlog_next_sequence(life->log) - 1;
        if (sequence < life->last_snapshot + life->actor->snapshots_every) {
            continue;
        }
        struct buf *state = history_encode(&life->history);
        int r = objlog_write_snapshot(life->log, sequence, buf_bytes(state));
        buf_unref(state);
        if (r == 0) {
            life->former_snapshot = life->last_snapshot;
            life->last_snapshot = sequence;
        }
        if (r == 0 && life->former_snapshot) {
            r = objlog_set_floor(life->log, life->former_snapshot);
        }
        life_judge(life, "collecting", r);
    }
}

static bool
world_goes_on(const struct actor *actor)
{
    return !actor->world->stopping && world_now_ns() < actor->world->end_ns &&
           !fiber_is_cancelled();
}

static int
life_write(struct life *life)
{
    struct actor *actor = life->actor;
    int r = life_append(life, ++actor->world->next_id); /* the fence */
    for (uint64_t i = 0;
            r == 0 && world_goes_on(actor) && (!actor->append_limit || i < actor->append_limit);
            i++) {
        r = fiber_sleep_ns(1 + random_below(actor->pause_max_ns));
        if (r == 0) {
            r = life_append(life, ++actor->world->next_id);
        }
    }
    return r;
}

static void
life_as_writer(struct actor *actor)
{
    struct life life = { .actor = actor, .epoch = ++actor->world->next_epoch };
    struct fiber *collector;
    int r = life_replay(&life);
    if (r == 0 && fiber_spawn("collector", life_collect, &life, &collector) == 0) {
        r = life_write(&life);
        life.ended = true;
        fiber_cancel(collector);
        fiber_join(collector);
    }
    objlog_free(life.log);
    mem_free(life.history.ids);
}

static void
life_as_reader(struct actor *actor)
{
    struct life life = { .actor = actor };
    int r = life_replay(&life);
    while (r == 0 && world_goes_on(actor)) {
        r = fiber_sleep_ns(1 + random_below(500 * (uint64_t)NS_PER_MS));
        if (r == 0) {
            r = life_read_on(&life);
        }
        if (r == 0) {
            r = objlog_confirm(life.log);
        }
        if (r == 0) {
            life_report(&life);
        }
        life_judge(&life, "following", r);
    }
    objlog_free(life.log);
    mem_free(life.history.ids);
}

static void
actor_main(void *arg)
{
    struct actor *actor = arg;
    char url[96];
    snprintf(url, sizeof url, "faulty+memory://%s?faults=%s", WORLD_STORE, actor->name);
    if (fiber_sleep_until(actor->start_ns) || objectstore_open(url, &actor->objects)) {
        return;
    }
    while (world_goes_on(actor)) {
        if (actor->reader) {
            life_as_reader(actor);
        } else {
            life_as_writer(actor);
        }
        if (actor->append_limit || fiber_sleep_ns(1 + random_below(3 * (uint64_t)NS_PER_S))) {
            break;
        }
    }
    objectstore_close(TAKE_PTR(actor->objects));
}

void
actor_start(struct actor *actor)
{
    actor->process = sim_start(actor->host, 1, actor->name, actor_main, actor);
}

void
actor_fault(struct actor *actor, const char *rule)
{
    struct faulty_rule parsed;
    CHECK(faulty_parse(rule, &parsed) == 0);
    (void)!faulty_add(actor->name, &parsed); /* a full set is faulty enough */
}

void
actor_heal(struct actor *actor)
{
    faulty_clear(actor->name);
}

void
world_init(struct world *world, uint64_t seed, unsigned mutants)
{
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->mutants = mutants;
    world->end_ns = UINT64_MAX;
    ledger_init(&world->ledger);
    faulty_forget_all();
    memory_store_forget(WORLD_STORE);
    world->sim = sim_new(seed);
}

void
world_done(struct world *world)
{
    sim_free(world->sim);
    ledger_done(&world->ledger);
    faulty_forget_all();
    memory_store_forget(WORLD_STORE);
}

struct actor *
world_add(struct world *world, const char *name, bool reader)
{
    CHECK(world->actor_count < WORLD_ACTORS_MAX);
    struct actor *actor = &world->actors[world->actor_count];
    actor->world = world;
    actor->index = world->actor_count++;
    snprintf(actor->name, sizeof actor->name, "%s", name);
    actor->reader = reader;
    actor->host = sim_host(world->sim, name);
    actor->snapshots_every = 5;
    actor->pause_max_ns = 200 * (uint64_t)NS_PER_MS;
    return actor;
}

/* Reads everything as somebody who starts now. */
static void
world_read_all(struct world *world, struct objectstore *objects)
{
    struct actor reader = { .world = world, .name = "newcomer", .objects = objects };
    struct life life = { .actor = &reader };
    int r = life_replay(&life);
    if (r) {
        ledger_violate(
                &world->ledger, "the log cannot be read at the end: %d: %s", r, fault_text());
    } else {
        ledger_compare(&world->ledger, life.history.ids, life.history.count);
    }
    objlog_free(life.log);
    mem_free(life.history.ids);
}

void
world_finish(struct world *world)
{
    struct objectstore *objects;
    world->stopping = true;
    for (unsigned i = 0; i < world->actor_count; i++) {
        actor_heal(&world->actors[i]);
        sim_kill(world->actors[i].process);
        (void)!sim_wait(world->actors[i].process);
    }
    CHECK(objectstore_open("faulty+memory://" WORLD_STORE "?faults=newcomer", &objects) == 0);
    world_read_all(world, objects);
    /* What is still under way lands, and must change nothing. */
    faulty_land_all(objects);
    world_read_all(world, objects);
    objectstore_close(objects);
}

void
world_run(struct world *world, fiber_fn driver, void *arg)
{
    struct sim_process *process =
            sim_start(sim_host(world->sim, "driver"), 1, "driver", driver, arg);
    int r = sim_run_process(process, 3600 * (uint64_t)NS_PER_S);
    if (r) {
        ledger_violate(&world->ledger, "the simulation ended with %d: %s", r, fault_text());
    }
}
