/* The kinds of objects that the operator reads and writes. */
#include "kube/client.h"

const struct kube_kind KUBE_PODS = { "/api/v1", "v1", "Pod", "pods", false };
const struct kube_kind KUBE_CLAIMS = { "/api/v1", "v1", "PersistentVolumeClaim",
    "persistentvolumeclaims", false };
const struct kube_kind KUBE_SERVICES = { "/api/v1", "v1", "Service", "services", false };
const struct kube_kind KUBE_CONFIG_MAPS = { "/api/v1", "v1", "ConfigMap", "configmaps", false };
const struct kube_kind KUBE_SECRETS = { "/api/v1", "v1", "Secret", "secrets", false };
const struct kube_kind KUBE_NODES = { "/api/v1", "v1", "Node", "nodes", true };
const struct kube_kind KUBE_BUDGETS = { "/apis/policy/v1", "policy/v1", "PodDisruptionBudget",
    "poddisruptionbudgets", false };
const struct kube_kind KUBE_POLICIES = { "/apis/networking.k8s.io/v1", "networking.k8s.io/v1",
    "NetworkPolicy", "networkpolicies", false };
const struct kube_kind KUBE_MONITORS = { "/apis/monitoring.coreos.com/v1",
    "monitoring.coreos.com/v1", "PodMonitor", "podmonitors", false };
const struct kube_kind KUBE_LEASES = { "/apis/coordination.k8s.io/v1", "coordination.k8s.io/v1",
    "Lease", "leases", false };
const struct kube_kind KUBE_EVENTS = { "/apis/events.k8s.io/v1", "events.k8s.io/v1", "Event",
    "events", false };
const struct kube_kind KUBE_CLUSTERS = { "/apis/freshet.dev/v1alpha1", "freshet.dev/v1alpha1",
    "FreshetCluster", "freshetclusters", false };
const struct kube_kind KUBE_TOPICS = { "/apis/freshet.dev/v1alpha1", "freshet.dev/v1alpha1",
    "FreshetTopic", "freshettopics", false };
const struct kube_kind KUBE_USERS = { "/apis/freshet.dev/v1alpha1", "freshet.dev/v1alpha1",
    "FreshetUser", "freshetusers", false };
