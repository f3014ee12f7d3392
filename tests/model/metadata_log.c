/* The model test of the metadata log.
 *
 *   model_metadata_log log [FIRST [COUNT]]       random worlds of writers and readers of the object
 * log model_metadata_log scripts [FIRST [COUNT]]   all combinations of a small world
 *   model_metadata_log mutants                   each planted fault is caught
 *   model_metadata_log meta [FIRST [COUNT]]      random worlds of whole brokers
 *
 * A failing seed prints first how to run it again. */
#include "base/attr.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "meta/mutants.h"
#include "model/log_world.h"
#include "model/meta_world.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_SEEDS 2000
#define META_SEEDS 400
#define MUTANT_SEEDS 1000
#define MARKED_WORLDS 200

static const char *const weather[] = {
    "put:meta/log*:lost:p=0.1:n=20",
    "put:meta/log*:late:p=0.1:n=20:ms=40",
    "put:meta/log*:late:p=0.1:n=10:ms=3000",
    "put:meta/log*:late:p=0.2:n=5:ms=25000",
    "put:meta/log*:echo:p=0.1:n=20",
    "put:meta/log*:409:p=0.2:n=20",
    "put:meta/log*:412:p=0.1:n=10",
    "put:meta/log*:500:p=0.2:n=20",
    "put:meta/log*:slow:p=0.1:n=10:ms=5000",
    "put:meta/log*:hang:p=0.1:n=2",
    "put:meta/floor:lost:p=0.3:n=5",
    "put:meta/floor:late:p=0.3:n=5:ms=4000",
    "put:meta/floor:409:p=0.3:n=5",
    "put:meta/snapshot*:500:p=0.3:n=5",
    "put:meta/snapshot*:late:p=0.3:n=5:ms=6000",
    "get:meta*:truncated:p=0.1:n=20",
    "any::503:p=0.2:n=20:ms=200",
    "delete::500:p=0.3:n=5",
    "list::500:p=0.2:n=5",
    "get::slow:p=0.1:n=20:ms=800",
};

static struct actor *
any_actor(struct world *world)
{
    return &world->actors[random_below(world->actor_count)];
}

/* One thing that goes wrong. */
static void
misfortune(struct world *world)
{
    struct actor *actor = any_actor(world);
    switch (random_below(10)) {
    case 0:
        sim_host_pause(actor->host, random_below(25 * (uint64_t)NS_PER_S));
        break;
    case 1:
        sim_host_suspend(actor->host, random_below(10 * (uint64_t)NS_PER_S));
        break;
    case 2:
        sim_kill(actor->process);
        break;
    case 3:
    case 4:
        actor_heal(actor);
        break;
    default:
        actor_fault(actor, weather[random_below(ARRAY_SIZE(weather))]);
        break;
    }
}

static void
log_driver(void *arg)
{
    struct world *world = arg;
    world->end_ns = world_now_ns() + 40 * (uint64_t)NS_PER_S;
    for (unsigned i = 0; i < world->actor_count; i++) {
        actor_start(&world->actors[i]);
    }
    while (world_now_ns() < world->end_ns && !world->ledger.violation[0]) {
        if (fiber_sleep_ns(random_below(2 * (uint64_t)NS_PER_S))) {
            return;
        }
        misfortune(world);
        for (unsigned i = 0; i < world->actor_count; i++) {
            if (sim_process_state(world->actors[i].process) != SIM_RUNNING &&
                    random_below(3) == 0) {
                actor_start(&world->actors[i]);
            }
        }
    }
    world_finish(world);
}

static void
log_run(struct world *world, uint64_t seed, unsigned mutants)
{
    world_init(world, seed, mutants);
    world_add(world, "anna", false);
    world_add(world, "bert", false);
    if (seed % 3) {
        world_add(world, "carl", false);
    }
    world_add(world, "rita", true);
    for (unsigned i = 0; i < world->actor_count; i++) {
        world->actors[i].snapshots_every = 2 + sim_random_below(world->sim, 12);
        world->actors[i].pause_max_ns =
                (20 + sim_random_below(world->sim, 600)) * (uint64_t)NS_PER_MS;
    }
    world_run(world, log_driver, world);
}

static struct world world;

static int
report(const char *part, uint64_t seed, const char *why)
{
    fprintf(stderr, "seed %llu failed; run it again with: model_metadata_log %s %llu 1\n%s\n",
            (unsigned long long)seed, part, (unsigned long long)seed, why);
    return 1;
}

/* Rare branches that so many worlds must have come through; else the model has gone soft. */
static int
expect_marks(const char *const *names, size_t count, uint64_t worlds)
{
    int result = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t hits = mark_count(names[i]);
        printf("%8llu  %s\n", (unsigned long long)hits, names[i]);
        if (hits == 0 && worlds >= MARKED_WORLDS) {
            fprintf(stderr, "%llu worlds, and never: %s\n", (unsigned long long)worlds, names[i]);
            result = 1;
        }
    }
    return result;
}

static const char *const log_marks[] = {
    "objlog: undecided",
    "objlog: our own object behind 412",
    "objlog: slot taken by another writer",
    "objlog: fenced by a higher epoch",
    "objlog: slot below the floor",
    "objlog: read below the floor",
    "objlog: floor written again",
};

