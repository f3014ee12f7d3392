/* InitProducerId for idempotent producers: ids come in blocks from the metadata log, so one is
 * never given twice. */
#include "wire/messages/init_producer_id.h"

#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

#define PRODUCER_IDS_PER_BLOCK 1000

static int
take_producer_id(struct broker *broker, int64_t *ret_id)
{
    struct producer_ids *ids = &broker->producer_ids[reactor_index()];
    while (ids->left == 0) {
        struct meta_result result;
        struct meta_record record = {
            .type = META_PRODUCER_IDS,
            .producer_ids = { meta_broker_id(broker->meta), meta_broker_epoch(broker->meta),
                    PRODUCER_IDS_PER_BLOCK },
        };
        int r = meta_propose_one(broker->meta, &record, &result);
        if (r < 0) {
            return r;
        }
        *ids = (struct producer_ids){ (int64_t)result.first_id, PRODUCER_IDS_PER_BLOCK };
    }
    ids->left--;
    *ret_id = ids->next++;
    return 0;
}

void
handle_init_producer_id(struct request *request)
{
    struct init_producer_id_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct init_producer_id_response response = init_producer_id_response_default;
    response.producer_epoch = -1;
    if (message.transactional_id.data) {
        response.error_code = KAFKA_INVALID_REQUEST; /* transactions are not there yet */
        LOG_INFO("transactional producer refused: transactions are not available yet");
        request_reply(request, &response);
        return;
    }
    int64_t id;
    int r = take_producer_id(request->broker, &id);
    if (r < 0) {
        LOG_WARN("no producer id", LOG_FAULT(r));
        response.error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    } else {
        response.producer_id = id;
        response.producer_epoch = 0;
    }
    request_reply(request, &response);
}
