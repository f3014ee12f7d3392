#pragma once
/* /v1/topics and /v1/config of docs/admin-api.md: what CreateTopics, CreatePartitions, AlterConfigs
 * and DeleteTopics do, for callers without a Kafka client. The handlers' own code does it
 * (handlers/run.h). Entered from broker_api.c.
 *
 * T1  A call that changes a topic names it by id, and is refused (409 OTHER_TOPIC) where the name
 * is another topic's by now. Scenario: the operator means the topic that it made; somebody has
 * deleted that and made another of the same name with records in it.
 *
 * T2  An outcome that isn't known is 503, never a success or a refusal: the caller looks again. */

#include "admin/admin.h"
#include "handlers/broker.h"

/* request->path: "", "NAME", "NAME/config", "NAME/partitions". Returns the HTTP status. */
MAY_SUSPEND unsigned broker_topics_answer(
        struct broker *broker, const struct admin_request *request, struct strbuf *out);
/* What is set for all brokers: GET, and POST {"set": {...}, "unset": [...]}. */
MAY_SUSPEND unsigned broker_config_answer(
        struct broker *broker, const struct admin_request *request, struct strbuf *out);
