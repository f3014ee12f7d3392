#pragma once
/* A list that is kept up to date: list page by page, then watch from its resourceVersion, for as
 * long as the thread runs. All of it happens in callbacks of the loop; nothing here waits.
 *
 *          +----------- 410, silence, first ----------+
 *          v                                          |
 *       LISTING --last page--> WATCHING --end of stream, no error--> WATCHING from the last version
 *          |                      |
 *          +------- error --------+--> PAUSED (0.8 s doubled up to 30 s, with jitter) --> as before
 *
 * K6  Nothing that was deleted while no watch ran stays: a new list begins with restart() and ends
 * with synced(), and what was not named in between is gone. A list that breaks off ends with
 * another restart(), never with synced(). Crash scenario: an error on page 2 of 3 taken for the
 * end; the operator sees one third of its pods and makes the rest again.
 *
 * K7  Versions come from lists, events and bookmarks only, and a watch that heard nothing at all is
 * followed by a list: a server whose etcd was restored from a backup accepts a version from the
 * future and stays silent. */

#include "kube/client.h"
#include "kube/items.h"
#include "kube/lines.h"

#define WATCH_PAGE 100 /* objects in one page of a list; memory does not hang on it (K11) */
#define WATCH_LINE_SIZE_MAX ((size_t)8 << 20)
#define WATCH_SECONDS_MIN 240
#define WATCH_SECONDS_MAX 300
#define WATCH_PAUSE_MS_MIN 800
#define WATCH_PAUSE_MS_MAX 30000

struct watch_sink {
    void (*restart)(void *arg);
    void (*upsert)(void *arg, const cJSON *object);
    void (*remove)(void *arg, const cJSON *object); /* its last state */
    void (*synced)(void *arg);
};

enum watch_state { WATCH_LISTING, WATCH_WATCHING, WATCH_PAUSED };

struct watch {
    struct kube *kube;
    const struct kube_kind *kind;
    const char *namespace;      /* NULL: all */
    const char *label_selector; /* or NULL */
    const struct watch_sink *sink;
    void *arg;

    enum watch_state state;
    bool must_list; /* when the pause ends */
    bool is_synced; /* a list was complete, once at least */
    char version[64];
    struct strbuf continued; /* token of the next page */
    struct http_transfer *transfer;
    struct items items; /* of a list */
    struct lines lines; /* of a stream */
    struct http_timer timer;
    int64_t began_ms;  /* of the stream */
    uint64_t heard;    /* lines of this stream */
    unsigned failures; /* in a row */
    uint64_t restarts; /* lists begun */
    uint64_t expired;  /* 410s */
    int seconds_min;   /* how long one watch lasts; tests use less */
    int seconds_max;
    int pause_ms_min;
};

/* Fills in what the caller doesn't; then set what differs, then start. */
void watch_init(struct watch *watch, struct kube *kube, const struct kube_kind *kind,
        const struct watch_sink *sink, void *arg);
void watch_start(struct watch *watch);
void watch_stop(struct watch *watch);
