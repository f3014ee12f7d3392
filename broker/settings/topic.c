/* Topics: overrides over broker settings over defaults. */
#include "base/check.h"
#include "base/mark.h"
#include "base/mem.h"
#include "settings/settings_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct setting *
topic_row(const char *name)
{
    const struct setting *row = setting_find(SETTING_TOPIC, bytes_of_string(name));
    CHECK(row);
    return row;
}

const char *
topic_settings_default(const struct settings *settings, const struct setting *setting,
        char scratch[24], const struct setting **ret_broker)
{
    const struct setting *broker = NULL;
    const char *text = setting->fallback;
    if (setting->broker_name) {
        broker = setting_find(SETTING_BROKER, bytes_of_string(setting->broker_name));
        CHECK(broker);
        text = settings_text(settings, broker);
        if (!text && !settings_is_null(settings, broker->name)) {
            snprintf(scratch, 24, "%" PRId64, settings_long(settings, broker->name));
            text = scratch;
        }
        if (!text) {
            broker = NULL;
            text = setting->fallback;
        }
    }
    if (ret_broker) {
        *ret_broker = broker;
    }
    return text;
}

struct lookup {
    const struct settings *settings;
    topic_override_fn override;
    void *arg;
};

/* The value of one row; owns its text. */
static struct setting_value
resolve(const struct lookup *lookup, const char *name)
{
    const struct setting *row = topic_row(name);
    struct setting_value value;
    struct bytes text;
    char error[SETTINGS_ERROR_SIZE];
    char scratch[24];
    if (lookup->override && lookup->override(lookup->arg, name, &text)) {
        if (setting_parse(row, text, &value, error) == 0) {
            return value;
        }
        MARK("settings: stored override no longer valid"); /* C3 */
    }
    const char *fallback = topic_settings_default(lookup->settings, row, scratch, NULL);
    /* A broker row may be wider than the topic's: then the topic's own default holds. */
    if (setting_parse(row, bytes_of_string(fallback), &value, error) < 0) {
        int r = setting_parse(row, bytes_of_string(row->fallback), &value, error);
        CHECK(r == 0);
    }
    return value;
}

static int64_t
resolve_number(const struct lookup *lookup, const char *name)
{
    struct setting_value value = resolve(lookup, name);
    mem_free(value.text);
    return value.number;
}

static double
resolve_real(const struct lookup *lookup, const char *name)
{
    struct setting_value value = resolve(lookup, name);
    mem_free(value.text);
    return value.real;
}

static const char *
static_compression(const char *text)
{
    static const char *const names[] = { "producer", "uncompressed", "gzip", "snappy", "lz4",
        "zstd" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], text) == 0) {
            return names[i];
        }
    }
    UNREACHABLE();
}

void
topic_settings_resolve(const struct settings *settings, topic_override_fn override, void *arg,
        struct topic_settings *ret_topic)
{
    const struct lookup lookup = { settings, override, arg };
    struct setting_value policy = resolve(&lookup, "cleanup.policy");
    struct setting_value type = resolve(&lookup, "message.timestamp.type");
    struct setting_value compression = resolve(&lookup, "compression.type");
    *ret_topic = (struct topic_settings){
        .delete_enabled = strstr(policy.text, "delete") != NULL,
        .compact_enabled = strstr(policy.text, "compact") != NULL,
        .timestamp_type =
                strcmp(type.text, "LogAppendTime") == 0 ? TIMESTAMP_LOG_APPEND : TIMESTAMP_CREATE,
        .max_message_bytes = (int32_t)resolve_number(&lookup, "max.message.bytes"),
        .retention_ms = resolve_number(&lookup, "retention.ms"),
        .retention_bytes = resolve_number(&lookup, "retention.bytes"),
        .timestamp_before_max_ms = resolve_number(&lookup, "message.timestamp.before.max.ms"),
        .timestamp_after_max_ms = resolve_number(&lookup, "message.timestamp.after.max.ms"),
        .segment_bytes = (int32_t)resolve_number(&lookup, "segment.bytes"),
        .segment_ms = resolve_number(&lookup, "segment.ms"),
        .delete_retention_ms = resolve_number(&lookup, "delete.retention.ms"),
        .min_compaction_lag_ms = resolve_number(&lookup, "min.compaction.lag.ms"),
        .max_compaction_lag_ms = resolve_number(&lookup, "max.compaction.lag.ms"),
        .min_cleanable_dirty_ratio = resolve_real(&lookup, "min.cleanable.dirty.ratio"),
        .compression_type = static_compression(compression.text),
        .min_insync_replicas = (int32_t)resolve_number(&lookup, "min.insync.replicas"),
    };
    mem_free(policy.text);
    mem_free(type.text);
    mem_free(compression.text);
}

int
topic_settings_check(struct bytes key, struct bytes value, char *error)
{
    const struct setting *row = setting_find(SETTING_TOPIC, key);
    if (!row) {
        char shown[100];
        bytes_to_string(key, shown, sizeof shown);
        snprintf(error, SETTINGS_ERROR_SIZE, "Unknown topic config name: %s", shown);
        return -ENOENT;
    }
    return setting_check(row, value, error);
}

int
topic_settings_check_combination(const struct topic_settings *topic, char *error)
{
    if (topic->min_compaction_lag_ms > topic->max_compaction_lag_ms) {
        snprintf(error, SETTINGS_ERROR_SIZE,
                "conflict topic config setting min.compaction.lag.ms (%" PRId64
                ") > max.compaction.lag.ms (%" PRId64 ")",
                topic->min_compaction_lag_ms, topic->max_compaction_lag_ms);
        return -EINVAL;
    }
    return 0;
}
