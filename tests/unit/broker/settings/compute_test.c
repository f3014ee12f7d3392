/* What is computed from the machine, listeners, and combinations. */
#include "base/fault.h"
#include "base/limits.h"
#include "settings/settings.h"
#include "unit/test.h"

#include <errno.h>
#include <string.h>

static const struct settings_machine laptop = { .processors = 8,
    .memory_bytes = 16 * GIB,
    .volume_free_bytes = 500 * GIB,
    .working_directory = "/srv/freshet" };

static int
put(struct settings *settings, const char *key, const char *value)
{
    return settings_set(settings, bytes_of_string(key), bytes_of_string(value), SETTING_FROM_FILE);
}

TEST(defaults_with_a_machine_are_valid)
{
    struct settings *s = settings_new();
    ASSERT_OK(settings_compute(s, &laptop));
    ASSERT_OK(settings_validate(s));
    ASSERT_EQ(settings_int(s, "reactors"), 8);
    ASSERT_EQ(settings_long(s, "log.cache.bytes"), 4 * GIB);
    ASSERT_EQ(settings_long(s, "log.cache.uploaded.bytes"), 2 * GIB);
    ASSERT_EQ(settings_long(s, "block.cache.bytes"), 4 * GIB);
    ASSERT_EQ(settings_long(s, "wal.capacity.bytes"), 10 * GIB);
    ASSERT_STRING(settings_string(s, "store.url"), "file:///srv/freshet/data/store");
    ASSERT_STRING(settings_origin_text(s, setting_find(SETTING_BROKER, BYTES_LITERAL("reactors"))),
            "computed");
    settings_free(s);
}

TEST(what_somebody_chose_is_not_computed)
{
    struct settings *s = settings_new();
    ASSERT_OK(put(s, "reactors", "3"));
    ASSERT_OK(put(s, "log.cache.bytes", "123456789"));
    ASSERT_OK(put(s, "block.cache.bytes", "0"));
    ASSERT_OK(put(s, "data.dir", "/var/lib/freshet"));
    ASSERT_OK(settings_compute(s, &laptop));
    ASSERT_EQ(settings_int(s, "reactors"), 3);
    ASSERT_EQ(settings_long(s, "log.cache.bytes"), 123456789);
    ASSERT_EQ(settings_long(s, "log.cache.uploaded.bytes"), 123456789 / 2);
    ASSERT_EQ(settings_long(s, "block.cache.bytes"), 4 * GIB);
    ASSERT_STRING(settings_string(s, "store.url"), "file:///var/lib/freshet/store");
    ASSERT_OK(put(s, "store.url", "s3://bucket"));
    ASSERT_OK(settings_compute(s, &laptop));
    ASSERT_STRING(settings_string(s, "store.url"), "s3://bucket");
    settings_free(s);
}

TEST(the_wal_shrinks_to_half_of_a_small_volume_and_reactors_with_it)
{
    struct settings *s = settings_new();
    struct settings_machine small = laptop;
    small.volume_free_bytes = 1 * GIB;
    ASSERT_OK(settings_compute(s, &small));
    ASSERT_EQ(settings_long(s, "wal.capacity.bytes"), 512 * MIB);
    ASSERT_EQ(settings_int(s, "reactors"), 4);
    ASSERT_EQ(settings_long(s, "log.cache.bytes"), 4 * GIB);
    ASSERT_EQ(settings_long(s, "log.cache.uploaded.bytes"), 2 * GIB);
    ASSERT_OK(settings_validate(s));
    settings_free(s);
}

TEST(a_wal_that_is_there_already_counts_as_room_for_it)
{
    struct settings *s = settings_new();
    struct settings_machine used = laptop;
    used.volume_free_bytes = 10 * GIB;
    used.wal_bytes = 10 * GIB;
    ASSERT_OK(settings_compute(s, &used));
    ASSERT_EQ(settings_long(s, "wal.capacity.bytes"), 10 * GIB);
    settings_free(s);
}

TEST(a_volume_without_room_is_an_error_that_says_so)
{
    struct settings *s = settings_new();
    struct settings_machine full = laptop;
    full.volume_free_bytes = 100 * MIB;
    ASSERT_ERROR(settings_compute(s, &full), -ENOSPC);
    ASSERT(strstr(fault_text(), "data.dir"));
    ASSERT_OK(put(s, "wal.capacity.bytes", "2147483648"));
    ASSERT_ERROR(settings_compute(s, &full), -ENOSPC);
    ASSERT(strstr(fault_text(), "wal.capacity.bytes"));
    settings_free(s);
}

TEST(an_unknown_memory_size_gives_small_caches)
{
    struct settings *s = settings_new();
    const struct settings_machine unknown = { .processors = 0, .working_directory = "/" };
    ASSERT_OK(settings_compute(s, &unknown));
    ASSERT_EQ(settings_int(s, "reactors"), 1);
    ASSERT_EQ(settings_long(s, "log.cache.bytes"), 256 * MIB);
    ASSERT_OK(settings_validate(s));
    settings_free(s);
}

