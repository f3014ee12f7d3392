/* The rows themselves. */
#include "settings/settings.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const enum setting_scope scopes[] = { SETTING_BROKER, SETTING_TOPIC, SETTING_GROUP,
    SETTING_CLIENT_METRICS };

TEST(every_default_passes_its_own_validator) /* C3 */
{
    for (size_t s = 0; s < ARRAY_SIZE(scopes); s++) {
        const struct setting *row;
        for (size_t i = 0; (row = setting_at(scopes[s], i)); i++) {
            char error[SETTINGS_ERROR_SIZE] = "";
            if (row->fallback && setting_check(row, bytes_of_string(row->fallback), error) < 0) {
                test_fail(__FILE__, __LINE__, "%s", error);
            }
        }
        test_pass();
    }
}

TEST(names_are_unique_in_a_scope_also_as_environment_variables)
{
    for (size_t s = 0; s < ARRAY_SIZE(scopes); s++) {
        const struct setting *a;
        for (size_t i = 0; (a = setting_at(scopes[s], i)); i++) {
            const struct setting *b;
            for (size_t j = 0; j < i && (b = setting_at(scopes[s], j)); j++) {
                char x[SETTINGS_KEY_SIZE_MAX];
                char y[SETTINGS_KEY_SIZE_MAX];
                snprintf(x, sizeof x, "%s", a->name);
                snprintf(y, sizeof y, "%s", b->name);
                for (char *p = x; *p; p++) {
                    *p = *p == '.' || *p == '-' ? '_' : *p;
                }
                for (char *p = y; *p; p++) {
                    *p = *p == '.' || *p == '-' ? '_' : *p;
                }
                if (strcmp(x, y) == 0) {
                    test_fail(__FILE__, __LINE__, "%s is there twice", a->name);
                }
            }
        }
    }
    test_pass();
}

TEST(every_row_says_what_it_does)
{
    for (size_t s = 0; s < ARRAY_SIZE(scopes); s++) {
        const struct setting *row;
        for (size_t i = 0; (row = setting_at(scopes[s], i)); i++) {
            bool ends = row->about && strlen(row->about) > 5 &&
                        row->about[strlen(row->about) - 1] == '.';
            bool has_choices = (row->type == SETTING_ENUM) == (row->choices != NULL) ||
                               row->type == SETTING_LIST;
            if (!ends || !has_choices || (row->inert && !*row->inert)) {
                test_fail(__FILE__, __LINE__, "%s has a row that is not finished", row->name);
            }
        }
    }
    test_pass();
}

TEST(the_broker_setting_behind_each_topic_setting_exists_and_has_the_same_default)
{
    struct settings *settings = settings_new();
    const struct setting *row;
    for (size_t i = 0; (row = setting_at(SETTING_TOPIC, i)); i++) {
        char scratch[24];
        const char *text = topic_settings_default(settings, row, scratch, NULL);
        if (row->fallback && strcmp(text, row->fallback) != 0) {
            test_fail(__FILE__, __LINE__, "%s is %s by the broker and %s by itself", row->name,
                    text, row->fallback);
        }
    }
    test_pass();
    settings_free(settings);
}

TEST(a_typing_mistake_names_the_key_that_was_meant) /* C1 */
{
    ASSERT_STRING(
            setting_nearest(SETTING_BROKER, BYTES_LITERAL("log.retension.ms")), "log.retention.ms");
    ASSERT_STRING(
            setting_nearest(SETTING_BROKER, BYTES_LITERAL("num_partitions")), "num.partitions");
    ASSERT_STRING(setting_nearest(SETTING_BROKER, BYTES_LITERAL("Message.Max.Byte")),
            "message.max.bytes");
    ASSERT_STRING(setting_nearest(SETTING_TOPIC, BYTES_LITERAL("retention.msec")), "retention.ms");
    ASSERT(!setting_nearest(SETTING_BROKER, BYTES_LITERAL("zzzzzzzzzzzzzzzzzzzzzzzzzzzz")));
    char large[SETTINGS_KEY_SIZE_MAX * 4];
    memset(large, 'a', sizeof large);
    ASSERT(!setting_nearest(SETTING_BROKER, bytes_of(large, sizeof large)));
    ASSERT(!setting_nearest(SETTING_BROKER, BYTES_LITERAL("")));
}

static const char *
refusal(enum setting_scope scope, const char *name, const char *value)
{
    static char error[SETTINGS_ERROR_SIZE];
    error[0] = 0;
    int r = setting_check(
            setting_find(scope, bytes_of_string(name)), bytes_of_string(value), error);
    return r < 0 ? error : "taken";
}

