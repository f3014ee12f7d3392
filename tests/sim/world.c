/* sim_cluster SEED [NAME=VALUE...] [--history FILE] [--log LEVEL]: one run. Prints the hash of all
 * that happened. */
#include "sim/world.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mutant.h"
#include "objectstore/faulty.h"
#include "objectstore/memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Longer than any run. */
#define RUN_NS (7200ull * NS_PER_S)

void
world_violate(struct world *world, const char *format, ...)
{
    if (world->violation[0]) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(world->violation, sizeof world->violation, format, args);
    va_end(args);
}

void
world_event(struct world *world, const char *worker, const char *event, const char *topic,
        int32_t partition, const char *format, ...)
{
    if (!world->history) {
        return;
    }
    va_list args;
    va_start(args, format);
    fprintf(world->history, "%" PRIu64 " %s %s %s %" PRId32 " ", sim_now_ns(world->sim) / NS_PER_US,
            worker, event, topic, partition);
    vfprintf(world->history, format, args);
    fputc('\n', world->history);
    va_end(args);
}

uint64_t
world_between(struct world *world, uint64_t min, uint64_t max)
{
    return min + sim_random_below(world->sim, max - min + 1);
}

bool
world_sleep(struct world *world, uint64_t min_ms, uint64_t max_ms)
{
    return fiber_sleep_ns(world_between(world, min_ms, max_ms) * NS_PER_MS) == 0;
}

static void
log_line(void *arg, enum log_level level, const char *line, size_t size)
{
    struct world *world = arg;
    (void)level;
    const char *who = sim_whoami();
    fprintf(stderr, "%10.3f %-8s %.*s", (double)(sim_now_ns(world->sim) / NS_PER_US) / 1e6,
            who ? who : "-", (int)size, line);
}

static struct world world;

static int
run(void)
{
    world.sim = sim_new(world.plan.seed);
    sim_die_abruptly(world.sim);
    log_set_sink(log_line, &world);
    nodes_init(&world);
    struct sim_process *fate = sim_start(sim_host(world.sim, "fate"), 1, "fate", fate_main, &world);
    int r = sim_run_process(fate, RUN_NS);
    if (r < 0) {
        world_violate(&world, "%s", fault_text());
    }
    printf("seed %" PRIu64 " hash %016" PRIx64 " simulated_s %" PRIu64 "\n", world.plan.seed,
            sim_hash(world.sim), (sim_now_ns(world.sim) - world.began_ns) / NS_PER_S);
    sim_free(world.sim);
    nodes_done(&world);
    faulty_forget_all();
    memory_store_forget("sim");
    if (world.violation[0]) {
        printf("violation: %s\n", world.violation);
        return 1;
    }
    return 0;
}

static bool
plant(const char *name)
{
    for (size_t i = 0; i < MUTANT_COUNT; i++) {
        if (strcmp(mutant_names[i], name) == 0) {
            mutant_planted = (enum mutant)i;
            return true;
        }
    }
    return false;
}

static int
usage(const char *why)
{
    fprintf(stderr,
            "%s\nusage: sim_cluster SEED [NAME=VALUE]... [--history FILE] [--log LEVEL] [--plan]\n",
            why);
    return 2;
}

int
main(int argc, char **argv)
{
    bool only_plan = false;
    char *end;
    if (argc == 2 && strcmp(argv[1], "--mutants") == 0) {
        for (size_t i = 1; i < MUTANT_COUNT; i++) {
            puts(mutant_names[i]);
        }
        return 0;
    }
    if (argc < 2) {
        return usage("a seed is missing");
    }
    uint64_t seed = strtoull(argv[1], &end, 10);
    if (*end || end == argv[1]) {
        return usage("the seed is no number");
    }
    plan_draw(&world.plan, seed);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--plan") == 0) {
            only_plan = true;
        } else if (strcmp(argv[i], "--history") == 0 && i + 1 < argc) {
            world.history = fopen(argv[++i], "we");
            if (!world.history) {
                return usage("the history cannot be written");
            }
        } else if (strcmp(argv[i], "--log") == 0 && i + 1 < argc) {
            world.plan.log_level = argv[++i];
        } else if (strncmp(argv[i], "mutant=", 7) == 0) {
            if (!plant(argv[i] + 7)) {
                return usage("there is no such mutant");
            }
        } else if (plan_set(&world.plan, argv[i]) < 0) {
            return usage(fault_text());
        }
    }
    if (only_plan) {
        plan_print(&world.plan);
        return 0;
    }
    int result = run();
    if (world.history && fclose(world.history)) {
        return usage("the history cannot be written");
    }
    return result;
}
