#pragma once
/* Tells the controller every META_LOAD_INTERVAL_NS what this broker serves. A broker that reports
 * says by it that it takes partitions: it is started last and stopped first. */

#include "partition/shard.h"

struct load_report;

/* On reactor 0. shards: by reactor index, borrowed. */
MUST_CHECK int load_report_start(
        struct meta *meta, struct shard **shards, struct load_report **ret_report);
/* Accepts NULL. */
MAY_SUSPEND void load_report_stop(struct load_report *report);
