/* Values, layers and getters. */
#include "base/fault.h"
#include "base/mark.h"
#include "settings/settings.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
put(struct settings *settings, const char *key, const char *value, enum setting_origin origin)
{
    return settings_set(settings, bytes_of_string(key), bytes_of_string(value), origin);
}

static const struct setting *
row(const char *name)
{
    return setting_find(SETTING_BROKER, bytes_of_string(name));
}

TEST(a_new_set_has_kafkas_defaults)
{
    struct settings *s = settings_new();
    ASSERT_EQ(settings_int(s, "num.partitions"), 1);
    ASSERT_EQ(settings_int(s, "message.max.bytes"), 1048588);
    ASSERT_EQ(settings_long(s, "log.retention.ms"), 604800000);
    ASSERT(settings_bool(s, "auto.create.topics.enable"));
    ASSERT_EQ(settings_double(s, "log.cleaner.min.cleanable.ratio") * 10, 5);
    ASSERT_STRING(settings_string(s, "compression.type"), "producer");
    ASSERT(!settings_string(s, "broker.rack"));
    ASSERT(settings_is_null(s, "broker.rack"));
    ASSERT(!settings_is_null(s, "log.retention.ms"));
    settings_free(s);
}

TEST(the_strongest_origin_wins_in_any_order_of_calls) /* C2 */
{
    struct settings *s = settings_new();
    ASSERT_OK(put(s, "num.partitions", "5", SETTING_FROM_COMMAND_LINE));
    ASSERT_OK(put(s, "num.partitions", "3", SETTING_FROM_FILE));
    ASSERT_OK(put(s, "num.partitions", "4", SETTING_FROM_ENVIRONMENT));
    ASSERT_EQ(settings_int(s, "num.partitions"), 5);
    ASSERT_STRING(settings_origin_text(s, row("num.partitions")), "command line");
    ASSERT_OK(put(s, "num.partitions", "7", SETTING_FROM_DYNAMIC_BROKER));
    ASSERT_OK(put(s, "num.partitions", "6", SETTING_FROM_DYNAMIC_DEFAULT));
    ASSERT_EQ(settings_int(s, "num.partitions"), 7);
    settings_unset(s, BYTES_LITERAL("num.partitions"), SETTING_FROM_DYNAMIC_BROKER);
    ASSERT_EQ(settings_int(s, "num.partitions"), 6);
    ASSERT_EQ(settings_origin(s, row("num.partitions")), SETTING_FROM_DYNAMIC_DEFAULT);
    settings_unset(s, BYTES_LITERAL("num.partitions"), SETTING_FROM_DYNAMIC_DEFAULT);
    settings_unset(s, BYTES_LITERAL("num.partitions"), SETTING_FROM_DYNAMIC_DEFAULT);
    settings_unset(s, BYTES_LITERAL("no.such.key"), SETTING_FROM_DYNAMIC_DEFAULT);
    ASSERT_EQ(settings_int(s, "num.partitions"), 5);
    settings_free(s);
}

TEST(a_bad_value_leaves_the_old_one) /* C3 */
{
    struct settings *s = settings_new();
    ASSERT_OK(put(s, "num.partitions", "5", SETTING_FROM_FILE));
    ASSERT_ERROR(put(s, "num.partitions", "0", SETTING_FROM_FILE), -EINVAL);
    ASSERT_STRING(fault_text(),
            "Invalid value 0 for configuration num.partitions: Value must be at least 1");
    ASSERT_EQ(settings_int(s, "num.partitions"), 5);
    settings_free(s);
}

TEST(an_unknown_key_is_refused_with_the_nearest_known_one) /* C1 */
{
    struct settings *s = settings_new();
    ASSERT_ERROR(put(s, "log.retension.ms", "5", SETTING_FROM_FILE), -EINVAL);
    ASSERT_STRING(fault_text(), "unknown setting log.retension.ms: did you mean log.retention.ms?");
    ASSERT_ERROR(put(s, "cleanup.policy", "delete", SETTING_FROM_FILE), -EINVAL);
    ASSERT_STRING(fault_text(), "unknown setting cleanup.policy: did you mean log.cleanup.policy?");
    ASSERT_ERROR(put(s, "ssl.client.auth", "required", SETTING_FROM_FILE), -EINVAL);
    ASSERT(strstr(fault_text(), "ssl.client.auth is refused: TLS"));
    ASSERT_ERROR(put(s, "QQQQQQQQQQQQQQQQQ", "", SETTING_FROM_FILE), -EINVAL);
    ASSERT(strstr(fault_text(), "docs/configuration.md"));
    settings_free(s);
}

