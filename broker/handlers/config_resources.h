#pragma once
/* What DescribeConfigs, AlterConfigs and IncrementalAlterConfigs have in common: the resources
 * that have configs, and where their values come from. */

#include "handlers/request.h"

/* ConfigResource.Type of Kafka 4.4. */
enum config_resource_type {
    CONFIG_TOPIC = 2,
    CONFIG_BROKER = 4,
    CONFIG_BROKER_LOGGER = 8,
    CONFIG_CLIENT_METRICS = 16,
    CONFIG_GROUP = 32,
};

/* ConfigEntry.ConfigSource, as numbered by DescribeConfigs. */
enum config_source {
    CONFIG_SOURCE_TOPIC = 1,
    CONFIG_SOURCE_DYNAMIC_BROKER = 2,
    CONFIG_SOURCE_DYNAMIC_DEFAULT = 3,
    CONFIG_SOURCE_BROKER = 4,
    CONFIG_SOURCE_DEFAULT = 5,
    CONFIG_SOURCE_CLIENT_METRICS = 7,
    CONFIG_SOURCE_GROUP = 8,
};

struct config_target {
    enum config_resource_type type;
    struct bytes name; /* in the request; "": the default of all brokers */
    enum setting_scope scope;
    enum setting_origin origin; /* brokers: of what is set for this resource */
};

/* KAFKA_NONE, or the error of the resource with its message for the client. */
int16_t config_target_find(struct request *request, int8_t type, struct bytes name,
        struct config_target *ret_target, struct bytes *ret_message);
/* What was set for the resource by AlterConfigs or CreateTopics; copied into the arena. */
size_t config_target_values(struct request *request, const struct config_target *target,
        struct meta_config_entry **ret_entries);
/* This reactor's settings with all that was set dynamically. */
const struct settings *config_settings(const struct request *request);
