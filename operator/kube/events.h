#pragma once
/* Events that `kubectl describe` shows beside an object (events.k8s.io/v1). They are told, not
 * promised: they never hold up or fail what they tell of. The same event again becomes a series:
 * the second one changes the first by a patch, more are counted and written at most every
 * EVENTS_REFRESH_MS.
 *
 * K9  An event storm costs bounded memory and requests: EVENTS_KEPT series, EVENTS_UNDER_WAY_MAX
 * requests; what is over is dropped and counted. */

#include "kube/client.h"

#define EVENTS_KEPT 128
#define EVENTS_UNDER_WAY_MAX 16
#define EVENTS_REFRESH_MS 300000
#define EVENTS_IDLE_MS 600000 /* after this the next one is a new event */
#define EVENT_NOTE_MAX 1000

struct event_object {
    const struct kube_kind *kind;
    const char *namespace;
    const char *name;
    const char *uid;
};

struct event {
    struct event_object regarding;
    const struct event_object *related; /* or NULL */
    bool is_warning;
    const char *reason; /* CamelCase, a constant */
    const char *action; /* what was done: a constant */
    const char *note;   /* cut to EVENT_NOTE_MAX */
};

struct events;

/* `instance`: the operator's pod. Borrows all. */
struct events *events_new(struct kube *kube, const char *instance);
void events_free(struct events *events);
void events_tell(struct events *events, const struct event *event);
/* Events that were dropped because too many were under way, or refused by the server. */
uint64_t events_dropped(const struct events *events);
