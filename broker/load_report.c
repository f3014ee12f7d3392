/* See load_report.h. */
#include "load_report.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <errno.h>

struct load_report {
    struct meta *meta;
    struct shard **shards;
    struct fiber *fiber;
    uint64_t elapsed_ns; /* of the report that is being made */
    struct meta_load sum;
    struct meta_partition_load partitions[META_LOAD_PARTITIONS_MAX];
};

/* Each reactor has an equal part of the places. */
static int
load_here(void *arg)
{
    struct load_report *report = arg;
    struct meta_load here;
    shard_load(report->shards[reactor_index()], report->elapsed_ns,
            report->partitions + report->sum.count, META_LOAD_PARTITIONS_MAX / reactor_count(),
            &here);
    report->sum.in += here.in;
    report->sum.out += here.out;
    report->sum.count += here.count;
    return 0;
}

static int
report_once(struct load_report *report)
{
    report->sum = (struct meta_load){ .partitions = report->partitions };
    for (unsigned i = 0; i < reactor_count(); i++) {
        int r = reactor_call(i, load_here, report);
        if (r < 0) {
            return r;
        }
    }
    meta_report_load(report->meta, &report->sum);
    return 0;
}

static void
report_main(void *arg)
{
    struct load_report *report = arg;
    uint64_t last_ns = clock_mono_ns() - META_LOAD_INTERVAL_NS;
    int r = 0;
    while (r == 0) {
        uint64_t now_ns = clock_mono_ns();
        report->elapsed_ns = now_ns - last_ns;
        last_ns = now_ns;
        r = report_once(report);
        r = r ? r : fiber_sleep_ns(META_LOAD_INTERVAL_NS);
    }
    if (r != -ECANCELED) {
        LOG_WARN("the controller hears no more of what this broker serves", LOG_FAULT(r));
    }
}

int
load_report_start(struct meta *meta, struct shard **shards, struct load_report **ret_report)
{
    struct load_report *report = mem_alloc(sizeof *report);
    report->meta = meta;
    report->shards = shards;
    int r = fiber_spawn("load report", report_main, report, &report->fiber);
    if (r < 0) {
        mem_free(report);
        return r;
    }
    *ret_report = report;
    return 0;
}

void
load_report_stop(struct load_report *report)
{
    if (report) {
        fiber_cancel(report->fiber);
        fiber_join(report->fiber);
        mem_free(report);
    }
}
