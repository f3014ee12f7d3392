#pragma once
/* What /metrics says of the rooms: asks every reactor for its counters and adds them up. A source for admin/admin.h:
 *
 *   struct collect_rooms rooms = { .broker = &broker, .wals = wals, .objects = objects, .net = net };
 *   const struct admin_source source = { collect_metrics, &rooms };
 *
 * The rooms are read while a request is answered: stop admin before they are freed. */

#include "admin/metrics.h"
#include "handlers/broker.h"
#include "net/net.h"
#include "wal/wal.h"

struct collect_rooms {
    const struct broker *broker;         /* its meta, shards and stores; entries may still be NULL */
    struct wal *const *wals;             /* by reactor index; entries may be NULL */
    const struct objectstore *objects;   /* or NULL */
    const struct net *net;               /* or NULL */
};

/* `arg`: struct collect_rooms. On a fiber of any reactor. */
MAY_SUSPEND void collect_metrics(void *arg, struct metrics *metrics);
