#pragma once
/* The status of topics and users: one condition, Ready. T2 and T4 of status.h hold here too. */

#include "status/status.h"

struct ready {
    const struct kube_kind *kind;
    const struct meta *meta;
    const cJSON *before; /* conditions of the status so far, or NULL */
    enum truth truth;
    const char *reason; /* never empty */
    const char *message;
};

/* Whether it tells of trouble that the status did not tell of before: what is worth an event. */
bool ready_is_trouble(const struct ready *ready);
/* The object for an apply of the status subresource; callers add to its "status". `now` in the form
 * of metav1.Time. */
cJSON *ready_render(const struct ready *ready, const char *now);
