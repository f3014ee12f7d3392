#pragma once
/* The status of a cluster: counts, conditions, brokers. What people and autoscalers read.
 *
 * T1  The status has the selector of the scale subresource from its very first write on, and Ready
 * is False as long as the generation that it speaks of is not the one that is wished. Crash
 * scenario: `kubectl wait --for=condition=Ready` right after an apply returns at once, and the
 * script goes on too early.
 *
 * T2  A condition's time changes only when its status does, and a status that says nothing new is
 * not written. Crash scenario: each pass writes a new time, the watch echoes it, the pass comes
 * again.
 *
 * T3  A status speaks of the cluster that its plan was made for, with that one's generation and
 * wish, whatever came meanwhile. Crash scenario: the wish changes while a pass waits for the API
 * server, and the pass calls the new wish fulfilled before anybody has looked at it.
 *
 * T4  A status names the uid of the object that it is of: one of the same name that was made
 * meanwhile refuses it. Crash scenario: a resource is deleted and made again while a pass waits;
 * the new one is called Ready, and has the settings, accepted losses and topic ids of the old
 * one. */

#include "kube/client.h"
#include "resource/broker.h"
#include "resource/cluster.h"

enum condition_type {
    CONDITION_READY,
    CONDITION_AVAILABLE,
    CONDITION_RECONCILED,
    CONDITION_PROGRESSING,
    CONDITION_DEGRADED,
    CONDITION_SCALE_IN_BLOCKED,
    CONDITION_CONFIG_APPLIED,
    CONDITION_PAUSED,
    CONDITION_COUNT,
};

enum truth { TRUTH_UNKNOWN, TRUTH_TRUE, TRUTH_FALSE };

#define CONDITION_MESSAGE_SIZE 400
#define STATUS_BROKERS_MAX 200 /* as the schema has it; more stay in metrics */

struct condition {
    enum truth truth;
    const char *reason; /* a constant; never empty once set */
    char message[CONDITION_MESSAGE_SIZE];
};

/* Texts are owned but for the phase: what they came from may be gone when the status is written. */
struct status_broker {
    int id;
    char *zone;
    char *node;
    const char *phase;
    char *revision;
    int64_t epoch; /* -1: unknown */
};

struct status {
    int64_t generation; /* of the cluster that the plan was made for */
    int wished;         /* its replicas */
    int replicas;
    int ready;
    int updated;
    int draining;
    char revision[17];
    char version_target[64];
    char cluster_id[32]; /* "": no broker has told it */
    struct condition conditions[CONDITION_COUNT];
    struct status_broker *brokers; /* owned */
    cJSON *settings;               /* owned: what we set for all brokers while they run, or NULL */
    cJSON *losses;                 /* owned: whose accepted loss is over, or NULL */
    size_t broker_count;
};

void status_done(struct status *status);
PRINTF(5, 6)
void status_condition(struct status *status, enum condition_type type, enum truth truth,
        const char *reason, const char *format, ...);
/* Ready from the others: the last step. */
void status_sum_up(struct status *status);
/* Whether that condition tells of trouble, and of another one than the status that the cluster has:
 * what is worth an event. */
bool status_is_trouble(
        const struct status *status, const struct cluster *cluster, enum condition_type type);
/* Whether the status that the cluster has says that it is ready. */
bool status_was_ready(const struct cluster *cluster);
/* Whether the status that the cluster has says the same in that condition, word by word. */
bool status_is_told(
        const struct status *status, const struct cluster *cluster, enum condition_type type);
/* The object for an apply of the status subresource. `cluster` is the one of the plan, perhaps a
 * newer form of it: its conditions are those that came before. `now` in the form of metav1.Time. */
cJSON *status_render(const struct status *status, const struct cluster *cluster,
        const char *operator_version, const char *now);
