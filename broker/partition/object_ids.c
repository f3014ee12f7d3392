/* Ranges of object ids, asked for when the last one is used up. */
#include "partition/object_ids.h"

void
object_ids_init(struct object_ids *ids, struct meta *meta)
{
    *ids = (struct object_ids){ .meta = meta };
    mutex_init(&ids->lock);
}

static int
ids_refill(struct object_ids *ids)
{
    struct meta_record record = {
        .type = META_INTENT,
        .intent = { meta_broker_id(ids->meta), meta_broker_epoch(ids->meta),
                OBJECT_IDS_PER_INTENT },
    };
    struct meta_result result;
    int r = meta_propose_one(ids->meta, &record, &result);
    if (r == 0) {
        ids->next = result.first_id;
        ids->left = OBJECT_IDS_PER_INTENT;
    }
    return r;
}

int
object_ids_take(struct object_ids *ids, uint64_t *ret_id)
{
    int r = mutex_lock(&ids->lock);
    if (r < 0) {
        return r;
    }
    if (ids->left == 0) {
        r = ids_refill(ids);
    }
    if (r == 0) {
        *ret_id = ids->next++;
        ids->left--;
    }
    mutex_unlock(&ids->lock);
    return r;
}
