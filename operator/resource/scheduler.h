#pragma once
/* The scheduler's words on why no node takes a pod: "0/3 nodes are available: 1 Insufficient cpu, 2
 * node(s) didn't match PersistentVolume's node affinity. preemption: ...". Each node is in the list
 * with the first thing that kept it away. They are no format, but there is no other source; what
 * isn't understood counts as something that may pass. */

#include <stdbool.h>

/* Whether the pod's volume is tied to where no node is: every node that might take the pod refuses
 * it for that. One that is only full, cordoned or tainted for a while may be the volume's own.
 * Crash scenario: a zonal volume, the other node of its zone is full; a human is told that it is
 * lost, and gives it up. */
bool scheduler_ties_volume(const char *message);
/* Whether something is wrong with volumes or their class, and not just with the room for them. */
bool scheduler_misses_volume(const char *message);
