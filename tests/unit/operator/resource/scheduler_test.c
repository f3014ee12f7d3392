/* The scheduler's words: texts of kube-scheduler 1.31 to 1.33. */
#include "base/attr.h"
#include "resource/scheduler.h"
#include "unit/test.h"

#define PREEMPTION                                                                                 \
    " preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
#define AFFINITY "node(s) didn't match PersistentVolume's node affinity"
#define CONTROL_PLANE "1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"

static const struct {
    const char *message;
    bool is_tied;
    bool is_missed;
} rows[] = {
    { "0/3 nodes are available: 3 " AFFINITY "." PREEMPTION, true, true },
    { "0/3 nodes are available: 3 node(s) had volume node affinity conflict", true, true },
    { "0/3 nodes are available: " CONTROL_PLANE ", 2 " AFFINITY "." PREEMPTION, true, true },
    { "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 " AFFINITY
      "." PREEMPTION,
            true, true },
    /* One of them may be the volume's own. */
    { "0/3 nodes are available: 1 Insufficient memory, 2 " AFFINITY "." PREEMPTION, false, true },
    { "0/3 nodes are available: 1 node(s) exceed max volume count, 2 " AFFINITY "." PREEMPTION,
            false, true },
    { "0/3 nodes are available: 1 node(s) were unschedulable, 2 " AFFINITY "." PREEMPTION, false,
            true },
    { "0/3 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: "
      "}, 2 " AFFINITY "." PREEMPTION,
            false, true },
    { "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}, 2 " AFFINITY ".",
            false, true },
    { "0/3 nodes are available: 2 " AFFINITY ", 1 node(s) of a kind that is new", false, true },
    { "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector." PREEMPTION,
            false, false },
    { "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims." PREEMPTION,
            false, true },
    { "0/1 nodes are available: 1 node(s) did not have enough free storage.", false, true },
    { "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded", false,
            true },
    { "0/2 nodes are available: 1 Insufficient cpu, 2 Insufficient ephemeral-storage." PREEMPTION,
            false, false },
    { "0/2 nodes are available: 2 node(s) exceed max volume count.", false, false },
    { "0/2 nodes are available: ", false, false },
    { "0/2 nodes are available: 2", false, false },
    { "", false, false },
};

TEST(what_keeps_nodes_from_a_pod_is_its_volume_only_where_all_say_so)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (scheduler_ties_volume(rows[i].message) != rows[i].is_tied ||
                scheduler_misses_volume(rows[i].message) != rows[i].is_missed) {
            test_fail(__FILE__, __LINE__, "taken wrongly: %s", rows[i].message);
        }
        test_pass();
    }
}
