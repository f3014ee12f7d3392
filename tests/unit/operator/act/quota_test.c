/* Refusals of the API server's quota admission, of 1.33. */
#include "act/quota.h"
#include "base/attr.h"
#include "unit/test.h"

#include <stdio.h>

#define REFUSAL "POST /api/v1/namespaces/a/pods: HTTP 403 Forbidden: pods \"c-0\" is forbidden: "

/* A pod with 500m and 1Gi, at most 2Gi. */
static const struct {
    const char *refusal;
    bool has_room;
} rows[] = {
    { "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3", true },
    { "exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=3", false },
    { "exceeded quota: q, requested: pods=1,requests.cpu=500m, used: pods=3,requests.cpu=1500m, "
      "limited: pods=3,requests.cpu=1500m",
            true },
    { "exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=1500m, limited: "
      "requests.cpu=1500m",
            false },
    { "exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=1500m, limited: "
      "requests.cpu=2",
            true },
    { "exceeded quota: q, requested: limits.memory=4Gi, used: limits.memory=6Gi, limited: "
      "limits.memory=7Gi",
            false },
    { "exceeded quota: q, requested: limits.memory=3Gi, used: limits.memory=6Gi, limited: "
      "limits.memory=7Gi",
            true },
    { "exceeded quota: q, requested: memory=1Gi, used: memory=3Gi, limited: memory=3Gi", true },
    { "exceeded quota: q, requested: count/pods=1, used: count/pods=3, limited: count/pods=3",
            true },
    { "exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=1500m, limi", false },
    { "exceeded quota: q, requested: nonsense, used: nonsense, limited: nonsense", false },
    { "exceeded quota: q", false },
};

TEST(a_quota_that_is_used_up_has_room_where_an_old_pod_makes_it)
{
    cJSON *pod = NULL;
    json_setup();
    ASSERT_OK(json_parse(bytes_of_string("{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{"
                                         "\"cpu\":\"500m\",\"memory\":\"1Gi\"},\"limits\":{"
                                         "\"memory\":\"2Gi\"}}}]}}"),
            &pod));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[600];
        snprintf(text, sizeof text, REFUSAL "%s", rows[i].refusal);
        if (quota_has_room_without(text, pod) != rows[i].has_room) {
            test_fail(__FILE__, __LINE__, "taken wrongly: %s", rows[i].refusal);
        }
        test_pass();
    }
    cJSON_Delete(pod);
}
