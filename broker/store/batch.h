#pragma once
/* Runs of record batches as store/ sees them: where each ends, which offsets and times it covers.
 * The layout is wire/'s. Internal to store/. */

#include "wire/record_batch.h"

#include <stdint.h>

/* One record batch inside a run of them; borrows its bytes. */
struct batch_view {
    struct bytes bytes;
    int64_t base_offset;
    int64_t end_offset;    /* one past the last offset */
    int64_t timestamp_max; /* ms; -1: none */
};

/* Cuts the first batch off `rest`, which is not empty. -EBADMSG: the bytes do not begin with a
 * whole batch that has possible offsets. Looks at the header only. */
MUST_CHECK int batch_next(struct bytes *rest, struct batch_view *ret_batch);
/* True when the CRC-32C that the producer computed fits the bytes. */
bool batch_crc_fits(const struct batch_view *batch);
/* First record of the batch with a timestamp >= timestamp_ms. -ENOENT: none; -EBADMSG: the records
 * cannot be read; -ENOMEM. */
MUST_CHECK int batch_find_timestamp(const struct batch_view *batch, int64_t timestamp_ms,
        int64_t *ret_offset, int64_t *ret_timestamp_ms);
