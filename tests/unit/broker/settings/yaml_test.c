/* YAML files, friendly and hostile. */
#include "base/fault.h"
#include "base/strbuf.h"
#include "settings/settings.h"
#include "unit/test.h"

#include <errno.h>
#include <string.h>

static int
load(struct settings *settings, const char *text)
{
    return settings_load_yaml(settings, "f.yaml", bytes_of_string(text));
}

TEST(flat_keys_nested_maps_and_lists_are_the_same)
{
    struct settings *s = settings_new();
    ASSERT_OK(load(s, "# a comment\n"
                      "log.retention.ms: 60000\n"
                      "log:\n  cleanup:\n    policy: [compact, delete]\n  segment.bytes: 1048576\n"
                      "listeners:\n  - PLAINTEXT://127.0.0.1:1\n  - \"SSL://127.0.0.1:2\"\n"
                      "auto.create.topics.enable: false\n"
                      "broker.rack: 'eu 1'\n"
                      "listener:\n  name:\n    external:\n      max.connections: 5\n"));
    ASSERT_EQ(settings_listener_int(s, "EXTERNAL", "max.connections"), 5);
    ASSERT_EQ(settings_long(s, "log.retention.ms"), 60000);
    ASSERT_STRING(settings_string(s, "log.cleanup.policy"), "compact,delete");
    ASSERT_EQ(settings_int(s, "log.segment.bytes"), 1048576);
    ASSERT_STRING(settings_string(s, "listeners"), "PLAINTEXT://127.0.0.1:1,SSL://127.0.0.1:2");
    ASSERT(!settings_bool(s, "auto.create.topics.enable"));
    ASSERT_STRING(settings_string(s, "broker.rack"), "eu 1");
    ASSERT_STRING(settings_origin_text(
                          s, setting_find(SETTING_BROKER, BYTES_LITERAL("log.segment.bytes"))),
            "f.yaml:6");
    settings_free(s);
}

TEST(an_empty_file_changes_nothing)
{
    struct settings *s = settings_new();
    ASSERT_OK(load(s, ""));
    ASSERT_OK(load(s, "# nothing\n"));
    ASSERT_OK(load(s, "---\n"));
    ASSERT_OK(load(s, "{}"));
    ASSERT_OK(load(s, "broker.rack:\nlog.retention.ms: ~\n"));
    ASSERT_OK(settings_load_yaml(s, "f.yaml", BYTES_NULL));
    ASSERT(!settings_string(s, "broker.rack"));
    settings_free(s);
}

struct bad {
    const char *text;
    const char *message;
};

TEST(errors_name_the_line_and_the_column) /* C1 */
{
    static const struct bad bad[] = {
        { "num.partitions: 3\nlog:\n  retension.ms: 1\n",
                "f.yaml:3:3: unknown setting log.retension.ms: did you mean log.retention.ms?" },
        { "num.partitions: many\n", "f.yaml:1:17: Invalid value many for configuration "
                                    "num.partitions: Not a number of type INT" },
        { "num.partitions:\n", "f.yaml:1:16: num.partitions has no value" },
        { "num.partitions: [1, 2]\n", "f.yaml:1:17: num.partitions is one int, not a list" },
        { "num.partitions: 1\nnum:\n  partitions: 2\n",
                "f.yaml:3:3: num.partitions is set twice, first at f.yaml:1" },
        { "num.partitions: &a 1\n", "f.yaml:1:17: anchors, aliases and tags are not taken" },
        { "num.partitions: *a\n", "f.yaml:1:17: anchors, aliases and tags are not taken" },
        { "num.partitions: !!str 1\n", "f.yaml:1:17: anchors, aliases and tags are not taken" },
        { "num.partitions: 1\n---\nnum.partitions: 2\n", "f.yaml:2:1: a second document" },
        { "just text\n", "f.yaml:1:1: expected key: value" },
        { "- a\n- b\n", "f.yaml:1:1: a list where none can be" },
        { "listeners: [[a]]\n", "f.yaml:1:13: a list where none can be" },
        { "listeners: [{a: b}]\n", "f.yaml:1:13: a map inside a list" },
        { "listeners: ['a,b']\n", "f.yaml:1:13: an item of a list holds a comma" },
        { "{a: b}: c\n", "f.yaml:1:1: a map as a key" },
        { "? [a]\n: c\n", "f.yaml:1:3: a list where none can be" },
        { "'': c\n", "f.yaml:1:1: an empty key, or one with a NUL" },
        { "\"num\\0\": c\n", "f.yaml:1:1: an empty key, or one with a NUL" },
        { "ssl.keystore.location: /x\n",
                "f.yaml:1:1: ssl.keystore.location is refused: TLS on listeners is not there yet" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct settings *s = settings_new();
        int r = load(s, bad[i].text);
        if (r != -EINVAL || strcmp(fault_text(), bad[i].message) != 0) {
            test_fail(
                    __FILE__, __LINE__, "%d: \"%s\", not \"%s\"", r, fault_text(), bad[i].message);
        }
        settings_free(s);
    }
    test_pass();
}

TEST(broken_yaml_is_refused_with_its_place)
{
    static const char *const bad[] = { "a: [1, 2\n", "\ta: b\n", "a: 'x\n", "a: b: c\n",
        "\xff\xfe\xff", "%YAML 9.9\n---\na: b\n", "a: \"\\x\"\n", "{", "[", "!<", "&", "a: |9\n",
        "\x01" };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct settings *s = settings_new();
        if (load(s, bad[i]) != -EINVAL || strncmp(fault_text(), "f.yaml:", 7) != 0) {
            test_fail(__FILE__, __LINE__, "\"%s\" gave \"%s\"", bad[i], fault_text());
        }
        settings_free(s);
    }
    test_pass();
}

TEST(a_file_is_taken_whole_or_not_at_all)
{
    struct settings *s = settings_new();
    ASSERT_ERROR(load(s, "num.partitions: 3\nnonsense: 4\n"), -EINVAL);
    ASSERT_EQ(settings_int(s, "num.partitions"), 1);
    settings_free(s);
}

static int
load_repeated(const char *before, const char *part, size_t times)
{
    struct strbuf text;
    struct settings *s = settings_new();
    strbuf_init(&text, 4 << 20);
    strbuf_append_string(&text, before);
    for (size_t i = 0; i < times; i++) {
        strbuf_append_string(&text, part);
    }
    int r = settings_load_yaml(s, "f.yaml", strbuf_bytes(&text));
    strbuf_done(&text);
    settings_free(s);
    return r;
}

TEST(size_depth_and_length_are_bounded) /* C4 */
{
    ASSERT_ERROR(load_repeated("", "# a comment of thirty-two bytes\n", 40000), -EINVAL);
    ASSERT(strstr(fault_text(), "more than 1048576 bytes"));
    ASSERT_ERROR(load_repeated("", "{a: ", 17), -EINVAL);
    ASSERT_STRING(fault_text(), "f.yaml:1:65: more than 16 maps in each other");
    ASSERT_ERROR(load_repeated("listeners: ", "[", 100000), -EINVAL);
    ASSERT_ERROR(load_repeated("", "aaaaaaaaaaaaaaaa", 17), -EINVAL);
    ASSERT_ERROR(load_repeated("", "{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: ", 8), -EINVAL);
    ASSERT_STRING(fault_text(), "f.yaml:1:248: a key of more than 256 bytes");
    ASSERT_ERROR(
            load_repeated("listeners:\n", "- aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 2000), -EINVAL);
    ASSERT(strstr(fault_text(), "the list is too long"));
}
