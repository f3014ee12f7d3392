#pragma once
/* What the kernel says of this process: the process_* metrics that every Prometheus exporter has.
 * Private to this room; called on HTTP threads, because /proc has no asynchronous form. */

#include "admin/metrics.h"

/* Metrics that the kernel does not give are left out. */
void process_metrics(struct metrics *metrics);
