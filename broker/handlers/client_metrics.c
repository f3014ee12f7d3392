/* Which subscriptions are for a client, and whether their configs make sense. */
#include "handlers/client_metrics.h"

#include "base/crc.h"
#include "handlers/errors.h"
#include "reactor/call.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_SIZE_MAX CLIENT_METRICS_PATTERN_MAX
#define INTERVAL_MS_MIN 100
#define INTERVAL_MS_MAX 3600000

/* One name=pattern of a subscription, and what this client has for that name. */
struct condition {
    struct bytes pattern;
    struct bytes value;
    size_t subscription;
    bool holds;
};

struct subscription {
    struct bytes metrics;
    int32_t interval_ms;
    bool matches;
};

struct matching {
    struct request *request;
    const struct uuid *instance;
    struct subscription *subscriptions;
    size_t count;
    struct condition *conditions;
    size_t condition_count;
};

static struct bytes
trim(struct bytes text)
{
    while (text.size && text.data[0] == ' ') {
        text = bytes_of(text.data + 1, text.size - 1);
    }
    while (text.size && text.data[text.size - 1] == ' ') {
        text.size--;
    }
    return text;
}

/* Takes what is before the next `separator` off `rest`; false at its end. */
static bool
part_next(struct bytes *rest, uint8_t separator, struct bytes *ret_part)
{
    if (rest->size == 0) {
        return false;
    }
    const uint8_t *end = memchr(rest->data, separator, rest->size);
    size_t size = end ? (size_t)(end - rest->data) : rest->size;
    *ret_part = trim(bytes_of(rest->data, size));
    size_t skip = MIN(size + 1, rest->size);
    *rest = bytes_of(rest->data + skip, rest->size - skip);
    return true;
}

/* name=pattern, with one "=". */
static bool
split_condition(struct bytes text, struct bytes *ret_name, struct bytes *ret_pattern)
{
    struct bytes rest = text;
    if (!part_next(&rest, '=', ret_name) || rest.size == 0 || memchr(rest.data, '=', rest.size)) {
        return false;
    }
    *ret_pattern = trim(rest);
    return true;
}

static const char *const condition_names[] = { "client_instance_id", "client_id",
    "client_software_name", "client_software_version", "client_source_address",
    "client_source_port" };

static size_t
condition_kind(struct bytes name)
{
    size_t i = 0;
    while (i < ARRAY_SIZE(condition_names) &&
            !bytes_equal(name, bytes_of_string(condition_names[i]))) {
        i++;
    }
    return i;
}

/* "address:port" or "[address]:port" */
static struct bytes
peer_part(const char *peer, bool port)
{
    const char *colon = strrchr(peer, ':');
    if (!colon) {
        return bytes_of_string(port ? "" : peer);
    }
    if (port) {
        return bytes_of_string(colon + 1);
    }
    bool bracket = peer[0] == '[';
    return bytes_of(peer + bracket, (size_t)(colon - peer) - 2 * bracket);
}

static struct bytes
client_value(const struct matching *matching, size_t kind)
{
    struct request *request = matching->request;
    char text[UUID_TEXT_SIZE];
    switch (kind) {
    case 0:
        return request_text(request, "%s", uuid_format(matching->instance, text));
    case 1:
        return request->client_id;
    case 2:
        return bytes_of_string(request->connection->software_name);
    case 3:
        return bytes_of_string(request->connection->software_version);
    case 4:
        return peer_part(request->peer, false);
    default:
        return peer_part(request->peer, true);
    }
}

/* The pattern for the whole of a value. -EINVAL: not a regular expression. */
static int
compile(struct bytes pattern, regex_t *ret_regex)
{
    char text[CLIENT_METRICS_PATTERN_MAX + 8];
    if (pattern.size > CLIENT_METRICS_PATTERN_MAX || memchr(pattern.data, 0, pattern.size)) {
        return -EINVAL;
    }
    snprintf(text, sizeof text, "^(%.*s)$", (int)pattern.size, (const char *)pattern.data);
    return regcomp(ret_regex, text, REG_EXTENDED | REG_NOSUB) == 0 ? 0 : -EINVAL;
}

