#pragma once
/* A store around another one that fails as the world does. Entered through objectstore_open:
 *
 *   faulty+memory://NAME?faults=RULES&fault=put:meta*:lost:p=0.1:n=5
 *
 * `faults` names the set of rules (default: the URL of the store inside), so that tests can change
 * the rules of each broker of a simulated cluster; `fault` adds one rule, any number of times;
 * FRESHET_FAULTS=rule;rule adds rules to every faulty store of the process. A rule is
 * OPERATIONS:PATTERN:KIND[:p=PROBABILITY][:n=COUNT][:skip=N][:ms=DELAY] with OPERATIONS any, or get
 * head put delete list joined by '+', and PATTERN a key with '*' for anything. The first rule that
 * fits, and whose dice fall, applies. The dice are the reactor's, so a seed repeats them.
 *
 * Faults stand where the network stands: a fault hits one try, below the repetitions of
 * objectstore.c. Late writes belong to the store inside, whoever sent them: they land when their
 * time has come, before the next operation of any faulty store on it, even if the sender is dead by
 * then. Limits: FAULTY_RULES_MAX, FAULTY_LATE_MAX, FAULTY_RECENT_MAX. */

#include "base/attr.h"
#include "objectstore/objectstore.h"

enum faulty_kind {
    FAULTY_LOST, /* executed, the answer is lost: undecided */
    FAULTY_LATE, /* writes: undecided now, executed `delay` later whatever others did meanwhile */
    FAULTY_ECHO, /* conditional writes: executed, then sent again by the transport: -EEXIST for our
                    own (S2) */
    FAULTY_409,  /* writes: not executed, undecided */
    FAULTY_412,  /* conditional writes: refused though the condition held */
    FAULTY_500,  /* executed or not, undecided */
    FAULTY_503,  /* not executed; the server asks for patience (`delay`) */
    FAULTY_TRUNCATED, /* get: the body ends early, -EIO */
    FAULTY_WRONG,     /* get: one byte of the body differs, and nothing tells */
    FAULTY_SLOW,      /* executed after up to `delay` */
    FAULTY_HELD,      /* executed once the set's rules are removed; no answer if its deadline comes
                         first */
    FAULTY_HANG,   /* no answer until the deadline, or for `delay` if one is given: so long a client
                         waits for one try; not executed */
    FAULTY_STALE,  /* list: without what was written in the last `delay` */
    FAULTY_DENIED, /* -EACCES */
    FAULTY_FULL,   /* writes: -ENOSPC */
    FAULTY_KIND_COUNT,
};

#define FAULTY_RULES_MAX 64
#define FAULTY_LATE_MAX 1024
#define FAULTY_RECENT_MAX 1024
#define FAULTY_PATTERN_SIZE 128
#define FAULTY_ALWAYS 1000000u

struct faulty_rule {
    unsigned operations;               /* 1u << enum object_operation, or-ed; 0: all */
    char pattern[FAULTY_PATTERN_SIZE]; /* "": all keys; lists: their prefix; delete_many: the first
                                          key */
    enum faulty_kind kind;
    uint32_t per_million; /* probability */
    uint64_t count;       /* how often at most; UINT64_MAX: no limit */
    uint64_t skip;        /* spare the first that fit */
    uint64_t delay_ns;    /* 0: one second */
};

/* Reads one rule in the notation above. -EINVAL. */
MUST_CHECK int faulty_parse(const char *text, struct faulty_rule *ret_rule);
/* Adds a rule to the set of that name, which need not be open yet; returns its number in the set,
 * or -ENOBUFS. */
MUST_CHECK int faulty_add(const char *set_name, const struct faulty_rule *rule);
/* Removes all rules of the set and lets go what they held; late writes stay under way. */
void faulty_clear(const char *set_name);
/* How often the rule of that number applied. */
uint64_t faulty_hits(const char *set_name, int number);
/* Late writes that have not landed yet, over all senders. */
size_t faulty_late_count(struct objectstore *store);
/* Lets all late writes land now, in order of their times. */
MAY_SUSPEND void faulty_land_all(struct objectstore *store);
/* Forgets all sets and drops all late writes: between runs of the simulator. No faulty store may be
 * used any more. */
void faulty_forget_all(void);
