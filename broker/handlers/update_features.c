/* UpdateFeatures (KIP-584): levels are fixed by the build, so an update passes only when it asks
 * for what is there. */
#include "wire/messages/update_features.h"

#include "handlers/errors.h"
#include "handlers/features.h"
#include "handlers/handlers.h"

#define UPGRADE_TYPE_UPGRADE 1
#define UPGRADE_TYPE_MAX 3 /* unsafe downgrade */

const struct feature features[] = { { 0 } };

static const struct feature *
feature_find(struct bytes name)
{
    const struct feature *feature = features;
    while (feature->name && !bytes_equal(bytes_of_string(feature->name), name)) {
        feature++;
    }
    return feature->name ? feature : NULL;
}

static void
refuse(struct update_features_response_updatable_feature_result *out, int16_t error,
        struct bytes message)
{
    out->error_code = error;
    out->error_message = message;
}

#define SHOWN(b) (int)MIN((b).size, (size_t)200), (const char *)(b).data

static void
check_update(struct request *request,
        const struct update_features_request_feature_update_key *update,
        struct update_features_response_updatable_feature_result *out)
{
    const struct feature *feature = feature_find(update->feature);
    int32_t controller = meta_state_controller(meta_state(request->broker->meta));
    int16_t level = update->max_version_level;
    *out = update_features_response_updatable_feature_result_default;
    out->feature = update->feature;
    if (request->version >= 1 && (update->upgrade_type < UPGRADE_TYPE_UPGRADE ||
                                         update->upgrade_type > UPGRADE_TYPE_MAX)) {
        refuse(out, KAFKA_INVALID_UPDATE_VERSION,
                request_text(request,
                        "The controller does not support the given upgrade type for feature %.*s.",
                        SHOWN(update->feature)));
    } else if (!feature) {
        refuse(out, KAFKA_INVALID_UPDATE_VERSION,
                request_text(request,
                        "Invalid update version %d for feature %.*s. Local controller %d does not "
                        "support this feature.",
                        level, SHOWN(update->feature), controller));
    } else if (level < feature->min || level > feature->max) {
        refuse(out, KAFKA_INVALID_UPDATE_VERSION,
                request_text(request,
                        "Invalid update version %d for feature %.*s. Local controller %d only "
                        "supports versions %d-%d",
                        level, SHOWN(update->feature), controller, feature->min, feature->max));
    } else if (level != feature->level) {
        refuse(out, KAFKA_INVALID_UPDATE_VERSION,
                request_text(request, "The level of feature %.*s is fixed at %d by the build.",
                        SHOWN(update->feature), feature->level));
    }
}

/* All or nothing: the first failure is everybody's (version 2 has no other place for it). */
static void
fail_all(struct request *request, struct update_features_response *response,
        struct update_features_response_updatable_feature_result *results, size_t count,
        size_t first)
{
    int16_t error = results[first].error_code;
    struct bytes message = request_text(request,
            "The update failed for all features since the following feature had an error: %.*s",
            SHOWN(results[first].error_message));
    response->error_code = error;
    response->error_message = message;
    for (size_t i = 0; i < count; i++) {
        results[i].error_code = error;
        results[i].error_message = message;
    }
}

void
handle_update_features(struct request *request)
{
    struct update_features_request message;
    struct update_features_response response = update_features_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = (size_t)MAX(message.feature_updates.count, 0);
    struct update_features_response_updatable_feature_result *results =
            request_alloc(request, count, sizeof *results);
    struct wire_iterator it = wire_iterate(&message.feature_updates);
    struct update_features_request_feature_update_key update;
    size_t failed = count;
    response.error_message = BYTES_NULL;
    for (size_t i = 0; update_features_request_feature_update_key_next(&it, &update); i++) {
        check_update(request, &update, &results[i]);
        failed = results[i].error_code && failed == count ? i : failed;
    }
    if (failed < count) {
        fail_all(request, &response, results, count, failed);
    }
    if (request->version < 2) {
        response.results = wire_array_of(results, count);
    }
    request_reply(request, &response);
}
