#pragma once
/* Calls of a broker's admin API that concern topics and settings: docs/admin-api.md. Each is
 * bounded by BROKER_CALL_MS, and what changes something counts as a write.
 *
 * Errors: -EAGAIN: no answer, or an outcome that isn't known: look again. -ENOENT: 404. -EEXIST:
 * 409. -EINVAL: refused for good, the fault has the broker's words. */

#include "act/act.h"
#include "resource/topic.h"

/* Where to ask, and for what. Borrowed. */
struct topic_call {
    const char *ip;
    const struct topic *topic;
    const char *id; /* of the topic that is meant */
};

/* told->exists is false when there is none; topic_told_done. */
MUST_CHECK int act_topic_look(
        struct act *act, const struct topic_call *call, struct topic_told *ret_told);
/* Under call->id; `is_trial`: only looks whether it could be. */
MUST_CHECK int act_topic_create(struct act *act, const struct topic_call *call, bool is_trial);
MUST_CHECK int act_topic_alter(struct act *act, const struct topic_call *call);
MUST_CHECK int act_topic_grow(struct act *act, const struct topic_call *call);
/* 0 also when there is none. */
MUST_CHECK int act_topic_delete(struct act *act, const struct topic_call *call);
/* body: {"set": {...}, "unset": [...]}. */
MUST_CHECK int act_settings(struct act *act, const char *ip, const cJSON *body);

/* Adds or removes the finalizer of a topic, if it is still as it was seen. */
MUST_CHECK int act_topic_finalizer(struct act *act, const struct topic *topic, bool is_wished);