TEST(retention_may_be_given_in_minutes_and_hours)
{
    struct settings *s = settings_new();
    ASSERT_OK(put(s, "log.retention.hours", "2", SETTING_FROM_FILE));
    ASSERT_EQ(settings_long(s, "log.retention.ms"), 7200000);
    ASSERT_OK(put(s, "log.retention.minutes", "3", SETTING_FROM_FILE));
    ASSERT_EQ(settings_long(s, "log.retention.ms"), 180000);
    ASSERT_OK(put(s, "log.retention.minutes", "-1", SETTING_FROM_FILE));
    ASSERT_EQ(settings_long(s, "log.retention.ms"), -1);
    ASSERT_OK(put(s, "log.retention.ms", "4", SETTING_FROM_FILE));
    ASSERT_EQ(settings_long(s, "log.retention.ms"), 4);
    settings_free(s);
}

TEST(a_clone_is_independent)
{
    struct settings *s = settings_new();
    ASSERT_OK(put(s, "broker.rack", "a", SETTING_FROM_FILE));
    struct settings *clone = settings_clone(s);
    ASSERT_OK(put(s, "broker.rack", "b", SETTING_FROM_FILE));
    ASSERT_STRING(settings_string(clone, "broker.rack"), "a");
    settings_free(s);
    ASSERT_STRING(settings_string(clone, "broker.rack"), "a");
    settings_free(clone);
    settings_free(NULL);
}

static int
load(struct settings *settings, const char *variable, const char *other)
{
    char a[200];
    char b[200];
    snprintf(a, sizeof a, "%s", variable);
    snprintf(b, sizeof b, "%s", other);
    char *const environment[] = { a, b, NULL };
    return settings_load_environment(settings, environment);
}

TEST(a_listener_has_its_own_value_before_that_of_all)
{
    struct settings *s = settings_new();
    ASSERT_OK(settings_set(
            s, BYTES_LITERAL("max.connections"), BYTES_LITERAL("10"), SETTING_FROM_FILE));
    ASSERT_EQ(settings_listener_int(s, "EXTERNAL", "max.connections"), 10);
    ASSERT_OK(settings_set(s, BYTES_LITERAL("listener.name.external.max.connections"),
            BYTES_LITERAL("3"), SETTING_FROM_FILE));
    struct settings *clone = settings_clone(s);
    ASSERT_OK(settings_set(s, BYTES_LITERAL("listener.name.external.max.connections"),
            BYTES_LITERAL("4"), SETTING_FROM_DYNAMIC_DEFAULT));
    ASSERT_EQ(settings_listener_int(s, "EXTERNAL", "max.connections"), 4);
    ASSERT_EQ(settings_listener_int(s, "INTERNAL", "max.connections"), 10);
    ASSERT_EQ(settings_listener_int(clone, "EXTERNAL", "max.connections"), 3);
    settings_unset(s, BYTES_LITERAL("listener.name.external.max.connections"),
            SETTING_FROM_DYNAMIC_DEFAULT);
    ASSERT_EQ(settings_listener_int(s, "EXTERNAL", "max.connections"), 3);
    ASSERT_STRING(settings_override_at(s, 0)->name, "listener.name.external.max.connections");
    ASSERT(!settings_override_at(s, 1));
    settings_free(clone);
    settings_free(s);
}

TEST(values_of_single_listeners_are_of_known_settings_and_not_too_many) /* C1, C4 */
{
    static const char *const bad[] = { "listener.name.external.ssl.key.password",
        "listener.name.external.max.connections.per.ip", "listener.name..max.connections",
        "listener.name.max.connections", "listener.name.external." };
    struct settings *s = settings_new();
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ASSERT_ERROR(
                settings_set(s, bytes_of_string(bad[i]), BYTES_LITERAL("1"), SETTING_FROM_FILE),
                -EINVAL);
    }
    ASSERT(!settings_override_at(s, 0));
    for (int i = 0; i <= SETTINGS_OVERRIDES_MAX; i++) {
        char key[64];
        snprintf(key, sizeof key, "listener.name.l%d.max.connection.creation.rate", i);
        int r = settings_set(s, bytes_of_string(key), BYTES_LITERAL("1"), SETTING_FROM_FILE);
        ASSERT_EQ(r, i < SETTINGS_OVERRIDES_MAX ? 0 : -EINVAL);
    }
    settings_free(s);
}

