/* FRESHET_<KEY> variables. */
#include "base/fault.h"
#include "settings/settings_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "FRESHET_"

/* log.retention.ms is LOG_RETENTION_MS. */
static bool
name_fits(const char *name, struct bytes variable)
{
    size_t i = 0;
    for (; name[i] && i < variable.size; i++) {
        char c = name[i] == '.' || name[i] == '-' ? '_' : name[i];
        c = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
        if (c != (char)variable.data[i]) {
            return false;
        }
    }
    return !name[i] && i == variable.size;
}

static const struct setting *
find_by_variable(struct bytes variable)
{
    const struct setting *row;
    for (size_t i = 0; (row = setting_at(SETTING_BROKER, i)); i++) {
        if (name_fits(row->name, variable)) {
            return row;
        }
    }
    return NULL;
}

/* LISTENER_NAME_INTERNAL_MAX_CONNECTIONS is listener.name.internal.max.connections. */
static const struct setting *
find_of_listener(struct settings *settings, struct bytes variable)
{
    static const char prefix[] = "listener.name.";
    const size_t prefix_size = sizeof prefix - 1;
    char key[SETTINGS_KEY_SIZE_MAX];
    const struct setting *row;
    if (variable.size >= sizeof key || variable.size <= prefix_size ||
            !name_fits(prefix, bytes_of(variable.data, prefix_size))) {
        return NULL;
    }
    bytes_to_string(variable, key, sizeof key);
    for (char *p = key; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    for (size_t i = 0; (row = setting_at(SETTING_BROKER, i)); i++) {
        size_t size = strlen(row->name);
        size_t start = variable.size > size ? variable.size - size : 0;
        if (row->per_listener && start > prefix_size && variable.data[start - 1] == '_' &&
                name_fits(row->name, bytes_of(variable.data + start, size))) {
            memcpy(key, prefix, prefix_size);
            snprintf(key + start - 1, sizeof key - start + 1, ".%s", row->name);
            return settings_row(settings, bytes_of_string(key));
        }
    }
    return NULL;
}

/* Kubernetes puts a Service called freshet or freshet-... into the environment of every pod of its
 * namespace: FRESHET_SERVICE_HOST, FRESHET_PORT=tcp://10.0.0.1:9092, FRESHET_PORT_9092_TCP_ADDR ...
 * They are none of ours, and an operator cannot keep them away from a pod that somebody else wrote.
 */
static bool
is_of_kubernetes(const char *variable, size_t size, const char *value)
{
    char name[SETTINGS_KEY_SIZE_MAX];
    if (size >= sizeof name) {
        return false;
    }
    bytes_to_string(bytes_of(variable, size), name, sizeof name);
    if (strstr(name, "_SERVICE_HOST") || strstr(name, "_SERVICE_PORT")) {
        return true;
    }
    const char *port = strstr(name, "_PORT_");
    if (port && port[6] >= '0' && port[6] <= '9' &&
            (strstr(port, "_TCP") || strstr(port, "_UDP"))) {
        return true;
    }
    bool ends_in_port = size > 5 && strcmp(name + size - 5, "_PORT") == 0;
    return ends_in_port && (strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0);
}

static int
unknown_variable(struct bytes key, const char *whole, size_t whole_size)
{
    char dotted[SETTINGS_KEY_SIZE_MAX];
    char error[SETTINGS_ERROR_SIZE];
    char shown[100];
    bytes_to_string(key, dotted, sizeof dotted);
    for (char *p = dotted; *p; p++) {
        *p = *p == '_' ? '.' : *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    }
    settings_explain_unknown(bytes_of_string(dotted), error, sizeof error);
    bytes_to_string(bytes_of(whole, whole_size), shown, sizeof shown);
    fault_clear();
    return fault_note(-EINVAL, "environment variable %s: %.300s", shown, error);
}

/* What tests do to a broker: reactor/crash_point.h, reactor/disk_fault.h, objectstore/faulty.h. */
static bool
is_of_a_test(struct bytes variable)
{
    return bytes_equal(variable, BYTES_LITERAL("FRESHET_CRASH_POINT")) ||
           bytes_equal(variable, BYTES_LITERAL("FRESHET_DISK_FAULTS")) ||
           bytes_equal(variable, BYTES_LITERAL("FRESHET_FAULTS")) ||
           bytes_starts_with(variable, BYTES_LITERAL("FRESHET_TEST_"));
}

static int
take_variable(struct settings *settings, const char *variable)
{
    const char *equals = strchr(variable, '=');
    if (!equals) {
        return 0;
    }
    size_t size = (size_t)(equals - variable);
    struct bytes whole = bytes_of(variable, size);
    struct bytes key = bytes_of(variable + sizeof PREFIX - 1, size - (sizeof PREFIX - 1));
    if (is_of_a_test(whole) || is_of_kubernetes(variable, size, equals + 1)) {
        return 0;
    }
    const struct setting *setting = find_by_variable(key);
    setting = setting ? setting : find_of_listener(settings, key);
    if (!setting) {
        return unknown_variable(key, variable, size);
    }
    int r = settings_put(
            settings, setting, bytes_of_string(equals + 1), SETTING_FROM_ENVIRONMENT, NULL);
    if (r < 0) {
        return fault_note(r, "environment variable %.*s", (int)MIN(size, (size_t)100), variable);
    }
    return 0;
}

int
settings_load_environment(struct settings *settings, char *const *environment)
{
    for (size_t i = 0; environment[i]; i++) {
        const char *equals = strchr(environment[i], '=');
        if (strncmp(environment[i], PREFIX, sizeof PREFIX - 1) != 0 || !equals) {
            continue;
        }
        int r = take_variable(settings, environment[i]);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
