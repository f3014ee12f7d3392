#pragma once
/* What handlers do between the read request and its answer, for those of our own who ask as
 * clients do: the admin API (broker_topics.c). The same checks, the same words, one implementation.
 *
 * The request needs its broker and its arena only (request_begin_own). The message's arrays are C
 * arrays or views; the answer's belong to the request's arena. */

#include "handlers/request.h"
#include "wire/messages/alter_configs.h"
#include "wire/messages/create_partitions.h"
#include "wire/messages/create_topics.h"
#include "wire/messages/delete_topics.h"
#include "wire/messages/incremental_alter_configs.h"

/* A request that no client sent, and its end. */
void request_begin_own(struct request *request, struct broker *broker);
void request_end_own(struct request *request);

/* `id`: of the topic, when the message names one only and its id was chosen by the caller; -EEXIST
 * becomes TOPIC_ALREADY_EXISTS for an id that is taken as for a name. NULL: at random. */
MAY_SUSPEND void create_topics_run(struct request *request,
        const struct create_topics_request *message, const struct uuid *id,
        struct create_topics_response *ret_response);
MAY_SUSPEND void create_partitions_run(struct request *request,
        const struct create_partitions_request *message,
        struct create_partitions_response *ret_response);
MAY_SUSPEND void delete_topics_run(struct request *request,
        const struct delete_topics_request *message, struct delete_topics_response *ret_response);
MAY_SUSPEND void alter_configs_run(struct request *request,
        const struct alter_configs_request *message, struct alter_configs_response *ret_response);
MAY_SUSPEND void incremental_alter_configs_run(struct request *request,
        const struct incremental_alter_configs_request *message,
        struct incremental_alter_configs_response *ret_response);
