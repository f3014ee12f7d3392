#pragma once
/* KIP-951: an answer that says NOT_LEADER also says who is, so that the client need not ask. Made
 * in the request's memory; one per answer. */

#include "handlers/request.h"
#include "store/range.h"

struct leader_hints {
    struct request *request;
    int32_t *ids; /* of the brokers named, each once */
    size_t count;
    size_t capacity;
};

/* Who has the partition now. False: nobody, or this broker itself (which is stopping),
 * or what it knows is old (M4 of leaders.h): no hint. */
bool leader_hint_find(struct leader_hints *hints, struct partition_key key, int32_t *ret_leader_id,
        int32_t *ret_leader_epoch);
/* Where the client reaches the i-th broker named; NULL when that is gone meanwhile, or has no
 * listener of the client's name: it will ask for metadata. */
const struct meta_broker_endpoint *leader_hint_endpoint(
        const struct leader_hints *hints, size_t i, const struct meta_broker **ret_broker);
