#pragma once
/* The one list of APIs that this broker answers. */

#include "handlers/request.h"

struct dispatch_entry {
    int16_t key;
    int16_t version_min;
    int16_t version_max;
    handler_fn handler;
};

/* NULL: not here. */
const struct dispatch_entry *dispatch_find(int16_t key);
/* Answers an ApiVersions request of an unknown version, in version 0. */
const struct dispatch_entry *dispatch_unsupported_api_versions(void);
