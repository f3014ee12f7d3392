#pragma once
/* The balancer, on the controller: looks every few seconds, asks balance.h for a plan and logs it
 * as wishes (META_BALANCE) that the owners carry out. It gives way to everybody else: it waits
 * while a broker drains or stops, leaves alone what AlterPartitionReassignments has placed (for
 * BALANCER_RESPECT_NS, or until the controller changes), and its record changes nothing where the
 * state machine meets any other wish or another leader epoch than the plan saw.
 *
 * Limits: moves_max wishes under way at once, those of others counted; BALANCER_NOTES_MAX
 * partitions that are left alone: when so many are, others may be moved again early. */

#include "meta/balance.h"
#include "meta/meta.h"

#define BALANCER_INTERVAL_NS (5ull * 1000000000u)
#define BALANCER_RESPECT_NS (3600ull * 1000000000u)
#define BALANCER_COOLDOWN_NS (120ull * 1000000000u) /* after its own move of a partition */
#define BALANCER_NOTES_MAX 65536
#define BALANCER_LOAD_MIN (1u << 20) /* bytes per second that are worth a move */
#define BALANCER_SHOWN_MAX 100       /* moves that are told of */

enum balancer_state {
    BALANCER_ELSEWHERE, /* this broker is not the controller */
    BALANCER_OFF,
    BALANCER_WAITING, /* `reason` says for what */
    BALANCER_MOVING,
    BALANCER_BALANCED,
};

struct balancer_options {
    bool is_enabled;            /* balancer.enable */
    uint32_t imbalance_percent; /* balancer.imbalance.percent */
    uint32_t moves_max;         /* balancer.moves.max */
    uint64_t settle_ns;         /* balancer.settle.ms: B5 */
};

struct balancer_move {
    struct partition_key key;
    int32_t from; /* broker ids */
    int32_t to;
    enum balance_reason reason;
};

struct balancer_view {
    enum balancer_state state;
    char reason[200];
    struct balancer_options options;
    uint64_t next_run_ms; /* from now */
    uint64_t runs;
    uint64_t moves;     /* wishes logged */
    uint64_t done;      /* of them, carried out */
    uint64_t under_way; /* wishes in the cluster now, anybody's; at the last run */
    uint32_t count_spread;
    uint32_t load_percent;
    int64_t planned_at_ms; /* wall clock of the last plan that had moves; 0: none */
    size_t planned;        /* its moves */
    size_t shown;
    struct balancer_move shown_moves[BALANCER_SHOWN_MAX];
};

/* From reactor 0. */
void meta_balancer_configure(struct meta *meta, const struct balancer_options *options);
void meta_balancer_view(const struct meta *meta, struct balancer_view *ret_view);
/* What the controller knows of a broker's load; false: nothing recent. */
bool meta_broker_load(const struct meta *meta, int32_t broker_id, uint64_t *ret_in,
        uint64_t *ret_out, uint64_t *ret_age_ms);
