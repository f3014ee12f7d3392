/* The one place where our errors become Kafka's. */
#include "handlers/errors.h"

#include "base/attr.h"
#include "base/limits.h"
#include "partition/shard.h"

#include <errno.h>

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
        [APPEND_UNSUPPORTED_FORMAT] = KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT,
        [APPEND_UNSUPPORTED_COMPRESSION] = KAFKA_UNSUPPORTED_COMPRESSION_TYPE,
        [APPEND_OUT_OF_ORDER_SEQUENCE] = KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER,
        [APPEND_STALE_PRODUCER_EPOCH] = KAFKA_INVALID_PRODUCER_EPOCH,
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

const char *
topic_name_problem(struct bytes name)
{
    if (name.size == 0) {
        return "the empty string is not allowed";
    }
    if (name.size > TOPIC_NAME_SIZE_MAX) {
        return "the length is more than 249 characters";
    }
    if (bytes_equal(name, BYTES_LITERAL(".")) || bytes_equal(name, BYTES_LITERAL(".."))) {
        return "'.' or '..' are not allowed";
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
        if (!ok) {
            return "it contains characters other than ASCII alphanumerics, '.', '_' and '-'";
        }
    }
    return NULL;
}