TEST(exceptions_by_address_are_hosts_with_numbers)
{
    static const char *const good[] = { "", "127.0.0.1:5",
        "a.example:0, ::1:7 ,10.0.0.1:2147483647" };
    static const char *const bad[] = { "127.0.0.1", "h:", ":5", "h:x", "h:-1", "h:5x",
        "h:2147483648", "h/i:5", "h:1,i" };
    struct settings *s = settings_new();
    const struct bytes key = BYTES_LITERAL("max.connections.per.ip.overrides");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ASSERT_ERROR(settings_set(s, key, bytes_of_string(bad[i]), SETTING_FROM_FILE), -EINVAL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        ASSERT_OK(settings_set(s, key, bytes_of_string(good[i]), SETTING_FROM_FILE));
    }
    const char *place = good[2];
    char host[SETTINGS_HOST_SIZE];
    uint32_t count;
    ASSERT_EQ(settings_per_ip_next(&place, host, &count), 1);
    ASSERT_EQ(settings_per_ip_next(&place, host, &count), 1);
    ASSERT_STRING(host, "::1");
    ASSERT_EQ(count, 7);
    ASSERT_EQ(settings_per_ip_next(&place, host, &count), 1);
    ASSERT_EQ(settings_per_ip_next(&place, host, &count), 0);
    settings_free(s);
}

TEST(environment_variables_set_settings)
{
    struct settings *s = settings_new();
    ASSERT_OK(put(s, "num.partitions", "3", SETTING_FROM_FILE));
    ASSERT_OK(load(s, "FRESHET_NUM_PARTITIONS=9", "PATH=/bin"));
    ASSERT_EQ(settings_int(s, "num.partitions"), 9);
    ASSERT_STRING(settings_origin_text(s, row("num.partitions")), "environment");
    ASSERT_OK(load(
            s, "FRESHET_ADVERTISED_LISTENERS=PLAINTEXT://b=1:9092", "FRESHET_BROKER_RACK=eu-1"));
    ASSERT_STRING(settings_string(s, "broker.rack"), "eu-1");
    ASSERT_OK(load(s, "FRESHET_LISTENER_NAME_MY_IN_MAX_CONNECTIONS=7",
            "FRESHET_LISTENER_SECURITY_PROTOCOL_MAP=A:PLAINTEXT"));
    ASSERT_EQ(settings_listener_int(s, "MY_IN", "max.connections"), 7);
    settings_free(s);
}

TEST(unknown_environment_variables_are_errors_but_for_those_of_tests_and_kubernetes) /* C1 */
{
    struct settings *s = settings_new();
    ASSERT_ERROR(load(s, "FRESHET_NUM_PARTITION=9", "A=b"), -EINVAL);
    ASSERT_STRING(fault_text(),
            "environment variable FRESHET_NUM_PARTITION: unknown setting num.partition: did you "
            "mean num.partitions?");
    ASSERT_ERROR(load(s, "FRESHET_=9", "A=b"), -EINVAL);
    ASSERT_ERROR(load(s, "FRESHET_NUM_PARTITIONS=many", "A=b"), -EINVAL);
    ASSERT(strstr(fault_text(), "FRESHET_NUM_PARTITIONS"));
    ASSERT_OK(load(s, "FRESHET_CRASH_POINT=wal: x", "FRESHET_TEST_ENGINE=uring"));
    ASSERT_OK(load(s, "FRESHET_DISK_FAULTS=write::eio", "FRESHET_FAULTS=put:*:lost"));
    ASSERT_OK(load(s, "FRESHET_SERVICE_HOST=10.0.0.1", "FRESHET_PORT=tcp://10.0.0.1:9092"));
    ASSERT_OK(load(
            s, "FRESHET_PORT_9092_TCP_ADDR=10.0.0.1", "FRESHET_BROKER_SERVICE_PORT_KAFKA=9092"));
    ASSERT_ERROR(load(s, "FRESHET_PORT=9092", "A=b"), -EINVAL);
    settings_free(s);
}

