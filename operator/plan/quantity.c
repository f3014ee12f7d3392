/* Quantities of Kubernetes, as far as sizes of volumes need them. */
#include "plan/plan_internal.h"

int64_t
quantity_bytes(const char *text)
{
    static const struct {
        const char *suffix;
        int64_t factor;
    } suffixes[] = { { "", 1 }, { "k", 1000 }, { "M", 1000000 }, { "G", 1000000000 },
        { "T", 1000000000000 }, { "Ki", 1LL << 10 }, { "Mi", 1LL << 20 }, { "Gi", 1LL << 30 },
        { "Ti", 1LL << 40 } };
    int64_t number = 0;
    const char *end = text;
    for (; *end >= '0' && *end <= '9' && number < 1000000000000; end++) {
        number = number * 10 + (*end - '0');
    }
    for (size_t i = 0; end != text && i < ARRAY_SIZE(suffixes); i++) {
        if (strcmp(end, suffixes[i].suffix) == 0 && number <= INT64_MAX / suffixes[i].factor) {
            return number * suffixes[i].factor;
        }
    }
    return -1;
}
