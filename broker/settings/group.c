/* Groups: overrides against the broker's bounds for them. */
#include "base/attr.h"
#include "settings/settings_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    const char *low; /* the broker's; NULL: none */
    const char *high;
} bounds[] = {
#define BOUNDS(kind, what) { kind "." what, "group." kind ".min." what, "group." kind ".max." what }
    BOUNDS("consumer", "heartbeat.interval.ms"),
    BOUNDS("consumer", "session.timeout.ms"),
    BOUNDS("consumer", "assignment.interval.ms"),
    BOUNDS("share", "heartbeat.interval.ms"),
    BOUNDS("share", "session.timeout.ms"),
    BOUNDS("share", "assignment.interval.ms"),
    BOUNDS("share", "record.lock.duration.ms"),
    BOUNDS("share", "delivery.count.limit"),
    BOUNDS("share", "partition.max.record.locks"),
    BOUNDS("streams", "heartbeat.interval.ms"),
    BOUNDS("streams", "session.timeout.ms"),
    BOUNDS("streams", "assignment.interval.ms"),
    { "streams.num.standby.replicas", NULL, "group.streams.max.standby.replicas" },
};

struct lookup {
    const struct settings *settings;
    topic_override_fn override;
    void *arg;
};

/* False: the group has no value of its own, and the broker's is within its own bounds. */
static bool
own_value(const struct lookup *lookup, const char *name, int64_t *ret_value)
{
    char digits[24];
    struct bytes text;
    if (!lookup->override(lookup->arg, name, &text)) {
        return false;
    }
    bytes_to_string(text, digits, sizeof digits);
    *ret_value = strtoll(digits, NULL, 10);
    return true;
}

static int64_t
effective_value(const struct lookup *lookup, const char *name)
{
    int64_t value;
    const struct setting *row = setting_find(SETTING_GROUP, bytes_of_string(name));
    return own_value(lookup, name, &value) ? value
                                           : settings_long(lookup->settings, row->broker_name);
}

static int
check_bounds(const struct lookup *lookup, char *error)
{
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        int64_t value;
        if (!own_value(lookup, bounds[i].name, &value)) {
            continue;
        }
        if (bounds[i].low && value < settings_long(lookup->settings, bounds[i].low)) {
            snprintf(error, SETTINGS_ERROR_SIZE, "%s must be greater than or equal to %s",
                    bounds[i].name, bounds[i].low);
            return -EINVAL;
        }
        if (value > settings_long(lookup->settings, bounds[i].high)) {
            snprintf(error, SETTINGS_ERROR_SIZE, "%s must be less than or equal to %s",
                    bounds[i].name, bounds[i].high);
            return -EINVAL;
        }
    }
    return 0;
}

int
group_settings_check_combination(
        const struct settings *settings, topic_override_fn override, void *arg, char *error)
{
    static const char *const kinds[] = { "consumer", "share", "streams" };
    const struct lookup lookup = { settings, override, arg };
    int r = check_bounds(&lookup, error);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++) {
        char session[64];
        char heartbeat[64];
        snprintf(session, sizeof session, "%s.session.timeout.ms", kinds[i]);
        snprintf(heartbeat, sizeof heartbeat, "%s.heartbeat.interval.ms", kinds[i]);
        if (effective_value(&lookup, session) <= effective_value(&lookup, heartbeat)) {
            snprintf(error, SETTINGS_ERROR_SIZE, "%s must be greater than %s", session, heartbeat);
            r = -EINVAL;
        }
    }
    return r;
}
