#pragma once
/* What a seed stands for: the size of the world and which faults exist in it at all (a "swarm":
 * each seed has another selection). Everything can be set by hand, for shrinking. */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#define PLAN_BROKERS_MAX 3
#define PLAN_TOPICS_MAX 4

enum plan_fault {
    FAULT_KILL,      /* SIGKILL */
    FAULT_TERMINATE, /* SIGTERM: a rolling restart */
    FAULT_POWER,     /* power cut: what was not flushed may be gone, torn by sectors */
    FAULT_CRASH,     /* death at a named crash point */
    FAULT_PAUSE,     /* SIGSTOP */
    FAULT_SUSPEND,   /* the machine sleeps */
    FAULT_CLOCK,     /* wall clocks jump, clocks drift */
    FAULT_DISK,      /* failing writes and flushes, stalls, short reads */
    FAULT_FULL,      /* the volume is full for a while */
    FAULT_NET,       /* loss, delay, resets */
    FAULT_CUT,       /* a host, or one direction, is cut off */
    FAULT_STORE,     /* the store fails, is slow, loses answers, lands late */
    FAULT_STORE_CUT, /* no answers from the store for one broker */
    FAULT_MOVE,      /* partitions are reassigned */
    FAULT_CLIENT,    /* members are killed, clients pause */
    FAULT_DELETE,    /* records and topics are deleted, plain topics have little retention */
    FAULT_ROT,       /* bytes of objects change, in the bucket and on their way */
    FAULT_COUNT,
};

struct plan {
    uint64_t seed;
    unsigned brokers;
    unsigned reactors;
    unsigned idempotent; /* topics with an idempotent producer for each partition */
    unsigned plain;      /* topics with a producer that does not repeat */
    unsigned partitions; /* of each topic */
    unsigned members;    /* of the group */
    unsigned seconds;    /* with faults */
    unsigned gap_ms;     /* most, between two faults */
    unsigned lease_ms;
    unsigned upload_ms;
    unsigned bucket_wal; /* 1: wal.type=s3, and the living take over from the dead */
    unsigned linger_ms;  /* how long a broker that was told to stop goes on serving */
    uint64_t faults;     /* 1 << enum plan_fault */
    const char *log_level;
};

void plan_draw(struct plan *plan, uint64_t seed);
/* "brokers=3", "without=kill", "only=pause", "faults=none". -EINVAL. */
MUST_CHECK int plan_set(struct plan *plan, const char *text);
/* As the words that plan_set takes. */
void plan_print(const struct plan *plan);

static inline bool
plan_has(const struct plan *plan, enum plan_fault fault)
{
    return plan->faults >> fault & 1;
}
