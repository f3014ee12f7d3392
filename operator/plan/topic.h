#pragma once
/* What to do next for one FreshetTopic: a pure function of the wish, of what is noted in its status
 * and of what a broker says of the topic of that name.
 *
 * P7  A topic is ours only by its id: one that we created under an id that was noted before, or
 * that was taken over because its owner wished so (adopt). Any other topic of the name is left as
 * it is. Crash scenario: killed between creating and noting; or the topic was deleted by hand and
 * made again by somebody else, and the resource is deleted with deletionPolicy Delete.
 *
 * P8  A topic is deleted only with its resource, with deletionPolicy Delete, by the id that is
 * noted. Crash scenario: a cluster that cannot be asked for a moment looks like one without topics.
 *
 * Of several resources that name one topic of one cluster the oldest has it; the others wait. */

#include "resource/topic.h"
#include "status/status.h"

enum topic_step {
    TOPIC_DONE, /* as wished, or nothing can be done now: `ready` says which */
    TOPIC_ADD_FINALIZER,
    TOPIC_REMOVE_FINALIZER,
    TOPIC_ADOPT,  /* note the id */
    TOPIC_CREATE, /* look whether it could be, note a new id, create under it */
    TOPIC_ALTER,  /* all of its config */
    TOPIC_GROW,
    TOPIC_DELETE,
};

struct topic_input {
    const struct topic *topic;
    bool has_cluster; /* there is one of the name */
    bool is_cluster_deleting;
    bool is_cluster_paused;
    bool has_broker;               /* one can be asked */
    const char *rival;             /* name of an older resource for the same topic, or NULL */
    const struct topic_told *told; /* NULL: not asked yet */
};

#define TOPIC_MESSAGE_SIZE 400

struct topic_plan {
    enum topic_step step;
    bool must_ask; /* before anything can be said */
    /* Of the condition Ready, once nothing is to be done. */
    enum truth ready;
    const char *reason;
    char message[TOPIC_MESSAGE_SIZE];
    bool will_pass; /* what holds it up may pass by itself: look again soon */
};

void topic_plan_make(const struct topic_input *input, struct topic_plan *ret_plan);
const char *topic_step_name(enum topic_step step);