TEST(listeners_are_parsed)
{
    struct settings *s = settings_new();
    static struct settings_listener items[SETTINGS_LISTENERS_MAX];
    size_t count;
    ASSERT_OK(put(s, "listeners", "PLAINTEXT://:9092, internal://[::1]:0"));
    ASSERT_ERROR(settings_listeners(s, "listeners", items, &count), -EINVAL);
    ASSERT(strstr(fault_text(), "No security protocol defined for listener INTERNAL"));
    ASSERT_OK(put(s, "listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT"));
    ASSERT_OK(settings_listeners(s, "advertised.listeners", items, &count));
    ASSERT_EQ(count, 2);
    ASSERT_STRING(items[0].name, "PLAINTEXT");
    ASSERT_STRING(items[0].host, "");
    ASSERT_EQ(items[0].port, 9092);
    ASSERT_STRING(items[1].host, "::1");
    ASSERT_STRING(items[1].name, "INTERNAL");
    ASSERT_STRING(items[1].protocol, "PLAINTEXT");
    settings_free(s);
}

TEST(bad_listeners_are_refused)
{
    static const char *const bad[] = { "", "9092", "PLAINTEXT://", "PLAINTEXT://host",
        "PLAINTEXT://host:", "://h:1", "PLAINTEXT://h:65536", "PLAINTEXT://h:1x",
        "PLAINTEXT://::1:9092", "PLAINTEXT://h:1,PLAINTEXT://h:2", "PLAIN TEXT://h:1",
        "PLAINTEXT://a b:1", "PLAINTEXT://h:-1", "PLAINTEXT://h:999999999999" };
    struct settings *s = settings_new();
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (put(s, "listeners", bad[i]) != -EINVAL) {
            test_fail(__FILE__, __LINE__, "took \"%s\"", bad[i]);
        }
    }
    test_pass();
    settings_free(s);
}

TEST(who_listens_everywhere_is_advertised_by_the_machines_name)
{
    struct settings *s = settings_new();
    const struct settings_machine machine = {
        .processors = 1, .working_directory = "/", .host_name = "node-7"
    };
    ASSERT_OK(put(s, "listeners", "INTERNAL://:9092,EXTERNAL://[::1]:9093"));
    ASSERT_OK(put(s, "listener.security.protocol.map", "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT"));
    ASSERT_ERROR(settings_validate(s), -EINVAL);
    ASSERT_OK(settings_compute(s, &machine));
    ASSERT_STRING(settings_string(s, "advertised.listeners"),
            "INTERNAL://node-7:9092,EXTERNAL://[::1]:9093");
    ASSERT_OK(settings_validate(s));
    settings_free(s);
}

TEST(a_port_is_shared_by_one_ipv4_and_one_ipv6_address_at_most)
{
    static const struct {
        const char *listeners;
        bool good;
    } cases[] = {
        { "PLAINTEXT://127.0.0.1:9092,B://[::1]:9092", true },
        { "PLAINTEXT://127.0.0.1:9092,B://127.0.0.1:9093", true },
        { "PLAINTEXT://127.0.0.1:0,B://127.0.0.1:0", true },
        { "PLAINTEXT://127.0.0.1:9092,B://127.0.0.2:9092", false },
        { "PLAINTEXT://a:9092,B://[::1]:9092", false },
        { "PLAINTEXT://[::2]:9092,B://[::1]:9092", false },
        { "PLAINTEXT://127.0.0.1:9092,B://[::1]:9092,C://[::2]:9092", false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct settings *s = settings_new();
        ASSERT_OK(put(s, "listener.security.protocol.map",
                "PLAINTEXT:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT"));
        ASSERT_OK(put(s, "listeners", cases[i].listeners));
        int r = settings_validate(s);
        if (cases[i].good != (r == 0)) {
            test_fail(__FILE__, __LINE__, "%s: %d", cases[i].listeners, r);
        }
        settings_free(s);
    }
    test_pass();
}

TEST(combinations_that_cannot_work_are_refused)
{
    static const char *const bad[][3] = {
        { "group.min.session.timeout.ms", "1800001", "group.max.session.timeout.ms" },
        { "message.max.bytes", "104857601", "socket.request.max.bytes" },
        { "listeners", "SSL://h:1", "only PLAINTEXT" },
        { "listeners", "PLAINTEXT://0.0.0.0:9092", "advertised.listeners" },
        { "advertised.listeners", "SSL://h:1", "which listeners does not have" },
        { "listener.name.internal.max.connections", "5", "listeners has no internal" },
        { "max.connections.per.ip", "0", "max.connections.per.ip.overrides" },
        { "wal.capacity.bytes", "268435456", "reactors" },
        { "log.cache.bytes", "1000", "upload.bytes" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct settings *s = settings_new();
        ASSERT_OK(put(s, "reactors", "8"));
        ASSERT_OK(put(s, bad[i][0], bad[i][1]));
        ASSERT_OK(settings_compute(s, &laptop));
        int r = settings_validate(s);
        if (r >= 0 || !strstr(fault_text(), bad[i][2])) {
            test_fail(__FILE__, __LINE__, "%s: %s gave %d, %s", bad[i][0], bad[i][1], r,
                    fault_text());
        }
        settings_free(s);
    }
    test_pass();
}
