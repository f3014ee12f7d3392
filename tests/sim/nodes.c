/* The brokers: their settings, starts and restarts. */
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define DATA_DIR "/data"

PRINTF(3, 4) static void set(struct node *node, const char *key, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int r = settings_set(
            node->settings, bytes_of_string(key), bytes_of_string(text), SETTING_FROM_COMMAND_LINE);
    if (r < 0) {
        fprintf(stderr, "%s\n", fault_text());
    }
    CHECK(r == 0);
}

static void
settings_make(struct node *node)
{
    const struct plan *plan = &node->world->plan;
    const struct settings_machine machine = { .processors = plan->reactors,
        .memory_bytes = 512 * MIB,
        .volume_free_bytes = 8 * GIB,
        .working_directory = "/" };
    node->settings = settings_new();
    set(node, "node.id", "%d", node->id);
    set(node, "reactors", "%u", plan->reactors);
    set(node, "listeners", "PLAINTEXT://:9092");
    set(node, "advertised.listeners", "PLAINTEXT://%s:9092", node->name);
    set(node, "internal.listener", ":9093");
    set(node, "internal.advertised.host", "%s", node->name);
    set(node, "admin.listener", "%s", "");
    set(node, "data.dir", DATA_DIR);
    set(node, "store.url", "faulty+memory://sim?faults=%s", node->name);
    set(node, "wal.capacity.bytes", "%" PRIu64, (uint64_t)(4 * 64 * MIB) * plan->reactors);
    set(node, "wal.type", "%s", plan->bucket_wal ? "s3" : "volume");
    set(node, "lease.ms", "%u", plan->lease_ms);
    set(node, "shutdown.linger.ms", "%u", plan->linger_ms);
    set(node, "upload.interval.ms", "%u", plan->upload_ms);
    set(node, "upload.bytes", "65536");
    set(node, "object.delete.delay.ms", "5000");
    set(node, "log.retention.check.interval.ms", "3000");
    set(node, "offsets.topic.num.partitions", "2");
    set(node, "group.initial.rebalance.delay.ms", "0");
    set(node, "group.min.session.timeout.ms", "1000");
    if (plan_has(plan, FAULT_ROT)) { /* what rots must be read */
        set(node, "log.cache.bytes", "%u", 65536 * plan->reactors);
        set(node, "block.cache.bytes", "%u", 65536 * plan->reactors);
    }
    set(node, "log.level", "%s", plan->log_level);
    int r = settings_compute(node->settings, &machine);
    r = r < 0 ? r : settings_validate(node->settings);
    if (r < 0) {
        fprintf(stderr, "%s\n", fault_text());
    }
    CHECK(r == 0);
}

static void
node_ready(struct process_options *options, const char *host, unsigned port)
{
    (void)host;
    (void)port;
    CONTAINER_OF(options, struct node, options)->is_ready = true;
}

void
nodes_init(struct world *world)
{
    for (unsigned i = 0; i < world->plan.brokers; i++) {
        struct node *node = &world->nodes[i];
        node->world = world;
        node->id = (int)i + 1;
        snprintf(node->name, sizeof node->name, "broker%u", i + 1);
        node->host = sim_host(world->sim, node->name);
        settings_make(node);
        node->options = (struct process_options){ .settings = node->settings, .ready = node_ready };
    }
}

bool
node_is_up(const struct node *node)
{
    return node->process && sim_process_state(node->process) == SIM_RUNNING;
}

/* As a supervisor does: whatever has ended begins again, after a moment. */
void
nodes_tend(struct world *world)
{
    uint64_t now_ns = sim_now_ns(world->sim);
    for (unsigned i = 0; i < world->plan.brokers; i++) {
        struct node *node = &world->nodes[i];
        if (node_is_up(node)) {
            continue;
        }
        if (node->process) { /* it was there in the last round */
            node->process = NULL;
            node->is_ready = false;
            node->start_ns = MAX(node->start_ns,
                    now_ns + world_between(world, 0, world->calm ? 500 : 5000) * NS_PER_MS);
        }
        if (now_ns >= node->start_ns) {
            node->starts++;
            node->process = sim_start(
                    node->host, world->plan.reactors, node->name, process_main, &node->options);
        }
    }
}

bool
nodes_are_ready(struct world *world)
{
    for (unsigned i = 0; i < world->plan.brokers; i++) {
        if (!node_is_up(&world->nodes[i]) || !world->nodes[i].is_ready) {
            return false;
        }
    }
    return true;
}

void
nodes_done(struct world *world)
{
    for (unsigned i = 0; i < world->plan.brokers; i++) {
        settings_free(world->nodes[i].settings);
    }
}
