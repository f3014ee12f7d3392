#pragma once
/* What each reactor has of its own, from the floor up: a store with its caches, a WAL, a copy of
 * the settings that follows the metadata log, a shard with its partitions. Entered from process.c,
 * on reactor 0, in the order of the functions below; each visits the reactors one by one. */

#include "dynamic_settings.h"
#include "meta/meta.h"
#include "partition/quarantine.h"
#include "partition/recover.h"
#include "partition/shard.h"
#include "settings/settings.h"
#include "store/store.h"
#include "wal/wal.h"

/* Zeroed at first. The arrays go by reactor and have NULL where nothing is open. */
struct parts {
    const struct settings *settings; /* this and the next five: borrowed */
    const char *data_dir;
    struct objectstore *objects;
    struct meta *meta;
    struct quarantine *quarantine;
    struct recover_result *sum;   /* of what is recovered; NULL: not wanted */
    recover_progress_fn progress; /* of it; NULL: not wanted */
    bool in_bucket;               /* wal.type: s3 */
    bool bucket_damaged;          /* what is quarantined stays with the former incarnation */
    struct wal *wals[REACTORS_MAX];
    struct store *stores[REACTORS_MAX];
    struct shard *shards[REACTORS_MAX];
    struct dynamic_settings followers[REACTORS_MAX];
    struct settings *dynamic[REACTORS_MAX]; /* the followers' values */
};

/* Opens stores and WALs; all that the volume and former logs in the bucket held is in committed
 * objects when it returns 0. */
MUST_CHECK MAY_SUSPEND int parts_recover(struct parts *parts);
/* Opens the partitions that the metadata gives to this broker (M5: after parts_recover). */
MUST_CHECK MAY_SUSPEND int parts_open_shards(struct parts *parts);
/* 0, or why the broker can acknowledge no more (W2). */
MUST_CHECK MAY_SUSPEND int parts_error(struct parts *parts);
/* Uploads what is in the WALs; no appends may come any more. */
MUST_CHECK MAY_SUSPEND int parts_drain(struct parts *parts);
/* Closes whatever is open. */
MUST_CHECK MAY_SUSPEND int parts_close(struct parts *parts);
