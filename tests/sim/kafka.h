#pragma once
/* A connection that speaks Kafka's protocol, out of broker/wire's schemas: requests are written,
 * answers are read. Entered by the model clients, on fibers of the simulator. One fiber a
 * connection. */

#include "wire/api.h"

struct kafka;

enum kafka_code { /* what the model clients tell apart */
    CODE_NONE = 0,
    CODE_OFFSET_OUT_OF_RANGE = 1,
    CODE_UNKNOWN_TOPIC = 3,
    CODE_NOT_LEADER = 6,
    CODE_ILLEGAL_GENERATION = 22,
    CODE_UNKNOWN_MEMBER = 25,
    CODE_REBALANCE = 27,
    CODE_TOPIC_EXISTS = 36,
    CODE_OUT_OF_ORDER = 45,
    CODE_DUPLICATE_SEQUENCE = 46,
    CODE_UNKNOWN_PRODUCER = 59,
    CODE_MEMBER_ID_REQUIRED = 79,
};

MUST_CHECK MAY_SUSPEND int kafka_connect(
        const char *host, uint16_t port, uint64_t deadline_ns, struct kafka **ret_kafka);
/* Accepts NULL. */
MAY_SUSPEND void kafka_close(struct kafka *kafka);
/* Sends; answers come in the order of the requests. `message` is borrowed until return. */
MUST_CHECK MAY_SUSPEND int kafka_send(struct kafka *kafka, int16_t api_key, int16_t version,
        const void *message, uint64_t deadline_ns);
/* The answer to the oldest request that has none; views into the connection's frame, valid until
 * the next call. After an error the connection is good for closing only. */
MUST_CHECK MAY_SUSPEND int kafka_receive(
        struct kafka *kafka, void *ret_message, uint64_t deadline_ns);