TEST(refusals_read_like_kafkas) /* texts of Apache Kafka 4.4's LogConfig.validate */
{
    ASSERT_STRING(refusal(SETTING_TOPIC, "retention.ms", "abc"),
            "Invalid value abc for configuration retention.ms: Not a number of type LONG");
    ASSERT_STRING(refusal(SETTING_TOPIC, "retention.ms", "-2"),
            "Invalid value -2 for configuration retention.ms: Value must be at least -1");
    ASSERT_STRING(refusal(SETTING_TOPIC, "retention.bytes", "9223372036854775808"),
            "Invalid value 9223372036854775808 for configuration retention.bytes: Not a number of "
            "type LONG");
    ASSERT_STRING(refusal(SETTING_TOPIC, "cleanup.policy", "foo"),
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, "
            "delete");
    ASSERT_STRING(refusal(SETTING_TOPIC, "compression.type", "brotli"),
            "Invalid value brotli for configuration "
            "compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, "
            "producer");
    ASSERT_STRING(refusal(SETTING_TOPIC, "segment.bytes", "10"),
            "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576");
    ASSERT_STRING(refusal(SETTING_TOPIC, "segment.bytes", "2147483648"),
            "Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT");
    ASSERT_STRING(refusal(SETTING_TOPIC, "preallocate", "maybe"),
            "Invalid value maybe for configuration preallocate: Expected value to be either true "
            "or false");
    ASSERT_STRING(refusal(SETTING_TOPIC, "min.cleanable.dirty.ratio", "1.5"),
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more "
            "than 1");
    ASSERT_STRING(refusal(SETTING_TOPIC, "compression.gzip.level", "0"),
            "Invalid value 0 for configuration "
            "compression.gzip.level: Value must be between 1 and 9 or equal to -1");
    ASSERT_STRING(refusal(SETTING_TOPIC, "retention.ms", ""),
            "Invalid value  for configuration retention.ms: Not a number of type LONG");
    char error[SETTINGS_ERROR_SIZE];
    ASSERT_ERROR(topic_settings_check(BYTES_LITERAL("unknown.thing"), BYTES_LITERAL("1"), error),
            -ENOENT);
    ASSERT_STRING(error, "Unknown topic config name: unknown.thing");
}

TEST(what_kafka_takes_is_taken)
{
    ASSERT_STRING(refusal(SETTING_TOPIC, "cleanup.policy", ""), "taken");
    ASSERT_STRING(refusal(SETTING_TOPIC, "cleanup.policy", " delete , compact "), "taken");
    ASSERT_STRING(refusal(SETTING_TOPIC, "retention.ms", " 100 "), "taken");
    ASSERT_STRING(refusal(SETTING_TOPIC, "retention.ms", "+5"), "taken");
    ASSERT_STRING(refusal(SETTING_TOPIC, "preallocate", "TRUE"), "taken");
    ASSERT_STRING(refusal(SETTING_TOPIC, "min.cleanable.dirty.ratio", "1e-1"), "taken");
    ASSERT_STRING(refusal(SETTING_TOPIC, "leader.replication.throttled.replicas", "*"), "taken");
    ASSERT_STRING(
            refusal(SETTING_TOPIC, "leader.replication.throttled.replicas", "0:1,12:3"), "taken");
    ASSERT(strcmp(refusal(SETTING_TOPIC, "leader.replication.throttled.replicas", "x"), "taken") !=
            0);
}

TEST(hostile_values_are_refused)
{
    char error[SETTINGS_ERROR_SIZE];
    const struct setting *rack = setting_find(SETTING_BROKER, BYTES_LITERAL("broker.rack"));
    const struct setting *ratio =
            setting_find(SETTING_TOPIC, BYTES_LITERAL("min.cleanable.dirty.ratio"));
    static char large[SETTINGS_VALUE_SIZE_MAX + 1];
    memset(large, 'x', sizeof large);
    ASSERT_ERROR(setting_check(rack, bytes_of(large, sizeof large), error), -EINVAL); /* C4 */
    ASSERT(strlen(error) < SETTINGS_ERROR_SIZE);
    ASSERT_ERROR(setting_check(rack, bytes_of("a\0b", 3), error), -EINVAL);
    ASSERT_ERROR(setting_check(ratio, BYTES_LITERAL("nan"), error), -EINVAL);
    ASSERT_ERROR(setting_check(ratio, BYTES_LITERAL("inf"), error), -EINVAL);
    ASSERT_ERROR(setting_check(ratio, BYTES_LITERAL("0x1"), error), -EINVAL);
}
