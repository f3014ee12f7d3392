#pragma once
/* Builds the text of /metrics (Prometheus text format 0.0.4). Names are freshet_* in base units:
 * seconds, bytes; counters end in _total. A family is begun once, then its samples follow. Errors
 * are sticky: too much text is -ENOBUFS at the end. */

#include "base/strbuf.h"

#define METRICS_SIZE_MAX ((size_t)4 << 20)

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_label {
    const char *name;
    const char *value; /* any text: it is escaped */
};

struct metrics {
    struct strbuf text;
    const char *family; /* of the samples that follow; borrowed */
    enum metric_type type;
};

/* A histogram as rooms keep it: counts of values at most upper[i], each value counted once. */
struct metric_histogram {
    const uint64_t *counts;
    size_t bucket_count;
    const double *upper; /* bucket_count bounds, ascending; values beyond the last are in its bucket
                            too when last_is_open, which then counts as +Inf only */
    bool last_is_open;
    double sum;
};

void metrics_init(struct metrics *metrics);
void metrics_done(struct metrics *metrics);

/* `name` is borrowed until the next family; it and `help` are literals of ours. */
void metrics_family(
        struct metrics *metrics, enum metric_type type, const char *name, const char *help);
void metrics_sample(struct metrics *metrics, const struct metric_label *labels, size_t label_count,
        uint64_t value);
void metrics_sample_real(struct metrics *metrics, const struct metric_label *labels,
        size_t label_count, double value);
void metrics_sample_histogram(struct metrics *metrics, const struct metric_label *labels,
        size_t label_count, const struct metric_histogram *histogram);

/* A family of one sample without labels. */
void metrics_counter(struct metrics *metrics, const char *name, const char *help, uint64_t value);
void metrics_gauge(struct metrics *metrics, const char *name, const char *help, uint64_t value);
void metrics_gauge_real(struct metrics *metrics, const char *name, const char *help, double value);
void metrics_counter_real(
        struct metrics *metrics, const char *name, const char *help, double value);
