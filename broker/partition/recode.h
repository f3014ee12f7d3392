#pragma once
/* compression.type of a topic: a batch that arrives in another codec is written anew in its codec.
 * Entered from append.c, before the batch takes its place in line. */

#include "base/buf.h"
#include "wire/record_batch.h"

/* A new batch with the same records, offsets, producer and timestamps in the codec `wanted`; on a
 * helper thread. Owned by the caller. -E2BIG: unfolds too far; -EBADMSG; -ENOMEM. */
MUST_CHECK MAY_SUSPEND int batch_recode(
        const struct record_batch *batch, enum compression wanted, struct buf **ret_batch);
