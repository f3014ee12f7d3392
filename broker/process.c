/* Start and stop of the broker. */
#include "process.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "broker_api.h"
#include "broker_metrics.h"
#include "groups/groups.h"
#include "hand_over.h"
#include "handlers/broker.h"
#include "handlers/telemetry.h"
#include "holder.h"
#include "linger.h"
#include "load_report.h"
#include "meta/meta.h"
#include "net/net.h"
#include "partition/take_over.h"
#include "partition/wal_sweep.h"
#include "parts.h"
#include "reactor/clock.h"
#include "reactor/disk.h"
#include "reactor/sync.h"
#include "recover_report.h"
#include "recover_wals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WATCH_INTERVAL_NS (200ull * NS_PER_MS)
#define LEASE_GRACE_NS (3ull * NS_PER_S) /* at least */
#define FRAME_GRACE_NS (30ull * NS_PER_S)

struct process {
    const struct settings *settings;
    struct file *lock;
    struct objectstore *objects;
    struct meta *meta;
    struct broker broker;
    struct quarantine *quarantine;
    struct net *net;
    struct load_report *load_report;
    struct admin *admin;
    struct broker_metrics metrics;
    struct broker_api api;
    struct parts parts;
    struct settings_listener listeners[SETTINGS_LISTENERS_MAX];
    size_t listener_count;
    struct settings_listener advertised[SETTINGS_LISTENERS_MAX];
    size_t advertised_count;
    struct meta_endpoint endpoints[META_ENDPOINTS_MAX]; /* the advertised ones, borrowing */
    const char *data_dir;
    struct holder_admission admission;
    struct fiber *watch;
    struct take_over *take_over;
    struct wal_sweep *wal_sweep;
    struct recover_result *sum; /* of what `freshet recover` recovers, else NULL */
    uint64_t ending_ns;         /* since when it is to end; 0: it isn't */
    uint64_t lease_seen_ns;     /* when who asked for readiness last found the lease valid */
    int failure;                /* why the watch fiber ends the process */
};

static int
lock_data_dir(struct process *p)
{
    char path[FILE_PATH_MAX];
    int r = disk_make_folder(p->data_dir);
    if (r < 0) {
        return fault_note(r, "data.dir cannot be made");
    }
    snprintf(path, sizeof path, "%s/lock", p->data_dir);
    r = file_open(path, FILE_READ | FILE_WRITE | FILE_CREATE, &p->lock);
    if (r < 0) {
        return fault_note(r, "data.dir cannot be written");
    }
    r = file_lock(p->lock);
    return r < 0 ? fault_note(r, "data.dir %s is in use by another broker", p->data_dir) : 0;
}

_Static_assert(
        /* The same number three times. NOLINTNEXTLINE(misc-redundant-expression) */
        SETTINGS_LISTENERS_MAX == META_ENDPOINTS_MAX && SETTINGS_LISTENERS_MAX == NET_LISTENERS_MAX,
        "a listener that can be set can be opened and registered");

static int
choose_listeners(struct process *p)
{
    int r = settings_listeners(p->settings, "listeners", p->listeners, &p->listener_count);
    if (r < 0) {
        return r;
    }
    r = settings_listeners(
            p->settings, "advertised.listeners", p->advertised, &p->advertised_count);
    for (size_t i = 0; r == 0 && i < p->advertised_count; i++) {
        const struct settings_listener *from = &p->advertised[i];
        p->endpoints[i] = (struct meta_endpoint){ bytes_of_string(from->name),
            bytes_of_string(from->host), from->port };
    }
    return r;
}

/* Where other brokers connect. */
static int
choose_internal(struct process *p, char host[256], struct meta_options *options)
{
    const char *text = settings_string(p->settings, "internal.listener");
    const char *advertised = settings_string(p->settings, "internal.advertised.host");
    snprintf(host, 256, "%s", p->listeners[0].host);
    int r = text && *text ? settings_endpoint(text, host, &options->internal_port) : 0;
    options->internal_host = bytes_of_string(host);
    const char *fallback = *host ? host : p->advertised[0].host;
    options->internal_advertised = bytes_of_string(advertised ? advertised : fallback);
    return r;
}

static bool
wal_is_in_bucket(const struct process *p)
{
    return strcmp(settings_string(p->settings, "wal.type"), "s3") == 0;
}

