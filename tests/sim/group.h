#pragma once
/* What a member asks of the coordinator of group "g". Every function returns Kafka's code or
 * -errno; after an error the coordinator is looked for again. */

#include "sim/client.h"

#define GROUP_SLOTS_MAX 16 /* topic * 8 + partition, of the idempotent topics */
#define GROUP_MEMBERS_MAX 16

struct member {
    struct client client; /* of the coordinator */
    char id[128];         /* "": none yet */
    int32_t generation;
    uint8_t slots[GROUP_SLOTS_MAX]; /* that are assigned */
    unsigned slot_count;
};

/* JoinGroup and SyncGroup: 0 when slots are assigned. */
MUST_CHECK MAY_SUSPEND int member_join(struct member *member);
MUST_CHECK MAY_SUSPEND int member_heartbeat(struct member *member);
MAY_SUSPEND void member_leave(struct member *member);
MUST_CHECK MAY_SUSPEND int member_commit(
        struct member *member, const char *topic, int32_t partition, int64_t offset);
/* -1: nothing is committed. */
MUST_CHECK MAY_SUSPEND int member_committed(
        struct client *client, const char *topic, int32_t partition, int64_t *ret_offset);
