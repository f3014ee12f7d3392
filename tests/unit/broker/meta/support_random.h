#pragma once
/* Random histories of the metadata log: records that mostly fit the state they meet, and some that
 * do not. A naive model runs beside it: which manifests name which objects, kept as plain lists. */

#include "meta/state.h"

#define HISTORY_IDS_MAX 65536
#define HISTORY_MANIFESTS_MAX 4096
#define HISTORY_NAMED_MAX 16

struct naive_manifest {
    struct partition_key key;
    uint64_t id;
    bool alive; /* of a partition that lives; else it waits to be read */
    bool gone;
    uint64_t named[HISTORY_NAMED_MAX];
    size_t count;
};

struct history {
    uint64_t random;
    struct meta_state *state;
    struct arena arena;
    struct strbuf last; /* the last record, encoded */
    uint64_t sequence;  /* its position */
    uint32_t next_topic;
    uint32_t next_incarnation;
    int64_t next_controller;
    uint8_t *used;    /* by object id: committed, merged or a manifest */
    uint8_t *removed; /* by object id: META_GARBAGE_REMOVED */
    struct naive_manifest *manifests;
    size_t manifest_count;
    char why[200];
};

void history_init(struct history *history, uint64_t seed);
/* The state may have been taken out. */
void history_done(struct history *history);
uint64_t history_below(struct history *history, uint64_t bound);
struct meta_result history_step(struct history *history);
/* Applies the last step's record to another replica, from its bytes. */
struct meta_result history_replay_last(struct history *history, struct meta_state *state);
/* Compares the state with the naive model; `why` says what differs. */
bool history_check(struct history *history);
