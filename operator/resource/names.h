#pragma once
/* Names that hang together in the cluster: labels, annotations, objects. They are a format: a
 * changed name is a migration. */

#define GROUP "freshet.dev"

/* On everything that the operator owns. */
#define LABEL_MANAGED_BY "app.kubernetes.io/managed-by"
#define MANAGED_BY "freshet-operator"
#define LABEL_NAME "app.kubernetes.io/name"
#define LABEL_CLUSTER "freshet.dev/cluster"
/* On pods and volume claims. */
#define LABEL_BROKER_ID "freshet.dev/broker-id"
#define LABEL_ZONE "freshet.dev/zone"
/* On pods. */
#define LABEL_REVISION "freshet.dev/revision"
/* "broker", or "draining": takes the pod out of what autoscalers average and Services reach. */
#define LABEL_ROLE "freshet.dev/role"
#define ROLE_BROKER "broker"
#define ROLE_DRAINING "draining"
#define ROLE_PURGE "purge" /* no broker: empties the bucket of a cluster that is being deleted */
/* On config maps that are the ledger where the log is in the bucket. "true". */
#define LABEL_LEDGER "freshet.dev/ledger"
#define SELECTOR_LEDGER LABEL_LEDGER "=true"
/* On volume claims, which are the ledger of identities. State: absent, "draining", "empty". */
#define ANNOTATION_STATE "freshet.dev/state"
#define ANNOTATION_SELECTED_NODE "volume.kubernetes.io/selected-node"
#define ANNOTATION_EPOCH "freshet.dev/drained-epoch" /* with "empty": whose proof it is */
/* hash of the bucket and prefix it belongs to */
#define ANNOTATION_STORE "freshet.dev/store"
/* On clusters. */
/* "true": the operator looks and tells, and does nothing */
#define ANNOTATION_PAUSED "freshet.dev/paused"
/* "0,3": the logs of these brokers are given up, with what they acknowledged and did not upload */
#define ANNOTATION_ACCEPT_LOSS "freshet.dev/accept-wal-loss"
/* On pods. "true": this one was started so */
#define ANNOTATION_ACCEPTS "freshet.dev/accepts-wal-loss"
#define FINALIZER "freshet.dev/teardown"
/* On topics that go with their resource. */
#define FINALIZER_TOPIC "freshet.dev/topic"

#define SELECTOR_MANAGED LABEL_MANAGED_BY "=" MANAGED_BY
#define ADMIN_PORT 9190
#define INTERNAL_PORT 9191 /* from broker to broker */
