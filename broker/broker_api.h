#pragma once
/* /v1 of the admin listener: docs/admin-api.md. Entered from admin/ through process.c, on a fiber
 * of reactor 0. */

#include "admin/admin.h"
#include "handlers/broker.h"
#include "partition/quarantine.h"
#include "wal/wal.h"

struct broker_api {
    struct broker *broker;
    struct wal **wals; /* by reactor index */
    const struct quarantine *quarantine;
    const char *version;
    const char *config_generation; /* FRESHET_CONFIG_GENERATION; NULL: not set */
};

/* GET /v1/balancer (balancer_api.c): 200. */
unsigned balancer_api_answer(struct broker_api *api, struct strbuf *out);
/* admin_options.api */
MAY_SUSPEND unsigned broker_api_answer(
        void *arg, const struct admin_request *request, struct strbuf *out);
