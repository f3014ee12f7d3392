#pragma once
/* The names of Kafka's error codes for people and metrics: org.apache.kafka.common.protocol.Errors
 * of 4.4. Entered from the broker's metrics. */

#include <stdint.h>

/* A literal; "OTHER" for a code that Kafka does not have. */
const char *kafka_error_name(int16_t code);