static int
start_meta(struct process *p)
{
    int32_t node_id = settings_int(p->settings, "node.id");
    const char *rack = settings_string(p->settings, "broker.rack");
    char admin_host[256];
    char internal_host[256];
    uint16_t admin_port = 0;
    p->admission = (struct holder_admission){ p->data_dir, p->settings, holder_read(p->data_dir) };
    struct meta_options options = {
        .objects = p->objects,
        .broker_id = node_id,
        .endpoints = p->endpoints,
        .endpoint_count = (int32_t)p->advertised_count,
        .rack = bytes_of_string(rack),
        .wal_logs = wal_is_in_bucket(p) ? (int32_t)reactor_count() : 0,
        .former_holder = p->admission.holder.writers[0],
        .elder_holder = p->admission.holder.writers[1],
        .admit = holder_admit,
        .admit_arg = &p->admission,
        .lease_ns = (uint64_t)settings_long(p->settings, "lease.ms") * NS_PER_MS,
        .garbage_delay_ns =
                (uint64_t)settings_long(p->settings, "object.delete.delay.ms") * NS_PER_MS,
    };
    if (settings_endpoint(
                settings_string(p->settings, "admin.listener"), admin_host, &admin_port) == 0) {
        options.admin_host = bytes_of_string(admin_host);
        options.admin_port = admin_port;
    }
    const char *cluster = settings_string(p->settings, "cluster.id");
    int r = cluster ? uuid_parse(bytes_of_string(cluster), &options.cluster_id) : 0;
    if (r == 0) {
        r = choose_internal(p, internal_host, &options);
    }
    if (r == 0) {
        r = meta_start(&options, &p->meta);
    }
    return r < 0 ? r : meta_share(p->meta);
}

/* M5: everything of the former epoch is committed; now the partitions open at the next one. */
static int
open_partitions(struct process *p)
{
    const struct meta_state *state = meta_state(p->meta);
    int32_t id = meta_broker_id(p->meta);
    size_t count = 0;
    size_t most = meta_partition_count(state);
    struct meta_record *records = mem_alloc_array(most, sizeof *records);
    struct meta_result *results = mem_alloc_array(most, sizeof *results);
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            bool kept =
                    p->parts.bucket_damaged && quarantine_has(p->quarantine, t->partitions[i].key);
            if (t->partitions[i].owner == id && !kept) {
                records[count++] = (struct meta_record){
                    .type = META_OPEN,
                    .open = { t->partitions[i].key, id, meta_broker_epoch(p->meta) },
                };
            }
        }
    }
    int r = count ? meta_propose(p->meta, records, count, results) : 0;
    mem_free(records);
    mem_free(results);
    return r;
}

static int
start_clients(struct process *p)
{
    p->broker = (struct broker){
        .settings = p->settings,
        .dynamic = p->parts.dynamic,
        .meta = p->meta,
        .shards = p->parts.shards,
        .stores = p->parts.stores,
        .memory.limit = (uint64_t)settings_long(p->settings, "queued.max.request.bytes"),
    };
    p->broker.telemetry = telemetry_new();
    struct groups_options groups = {
        .meta = p->meta, .shards = p->parts.shards, .settings = p->settings
    };
    int r = groups_start(&groups, &p->broker.groups);
    if (r < 0) {
        return r;
    }
    struct net_listener_options listeners[SETTINGS_LISTENERS_MAX];
    for (size_t i = 0; i < p->listener_count; i++) {
        const struct settings_listener *from = &p->listeners[i];
        listeners[i] = (struct net_listener_options){ from->name, from->host, from->port };
    }
    struct net_options options = {
        .broker = &p->broker,
        .listeners = listeners,
        .listener_count = p->listener_count,
        .frame_size_max = (uint32_t)settings_int(p->settings, "socket.request.max.bytes"),
        .idle_timeout_ns =
                (uint64_t)settings_long(p->settings, "connections.max.idle.ms") * NS_PER_MS,
        .frame_grace_ns = FRAME_GRACE_NS,
        .connections_max = CONNECTIONS_MAX,
        .limits = p->parts.dynamic[0],
    };
    return net_start(&options, &p->net);
}

/* When the controller dies all leases run out, up to half a lease before another one gives new
 * ones, and there is nobody better to lead clients to: who counts the first failed probe would lead
 * them nowhere. */
static bool
lease_is_missed(struct process *p)
{
    uint64_t lease_ns = (uint64_t)settings_long(p->settings, "lease.ms") * NS_PER_MS;
    uint64_t now_ns = clock_mono_ns();
    if (meta_lease_is_valid(p->meta)) {
        p->lease_seen_ns = now_ns;
    }
    return now_ns - p->lease_seen_ns > MAX(LEASE_GRACE_NS, lease_ns / 8 * 5);
}

