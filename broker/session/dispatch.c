/* APIs, versions and handlers: what is not in this list is not there. */
#include "session/dispatch.h"

#include "base/attr.h"
#include "handlers/api_versions.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

static void handle_api_versions(struct request *request);

static const struct dispatch_entry table[] = {
    { 0, 3, 13, handle_produce },
    { 1, 4, 18, handle_fetch },
    { 2, 1, 11, handle_list_offsets },
    { 3, 0, 13, handle_metadata },
    { 8, 2, 10, handle_offset_commit },
    { 9, 1, 10, handle_offset_fetch },
    { 10, 0, 6, handle_find_coordinator },
    { 11, 0, 9, handle_join_group },
    { 12, 0, 4, handle_heartbeat },
    { 13, 0, 5, handle_leave_group },
    { 14, 0, 5, handle_sync_group },
    { 18, 0, 5, handle_api_versions },
    { 19, 2, 7, handle_create_topics },
    { 20, 1, 6, handle_delete_topics },
    { 22, 0, 5, handle_init_producer_id },
};

static size_t
version_ranges(struct api_version_range ranges[ARRAY_SIZE(table)])
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        /* KAFKA-18659: old librdkafka gives up unless Produce begins at 0. */
        int16_t min = table[i].key == 0 ? 0 : table[i].version_min;
        ranges[i] = (struct api_version_range){ table[i].key, min, table[i].version_max };
    }
    return ARRAY_SIZE(table);
}

static void
handle_api_versions(struct request *request)
{
    struct api_version_range ranges[ARRAY_SIZE(table)];
    size_t count = version_ranges(ranges);
    api_versions_handle(request, ranges, count);
}

static void
handle_unsupported_api_versions(struct request *request)
{
    struct api_version_range ranges[ARRAY_SIZE(table)];
    size_t count = version_ranges(ranges);
    api_versions_answer(request, KAFKA_UNSUPPORTED_VERSION, ranges, count);
}

static const struct dispatch_entry unsupported_api_versions = { 18, 0, 0,
    handle_unsupported_api_versions };

const struct dispatch_entry *
dispatch_unsupported_api_versions(void)
{
    return &unsupported_api_versions;
}

const struct dispatch_entry *
dispatch_find(int16_t key)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        if (table[i].key == key) {
            return &table[i];
        }
    }
    return NULL;
}
