#pragma once
/* A small world for the tests of the state machine, and short ways to commit into it. */

#include "support_records.h"

/* Topic 5 of four partitions, open by broker 1 in leader epoch 1, and object ids 1 to 100. */
struct world {
    struct meta_state *state;
    int64_t epoch; /* of broker 1 */
};

/* meta_state_free(world->state) ends it. */
bool world_init(struct world *world);
/* As broker 1; each the error of the record. */
int world_commit(struct world *world, uint64_t object_id, const struct meta_commit_range *ranges,
        int32_t count);
int world_commit_one(
        struct world *world, uint64_t object_id, int32_t index, int64_t base, int64_t end);