/* admin_options.ready */
static int
is_ready(void *arg, char reason[ADMIN_REASON_SIZE])
{
    struct process *p = arg;
    const char *why = p->ending_ns ? "stopping"
                      : lease_is_missed(p)
                              ? "the lease is not valid: controller or store cannot be reached"
                              : NULL;
    if (why) {
        snprintf(reason, ADMIN_REASON_SIZE, "%s", why);
    }
    return why ? -EAGAIN : 0;
}

static int
start_admin(struct process *p)
{
    char host[256];
    p->metrics = (struct broker_metrics){ &p->broker, p->objects, p->parts.wals, p->net };
    p->api = (struct broker_api){ &p->broker, p->parts.wals, p->quarantine, FRESHET_VERSION,
        settings_string(p->settings, "config.generation") };
    struct admin_source source = { broker_metrics_collect, &p->metrics };
    struct admin_options options = {
        .host = host,
        .connections_max = (unsigned)settings_int(p->settings, "admin.max.connections"),
        .version = FRESHET_VERSION,
        .sources = &source,
        .source_count = 1,
        .ready = is_ready,
        .ready_arg = p,
        .api = broker_api_answer,
        .api_arg = &p->api,
    };
    const char *text = settings_string(p->settings, "admin.listener");
    if (!*text) {
        return 0; /* none is wanted */
    }
    int r = settings_endpoint(text, host, &options.port);
    return r < 0 ? r : admin_start(&options, &p->admin);
}

/* Ends the process when it can acknowledge no more: W2, M2. From the registration on: a start that
 * waits for the store is fenced as any other, and the next one need not wait. */
static void
watch_main(void *arg)
{
    struct process *p = arg;
    while (p->failure == 0 && fiber_sleep_ns(WATCH_INTERVAL_NS) == 0) {
        int r = parts_error(&p->parts);
        if (meta_is_fenced(p->meta)) {
            (void)!meta_wait_fenced(p->meta); /* says why, at once */
            r = fault_note(-ESTALE,
                    "another broker or a newer start of this one has taken over, or the bucket was "
                    "changed, emptied or rolled back");
        }
        if (r < 0 && r != -ECANCELED) {
            p->failure = r;
            LOG_ERROR("the broker cannot go on and ends for recovery", LOG_FAULT(r));
            process_exit(1);
        }
    }
}

static int
watch_start(struct process *p)
{
    return fiber_spawn("watch", watch_main, p, &p->watch);
}

static void
watch_stop(struct process *p)
{
    fiber_cancel(p->watch);
    fiber_join(TAKE_PTR(p->watch));
}

/* Up to where all that the volume holds is in objects. */
static int
start_recovery(struct process *p)
{
    int r = choose_listeners(p);
    if (r == 0) {
        r = lock_data_dir(p);
    }
    if (r == 0) {
        r = objectstore_open(settings_string(p->settings, "store.url"), &p->objects);
    }
    if (r == 0) {
        r = start_meta(p);
    }
    if (r < 0) {
        return r;
    }
    p->parts = (struct parts){
        .settings = p->settings,
        .data_dir = p->data_dir,
        .objects = p->objects,
        .meta = p->meta,
        .quarantine = p->quarantine,
        .sum = p->sum,
        .progress = p->sum ? recover_report_progress : NULL,
        .in_bucket = wal_is_in_bucket(p),
    };
    r = watch_start(p);
    return r < 0 ? r : parts_recover(&p->parts);
}

/* What this broker does for those that died with a WAL in the bucket. */
static int
start_take_overs(struct process *p)
{
    const struct take_over_options options = {
        .meta = p->meta,
        .objects = p->objects,
        .store = p->parts.stores[0],
        .object_size_max = RECOVER_OBJECT_SIZE,
        .accept_loss = settings_bool(p->settings, "wal.recovery.accept.loss"),
    };
    int r = take_over_start(&options, &p->take_over);
    if (r < 0) {
        return r;
    }
    uint64_t lease_ns = (uint64_t)settings_long(p->settings, "lease.ms") * NS_PER_MS;
    uint64_t delay_ns = (uint64_t)settings_long(p->settings, "object.delete.delay.ms") * NS_PER_MS;
    const struct wal_sweep_options sweep = {
        .meta = p->meta,
        .objects = p->objects,
        .interval_ns = MAX(delay_ns / 4, 2 * lease_ns),
        .delay_ns = MAX(delay_ns, 2 * lease_ns),
    };
    return wal_sweep_start(&sweep, &p->wal_sweep);
}

