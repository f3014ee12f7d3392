#pragma once
/* Which partitions should go where: a pure function of what the controller knows. balancer.c asks
 * it and logs the wishes.
 *
 * B1  A move goes from a broker with more to one with less, and never makes the receiver the
 *     greater one by more than the goal: no plan is answered by its reverse. Crash: none; the same
 *     partitions would go back and forth for ever.
 *
 * B2  Nothing goes to a broker that does not take partitions (cordoned, draining, gone, not
 *     serving yet), and nothing is taken from one that is not balanced over either.
 *
 * B3  At most moves_max moves.
 *
 * B4  What is fixed stays: a partition under way, or one that somebody else has placed; and what
 *     was moved a moment ago is not moved again for its traffic, which is measured after a while.
 *
 * B5  While others take them, a broker that has registered less than settle_ns ago gets no
 *     partitions of others, neither by a plan nor by placement.c. Crash: none; the load balancers
 *     before it don't know it yet, and clients that are sent to it knock at closed doors, each time
 *     with more patience until the next try.
 *
 * Three goals, one after the other: as many partitions on each broker, each topic over all zones
 * (only where the numbers of partitions are even enough to rest), as much traffic on each broker.
 * Hysteresis: a correction begins when a difference is greater than imbalance_percent of the mean,
 * and goes on until it is at most half of that. */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct balance_broker {
    int32_t zone; /* index from 0: equal ones are the same zone */
    bool takes;   /* B2 */
};

struct balance_partition {
    int32_t topic;  /* index; a topic's partitions lie side by side */
    int32_t broker; /* index: where it is, or is on its way to; -1: on none of these */
    bool fixed;     /* B4 */
    bool is_new;    /* there: B4 */
    uint64_t load;  /* bytes per second, in and out */
};

struct balance_input {
    const struct balance_broker *brokers;
    int32_t broker_count;
    int32_t zone_count;
    const struct balance_partition *partitions;
    size_t partition_count;
    uint32_t imbalance_percent; /* 1 to 100 */
    uint64_t load_min; /* a difference of traffic below it is not worth a move; bytes per second */
    size_t moves_max;  /* B3 */
    bool correcting;   /* the last plan's */
};

enum balance_reason {
    BALANCE_COUNT,   /* the one has more partitions */
    BALANCE_ZONE,    /* the topic has more partitions in that zone than its share */
    BALANCE_TRAFFIC, /* the one has more traffic */
    BALANCE_SWAP,    /* goes the other way, so that the numbers stay even */
};
const char *balance_reason_text(enum balance_reason reason);

struct balance_move {
    size_t partition;
    int32_t from; /* index of brokers */
    int32_t to;
    enum balance_reason reason;
};

struct balance_plan {
    struct balance_move *moves; /* mem_free */
    size_t count;
    bool correcting;       /* there is more to do than moves_max allowed, or not at the goal yet */
    uint32_t count_spread; /* before it: the most partitions of a broker less the fewest */
    uint32_t load_percent; /* before it: by how much the busiest is above the mean */
};

void balance_plan(const struct balance_input *input, struct balance_plan *ret_plan);
