/* Text of /metrics. Values that come from outside appear only inside label quotes, escaped. */
#include "admin/metrics.h"

#include "base/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void
metrics_init(struct metrics *metrics)
{
    *metrics = (struct metrics){ 0 };
    strbuf_init(&metrics->text, METRICS_SIZE_MAX);
}

void
metrics_done(struct metrics *metrics)
{
    strbuf_done(&metrics->text);
}

static bool
is_name(const char *name)
{
    for (const char *p = name; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        if (!letter && !(p > name && *p >= '0' && *p <= '9')) {
            return false;
        }
    }
    return *name != 0;
}

static void
append_escaped(struct strbuf *out, const char *text, bool quotes)
{
    for (; *text; text++) {
        if (*text == '\n') {
            strbuf_append_string(out, "\\n");
        } else if (*text == '\\' || (quotes && *text == '"')) {
            strbuf_append_char(out, '\\');
            strbuf_append_char(out, *text);
        } else {
            strbuf_append_char(out, *text);
        }
    }
}

void
metrics_family(struct metrics *metrics, enum metric_type type, const char *name, const char *help)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    CHECK(is_name(name));
    metrics->family = name;
    metrics->type = type;
    strbuf_printf(&metrics->text, "# HELP %s ", name);
    append_escaped(&metrics->text, help, false);
    strbuf_printf(&metrics->text, "\n# TYPE %s %s\n", name, types[type]);
}

/* name_suffix{labels,le="..."} and a space. `le` may be NULL. */
static void
append_head(struct metrics *metrics, const char *suffix, const struct metric_label *labels,
        size_t label_count, const char *le)
{
    struct strbuf *out = &metrics->text;
    CHECK(metrics->family);
    strbuf_printf(out, "%s%s", metrics->family, suffix);
    for (size_t i = 0; i < label_count; i++) {
        CHECK(is_name(labels[i].name));
        strbuf_printf(out, "%c%s=\"", i == 0 ? '{' : ',', labels[i].name);
        append_escaped(out, labels[i].value ? labels[i].value : "", true);
        strbuf_append_char(out, '"');
    }
    if (le) {
        strbuf_printf(out, "%cle=\"%s\"", label_count == 0 ? '{' : ',', le);
    }
    strbuf_append_string(out, label_count || le ? "} " : " ");
}

static void
append_real(struct strbuf *out, double value)
{
    if (isnan(value)) {
        strbuf_append_string(out, "NaN\n");
    } else if (isinf(value)) {
        strbuf_append_string(out, value > 0 ? "+Inf\n" : "-Inf\n");
    } else {
        strbuf_printf(out, "%.15g\n", value);
    }
}

void
metrics_sample(struct metrics *metrics, const struct metric_label *labels, size_t label_count,
        uint64_t value)
{
    CHECK(metrics->type != METRIC_HISTOGRAM);
    append_head(metrics, "", labels, label_count, NULL);
    strbuf_printf(&metrics->text, "%" PRIu64 "\n", value);
}

void
metrics_sample_real(struct metrics *metrics, const struct metric_label *labels, size_t label_count,
        double value)
{
    CHECK(metrics->type != METRIC_HISTOGRAM);
    append_head(metrics, "", labels, label_count, NULL);
    append_real(&metrics->text, value);
}

void
metrics_sample_histogram(struct metrics *metrics, const struct metric_label *labels,
        size_t label_count, const struct metric_histogram *histogram)
{
    uint64_t total = 0;
    CHECK(metrics->type == METRIC_HISTOGRAM);
    for (size_t i = 0; i < histogram->bucket_count; i++) {
        char le[32];
        total += histogram->counts[i];
        if (i + 1 == histogram->bucket_count && histogram->last_is_open) {
            break;
        }
        snprintf(le, sizeof le, "%.9g", histogram->upper[i]);
        append_head(metrics, "_bucket", labels, label_count, le);
        strbuf_printf(&metrics->text, "%" PRIu64 "\n", total);
    }
    append_head(metrics, "_bucket", labels, label_count, "+Inf");
    strbuf_printf(&metrics->text, "%" PRIu64 "\n", total);
    append_head(metrics, "_sum", labels, label_count, NULL);
    append_real(&metrics->text, histogram->sum);
    append_head(metrics, "_count", labels, label_count, NULL);
    strbuf_printf(&metrics->text, "%" PRIu64 "\n", total);
}

void
metrics_counter(struct metrics *metrics, const char *name, const char *help, uint64_t value)
{
    metrics_family(metrics, METRIC_COUNTER, name, help);
    metrics_sample(metrics, NULL, 0, value);
}

void
metrics_gauge(struct metrics *metrics, const char *name, const char *help, uint64_t value)
{
    metrics_family(metrics, METRIC_GAUGE, name, help);
    metrics_sample(metrics, NULL, 0, value);
}

void
metrics_gauge_real(struct metrics *metrics, const char *name, const char *help, double value)
{
    metrics_family(metrics, METRIC_GAUGE, name, help);
    metrics_sample_real(metrics, NULL, 0, value);
}

void
metrics_counter_real(struct metrics *metrics, const char *name, const char *help, double value)
{
    metrics_family(metrics, METRIC_COUNTER, name, help);
    metrics_sample_real(metrics, NULL, 0, value);
}
