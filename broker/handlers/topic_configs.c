/* A topic's configs: its own, else the broker's, else the default. */
#include "handlers/topic_configs.h"

static size_t
count_settings(void)
{
    size_t count = 0;
    while (setting_at(SETTING_TOPIC, count)) {
        count++;
    }
    return count;
}

static struct topic_config
resolve(struct request *request, const struct setting *setting,
        const struct meta_config_entry *overrides, size_t override_count)
{
    struct topic_config config = { .name = bytes_of_string(setting->name),
        .source = CONFIG_SOURCE_DEFAULT };
    for (size_t i = 0; i < override_count; i++) {
        if (bytes_equal(overrides[i].key, config.name)) {
            config.value = overrides[i].value;
            config.source = CONFIG_SOURCE_TOPIC;
            return config;
        }
    }
    const struct setting *row = NULL;
    const struct settings *settings = request->broker->settings;
    char scratch[24];
    const char *text = topic_settings_default(settings, setting, scratch, &row);
    config.value = text ? arena_dup(&request->arena, bytes_of_string(text)) : BYTES_NULL;
    if (row && settings_origin(settings, row) != SETTING_FROM_DEFAULT) {
        config.source = CONFIG_SOURCE_BROKER;
    }
    return config;
}

size_t
topic_configs_list(struct request *request, const struct meta_config_entry *overrides,
        size_t override_count, struct topic_config **ret_configs)
{
    size_t count = count_settings();
    struct topic_config *configs = request_alloc(request, count, sizeof *configs);
    for (size_t i = 0; i < count; i++) {
        configs[i] = resolve(request, setting_at(SETTING_TOPIC, i), overrides, override_count);
    }
    *ret_configs = configs;
    return count;
}
