#pragma once
/* The error codes that a group coordinator answers with: org.apache.kafka.common.protocol.Errors.
 * handlers/errors.h, which lies above this room, has all of them. */

enum group_code {
    CODE_NONE = 0,
    CODE_UNKNOWN_TOPIC_OR_PARTITION = 3,
    CODE_OFFSET_METADATA_TOO_LARGE = 12,
    CODE_COORDINATOR_NOT_AVAILABLE = 15,
    CODE_NOT_COORDINATOR = 16,
    CODE_ILLEGAL_GENERATION = 22,
    CODE_INCONSISTENT_GROUP_PROTOCOL = 23,
    CODE_INVALID_GROUP_ID = 24,
    CODE_UNKNOWN_MEMBER_ID = 25,
    CODE_INVALID_SESSION_TIMEOUT = 26,
    CODE_REBALANCE_IN_PROGRESS = 27,
    CODE_MEMBER_ID_REQUIRED = 79,
    CODE_GROUP_MAX_SIZE_REACHED = 81,
    CODE_FENCED_INSTANCE_ID = 82,
};
