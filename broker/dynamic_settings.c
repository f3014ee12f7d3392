/* Applies the configs of brokers in the metadata to the reactor's settings. */
#include "dynamic_settings.h"

#include "base/attr.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "meta/balancer.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"

#include <stdio.h>
#include <string.h>

/* Level and the like, which are not read from the settings each time; one reactor is enough. */
static void
apply_to_process(const struct settings *settings)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    if (reactor_index() != 0) {
        return;
    }
    const char *level = settings_string(settings, "log.level");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], level) == 0) {
            const char *format = settings_string(settings, "log.format");
            log_setup((enum log_level)i,
                    strcmp(format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
        }
    }
}

/* The controller's balancer is on reactor 0. */
static void
apply_to_balancer(struct meta *meta, const struct settings *settings)
{
    if (reactor_index() == 0) {
        const struct balancer_options options = { settings_bool(settings, "balancer.enable"),
            (uint32_t)settings_int(settings, "balancer.imbalance.percent"),
            (uint32_t)settings_int(settings, "balancer.moves.max"),
            (uint64_t)settings_int(settings, "balancer.settle.ms") * NS_PER_MS };
        meta_balancer_configure(meta, &options);
    }
}

/* C3 of settings.h: a value that an older broker accepted and that does not pass any more counts
 * as not set. */
static void
take(struct settings *settings, struct bytes key, struct bytes value, enum setting_origin origin)
{
    if (!value.data) {
        settings_unset(settings, key, origin);
        return;
    }
    int r = settings_set(settings, key, value, origin);
    if (r < 0 && reactor_index() == 0) {
        LOG_WARN("a config in the metadata is not valid and is passed over", LOG_BYTES("key", key),
                LOG_FAULT(r));
    }
}

/* Whose value it is; false: another broker's. */
static bool
origin_of(const struct meta *meta, struct bytes name, enum setting_origin *ret_origin)
{
    char id[16];
    snprintf(id, sizeof id, "%d", meta_broker_id(meta));
    *ret_origin = name.size == 0 ? SETTING_FROM_DYNAMIC_DEFAULT : SETTING_FROM_DYNAMIC_BROKER;
    return name.size == 0 || bytes_equal(name, bytes_of_string(id));
}

/* meta_listener_fn */
static void
follow(void *arg, const struct meta_record *record, const struct meta_result *result,
        uint64_t sequence)
{
    struct dynamic_settings *dynamic = arg;
    enum setting_origin origin;
    (void)sequence;
    if (result->error || record->type != META_CONFIG ||
            record->config.resource != META_RESOURCE_BROKER ||
            !origin_of(dynamic->meta, record->config.name, &origin)) {
        return;
    }
    take(dynamic->values, record->config.key, record->config.value, origin);
    apply_to_process(dynamic->values);
    apply_to_balancer(dynamic->meta, dynamic->values);
}

static void
take_all(struct meta *meta, struct settings *settings, struct bytes name)
{
    const struct meta_state *state = meta_state(meta);
    enum setting_origin origin;
    size_t count = meta_config_list(state, META_RESOURCE_BROKER, name, NULL, 0);
    CLEANUP(mem_freep)
    struct meta_config_entry *entries = mem_alloc_array(count + 1, sizeof *entries);
    meta_config_list(state, META_RESOURCE_BROKER, name, entries, count);
    for (size_t i = 0; origin_of(meta, name, &origin) && i < count; i++) {
        take(settings, entries[i].key, entries[i].value, origin);
    }
}

void
dynamic_settings_start(
        struct dynamic_settings *dynamic, struct meta *meta, const struct settings *base)
{
    char id[16];
    snprintf(id, sizeof id, "%d", meta_broker_id(meta));
    *dynamic = (struct dynamic_settings){ meta, settings_clone(base) };
    take_all(meta, dynamic->values, BYTES_LITERAL(""));
    take_all(meta, dynamic->values, bytes_of_string(id));
    apply_to_process(dynamic->values);
    apply_to_balancer(meta, dynamic->values);
    meta_listen(meta, follow, dynamic);
}

void
dynamic_settings_stop(struct dynamic_settings *dynamic)
{
    meta_unlisten(dynamic->meta, follow, dynamic);
    settings_free(dynamic->values);
}
