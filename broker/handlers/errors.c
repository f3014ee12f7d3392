/* The one place where our errors become Kafka's. */
#include "handlers/errors.h"

#include "base/attr.h"
#include "base/limits.h"
#include "partition/shard.h"

#include <errno.h>
#include <stdio.h>

static const struct {
    int error;
    int16_t code;
} of_errno[] = {
    { 0, KAFKA_NONE },
    { -ENOENT, KAFKA_NOT_LEADER_OR_FOLLOWER },
    { -ERANGE, KAFKA_OFFSET_OUT_OF_RANGE },
    { -ETIMEDOUT, KAFKA_REQUEST_TIMED_OUT },
    { -ESHUTDOWN, KAFKA_NOT_LEADER_OR_FOLLOWER },
    { -ESTALE, KAFKA_NOT_LEADER_OR_FOLLOWER },
    { -ECANCELED, KAFKA_NOT_LEADER_OR_FOLLOWER },
    { -EBADMSG, KAFKA_STORAGE_ERROR },
    { -EIO, KAFKA_STORAGE_ERROR },
    { -EACCES, KAFKA_STORAGE_ERROR },
    { -ENOSPC, KAFKA_STORAGE_ERROR },
    { -EEXIST, KAFKA_TOPIC_ALREADY_EXISTS },
    { -EINVAL, KAFKA_INVALID_REQUEST },
    { -EPROTO, KAFKA_INVALID_REQUIRED_ACKS },
};

int16_t
kafka_error_of(int error)
{
    for (size_t i = 0; i < ARRAY_SIZE(of_errno); i++) {
        if (of_errno[i].error == error) {
            return of_errno[i].code;
        }
    }
    return KAFKA_UNKNOWN_SERVER_ERROR;
}

int16_t
kafka_error_of_append(int error)
{
    static const int16_t codes[] = {
        [APPEND_OK] = KAFKA_NONE,
        [APPEND_NOT_LEADER] = KAFKA_NOT_LEADER_OR_FOLLOWER,
        [APPEND_CORRUPT] = KAFKA_CORRUPT_MESSAGE,
        [APPEND_TOO_LARGE] = KAFKA_MESSAGE_TOO_LARGE,
        [APPEND_INVALID_RECORD] = KAFKA_INVALID_RECORD,
        [APPEND_INVALID_TIMESTAMP] = KAFKA_INVALID_TIMESTAMP,
        [APPEND_UNSUPPORTED_COMPRESSION] = KAFKA_UNSUPPORTED_COMPRESSION_TYPE,
        [APPEND_OUT_OF_ORDER_SEQUENCE] = KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER,
        [APPEND_STALE_PRODUCER_EPOCH] = KAFKA_INVALID_PRODUCER_EPOCH,
        [APPEND_NO_TRANSACTION] = KAFKA_INVALID_TXN_STATE,
    };
    if (error < 0) {
        return kafka_error_of(error);
    }
    return (size_t)error < ARRAY_SIZE(codes) ? codes[error] : KAFKA_UNKNOWN_SERVER_ERROR;
}

const char *
kafka_error_message(int16_t code)
{
    switch (code) {
    case KAFKA_NONE:
        return NULL;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
        return "This server does not host this topic-partition.";
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
        return "This broker is not the leader of the partition at the moment.";
    case KAFKA_INVALID_TOPIC_EXCEPTION:
        return "The topic name is not valid.";
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        return "The coordinator is loading and hence can't process requests.";
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
        return "The coordinator is not available.";
    case KAFKA_NOT_COORDINATOR:
        return "This is not the correct coordinator.";
    case KAFKA_INVALID_GROUP_ID:
        return "The group id is invalid.";
    case KAFKA_NON_EMPTY_GROUP:
        return "The group is not empty.";
    case KAFKA_GROUP_ID_NOT_FOUND:
        return "The group id does not exist.";
    case KAFKA_TOPIC_ALREADY_EXISTS:
        return "A topic of this name exists already.";
    case KAFKA_INVALID_PARTITIONS:
        return "The number of partitions is not valid.";
    case KAFKA_INVALID_REPLICATION_FACTOR:
        return "The replication factor is not valid.";
    case KAFKA_STORAGE_ERROR:
        return "The storage of the partition has failed.";
    case KAFKA_UNKNOWN_TOPIC_ID:
        return "No topic has this id.";
    default:
        return "The request could not be carried out.";
    }
}

static bool
has_bad_character(struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
        if (!ok) {
            return true;
        }
    }
    return false;
}

static bool
is_dots(struct bytes name)
{
    return bytes_equal(name, BYTES_LITERAL(".")) || bytes_equal(name, BYTES_LITERAL(".."));
}

bool
topic_name_is_valid(struct bytes name)
{
    return name.size > 0 && name.size <= TOPIC_NAME_SIZE_MAX && !is_dots(name) &&
           !has_bad_character(name);
}

void
topic_name_problem(struct bytes name, char text[TOPIC_NAME_PROBLEM_SIZE])
{
    char shown[TOPIC_NAME_SIZE_MAX + 1];
    bytes_to_string(name, shown, sizeof shown);
    if (name.size == 0) {
        snprintf(text, TOPIC_NAME_PROBLEM_SIZE,
                "Topic name is invalid: the empty string is not allowed");
    } else if (is_dots(name)) {
        snprintf(
                text, TOPIC_NAME_PROBLEM_SIZE, "Topic name is invalid: '%s' is not allowed", shown);
    } else if (name.size > TOPIC_NAME_SIZE_MAX) {
        snprintf(text, TOPIC_NAME_PROBLEM_SIZE,
                "Topic name is invalid: the length of '%.60s...' is longer than the max allowed "
                "length %d",
                shown, TOPIC_NAME_SIZE_MAX);
    } else {
        snprintf(text, TOPIC_NAME_PROBLEM_SIZE,
                "Topic name is invalid: '%s' contains one or more characters other than ASCII "
                "alphanumerics, '.', '_' and '-'",
                shown);
    }
}

bool
topic_names_collide(struct bytes a, struct bytes b)
{
    bool same = a.size == b.size;
    for (size_t i = 0; same && i < a.size; i++) {
        uint8_t left = a.data[i] == '.' ? '_' : a.data[i];
        uint8_t right = b.data[i] == '.' ? '_' : b.data[i];
        same = left == right;
    }
    return same;
}
