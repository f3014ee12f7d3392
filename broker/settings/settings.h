#pragma once
/* The one table of settings, and the values that a broker runs with. Entered from main.c (load,
 * compute, validate) and then, read only, from every room above. Knows names, types, bounds and
 * defaults; reads no file and no clock: main hands it the bytes of the YAML file, the environment
 * and what it found out about the machine.
 *
 * C1  An unknown key stops the start and names the nearest known one. Crash scenario:
 * `log.retension.ms: 60000` is skipped silently, the volume bill grows for a year.
 *
 * C2  The strongest origin wins whatever the order of calls: default < computed < file <
 * environment < command line < dynamic for all brokers < dynamic for this broker.
 *
 * C3  A value that was taken has passed its validator: readers need no checks. A topic override
 * that no longer passes (an older broker accepted it) counts as not set.
 *
 * C4  Text from outside costs bounded memory: SETTINGS_* below. Errors quote at most a part of
 * it.
 *
 * Limits: SETTINGS_YAML_SIZE_MAX and the others below. */

#include "base/attr.h"
#include "base/bytes.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_YAML_SIZE_MAX ((size_t)1 << 20)
#define SETTINGS_YAML_DEPTH_MAX 16  /* maps in maps */
#define SETTINGS_YAML_KEYS_MAX 4096 /* scalars in one file */
#define SETTINGS_KEY_SIZE_MAX 256   /* joined by dots */
#define SETTINGS_VALUE_SIZE_MAX 65536
#define SETTINGS_ERROR_SIZE 400 /* text of one refusal, with NUL */
#define SETTINGS_LISTENERS_MAX 16
#define SETTINGS_HOST_SIZE 256    /* with NUL */
#define SETTINGS_OVERRIDES_MAX 64 /* values for single listeners */

enum setting_type {
    SETTING_BOOL,
    SETTING_SHORT, /* 16 bits */
    SETTING_INT,   /* 32 bits */
    SETTING_LONG,  /* 64 bits */
    SETTING_DOUBLE,
    SETTING_STRING,
    SETTING_ENUM, /* a string out of `choices` */
    SETTING_LIST, /* strings with commas between them; each out of `choices` if there are any */
};

enum setting_list {
    LIST_FREE,
    LIST_UNIQUE,    /* no element is empty or there twice */
    LIST_NOT_EMPTY, /* and there is one */
};

enum setting_scope { SETTING_BROKER, SETTING_TOPIC, SETTING_GROUP, SETTING_CLIENT_METRICS };

enum setting_origin {
    SETTING_FROM_DEFAULT,
    SETTING_FROM_MACHINE, /* computed by settings_compute */
    SETTING_FROM_FILE,
    SETTING_FROM_ENVIRONMENT,
    SETTING_FROM_COMMAND_LINE,
    SETTING_FROM_DYNAMIC_DEFAULT, /* AlterConfigs for all brokers */
    SETTING_FROM_DYNAMIC_BROKER,  /* AlterConfigs for this broker */
};

/* One row of the table. */
struct setting {
    const char *name; /* Kafka's name where Kafka has one */
    enum setting_type type;
    const char *fallback; /* default as text; NULL: null until something sets it */
    bool bounded;         /* minimum and maximum hold */
    int64_t minimum;
    int64_t maximum;
    const char *choices;    /* for ENUM and LIST: "a, b, c", as Kafka prints them */
    enum setting_list list; /* for LIST */
    /* A further check: 0, -EINVAL with the reason in error[SETTINGS_ERROR_SIZE], or -EBADMSG with
     * the whole text of the refusal there. NULL: none. */
    int (*check)(const char *name, const char *text, char *error);
    bool dynamic;            /* may change while the broker runs */
    bool per_broker;         /* dynamic, but each broker has its own: never for all of them */
    bool per_listener;       /* listener.name.<name>.<this> is its value for one listener */
    const char *broker_name; /* topic and group scope: the broker setting whose value is the
                                default; NULL: none */
    const char *about;       /* one sentence for people */
    const char *inert;       /* why the value changes nothing here; NULL: it does */
    const char *differs;     /* what is not as in Kafka and why; NULL: all is */
};

