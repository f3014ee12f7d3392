/* Instances of clients, on reactor 0. */
#include "handlers/telemetry.h"

#include "base/check.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "handlers/errors.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <stdatomic.h>

#define HOME 0
#define SILENCE_NS_MIN (60ull * NS_PER_S) /* then an instance is forgotten, as in Kafka */

struct instance {
    struct map_node node;
    struct list link; /* in telemetry.by_use */
    struct uuid id;
    uint32_t version;
    int32_t subscription_id;
    int32_t push_interval_ms;
    uint64_t used_ns;
    uint64_t get_ns; /* of the last request of its kind; 0: none */
    uint64_t push_ns;
    int16_t last_error;
    bool terminating;
};

struct telemetry {
    struct map by_id;
    struct list by_use; /* the most recent at the end */
    _Atomic uint64_t clients;
    _Atomic uint64_t pushes;
    _Atomic uint64_t push_bytes;
};

struct telemetry *
telemetry_new(void)
{
    struct telemetry *telemetry = mem_alloc(sizeof *telemetry);
    map_init(&telemetry->by_id);
    list_init(&telemetry->by_use);
    return telemetry;
}

static void
instance_free(struct telemetry *telemetry, struct instance *instance)
{
    map_remove(&telemetry->by_id, &instance->node);
    list_remove(&instance->link);
    mem_free(instance);
    telemetry->clients--;
}

void
telemetry_free(struct telemetry *telemetry)
{
    struct instance *instance;
    if (!telemetry) {
        return;
    }
    while ((instance = LIST_FIRST(&telemetry->by_use, struct instance, link))) {
        instance_free(telemetry, instance);
    }
    map_done(&telemetry->by_id);
    mem_free(telemetry);
}

static bool
instance_is_same(const struct map_node *node, const void *key)
{
    return uuid_equal(&CONTAINER_OF(node, const struct instance, node)->id, key);
}

static struct instance *
instance_find(const struct telemetry *telemetry, const struct uuid *id)
{
    struct map_node *node = map_find(&telemetry->by_id, uuid_hash(id), instance_is_same, id);
    return node ? CONTAINER_OF(node, struct instance, node) : NULL;
}

static uint64_t
interval_ns(const struct instance *instance)
{
    return (uint64_t)instance->push_interval_ms * NS_PER_MS;
}

/* A new subscription is a new instance. */
static struct instance *
instance_add(struct telemetry *telemetry, const struct telemetry_visit *visit)
{
    struct instance *old = instance_find(telemetry, &visit->instance);
    if (old) {
        instance_free(telemetry, old);
    } else if (telemetry->clients == TELEMETRY_CLIENTS_MAX) {
        struct instance *oldest = LIST_FIRST(&telemetry->by_use, struct instance, link);
        CHECK(oldest);
        instance_free(telemetry, oldest);
    }
    struct instance *instance = mem_alloc(sizeof *instance);
    *instance = (struct instance){ .id = visit->instance,
        .version = visit->version,
        .subscription_id = visit->subscription_id,
        .push_interval_ms = visit->push_interval_ms };
    map_insert(&telemetry->by_id, &instance->node, uuid_hash(&instance->id));
    list_push_back(&telemetry->by_use, &instance->link);
    telemetry->clients++;
    return instance;
}

static int16_t
check_get(struct instance *instance, uint64_t now_ns)
{
    uint64_t last_ns = MAX(instance->get_ns, instance->push_ns);
    /* A client that was sent back for its subscription may come at once. */
    bool sent_back = instance->last_error == KAFKA_UNKNOWN_SUBSCRIPTION_ID ||
                     instance->last_error == KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    bool in_time = last_ns == 0 || now_ns - last_ns >= interval_ns(instance);
    if (in_time) {
        instance->get_ns = now_ns;
    } else if (!sent_back) {
        return KAFKA_THROTTLING_QUOTA_EXCEEDED;
    }
    instance->last_error = KAFKA_NONE;
    return KAFKA_NONE;
}

static int16_t
check_push(struct instance *instance, const struct telemetry_visit *visit, uint64_t now_ns)
{
    if (instance->terminating) {
        return KAFKA_INVALID_REQUEST;
    }
    /* The first push after a Get may come early: clients spread themselves. */
    bool in_time = instance->push_ns == 0 || instance->get_ns > instance->push_ns ||
                   now_ns - instance->push_ns >= interval_ns(instance);
    if (in_time) {
        instance->push_ns = now_ns;
    } else if (!visit->terminating) {
        return KAFKA_THROTTLING_QUOTA_EXCEEDED;
    }
    if (visit->pushed_subscription_id != instance->subscription_id) {
        return KAFKA_UNKNOWN_SUBSCRIPTION_ID;
    }
    if (visit->unknown_compression) {
        return KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    }
    return visit->too_large ? KAFKA_TELEMETRY_TOO_LARGE : KAFKA_NONE;
}

static int
push(struct telemetry *telemetry, struct instance *instance, const struct telemetry_visit *visit,
        uint64_t now_ns)
{
    int16_t error = check_push(instance, visit, now_ns);
    instance->last_error = error;
    instance->terminating = visit->terminating;
    if (error == KAFKA_NONE) {
        telemetry->pushes++;
        telemetry->push_bytes += visit->size;
    }
    return error;
}

/* On reactor 0. */
static int
visit_here(void *arg)
{
    const struct telemetry_visit *visit = arg;
    struct telemetry *telemetry = visit->telemetry;
    struct instance *instance = instance_find(telemetry, &visit->instance);
    uint64_t now_ns = clock_mono_ns();
    if (instance && now_ns - instance->used_ns > MAX(SILENCE_NS_MIN, 3 * interval_ns(instance))) {
        instance_free(telemetry, instance);
        instance = NULL;
    }
    if (visit->has_subscription && (!instance || instance->version != visit->version)) {
        instance = instance_add(telemetry, visit);
    }
    if (!instance || instance->version != visit->version) {
        return TELEMETRY_UNKNOWN;
    }
    list_remove(&instance->link);
    list_push_back(&telemetry->by_use, &instance->link);
    instance->used_ns = now_ns;
    return visit->push ? push(telemetry, instance, visit, now_ns) : check_get(instance, now_ns);
}

int
telemetry_visit(struct telemetry_visit *visit)
{
    return reactor_call(HOME, visit_here, visit);
}

static int
forget_here(void *arg)
{
    const struct telemetry_visit *visit = arg;
    struct instance *instance = instance_find(visit->telemetry, &visit->instance);
    if (instance) {
        instance_free(visit->telemetry, instance);
    }
    return 0;
}

void
telemetry_forget(struct telemetry *telemetry, const struct uuid *instance)
{
    struct telemetry_visit visit = { .telemetry = telemetry, .instance = *instance };
    int r = reactor_call(HOME, forget_here, &visit);
    CHECK(r == 0);
}

void
telemetry_stats_get(const struct telemetry *telemetry, struct telemetry_stats *ret_stats)
{
    *ret_stats = (struct telemetry_stats){ telemetry->clients, telemetry->pushes,
        telemetry->push_bytes };
}