TEST(an_environment_variable_without_end_costs_a_bounded_message) /* C4 */
{
    struct settings *s = settings_new();
    static char large[70000];
    memset(large, 'A', sizeof large - 1);
    memcpy(large, "FRESHET_", 8);
    large[60000] = '=';
    char *const environment[] = { large, NULL };
    ASSERT_ERROR(settings_load_environment(s, environment), -EINVAL);
    ASSERT(strlen(fault_text()) < 490);
    settings_free(s);
}

struct overrides {
    const char *key;
    const char *value;
};

static bool
find_override(void *arg, const char *key, struct bytes *ret_value)
{
    for (const struct overrides *o = arg; o->key; o++) {
        if (strcmp(o->key, key) == 0) {
            *ret_value = bytes_of_string(o->value);
            return true;
        }
    }
    return false;
}

TEST(a_topic_has_its_overrides_over_the_brokers_settings)
{
    struct settings *s = settings_new();
    struct topic_settings topic;
    struct overrides overrides[] = { { "retention.ms", "1000" },
        { "cleanup.policy", "compact,delete" }, { "message.timestamp.type", "LogAppendTime" },
        { NULL, NULL } };
    ASSERT_OK(put(s, "message.max.bytes", "77", SETTING_FROM_FILE));
    ASSERT_OK(put(s, "log.retention.hours", "1", SETTING_FROM_FILE));
    topic_settings_resolve(s, NULL, NULL, &topic);
    ASSERT_EQ(topic.retention_ms, 3600000);
    ASSERT(topic.delete_enabled && !topic.compact_enabled);
    topic_settings_resolve(s, find_override, overrides, &topic);
    ASSERT_EQ(topic.retention_ms, 1000);
    ASSERT_EQ(topic.max_message_bytes, 77);
    ASSERT(topic.delete_enabled && topic.compact_enabled);
    ASSERT_EQ(topic.timestamp_type, TIMESTAMP_LOG_APPEND);
    ASSERT_STRING(topic.compression_type, "producer");
    ASSERT_EQ(topic.segment_bytes, 1073741824);
    ASSERT_EQ(topic.segment_ms, 604800000);
    settings_free(s);
}

TEST(a_stored_override_that_is_no_longer_valid_counts_as_not_set) /* C3 */
{
    struct settings *s = settings_new();
    struct topic_settings topic;
    struct overrides overrides[] = { { "retention.ms", "soon" }, { NULL, NULL } };
    uint64_t before = mark_count("settings: stored override no longer valid");
    topic_settings_resolve(s, find_override, overrides, &topic);
    ASSERT_EQ(topic.retention_ms, 604800000);
    ASSERT_EQ(mark_count("settings: stored override no longer valid"), before + 1);
    settings_free(s);
}

TEST(compaction_lags_of_a_topic_must_be_in_order)
{
    struct settings *s = settings_new();
    struct topic_settings topic;
    char error[SETTINGS_ERROR_SIZE];
    struct overrides overrides[] = { { "min.compaction.lag.ms", "9" },
        { "max.compaction.lag.ms", "8" }, { NULL, NULL } };
    topic_settings_resolve(s, find_override, overrides, &topic);
    ASSERT_ERROR(topic_settings_check_combination(&topic, error), -EINVAL);
    ASSERT_STRING(error,
            "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (8)");
    topic_settings_resolve(s, NULL, NULL, &topic);
    ASSERT_OK(topic_settings_check_combination(&topic, error));
    settings_free(s);
}

TEST(the_default_of_a_topic_setting_says_where_it_comes_from)
{
    struct settings *s = settings_new();
    const struct setting *broker;
    char scratch[24];
    const struct setting *retention = setting_find(SETTING_TOPIC, BYTES_LITERAL("retention.ms"));
    ASSERT_STRING(topic_settings_default(s, retention, scratch, &broker), "604800000");
    ASSERT_STRING(broker->name, "log.retention.ms");
    const struct setting *remote =
            setting_find(SETTING_TOPIC, BYTES_LITERAL("remote.storage.enable"));
    ASSERT_STRING(topic_settings_default(s, remote, scratch, &broker), "false");
    ASSERT(!broker);
    settings_free(s);
}
