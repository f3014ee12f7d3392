/* Producer id, epoch and sequences of a batch. */
#include "partition/record_claim.h"

/* Sequences wrap from INT32_MAX to 0. */
static int32_t
sequence_add(int32_t sequence, int32_t delta)
{
    int64_t sum = (int64_t)sequence + delta;
    return (int32_t)(sum > INT32_MAX ? sum - INT32_MAX - 1 : sum);
}

struct producer_claim
record_claim_of(const struct record_batch *batch)
{
    return (struct producer_claim){
        .id = batch->producer_id,
        .epoch = batch->producer_epoch,
        .first_sequence = batch->base_sequence,
        .last_sequence = sequence_add(batch->base_sequence, batch->last_offset_delta),
    };
}

void
record_claims_replay(struct producer_states *states, struct bytes batches)
{
    struct record_batch batch;
    while (record_batch_next(&batches, &batch) > 0) {
        if (record_batch_has_producer(&batch) && !record_batch_is_control(&batch)) {
            struct producer_claim claim = record_claim_of(&batch);
            producer_states_record(states, &claim, batch.base_offset,
                    record_batch_last_offset(&batch), batch.max_timestamp);
        }
    }
}
