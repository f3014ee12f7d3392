#pragma once
/* The command line of freshet-operator. */

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *kubeconfig;      /* NULL: the pod's account, $KUBECONFIG, ~/.kube/config */
    const char *namespace;       /* NULL: all */
    const char *lease_namespace; /* NULL: the credentials' own */
    const char *lease_name;
    const char *identity; /* NULL: host name and a random number */
    const char *image_repository;
    bool has_nodes; /* watches nodes; needs a cluster role */
    int port;       /* of /metrics and /healthz; 0: any */
    int64_t lease_ms;
    int64_t renew_ms;
    int64_t retry_ms;
    int64_t die_after_writes; /* tests; 0: never */
    bool is_json;
};

/* 0, or the exit code + 1: help was asked for, or something is wrong and was said. */
MUST_CHECK int options_parse(int argc, char **argv, struct options *ret_options);