static const char *const meta_marks[] = {
    "objlog: undecided",
    "objlog: our own object behind 412",
    "objlog: fenced by a higher epoch",
    "lease: a write landed whose answer was lost",
    "lease: released while watched",
    "meta: two founders",
    "meta: a removal is not known to have happened",
};

static int
run_log(uint64_t first, uint64_t count)
{
    uint64_t entries = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        log_run(&world, seed, 0);
        bool failed = world.ledger.violation[0];
        entries += world.ledger.last;
        world_done(&world);
        if (failed) {
            return report("log", seed, world.ledger.violation);
        }
    }
    printf("%llu worlds, %llu entries: one history\n", (unsigned long long)count,
            (unsigned long long)entries);
    return expect_marks(log_marks, ARRAY_SIZE(log_marks), count);
}

static int
run_scripts(uint64_t first, uint64_t count)
{
    uint64_t end = MIN(script_count(), first + MIN(count, script_count()));
    for (uint64_t number = first; number < end; number++) {
        script_run(&world, number);
        bool failed = world.ledger.violation[0];
        world_done(&world);
        if (failed) {
            return report("scripts", number, world.ledger.violation);
        }
    }
    printf("%llu scripts: one history\n", (unsigned long long)(end - first));
    return 0;
}

static int
run_meta(uint64_t first, uint64_t count)
{
    char why[600];
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!meta_world_run(seed, 0, why, sizeof why)) {
            return report("meta", seed, why);
        }
    }
    printf("%llu worlds of brokers: one history\n", (unsigned long long)count);
    return expect_marks(meta_marks, ARRAY_SIZE(meta_marks), count);
}

struct mutant {
    const char *name;
    unsigned bit;
};

static bool
log_catches(uint64_t seed, unsigned bit, char *why, size_t why_size)
{
    log_run(&world, seed, bit);
    snprintf(why, why_size, "%s", world.ledger.violation);
    world_done(&world);
    return why[0];
}

static bool
meta_catches(uint64_t seed, unsigned bit, char *why, size_t why_size)
{
    return !meta_world_run(seed, bit, why, why_size);
}

static int
run_mutant(const struct mutant *mutant, bool (*catches)(uint64_t, unsigned, char *, size_t))
{
    for (uint64_t seed = 1; seed <= MUTANT_SEEDS; seed++) {
        char why[600];
        if (catches(seed, mutant->bit, why, sizeof why)) {
            printf("%s: caught by seed %llu: %s\n", mutant->name, (unsigned long long)seed, why);
            return 0;
        }
    }
    fprintf(stderr, "%s: not caught in %d seeds\n", mutant->name, MUTANT_SEEDS);
    return 1;
}

/* A model that cannot fail proves nothing: each planted fault must be caught. */
static int
run_mutants(void)
{
    static const struct mutant of_log[] = {
        { "M3: the floor is not read again after a create", META_MUTANT_SKIP_FLOOR },
        { "M1: 412 is trusted without reading back", META_MUTANT_TRUST_412 },
        { "M1: an undecided answer is taken for a failure", META_MUTANT_GIVE_UP },
        { "M3: objects are removed before the floor moves", META_MUTANT_FLOOR_LAST },
        { "M2: a higher epoch in the slot is ignored", META_MUTANT_IGNORE_EPOCH },
    };
    static const struct mutant of_brokers[] = {
        { "M4: a silent lease is taken early", META_MUTANT_IMPATIENT },
        { "O2: ids of living epochs are collected", META_MUTANT_EAGER_ORPHANS },
        { "O2: a removal that failed is logged as done", META_MUTANT_FORGET_REMOVAL },
        { "G1: ids are forgotten with the first removal", META_MUTANT_HASTY_ORPHANS },
    };
    int result = 0;
    for (size_t i = 0; i < ARRAY_SIZE(of_log); i++) {
        result |= run_mutant(&of_log[i], log_catches);
    }
    for (size_t i = 0; i < ARRAY_SIZE(of_brokers); i++) {
        result |= run_mutant(&of_brokers[i], meta_catches);
    }
    return result;
}

static void
quiet(void *arg, enum log_level level, const char *line, size_t size)
{
    (void)arg;
    (void)level;
    (void)line;
    (void)size;
}

int
main(int argc, char **argv)
{
    const char *part = argc > 1 ? argv[1] : "log";
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    if (!getenv("FRESHET_MODEL_LOG")) {
        log_set_sink(quiet, NULL);
    }
    if (strcmp(part, "log") == 0) {
        return run_log(first, count ? count : LOG_SEEDS);
    }
    if (strcmp(part, "scripts") == 0) {
        return run_scripts(argc > 2 ? first : 0, count ? count : script_count());
    }
    if (strcmp(part, "mutants") == 0) {
        return run_mutants();
    }
    if (strcmp(part, "meta") == 0) {
        return run_meta(first, count ? count : META_SEEDS);
    }
    fprintf(stderr, "usage: model_metadata_log log|scripts|mutants|meta [FIRST [COUNT]]\n");
    return 2;
}
