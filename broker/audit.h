#pragma once
/* `freshet audit`: lists the bucket against the metadata (O3 of docs/design.md). Reads only, also
 * beside a living cluster. Shared by audit_*.c.
 *
 * A1  What is called missing is missing for good, and what is called unreferenced is named by
 *     nobody. Scenario: a live cluster uploads, merges and removes objects while we list, an
 *     operator believes the report and deletes a live object by hand. So the metadata is read
 *     before the listing and after it; an object counts as known when either state can name it,
 *     and an object that the later state names but the listing lacks is asked for by itself. What
 *     both states have forgotten is removed only object.delete.delay.ms later. */

#include "base/map.h"
#include "inspect.h"
#include "meta/state.h"
#include "objectstore/objectstore.h"
#include "store/store.h"

#define AUDIT_OBJECTS_MAX 50000000
#define AUDIT_WAL_FOLDERS_MAX 64

enum audit_claim {
    AUDIT_UNKNOWN, /* nobody can name it: a finding */
    AUDIT_ORPHAN,  /* of a dead broker's intent: the collector will remove it */
    AUDIT_PENDING, /* of a live broker's intent: on its way, or about to be forgotten */
    AUDIT_GARBAGE, /* marked for removal */
    AUDIT_LIVE,    /* data or a manifest that a partition names */
    AUDIT_CLAIM_COUNT,
};

struct audit_object {
    struct map_node node; /* by id */
    uint64_t id;
    uint64_t size;
    enum audit_claim claim;
};

/* Records of one partition in the WALs that were given. */
struct audit_run {
    struct partition_key key;
    int64_t base_offset;
    int64_t end_offset;
};

struct audit {
    struct inspect out; /* lines; `damaged` counts the findings */
    const char *url;
    const char *wal_folders[AUDIT_WAL_FOLDERS_MAX];
    size_t wal_count;
    bool read_objects;
    bool quiet; /* only findings are printed */
    struct objectstore *objects;
    struct store *store;
    struct meta_state *before; /* read before the listing */
    struct meta_state *after;
    struct map by_id;
    uint64_t claims[AUDIT_CLAIM_COUNT];
    uint64_t live_bytes;
    uint64_t partitions;
    uint64_t ranges;
    struct audit_run *runs;
    size_t run_count;
    size_t run_capacity;
    uint64_t said_ns; /* when progress was last said */
};

/* All of it: lines of what is found, and a summary. Set before are url, quiet, read_objects and
 * wal_folders, the rest is zero; claims, counts and out.damaged are left. The error says why it
 * could not look. */
MUST_CHECK MAY_SUSPEND int audit_look(struct audit *audit);
/* Says `done` of `total` `what` on standard error, at most every two seconds. 0: total unknown. */
void audit_progress(struct audit *audit, const char *what, uint64_t done, uint64_t total);
/* A line that counts as a finding: kind and state; the caller adds fields and ends it. */
void audit_finding(struct audit *audit, const char *kind, const char *state);

/* audit_objects.c: the listing, and who can name what is in it. */
MUST_CHECK MAY_SUSPEND int audit_list(struct audit *audit);
MUST_CHECK MAY_SUSPEND int audit_claim_all(struct audit *audit);
MUST_CHECK MAY_SUSPEND int audit_report_objects(struct audit *audit);
struct audit_object *audit_find(const struct audit *audit, uint64_t id);
void audit_objects_done(struct audit *audit);

/* audit_offsets.c: is every offset from the log start on in an object, or in a WAL? */
MUST_CHECK MAY_SUSPEND int audit_read_wals(struct audit *audit);
MUST_CHECK MAY_SUSPEND int audit_offsets(struct audit *audit);
