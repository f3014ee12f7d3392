#pragma once
/* A YAML document as JSON: kubeconfig files are YAML. Aliases are refused (they can grow without
 * bound), depth and size are bounded, scalars become text, true, false, null or whole numbers as
 * YAML 1.2's core schema has them; quoted ones are text. */

#include "kube/json.h"

#define YAML_SIZE_MAX ((size_t)4 << 20)

/* -EBADMSG: the fault names line and column. */
MUST_CHECK int yaml_parse(struct bytes text, cJSON **ret_json);