/* The rows of a scope, in the order of docs/configuration.md; NULL at the end. */
const struct setting *setting_at(enum setting_scope scope, size_t index);
/* NULL: no such row. */
const struct setting *setting_find(enum setting_scope scope, struct bytes name);
/* As setting_find, and finds what a key of one listener stands for: max.connections for
 * listener.name.internal.max.connections. *ret_listener is then the listener's name, in lower case
 * as Kafka has it there, else empty. Borrowed from `key`. */
const struct setting *setting_find_of(
        enum setting_scope scope, struct bytes key, struct bytes *ret_listener);
const char *setting_type_name(enum setting_type type);
/* The name that a typing mistake most likely meant; NULL when none is near. */
const char *setting_nearest(enum setting_scope scope, struct bytes name);
/* Checks one value. -EINVAL: `error` (SETTINGS_ERROR_SIZE bytes) holds the text that Kafka gives
 * its clients: "Invalid value x for configuration y: Value must be at least 1". */
MUST_CHECK int setting_check(const struct setting *setting, struct bytes value, char *error);

struct settings;

/* Every setting at its default. */
struct settings *settings_new(void);
/* An independent copy: one per reactor, so that dynamic changes need no lock. */
struct settings *settings_clone(const struct settings *settings);
/* Accepts NULL. */
void settings_free(struct settings *settings);

/* Takes all keys of a YAML document: nested maps joined by dots, or flat keys. `name` is for
 * messages. All or nothing. -EINVAL: the fault begins with name:line:column. */
MUST_CHECK int settings_load_yaml(struct settings *settings, const char *name, struct bytes text);
/* Takes FRESHET_<KEY>=value of a NULL-ended environment: upper case, "_" for ".". Skips
 * what tests set (FRESHET_CRASH_POINT, FRESHET_DISK_FAULTS, FRESHET_FAULTS, FRESHET_TEST_*) and
 * what Kubernetes sets for a Service called freshet. -EINVAL: the fault names the variable. */
MUST_CHECK int settings_load_environment(struct settings *settings, char *const *environment);
/* -EINVAL: unknown key or bad value; the fault says which. */
MUST_CHECK int settings_set(struct settings *settings, struct bytes key, struct bytes value,
        enum setting_origin origin);
/* Takes back what settings_set did for a dynamic origin; harmless when there is nothing. */
void settings_unset(struct settings *settings, struct bytes key, enum setting_origin origin);

/* What main found out about the machine. */
struct settings_machine {
    unsigned processors;           /* that this process may use, at least 1 */
    uint64_t memory_bytes;         /* of the machine or the container, the smaller; 0: unknown */
    uint64_t volume_free_bytes;    /* where data.dir lies; 0: unknown */
    uint64_t wal_bytes;            /* that a WAL in data.dir holds already */
    const char *working_directory; /* absolute; for a relative data.dir */
    const char *host_name;         /* for listeners on all addresses; NULL: unknown */
};
/* Fills in what was left to us: reactors, log.cache.bytes, log.cache.uploaded.bytes,
 * block.cache.bytes, wal.capacity.bytes, store.url, advertised.listeners. */
MUST_CHECK int settings_compute(struct settings *settings, const struct settings_machine *machine);
/* Looks at combinations. -EINVAL, -ENOTSUP (what Freshet doesn't have yet): the fault says which
 * keys. */
MUST_CHECK int settings_validate(const struct settings *settings);

/* Getters. The name must be in the broker table with that type: a wrong one is our bug (CHECK).
 * Follow Kafka's synonyms: log.retention.ms falls back to log.retention.minutes and
 * log.retention.hours. */
/* The setting that counts when this one is null: log.retention.minutes for log.retention.ms. NULL:
 * none. */
const char *settings_synonym(const char *name);
bool settings_is_null(const struct settings *settings, const char *name);
bool settings_bool(const struct settings *settings, const char *name);
int32_t settings_int(const struct settings *settings, const char *name);
/* The value for one listener, whose name may be in any case; without one of its own: that of all.
 */
int32_t settings_listener_int(
        const struct settings *settings, const char *listener, const char *name);
