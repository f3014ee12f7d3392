/* The text format, against what Prometheus' documentation asks for. */
#include "admin/metrics.h"
#include "unit/test.h"

#include <errno.h>
#include <math.h>
#include <string.h>

TEST(a_family_has_help_type_and_samples)
{
    struct metrics m;
    const struct metric_label labels[] = { { "topic", "a" }, { "kind", "b" } };
    metrics_init(&m);
    metrics_family(&m, METRIC_COUNTER, "freshet_x_total", "How many\nx with a \\.");
    metrics_sample(&m, NULL, 0, UINT64_MAX);
    metrics_sample(&m, labels, 2, 3);
    metrics_gauge_real(&m, "freshet_y_seconds", "Y.", 0.25);
    ASSERT_STRING(strbuf_cstring(&m.text), "# HELP freshet_x_total How many\\nx with a \\\\.\n"
                                           "# TYPE freshet_x_total counter\n"
                                           "freshet_x_total 18446744073709551615\n"
                                           "freshet_x_total{topic=\"a\",kind=\"b\"} 3\n"
                                           "# HELP freshet_y_seconds Y.\n"
                                           "# TYPE freshet_y_seconds gauge\n"
                                           "freshet_y_seconds 0.25\n");
    metrics_done(&m);
}

TEST(label_values_cannot_break_out_of_their_quotes)
{
    struct metrics m;
    const struct metric_label labels[] = { { "topic", "a\"} 1\nevil \\ 2" } };
    metrics_init(&m);
    metrics_family(&m, METRIC_GAUGE, "freshet_x", "X.");
    strbuf_clear(&m.text);
    metrics_sample(&m, labels, 1, 1);
    ASSERT_STRING(strbuf_cstring(&m.text), "freshet_x{topic=\"a\\\"} 1\\nevil \\\\ 2\"} 1\n");
    metrics_done(&m);
}

TEST(histograms_are_cumulative_and_end_in_infinity)
{
    struct metrics m;
    const uint64_t counts[] = { 1, 0, 2, 4 };
    const double upper[] = { 0.001, 0.002, 0.004, 0.008 };
    const struct metric_label labels[] = { { "op", "get" } };
    struct metric_histogram histogram = { counts, 4, upper, false, 1.5 };
    metrics_init(&m);
    metrics_family(&m, METRIC_HISTOGRAM, "freshet_h_seconds", "H.");
    strbuf_clear(&m.text);
    metrics_sample_histogram(&m, labels, 1, &histogram);
    ASSERT_STRING(strbuf_cstring(&m.text), "freshet_h_seconds_bucket{op=\"get\",le=\"0.001\"} 1\n"
                                           "freshet_h_seconds_bucket{op=\"get\",le=\"0.002\"} 1\n"
                                           "freshet_h_seconds_bucket{op=\"get\",le=\"0.004\"} 3\n"
                                           "freshet_h_seconds_bucket{op=\"get\",le=\"0.008\"} 7\n"
                                           "freshet_h_seconds_bucket{op=\"get\",le=\"+Inf\"} 7\n"
                                           "freshet_h_seconds_sum{op=\"get\"} 1.5\n"
                                           "freshet_h_seconds_count{op=\"get\"} 7\n");
    strbuf_clear(&m.text);
    histogram.last_is_open = true;
    metrics_sample_histogram(&m, NULL, 0, &histogram);
    ASSERT_STRING(strbuf_cstring(&m.text), "freshet_h_seconds_bucket{le=\"0.001\"} 1\n"
                                           "freshet_h_seconds_bucket{le=\"0.002\"} 1\n"
                                           "freshet_h_seconds_bucket{le=\"0.004\"} 3\n"
                                           "freshet_h_seconds_bucket{le=\"+Inf\"} 7\n"
                                           "freshet_h_seconds_sum 1.5\n"
                                           "freshet_h_seconds_count 7\n");
    metrics_done(&m);
}

TEST(numbers_that_are_none_have_their_own_words)
{
    struct metrics m;
    metrics_init(&m);
    metrics_family(&m, METRIC_GAUGE, "freshet_x", "X.");
    strbuf_clear(&m.text);
    metrics_sample_real(&m, NULL, 0, (double)INFINITY);
    metrics_sample_real(&m, NULL, 0, -(double)INFINITY);
    metrics_sample_real(&m, NULL, 0, (double)NAN);
    metrics_sample_real(&m, NULL, 0, 1e21);
    ASSERT_STRING(strbuf_cstring(&m.text),
            "freshet_x +Inf\nfreshet_x -Inf\nfreshet_x NaN\nfreshet_x 1e+21\n");
    metrics_done(&m);
}

TEST(too_much_text_is_an_error_and_not_memory)
{
    struct metrics m;
    metrics_init(&m);
    for (size_t i = 0; i < METRICS_SIZE_MAX / 16; i++) {
        metrics_gauge(&m, "freshet_x", "A help text of some length.", i);
    }
    ASSERT_EQ(m.text.error, -ENOBUFS);
    ASSERT(m.text.size <= METRICS_SIZE_MAX);
    metrics_done(&m);
}
