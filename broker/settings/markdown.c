/* docs/configuration.md, from the table. `freshet settings --markdown` prints it; a test compares.
 */
#include "base/check.h"
#include "settings/settings_internal.h"

#include <inttypes.h>
#include <string.h>

static const char introduction[] =
        "# Configuration\n"
        "<!-- Written by `freshet settings --markdown`: change broker/settings/table_*.c instead. "
        "-->\n"
        "\n"
        "`freshet broker --config FILE` reads a YAML file. Keys may be flat (`log.retention.ms: "
        "60000`) or nested maps, which\n"
        "are joined by dots; lists may be YAML lists or one text with commas. Where Kafka has a "
        "name for a setting, it is that\n"
        "name. An unknown key is an error that names the nearest known one. Each setting can also "
        "be given as an environment\n"
        "variable: `FRESHET_` and the name in upper case with `_` for `.` "
        "(`FRESHET_LOG_RETENTION_MS`). The environment wins over\n"
        "the file, the command line over the environment, and what AlterConfigs set for the "
        "running cluster over all of them\n"
        "where *dynamic* says yes (*each broker*: only for one broker at a time).\n"
        "\n"
        "`freshet settings --config FILE` checks a file and prints what it would change.\n";

static const char differences[] =
        "\n## Differs from Kafka\n"
        "All other settings of Apache Kafka 4.4 have its name, type, default, valid values, words "
        "of "
        "refusal and way of update\n"
        "here; the test `wire/settings` compares them with Kafka's own classes.\n"
        "\n| name | what differs |\n|---|---|\n";

static void
append_escaped(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|') {
            strbuf_append_char(out, '\\');
        }
        strbuf_append_char(out, *text);
    }
}

static void
append_type(struct strbuf *out, const struct setting *row)
{
    strbuf_append_string(out, setting_type_name(row->type));
    if (row->choices) {
        strbuf_printf(out, ": %s", row->choices);
    } else if (row->bounded && row->maximum == INT64_MAX) {
        strbuf_printf(out, " >= %" PRId64, row->minimum);
    } else if (row->bounded) {
        strbuf_printf(out, " %" PRId64 " to %" PRId64, row->minimum, row->maximum);
    }
}

static void
append_default(struct strbuf *out, const struct setting *row)
{
    if (!row->fallback) {
        strbuf_append_string(out, "not set");
    } else if (!*row->fallback) {
        strbuf_append_string(out, "empty");
    } else {
        strbuf_printf(out, "`%s`", row->fallback);
    }
    if (row->broker_name) {
        strbuf_printf(out, " (`%s`)", row->broker_name);
    }
}

static const char *
update_mode(const struct setting *row)
{
    return !row->dynamic ? "no" : row->per_broker ? "each broker" : "yes";
}

/* What tests/wire/java/Settings.java finds different, and why. */
static void
append_differences(struct strbuf *out)
{
    static const enum setting_scope scopes[] = { SETTING_BROKER, SETTING_TOPIC, SETTING_GROUP,
        SETTING_CLIENT_METRICS };
    const struct setting *row;
    const char *name;
    const char *reason;
    for (size_t scope = 0; scope < ARRAY_SIZE(scopes); scope++) {
        for (size_t i = 0; (row = setting_at(scopes[scope], i)); i++) {
            if (row->differs) {
                strbuf_printf(out, "| `%s` | ", row->name);
                append_escaped(out, row->differs);
                strbuf_append_string(out, " |\n");
            }
        }
    }
    for (size_t i = 0; (name = settings_refused_at(i, &reason)); i++) {
        bool prefix = name[strlen(name) - 1] == '.';
        strbuf_printf(out, "| `%s%s` | refused: %s |\n", name, prefix ? "*" : "", reason);
    }
}

static void
append_rows(struct strbuf *out, enum setting_scope scope, bool inert)
{
    const struct setting *row;
    strbuf_append_string(
            out, inert ? "\n| name | type | default | why it changes nothing |\n|---|---|---|---|\n"
                       : "\n| name | type | default | dynamic | what it does "
                         "|\n|---|---|---|---|---|\n");
    for (size_t i = 0; (row = setting_at(scope, i)); i++) {
        if ((row->inert != NULL) != inert) {
            continue;
        }
        strbuf_printf(out, "| `%s` | ", row->name);
        append_type(out, row);
        strbuf_append_string(out, " | ");
        append_default(out, row);
        strbuf_append_string(out, " | ");
        if (!inert) {
            strbuf_printf(out, "%s | ", update_mode(row));
        }
        append_escaped(out, row->about);
        if (inert) {
            strbuf_append_string(out, " No effect: ");
            append_escaped(out, row->inert);
            strbuf_append_char(out, '.');
        }
        strbuf_append_string(out, " |\n");
    }
}

void
settings_markdown(struct strbuf *out)
{
    strbuf_append_string(out, introduction);
    strbuf_append_string(out, "\n## Broker\n");
    append_rows(out, SETTING_BROKER, false);
    strbuf_append_string(out, "\n## Topics\nIn brackets the broker's setting that counts where a "
                              "topic has none of its own.\n");
    append_rows(out, SETTING_TOPIC, false);
    strbuf_append_string(out, "\n## Accepted for Kafka's sake: broker\nA file written for Kafka "
                              "may keep these. They are "
                              "checked and have no effect, for the reason given. What would be "
                              "dangerous to skip silently (`ssl.*`, `sasl.*`, "
                              "authorizers, some quotas) is refused instead.\n");
    append_rows(out, SETTING_BROKER, true);
    strbuf_append_string(out, "\n## Accepted for Kafka's sake: topics\n");
    append_rows(out, SETTING_TOPIC, true);
    strbuf_append_string(out, "\n## Accepted for Kafka's sake: groups\n");
    append_rows(out, SETTING_GROUP, true);
    strbuf_append_string(out,
            "\n## Client metrics\nOf subscriptions (KIP-714), one resource for each "
            "name: `kafka-client-metrics`.\n");
    append_rows(out, SETTING_CLIENT_METRICS, false);
    strbuf_append_string(out, differences);
    append_differences(out);
}
