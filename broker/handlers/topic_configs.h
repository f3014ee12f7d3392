#pragma once
/* All configs of a topic with their effective values, as CreateTopics (and DescribeConfigs) show
 * them. */

#include "handlers/config_resources.h"

struct topic_config {
    struct bytes name;
    struct bytes value; /* NULL: null */
    enum config_source source;
};

/* In the order of the settings' table; overrides are the topic's own. The array is in the request's
 * arena. */
size_t topic_configs_list(struct request *request, const struct meta_config_entry *overrides,
        size_t override_count, struct topic_config **ret_configs);
