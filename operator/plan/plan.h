#pragma once
/* What to do next for one cluster: a pure function of what is wished and what was seen. The same
 * input gives the same actions; no clock, no dice, no calls.
 *
 * An identity is a broker id with its volume claim, which is the ledger: the claim's state
 * survives pod and operator.
 *
 *             too many                drained, log empty         pod gone, unregistered
 *    ACTIVE ------------> DRAINING --------------------> EMPTY -----------> no claim
 *      ^                     |                             |
 *      +-- too few: undrain -+---------- too few ----------+
 *
 * P1  A pod is deleted for good, and its claim after it, only when the claim is marked EMPTY, and
 * EMPTY is marked only when the broker itself said `drained` and `wal.empty`. Unknown is not
 * empty. Crash scenario: the admin port answers nothing for a second, the volume with the last
 * records goes.
 *
 * What it said before the drain was begun is no proof, nor is the mark one once the broker has
 * registered again. Crash scenario: a drain is taken back and begun again within a second; the
 * answer of before is still there, and the volume goes with what was acknowledged meanwhile.
 *
 * P2  At most rollout.maxUnavailable brokers are kept from serving by us at a time, those that are
 * down anyway counted, but for those of lost nodes that have been replaced (P4); a new revision
 * that doesn't start stops the rollout, and a revert replaces what is stuck at once. With
 * rollout.surge so many brokers more are made of the new revision and serve before the first old
 * one goes, and are drained (P1) when the last one is back. Crash scenario: an image that doesn't
 * exist takes down one broker after the other.
 *
 * P3  A claim that isn't proven empty always has a pod again, also when its broker is not wished
 * any more: only a broker can bring what is in it into the bucket. Crash scenario: scaled to zero
 * and up to a smaller number, the volumes beyond it are forgotten.
 *
 * P4  A lost node's brokers are replaced by new ids once the node was lost for long enough, and
 * never more of them than half of what is wished: then it is more likely we who are cut off. All
 * that one node had may go together when others serve: after a lost node two brokers share one.
 * Nobody who serves is drained because lost ones are counted. Crash scenario: one node is lost and
 * its broker replaced, then another one: four brokers where three are wished, of which two serve.
 * A broker that lives on a lost node, as it said since, is told to give its partitions to others:
 * Kubernetes leads no clients to it. Crash scenario: a kubelet dies, and a third of all partitions
 * are led by a broker that nobody reaches and that is never declared dead.
 *
 * P6  A volume that is lost, or that its broker refuses, is given up only for a broker that a human
 * named in an annotation; then its claim, if it is lost, and its pod are made anew, and the new pod
 * starts with wal.recovery.accept.loss. Lost is also a volume that was made for a node that is none
 * any more, when every other node that might take the pod refuses it for its sake. One that serves
 * without some partitions, for its log is damaged, is made anew by the rollout, within its budget,
 * to go on without their records. An acceptance is for one loss: once its broker serves all again
 * it is over, which the status says (acceptedLosses), and the pod is made anew without it. Crash
 * scenario: a volume is detached for a minute and looks lost; records that were acknowledged and
 * lie on it only would be forgotten; or the annotation is left behind, and half a year later the
 * next loss is accepted by nobody.
 *
 * P9  A registered broker that has neither claim nor pod any more is unregistered once it is dead,
 * by its epoch, when its log is proven empty: the brokers see to that and refuse else. Then its id
 * is used for nobody, and a human's annotation (P6) makes claim and pod anew. Crash scenario:
 * somebody removes the claim of a broker that isn't wished any more; forgotten, its partitions
 * would go on without what it acknowledged, and with its id a new broker would never start.
 *
 * P10  Objects are removed only with deletionPolicy.objects: Delete, after the last pod has gone,
 * and by the name of the cluster that its brokers told, which `freshet purge` compares with the
 * bucket
 * (X1 of broker/meta/purge.h); without that name they stay. The finalizer, and volumes, wait until
 * it has succeeded. Crash scenario: killed between its start and its end; the pod goes on, and the
 * next operator waits for it or starts it again.
 *
 * P11  The network policy opens the admin port to brokers of the cluster and to pods of the
 * operator's name in the operator's namespace only, where that is known; the internal port to
 * brokers only. Crash scenario: a pod of any tenant gives itself the operator's label, and drains
 * brokers and deletes topics.
 *
 * P12  A broker that never began has an empty log: its pod was never given to a node and either its
 * volume claim never had a volume, or no broker is registered under its id, as was told since the
 * pod waits. On its way out its claim is marked EMPTY without an epoch, and its id is unregistered
 * as whoever has it, which brokers refuse if it began after all; when a node has its pod by then,
 * or it is registered and has a volume, the mark is taken back and it is drained; one that is
 * registered under its id although its claim never had a volume is left to P9, and one that is made
 * anew by a human's annotation (P6) is let begin: else it would be made and taken away without end.
 * While its claim has no volume it may also be made anew as wished now.
 * Crash scenario: three brokers too many are wished for by mistake, no node takes them, and they
 * wait for ever to be drained.
 *
 * P13  Of several clusters with the same place in the same bucket nothing is planned for the
 * younger ones but their end, and that without the objects. Crash scenario: the prefix of another
 * cluster is copied along with its manifest; the new brokers take the ids of the running ones from
 * them.
 *
 * P5  Nothing is planned for a cluster that is paused, and a claim of another bucket is never
 * used. */

#include "act/action.h"
#include "status/status.h"

/* Not ready at a time: a mistyped number is seen before it is paid for. */
#define PLAN_NEW_BROKERS_MAX 8

struct plan_pod {
    const struct pod *pod;
    int64_t since_ms;               /* when it became ready, or stopped being so, by our clock */
    const struct broker_view *view; /* or NULL */
    const struct node *node;        /* or NULL: unknown */
    int64_t node_since_ms;          /* when the node became ready, or stopped being so */
};

struct plan_claim {
    const struct claim *claim;
    int64_t since_ms;  /* when its state became so */
    bool node_is_gone; /* the node that its volume was made for is none any more */
};

/* What there is of one kind of children. */
struct plan_child {
    enum child_kind kind;
    const struct meta *meta;
};

struct plan_settings {
    const char *image_repository; /* "registry/freshet" */
    const char *version;          /* the operator's own */
    const char *namespace;        /* of the operator's pod; "": it is in none that is known */
};

struct plan_input {
    const struct cluster *cluster;
    const struct plan_settings *settings;
    const struct plan_pod *pods;
    size_t pod_count;
    const struct plan_claim *claims;
    size_t claim_count;
    const struct plan_child *children;
    size_t child_count;
    const struct roster *roster; /* or NULL: nobody told */
    const struct cluster *rival; /* P13: or NULL */
    int64_t now_ms;
};

struct plan {
    struct list actions; /* owned */
    struct status status;
    int64_t again_ms; /* look again after this at the latest; -1: no need */
};

/* What its owner has to do to give up the log of that broker. */
#define LOSS_WORDS_SIZE 200
const char *loss_words(const struct cluster *cluster, int id, char out[LOSS_WORDS_SIZE]);
/* Always a plan, perhaps an empty one. plan_done. */
void plan_make(const struct plan_input *input, struct plan *ret_plan);
void plan_done(struct plan *plan);
