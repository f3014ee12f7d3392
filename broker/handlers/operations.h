#pragma once
/* The bits of authorized operations (KIP-430): 1 << AclOperation.code of Kafka 4.4. Without an
 * authorizer everybody may do everything. */

#define OPERATIONS_UNKNOWN INT32_MIN /* the client did not ask */
/* CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE */
#define OPERATIONS_CLUSTER (1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12)
/* READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS */
#define OPERATIONS_TOPIC (1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11)
