/* Ranges of object ids, asked for when the last one is used up. */
#include "partition/object_ids.h"

void
object_ids_init(struct object_ids *ids, struct meta *meta)
{
    *ids = (struct object_ids){ .meta = meta };
}

int
object_ids_take(struct object_ids *ids, uint64_t *ret_id)
{
    if (ids->left == 0) {
        struct meta_record record = {
            .type = META_INTENT,
            .intent = { meta_broker_id(ids->meta), meta_broker_epoch(ids->meta),
                    OBJECT_IDS_PER_INTENT },
        };
        struct meta_result result;
        int r = meta_propose_one(ids->meta, &record, &result);
        if (r < 0) {
            return r;
        }
        ids->next = result.first_id;
        ids->left = OBJECT_IDS_PER_INTENT;
    }
    *ret_id = ids->next++;
    ids->left--;
    return 0;
}
