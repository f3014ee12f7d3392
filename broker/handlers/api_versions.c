/* ApiVersions (KIP-35, KIP-511, KIP-584): what this broker answers. */
#include "handlers/api_versions.h"

#include "handlers/errors.h"
#include "handlers/features.h"
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

/* Versions below 4 cannot say that a feature begins at 0 (KIP-1022): it is left out. */
static void
add_features(struct request *request, struct api_versions_response *response)
{
    size_t most = 0;
    while (features[most].name) {
        most++;
    }
    struct api_versions_response_supported_feature_key *supported =
            request_alloc(request, most, sizeof *supported);
    struct api_versions_response_finalized_feature_key *finalized =
            request_alloc(request, most, sizeof *finalized);
    size_t count = 0;
    for (size_t i = 0; i < most; i++) {
        const struct feature *f = &features[i];
        struct bytes name = bytes_of_string(f->name);
        if (request->version < 4 && f->min == 0) {
            continue;
        }
        supported[count] =
                (struct api_versions_response_supported_feature_key){ name, f->min, f->max };
        finalized[count] =
                (struct api_versions_response_finalized_feature_key){ name, f->level, f->level };
        count++;
    }
    response->supported_features = wire_array_of(supported, count);
    response->finalized_features = wire_array_of(finalized, count);
    response->finalized_features_epoch = 0;
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
    add_features(request, &response);
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
    if (request->version >= 3 && error == KAFKA_NONE) {
        struct connection_state *connection = request->connection;
        bytes_to_string(message.client_software_name, connection->software_name,
                sizeof connection->software_name);
        bytes_to_string(message.client_software_version, connection->software_version,
                sizeof connection->software_version);
    }
    api_versions_answer(request, error, error ? NULL : ranges, error ? 0 : count);
}
