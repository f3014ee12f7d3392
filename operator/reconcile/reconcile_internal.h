#pragma once
/* Shared by the files of this room. */

#include "reconcile/reconcile.h"

#define RECONCILE_TOPIC_RESYNC_MS 300000 /* somebody may have changed the topic by Kafka's tools */
#define RECONCILE_TOPIC_SOON_MS 5000     /* what is waited for makes no event of ours */

/* Words for people; NULL: it will pass, and says nothing. */
const char *reconcile_reason(int error);
/* What is remembered of an object that is gone. `key` is "namespace/name". */
void reconcile_forget(struct reconciler *reconciler, const char *key);
/* `key` is "namespace/name". */
MUST_CHECK int reconcile_topic(
        struct reconciler *reconciler, const char *key, int64_t *ret_again_ms);
MUST_CHECK int reconcile_user(struct reconciler *reconciler, const char *key);
