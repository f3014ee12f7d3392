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
    { 15, 0, 6, handle_describe_groups },
    { 16, 0, 5, handle_list_groups },
    { 18, 0, 5, handle_api_versions },
    { 19, 2, 7, handle_create_topics },
    { 20, 1, 6, handle_delete_topics },
    { 21, 0, 2, handle_delete_records },
    { 22, 0, 5, handle_init_producer_id },
    { 23, 2, 4, handle_offset_for_leader_epoch },
    { 29, 1, 3, handle_describe_acls },
    { 30, 1, 3, handle_create_acls },
    { 31, 1, 3, handle_delete_acls },
    { 32, 1, 4, handle_describe_configs },
    { 33, 0, 2, handle_alter_configs },
    { 35, 1, 5, handle_describe_log_dirs },
    { 37, 0, 3, handle_create_partitions },
    { 42, 0, 3, handle_delete_groups },
    { 43, 0, 2, handle_elect_leaders },
    { 44, 0, 1, handle_incremental_alter_configs },
    { 45, 0, 1, handle_alter_partition_reassignments },
    { 46, 0, 0, handle_list_partition_reassignments },
    { 47, 0, 0, handle_offset_delete },
    { 55, 0, 2, handle_describe_quorum },
    { 57, 0, 2, handle_update_features },
    { 60, 0, 2, handle_describe_cluster },
    { 61, 0, 0, handle_describe_producers },
    { 64, 0, 0, handle_unregister_broker },
    { 71, 0, 0, handle_get_telemetry_subscriptions },
    { 72, 0, 0, handle_push_telemetry },
    { 74, 0, 1, handle_list_config_resources },
    { 75, 0, 0, handle_describe_topic_partitions },
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
