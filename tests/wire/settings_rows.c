/* The table of settings for the comparison with Kafka's ConfigDef (java/Settings.java).
 *
 * settings_rows        prints the rows: scope, name, type, default, update mode, broker name,
 *                      differs; tabs between them, "\N" for what there is not
 * settings_rows check  reads lines of scope, name and value; prints for each "ok", the refusal as
 *                      a client sees it, or why the name is refused as a whole */
#include "base/check.h"
#include "settings/settings_internal.h"

#include <stdio.h>
#include <string.h>

static const char *const scopes[] = { "broker", "topic", "group", "client-metrics" };

static const char *
or_null(const char *text)
{
    return text ? text : "\\N";
}

static const char *
update_mode(const struct setting *row)
{
    return !row->dynamic ? "read-only" : row->per_broker ? "per-broker" : "cluster-wide";
}

static void
print_rows(void)
{
    const struct setting *row;
    for (size_t scope = 0; scope < ARRAY_SIZE(scopes); scope++) {
        for (size_t i = 0; (row = setting_at((enum setting_scope)scope, i)); i++) {
            printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\n", scopes[scope], row->name,
                    setting_type_name(row->type), or_null(row->fallback), update_mode(row),
                    or_null(row->broker_name), or_null(row->differs));
        }
    }
}

static void
check(enum setting_scope scope, const char *name, const char *value)
{
    char error[SETTINGS_ERROR_SIZE];
    const struct setting *row = setting_find(scope, bytes_of_string(name));
    const char *refused = scope == SETTING_BROKER ? settings_refused(bytes_of_string(name)) : NULL;
    if (!row) {
        printf("%s: %s\n", refused ? "refused" : "unknown", or_null(refused));
    } else if (setting_check(row, bytes_of_string(value), error) == 0) {
        puts("ok");
    } else {
        puts(error);
    }
}

static int
check_lines(void)
{
    static char line[65536];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *name = strchr(line, '\t');
        char *value = name ? strchr(name + 1, '\t') : NULL;
        if (!value) {
            fprintf(stderr, "not a line of scope, name and value: %s\n", line);
            return 1;
        }
        *name++ = 0;
        *value++ = 0;
        for (size_t scope = 0; scope < ARRAY_SIZE(scopes); scope++) {
            if (strcmp(scopes[scope], line) == 0) {
                check((enum setting_scope)scope, name, value);
            }
        }
    }
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "check") == 0) {
        return check_lines();
    }
    print_rows();
    return 0;
}
