#pragma once
/* What the rooms count, as metrics: one source for admin/, summed over all reactors. */

#include "admin/admin.h"
#include "handlers/broker.h"
#include "net/net.h"

struct broker_metrics {
    struct broker *broker;
    struct objectstore *objects;
    struct wal **wals; /* by reactor index */
    struct net *net;
};

/* admin_source.collect; arg: struct broker_metrics. */
MAY_SUSPEND void broker_metrics_collect(void *arg, struct metrics *metrics);
