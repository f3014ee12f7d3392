/* DescribeAcls, CreateAcls, DeleteAcls: there is no authorizer, which Kafka's brokers without one
 * say in the same way. */
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "wire/messages/create_acls.h"
#include "wire/messages/delete_acls.h"
#include "wire/messages/describe_acls.h"

#define NO_AUTHORIZER BYTES_LITERAL("No Authorizer is configured on the broker")

void
handle_describe_acls(struct request *request)
{
    struct describe_acls_request message;
    struct describe_acls_response response = describe_acls_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    response.error_code = KAFKA_SECURITY_DISABLED;
    response.error_message = NO_AUTHORIZER;
    request_reply(request, &response);
}

void
handle_create_acls(struct request *request)
{
    struct create_acls_request message;
    struct create_acls_response response = create_acls_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = (size_t)MAX(message.creations.count, 0);
    struct create_acls_response_acl_creation_result *results =
            request_alloc(request, count, sizeof *results);
    for (size_t i = 0; i < count; i++) {
        results[i] = create_acls_response_acl_creation_result_default;
        results[i].error_code = KAFKA_SECURITY_DISABLED;
        results[i].error_message = NO_AUTHORIZER;
    }
    response.results = wire_array_of(results, count);
    request_reply(request, &response);
}

void
handle_delete_acls(struct request *request)
{
    struct delete_acls_request message;
    struct delete_acls_response response = delete_acls_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = (size_t)MAX(message.filters.count, 0);
    struct delete_acls_response_filter_result *results =
            request_alloc(request, count, sizeof *results);
    for (size_t i = 0; i < count; i++) {
        results[i] = delete_acls_response_filter_result_default;
        results[i].error_code = KAFKA_SECURITY_DISABLED;
        results[i].error_message = NO_AUTHORIZER;
    }
    response.filter_results = wire_array_of(results, count);
    request_reply(request, &response);
}