static int
start(struct process *p)
{
    int r = start_recovery(p);
    if (r == 0) {
        r = open_partitions(p);
    }
    if (r == 0) {
        r = parts_open_shards(&p->parts);
    }
    if (r == 0) {
        r = start_take_overs(p);
    }
    if (r == 0) {
        r = start_clients(p);
    }
    if (r == 0) {
        r = start_admin(p);
    }
    return r < 0 ? r : load_report_start(p->meta, p->parts.shards, &p->load_report);
}

/* What came to this broker although it is ending goes too. */
static int
hand_over(struct process *p)
{
    uint64_t linger_ns = (uint64_t)settings_long(p->settings, "shutdown.linger.ms") * NS_PER_MS;
    uint64_t until_ns = p->ending_ns + linger_ns;
    int r = hand_over_all(p->meta, p->quarantine, linger_ns > 0);
    if (r == 0 && clock_mono_ns() < until_ns) {
        r = linger_until(until_ns);
        r = r < 0 ? r : hand_over_all(p->meta, p->quarantine, true);
    }
    return r < 0 ? fault_note(r, "handing over") : 0;
}

/* SIGTERM: hand over, upload, leave an empty WAL. 0 when nothing is left to recover. */
static int
stop_cleanly(struct process *p)
{
    load_report_stop(p->load_report);
    int r = hand_over(p);
    if (r < 0) {
        return r;
    }
    watch_stop(p);
    p->broker.stopping = true;
    wal_sweep_stop(TAKE_PTR(p->wal_sweep));
    take_over_stop(TAKE_PTR(p->take_over));
    net_stop_listening(p->net);
    groups_close(p->broker.groups);
    r = parts_drain(&p->parts);
    if (r < 0) {
        return fault_note(r, "drain");
    }
    admin_stop(p->admin);
    net_stop(p->net);
    groups_free(p->broker.groups);
    telemetry_free(p->broker.telemetry);
    p->broker.telemetry = NULL;
    r = parts_close(&p->parts);
    if (r < 0) {
        return fault_note(r, "closing the wal");
    }
    /* M5: what is quarantined has its records on this volume only. */
    r = meta_stop_as(p->meta, quarantine_count(p->quarantine) == 0);
    objectstore_close(p->objects);
    file_close(p->lock);
    return r;
}

static struct process *
process_new(struct process_options *options)
{
    struct process *p = mem_alloc(sizeof *p);
    p->settings = options->settings;
    p->quarantine = quarantine_new();
    p->data_dir = settings_string(p->settings, "data.dir");
    options->exit_code = 1;
    return p;
}

void
process_recover(void *arg)
{
    struct process_options *options = arg;
    struct process *p = process_new(options);
    struct recover_result sum = { 0 };
    p->sum = &sum;
    int r = start_recovery(p);
    size_t kept = quarantine_count(p->quarantine);
    if (p->watch) {
        watch_stop(p);
    }
    r = r < 0 ? r : parts_close(&p->parts);
    r = r < 0 ? r : meta_stop_as(p->meta, kept == 0);
    recover_report_result(settings_int(p->settings, "node.id"), r == 0 && kept == 0, kept, &sum);
    if (r < 0 || kept) {
        LOG_ERROR("the volume is not recovered: keep it", LOG_FAULT(r));
        process_exit(1);
    }
    objectstore_close(p->objects);
    file_close(p->lock);
    quarantine_free(p->quarantine);
    mem_free(p);
    options->exit_code = 0;
}

void
process_main(void *arg)
{
    struct process_options *options = arg;
    struct process *p = process_new(options);
    uint64_t began = clock_mono_ns();
    int r = start(p);
    if (r < 0) {
        LOG_ERROR("the broker cannot start", LOG_FAULT(r));
        process_exit(1);
    }
    options->ready(options, p->listeners[0].host[0] ? p->listeners[0].host : "0.0.0.0",
            net_port(p->net, 0));
    LOG_INFO("ready", LOG_INT("node_id", meta_broker_id(p->meta)),
            LOG_STR("io_engine", io_engine_name(reactor_engine())),
            LOG_INT("reactors", reactor_count()), LOG_STR("store", objectstore_url(p->objects)),
            LOG_INT("start_ms", (clock_mono_ns() - began) / NS_PER_MS));
    int signal_number = signal_wait();
    p->ending_ns = clock_mono_ns();
    LOG_INFO("stopping", LOG_INT("signal", signal_number));
    r = stop_cleanly(p);
    if (r < 0) {
        LOG_ERROR("the stop was not clean; what is missing in the bucket is in the wal",
                LOG_FAULT(r));
        process_exit(1);
    }
    LOG_INFO("stopped");
    quarantine_free(p->quarantine);
    mem_free(p);
    options->exit_code = 0;
}