/* Takes INT rows too. */
int64_t settings_long(const struct settings *settings, const char *name);
double settings_double(const struct settings *settings, const char *name);
/* STRING, ENUM and LIST: the text, NULL when null. Borrowed until the setting changes. */
const char *settings_string(const struct settings *settings, const char *name);
/* The rows of values for single listeners: their names are whole keys. NULL at the end. Borrowed
 * until another is set. */
const struct setting *settings_override_at(const struct settings *settings, size_t index);
/* The value of any row as text, NULL when null; as DescribeConfigs shows it. Borrowed. */
const char *settings_text(const struct settings *settings, const struct setting *setting);
enum setting_origin settings_origin(const struct settings *settings, const struct setting *setting);
/* "default", "freshet.yaml:12", "environment" ... Borrowed. */
const char *settings_origin_text(const struct settings *settings, const struct setting *setting);

/* One entry of `listeners` or `advertised.listeners`. */
struct settings_listener {
    char name[64];
    char protocol[16]; /* PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL */
    char host[256];    /* "" : all addresses (or the machine's name, when advertised) */
    uint16_t port;
};
/* Parses "NAME://host:port,..." with the protocol of each name out of
 * listener.security.protocol.map. Advertised listeners that are not set are the listeners. Never
 * fails on what passed settings_validate; -EINVAL with a fault. */
MUST_CHECK int settings_listeners(const struct settings *settings, const char *name,
        struct settings_listener ret_listeners[SETTINGS_LISTENERS_MAX], size_t *ret_count);
/* The next item of max.connections.per.ip.overrides. 0: there is none; 1; -EINVAL, no fault. */
MUST_CHECK int settings_per_ip_next(
        const char **place, char ret_host[SETTINGS_HOST_SIZE], uint32_t *ret_count);
/* "host:port" or "[v6]:port" as in admin.listener. -EINVAL, no fault. */
MUST_CHECK int settings_endpoint(const char *text, char ret_host[256], uint16_t *ret_port);

/* --- topics --- */

/* Looks an override up; false when the topic has none. The bytes are borrowed for the call. */
typedef bool (*topic_override_fn)(void *arg, const char *key, struct bytes *ret_value);

enum timestamp_type { TIMESTAMP_CREATE, TIMESTAMP_LOG_APPEND };

/* What partition/ needs of one topic, overrides and broker defaults resolved. */
struct topic_settings {
    bool delete_enabled;  /* cleanup.policy has delete */
    bool compact_enabled; /* cleanup.policy has compact */
    enum timestamp_type timestamp_type;
    int32_t max_message_bytes;
    int64_t retention_ms;    /* -1: for ever */
    int64_t retention_bytes; /* -1: any size */
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int32_t segment_bytes;
    int64_t segment_ms;
    int64_t delete_retention_ms;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    double min_cleanable_dirty_ratio;
    const char *compression_type; /* "producer", "uncompressed", "gzip" ...: static */
    int32_t min_insync_replicas;
};
void topic_settings_resolve(const struct settings *settings, topic_override_fn override, void *arg,
        struct topic_settings *ret_topic);
/* The value of any topic row as text without an override: the broker setting it falls back to, else
 * its own default. NULL when null. Borrowed, or in `scratch` when it was converted from another
 * unit. ret_broker (may be NULL): the broker row that the value came from, or NULL. */
const char *topic_settings_default(const struct settings *settings, const struct setting *setting,
        char scratch[24], const struct setting **ret_broker);

/* One key and value of a CreateTopics or AlterConfigs request. -EINVAL: `error`
 * (SETTINGS_ERROR_SIZE bytes) has the text for the client; -ENOENT: unknown key, ditto. */
MUST_CHECK int topic_settings_check(struct bytes key, struct bytes value, char *error);
/* What only shows in combination (Kafka's LogConfig.validateValues). -EINVAL with `error`. */
MUST_CHECK int topic_settings_check_combination(const struct topic_settings *topic, char *error);

/* --- for people --- */

/* docs/configuration.md. */
void settings_markdown(struct strbuf *out);

/* --- groups --- */

/* A group's settings lie within what the broker allows, and a session outlasts a heartbeat. -EINVAL
 * with `error`. */
MUST_CHECK int group_settings_check_combination(
        const struct settings *settings, topic_override_fn override, void *arg, char *error);