static bool
condition_holds(const struct condition *condition)
{
    regex_t regex;
    char value[VALUE_SIZE_MAX + 1];
    if (compile(condition->pattern, &regex) < 0) {
        return false;
    }
    bytes_to_string(condition->value, value, sizeof value);
    bool holds = regexec(&regex, value, 0, NULL, 0) == 0;
    regfree(&regex);
    return holds;
}

/* On a helper thread. */
static int
evaluate(void *arg)
{
    struct matching *matching = arg;
    for (size_t i = 0; i < matching->condition_count; i++) {
        matching->conditions[i].holds = condition_holds(&matching->conditions[i]);
    }
    return 0;
}

static void
add_conditions(struct matching *matching, size_t subscription, struct bytes match)
{
    struct bytes text;
    struct bytes name;
    struct bytes pattern;
    struct bytes rest = match;
    while (part_next(&rest, ',', &text)) {
        struct condition *condition = &matching->conditions[matching->condition_count];
        size_t kind = split_condition(text, &name, &pattern) ? condition_kind(name)
                                                             : ARRAY_SIZE(condition_names);
        if (kind == ARRAY_SIZE(condition_names)) {
            matching->subscriptions[subscription].matches = false;
            continue;
        }
        *condition = (struct condition){
            .pattern = pattern, .value = client_value(matching, kind), .subscription = subscription
        };
        matching->condition_count++;
    }
}

static size_t
count_conditions(struct bytes match)
{
    struct bytes part;
    size_t count = 0;
    while (part_next(&match, ',', &part)) {
        count++;
    }
    return count;
}

static struct bytes
value_of(struct request *request, struct bytes name, const char *key)
{
    struct bytes value;
    return meta_config_get(meta_state(request->broker->meta), META_RESOURCE_CLIENT_METRICS, name,
                   bytes_of_string(key), &value)
                   ? arena_dup(&request->arena, value)
                   : BYTES_LITERAL("");
}

/* Copies what there is now: it may change while the helper thread works. */
static void
gather(struct matching *matching)
{
    struct request *request = matching->request;
    const struct meta_state *state = meta_state(request->broker->meta);
    struct bytes *names = request_alloc(request, CLIENT_METRICS_SUBSCRIPTIONS_MAX, sizeof *names);
    size_t count = MIN(meta_config_names(state, META_RESOURCE_CLIENT_METRICS, names,
                               CLIENT_METRICS_SUBSCRIPTIONS_MAX),
            (size_t)CLIENT_METRICS_SUBSCRIPTIONS_MAX);
    struct bytes *matches = request_alloc(request, count, sizeof *matches);
    size_t conditions = 0;
    for (size_t i = 0; i < count; i++) {
        matches[i] = value_of(request, names[i], "match");
        conditions += count_conditions(matches[i]);
    }
    matching->count = count;
    matching->subscriptions = request_alloc(request, count, sizeof *matching->subscriptions);
    matching->conditions = request_alloc(request, conditions, sizeof *matching->conditions);
    for (size_t i = 0; i < count; i++) {
        char interval[16];
        bytes_to_string(value_of(request, names[i], "interval.ms"), interval, sizeof interval);
        int interval_ms = atoi(interval); /* check-text: allow atoi: it passed its validator */
        matching->subscriptions[i] = (struct subscription){
            .metrics = value_of(request, names[i], "metrics"),
            .interval_ms = interval_ms ? interval_ms : CLIENT_METRICS_INTERVAL_MS_DEFAULT,
            .matches = true,
        };
        add_conditions(matching, i, matches[i]);
    }
}

static bool
has_metric(const struct client_subscription *subscription, struct bytes metric)
{
    for (size_t i = 0; i < subscription->metric_count; i++) {
        if (bytes_equal(subscription->metrics[i], metric)) {
            return true;
        }
    }
    return false;
}

