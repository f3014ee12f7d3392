#pragma once
/* What the files of the object log share. Private to this room. */

#include "meta/log.h"
#include "meta/log_format.h"

#define OBJLOG_WINDOW 16 /* objects fetched at once while reading towards a known tail */

struct objlog {
    struct objectstore *objects;
    char *prefix;
    struct uuid log_id;
    struct uuid writer;
    int64_t epoch;
    unsigned mutants;

    uint64_t next;
    uint8_t previous_hash[OBJLOG_HASH_SIZE];
    bool hash_known;
    int64_t last_epoch;
    uint64_t first_read; /* since objlog_seek; 0: nothing */
    uint64_t tail;       /* the greatest sequence that a listing showed */
    struct buf *written;
    bool poisoned; /* cancelled with an undecided slot */

    struct buf *window[OBJLOG_WINDOW]; /* objects from window_first on; NULL: not there */
    uint64_t window_first;
    size_t window_count;
    size_t window_at;

    struct objlog_stats stats;
};

/* <prefix>/log/<sequence> and so on; `kind` is "log" or "snapshot". */
char *objlog_key(const struct objlog *log, const char *kind, uint64_t sequence,
        char out[OBJECT_KEY_SIZE_MAX + 1]);
/* The sequence in such a key; -EINVAL. */
MUST_CHECK int objlog_key_sequence(const char *key, uint64_t *ret_sequence);
/* An object of at most size_max bytes. -ENOENT; -EBADMSG: larger. */
MUST_CHECK MAY_SUSPEND int objlog_get(struct objlog *log, const char *key, size_t size_max,
        struct buf **ret_object, struct object_info *ret_info);
/* Waits before the next try: longer with each, jittered. -ECANCELED. Says so in the log when it
 * takes long. */
MUST_CHECK MAY_SUSPEND int objlog_back_off(unsigned *tries, const char *what, int error);

#define OBJLOG_REQUEST_NS (10 * (uint64_t)NS_PER_S)
