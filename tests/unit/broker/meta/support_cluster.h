#pragma once
/* Several brokers over one store, in one process. */

#include "meta/meta.h"
#include "reactor/clock.h"

#define LEASE (1 * (uint64_t)NS_PER_S)

/* Until the condition holds; false after 20 s. */
#define EVENTUALLY(condition)                                                                      \
    ({                                                                                             \
        uint64_t until_ = clock_mono_ns() + 20 * (uint64_t)NS_PER_S;                               \
        while (!(condition) && clock_mono_ns() < until_ && fiber_sleep_ns(5 * NS_PER_MS) == 0) {   \
        }                                                                                          \
        (condition);                                                                               \
    })

/* A broker of that store, with LEASE. */
struct meta_options cluster_options(struct objectstore *objects, int32_t id);
/* Started; NULL: it does not start. */
struct meta *cluster_broker(struct objectstore *objects, int32_t id);
