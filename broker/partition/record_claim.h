#pragma once
/* From the header of a record batch to what producer_state.h judges. */

#include "partition/producer_state.h"
#include "wire/record_batch.h"

struct producer_claim record_claim_of(const struct record_batch *batch);
/* Records every batch of a run whose offsets are set: recovery from the WAL. Batches without
 * producer are skipped. */
void record_claims_replay(struct producer_states *states, struct bytes batches);
