/* ApiVersions (KIP-35, KIP-511, KIP-584): what this broker answers. */
#include "handlers/api_versions.h"

#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "wire/messages/api_versions.h"

/* Kafka answers a name or version that it would not print with INVALID_REQUEST. */
static bool
software_name_is_valid(struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool inner = c == '-' || c == '.';
        if (!word && !(inner && i > 0 && i + 1 < name.size)) {
            return false;
        }
    }
    return name.size > 0;
}

void
api_versions_answer(struct request *request, int16_t error, const struct api_version_range *ranges,
        size_t count)
{
    struct api_versions_response response = api_versions_response_default;
    struct api_versions_response_api_version *keys = request_alloc(request, count, sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (struct api_versions_response_api_version){ ranges[i].key, ranges[i].min,
            ranges[i].max };
    }
    response.error_code = error;
    response.api_keys = wire_array_of(keys, count);
    request_reply(request, &response);
}

void
api_versions_handle(struct request *request, const struct api_version_range *ranges, size_t count)
{
    struct api_versions_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    int16_t error = KAFKA_NONE;
    if (request->version >= 3 &&
            (!software_name_is_valid(message.client_software_name) ||
                    !software_name_is_valid(message.client_software_version))) {
        error = KAFKA_INVALID_REQUEST;
    }
    api_versions_answer(request, error, error ? NULL : ranges, error ? 0 : count);
}
