#pragma once
/* What `freshet recover` writes to standard output, for machines: a JSON object a line. While it
 * works, one for each WAL folder when it begins, every two seconds, and when it is done; then the
 * result, which is the last line and alone has "recovered". Entered from process.c. */

#include "partition/recover.h"

/* recover_progress_fn; the name is the folder. */
void recover_report_progress(const char *name, const struct recover_progress *progress);
/* `recovered`: nothing is on the volume only. */
void recover_report_result(int32_t broker_id, bool recovered, size_t quarantined_partitions,
        const struct recover_result *sum);
