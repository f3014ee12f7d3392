#pragma once
/* ApiVersions needs the dispatch table, which lies above: session/ hands the ranges in. */

#include "handlers/request.h"

struct api_version_range {
    int16_t key;
    int16_t min;
    int16_t max;
};

void api_versions_handle(
        struct request *request, const struct api_version_range *ranges, size_t count);
/* Without reading the body: for a version that we do not speak (KIP-511). */
void api_versions_answer(struct request *request, int16_t error,
        const struct api_version_range *ranges, size_t count);
