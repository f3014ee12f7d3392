#pragma once
/* Private to this room: values in memory and the rows behind them. */

#include "settings/settings.h"

#define AT_LEAST(low) .bounded = true, .minimum = (low), .maximum = INT64_MAX
#define BETWEEN(low, high) .bounded = true, .minimum = (low), .maximum = (high)

/* The broker's rows lie in two arrays: those that do something and those that are only accepted. */
extern const struct setting settings_broker_rows[];
extern const size_t settings_broker_row_count;
extern const struct setting settings_inert_rows[];
extern const size_t settings_inert_row_count;
extern const struct setting settings_topic_rows[];
extern const size_t settings_topic_row_count;
extern const struct setting settings_group_rows[];
extern const size_t settings_group_row_count;
extern const struct setting settings_client_metrics_rows[];
extern const size_t settings_client_metrics_row_count;

/* Why a name that Kafka knows is refused here; NULL: it is not one of those. */
const char *settings_refused(struct bytes name);
/* The names that are refused, one after the other; prefixes end in '.'. NULL at the end. */
const char *settings_refused_at(size_t index, const char **ret_reason);
/* Writes why a key is not taken: refused, or unknown with the nearest known one (C1). */
void settings_explain_unknown(struct bytes name, char *out, size_t out_size);

/* A value after parsing; `text` is trimmed. */
struct setting_value {
    char *text;  /* owned; NULL: null */
    char *place; /* owned; "file:line" or NULL */
    enum setting_origin origin;
    bool set;
    int64_t number; /* BOOL, INT, LONG */
    double real;    /* DOUBLE */
};

enum layer { LAYER_BASE, LAYER_START, LAYER_DYNAMIC_DEFAULT, LAYER_DYNAMIC_BROKER, LAYER_COUNT };

struct slot {
    const struct setting *setting;
    struct setting_value layers[LAYER_COUNT];
};

/* The value of one listener. */
struct override {
    struct setting row; /* that of all listeners, with the whole key as its name, owned */
    struct slot slot;
};

struct settings {
    size_t count;
    struct slot *slots; /* sorted by name */
    size_t override_count;
    struct override *overrides[SETTINGS_OVERRIDES_MAX];
};

/* NULL: no such name. */
struct slot *slot_find(const struct settings *settings, const char *name);
/* The highest layer that is set. */
const struct setting_value *slot_value(const struct slot *slot);

/* Parses and checks; on success ret_value owns its text. -EINVAL: `error` as of setting_check. */
MUST_CHECK int setting_parse(const struct setting *setting, struct bytes text,
        struct setting_value *ret_value, char *error);
/* As settings_set; `place` may be NULL. */
MUST_CHECK int settings_put(struct settings *settings, const struct setting *setting,
        struct bytes value, enum setting_origin origin, const char *place);

/* The row to put a value of that key with: of the table, or of a single listener. NULL: there is
 * none, or there are SETTINGS_OVERRIDES_MAX already. */
const struct setting *settings_row(struct settings *settings, struct bytes key);
/* Puts a computed value in the place of the default and of what was set at start. */
MUST_CHECK int settings_put_computed(
        struct settings *settings, const char *name, struct bytes value);
/* Exchanges the values of two. */
void settings_swap(struct settings *a, struct settings *b);

/* Checks that rows name in .check. */
int check_gzip_level(const char *name, const char *text, char *error);
int check_not_empty(const char *name, const char *text, char *error);
int check_migration_policy(const char *name, const char *text, char *error);
int check_voters(const char *name, const char *text, char *error);
int check_bootstrap_servers(const char *name, const char *text, char *error);
int check_offset_reset(const char *name, const char *text, char *error);
int check_throttled_replicas(const char *name, const char *text, char *error);
int check_per_ip_overrides(const char *name, const char *text, char *error);
int check_listeners(const char *name, const char *text, char *error);
int check_endpoint(const char *name, const char *text, char *error);
int check_cluster_id(const char *name, const char *text, char *error);
int check_rack(const char *name, const char *text, char *error);
int check_selector(const char *name, const char *text, char *error);
