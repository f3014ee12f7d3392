/* See recover_report.h. */
#include "recover_report.h"

#include "api_json.h"

#include <inttypes.h>
#include <stdio.h>

#define LINE_SIZE_MAX (16 * KIB)

void
recover_report_progress(const char *name, const struct recover_progress *progress)
{
    struct strbuf folder;
    strbuf_init(&folder, LINE_SIZE_MAX);
    api_put_text(&folder, name);
    printf("{\"folder\": %s, \"records\": %" PRIu64 ", \"bytes\": %" PRIu64
           ", \"ofBytes\": %" PRIu64 ", \"committed\": %" PRIu64 ", \"objects\": %" PRIu64
           ", \"done\": %s}\n",
            strbuf_cstring(&folder), progress->records, progress->bytes, progress->of_bytes,
            progress->committed, progress->objects, progress->done ? "true" : "false");
    fflush(stdout);
    strbuf_done(&folder);
}

void
recover_report_result(int32_t broker_id, bool recovered, size_t quarantined_partitions,
        const struct recover_result *sum)
{
    printf("{\"brokerId\": %" PRId32 ", \"recovered\": %s, \"records\": %" PRIu64
           ", \"committed\": %" PRIu64 ", \"skipped\": %" PRIu64 ", \"held\": %" PRIu64
           ", \"objects\": %" PRIu64 ", \"quarantinedPartitions\": %zu}\n",
            broker_id, recovered ? "true" : "false", sum->wal.records, sum->records_committed,
            sum->records_skipped, sum->records_held, sum->objects, quarantined_partitions);
    fflush(stdout);
}
