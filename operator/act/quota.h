#pragma once
/* A quota that is used up, as the API server's refusal of a pod tells of it: "exceeded quota: NAME,
 * requested: pods=1,requests.cpu=1, used: pods=3,requests.cpu=3, limited: pods=3,requests.cpu=3",
 * with those resources only for which there is no room. */

#include "kube/json.h"

/* Whether there is room for the refused pod once `pod` has ended. What cannot be read says no. */
bool quota_has_room_without(const char *refusal, const cJSON *pod);