/* All subscriptions together; "*" stands for everything. */
static void
unite(struct matching *matching, struct client_subscription *out)
{
    size_t most = 0;
    for (size_t i = 0; i < matching->count; i++) {
        most += count_conditions(matching->subscriptions[i].metrics);
    }
    out->metrics = request_alloc(matching->request, most, sizeof *out->metrics);
    for (size_t i = 0; i < matching->count; i++) {
        struct subscription *s = &matching->subscriptions[i];
        struct bytes metric;
        if (s->matches) {
            out->push_interval_ms = MIN(out->push_interval_ms, s->interval_ms);
        }
        while (s->matches && part_next(&s->metrics, ',', &metric)) {
            if (!has_metric(out, metric)) {
                out->metrics[out->metric_count++] = metric;
            }
        }
    }
    if (has_metric(out, BYTES_LITERAL("*"))) {
        out->metrics[0] = BYTES_LITERAL("*");
        out->metric_count = 1;
    }
}

static int32_t
subscription_id(const struct client_subscription *subscription, const struct uuid *instance)
{
    uint32_t crc = crc32c(
            bytes_of(&subscription->push_interval_ms, sizeof subscription->push_interval_ms));
    for (size_t i = 0; i < subscription->metric_count; i++) {
        crc = crc32c_extend(crc, subscription->metrics[i]);
        crc = crc32c_extend(crc, BYTES_LITERAL(","));
    }
    return (int32_t)(crc ^ (uint32_t)uuid_hash(instance));
}

void
client_metrics_match(struct request *request, const struct uuid *instance,
        struct client_subscription *ret_subscription)
{
    struct matching matching = { .request = request, .instance = instance };
    struct client_subscription out = { .push_interval_ms = CLIENT_METRICS_INTERVAL_MS_DEFAULT };
    gather(&matching);
    /* When it could not run, no condition holds. */
    int r = matching.condition_count ? offload_run(evaluate, &matching) : 0;
    for (size_t i = 0; i < matching.condition_count; i++) {
        const struct condition *condition = &matching.conditions[i];
        matching.subscriptions[condition->subscription].matches &= r == 0 && condition->holds;
    }
    unite(&matching, &out);
    out.id = subscription_id(&out, instance);
    *ret_subscription = out;
}

uint32_t
client_metrics_version(const struct meta_state *state)
{
    return meta_config_checksum(state, META_RESOURCE_CLIENT_METRICS);
}

static int
compiles(void *arg)
{
    const struct bytes *pattern = arg;
    regex_t regex;
    int r = compile(*pattern, &regex);
    if (r == 0) {
        regfree(&regex);
    }
    return r;
}

static int
check_match(struct bytes value, int16_t *ret_code, char error[SETTINGS_ERROR_SIZE])
{
    struct bytes text;
    struct bytes name;
    struct bytes pattern;
    while (part_next(&value, ',', &text)) {
        if (!split_condition(text, &name, &pattern) ||
                condition_kind(name) == ARRAY_SIZE(condition_names) ||
                offload_run(compiles, &pattern) < 0) {
            *ret_code = KAFKA_INVALID_CONFIG;
            snprintf(error, SETTINGS_ERROR_SIZE, "Illegal client matching pattern: %.*s",
                    (int)MIN(text.size, (size_t)200), (const char *)text.data);
            return -EINVAL;
        }
    }
    return 0;
}

int
client_metrics_check(
        struct bytes key, struct bytes value, int16_t *ret_code, char error[SETTINGS_ERROR_SIZE])
{
    if (bytes_equal(key, BYTES_LITERAL("match"))) {
        return check_match(value, ret_code, error);
    }
    char text[16];
    bytes_to_string(value, text, sizeof text);
    int interval_ms = atoi(text); /* check-text: allow atoi: it passed its validator */
    if (bytes_equal(key, BYTES_LITERAL("interval.ms")) &&
            (interval_ms < INTERVAL_MS_MIN || interval_ms > INTERVAL_MS_MAX)) {
        *ret_code = KAFKA_INVALID_REQUEST;
        snprintf(error, SETTINGS_ERROR_SIZE,
                "Invalid value %d for interval.ms, interval must be between 100 and 3600000 (1 "
                "hour)",
                interval_ms);
        return -EINVAL;
    }
    return 0;
}
