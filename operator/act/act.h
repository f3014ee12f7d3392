#pragma once
/* Does what was planned, one action after the other, and stops at the first that fails, but for
 * refusals (A4): the next pass looks at the world again and plans anew.
 *
 * A1  Every step can be the last one before a crash, and every step can come twice: each names
 * what it expects (uid, resourceVersion, epoch), and the state between steps is on the objects,
 * not in this process. Crash scenario: killed after the drain's end was marked and before the pod
 * was deleted; the next operator reads the mark and goes on.
 *
 * A2  What isn't ours is left alone: a name that is taken by an object with another owner is an
 * error that names it. Crash scenario: a Service of the same name, made by hand for another
 * application, is overwritten.
 *
 * A3  A volume claim is marked empty only while it is as it was seen when the proof was read, and
 * deleted only with that mark, by uid. Crash scenario: a drain is cancelled at the moment of its
 * end; the late mark would let a volume with acknowledged records be deleted.
 *
 * A4  What the API server refuses (a name that is taken, quota, policy, rights) holds up what needs
 * it and nothing else: a child (but a PodMonitor) new brokers and rollouts, a volume claim and its
 * mark the pod on it, a pod that would not be taken the end of the one in its place, a claim that
 * is to go the end of our finalizer. The first refusal is the pass's result. Crash scenario: a
 * disruption budget of the same name, made by somebody else, keeps the pods of dead brokers from
 * being made again; a rollout to a pod that is refused ends a broker; a policy keeps the volumes of
 * a deleted cluster, and nobody is left who would try again. */

#include "act/action.h"
#include "kube/events.h"

#define BROKER_CALL_MS 3000
#define MONITORS_ABSENT_MS 300000
#define BROKER_ANSWER_MAX ((size_t)1 << 20)

struct act {
    struct kube *kube;
    struct cache *cache;
    struct events *events;
    struct map applied;               /* what was applied last, by kind and name */
    int64_t monitors_absent_until_ms; /* a kind that is not installed is asked for seldom */
};

void act_init(struct act *act, struct kube *kube, struct cache *cache, struct events *events);
void act_done(struct act *act);
/* Takes nothing; actions stay the caller's, with what failed without ending the pass. The cluster
 * is borrowed from the cache and may be gone afterwards; so may all that was borrowed. */
MUST_CHECK int act_run(struct act *act, const struct cluster *cluster, struct list *actions);
/* The status of an object of that kind, whose form as it is then goes into `table`; nothing is
 * written when it says what was written last. `object` is borrowed. */
MUST_CHECK int act_status(struct act *act, const struct kube_kind *kind, struct table *table,
        const struct meta *meta, const cJSON *object);
/* Forgets what was applied for a cluster that is gone. */
void act_forget(struct act *act, const char *namespace, const char *cluster);
