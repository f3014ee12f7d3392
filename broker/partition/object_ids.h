#pragma once
/* Object ids out of this broker's intents: taken from the metadata log in ranges, so that an upload
 * rarely waits for one, and an orphan of a crash always lies in a known range (O1). */

#include "meta/meta.h"
#include "reactor/sync.h"

#define OBJECT_IDS_PER_INTENT 256

struct object_ids {
    struct meta *meta;
    struct mutex lock; /* one intent is asked for at a time */
    uint64_t next;
    uint64_t left;
};

void object_ids_init(struct object_ids *ids, struct meta *meta);
/* -ESTALE: fenced; -ECANCELED. */
MUST_CHECK MAY_SUSPEND int object_ids_take(struct object_ids *ids, uint64_t *ret_id);
