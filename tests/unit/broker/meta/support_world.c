/* See support_world.h. */
#include "support_world.h"

bool
world_init(struct world *world)
{
    world->state = test_state(&world->epoch);
    struct meta_record topic = test_topic(5, 4);
    bool ok = test_apply(world->state, &topic).error == 0;
    for (int32_t i = 0; i < 4; i++) {
        struct meta_record open = test_open(5, i, 1, world->epoch);
        ok = ok && test_apply(world->state, &open).epoch == 1;
    }
    struct meta_record intent = test_intent(1, world->epoch, 100);
    return ok && test_apply(world->state, &intent).first_id == 1;
}

int
world_commit(struct world *world, uint64_t object_id, const struct meta_commit_range *ranges,
        int32_t count)
{
    struct meta_record record = test_commit(1, world->epoch, object_id, ranges, count);
    return test_apply(world->state, &record).error;
}

int
world_commit_one(struct world *world, uint64_t object_id, int32_t index, int64_t base, int64_t end)
{
    struct meta_commit_range range = test_range(5, index, object_id, base, end, 1);
    return world_commit(world, object_id, &range, 1);
}
