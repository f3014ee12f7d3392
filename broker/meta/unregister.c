/* UnregisterBroker: a broker that is gone for good is forgotten. */
#include "meta/meta.h"

#include <errno.h>

int
meta_unregister(struct meta *meta, int32_t broker_id, int64_t broker_epoch, int *ret_refusal)
{
    const struct meta_broker *broker = meta_broker_find(meta_state(meta), broker_id);
    int64_t epoch = broker_epoch < 0 && broker ? broker->epoch : broker_epoch;
    const struct meta_record record = { .type = META_BROKER_REMOVE,
        .broker_remove = { broker_id, epoch } };
    struct meta_result result;
    int r = meta_propose(meta, &record, 1, &result);
    if (r == 0) {
        *ret_refusal = result.error;
    }
    return r;
}
