/* Start and stop of the broker. */
#include "process.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "broker_metrics.h"
#include "groups/groups.h"
#include "handlers/broker.h"
#include "holder.h"
#include "meta/meta.h"
#include "net/net.h"
#include "partition/recover.h"
#include "partition/shard.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "reactor/disk.h"
#include "reactor/sync.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GET_TIMEOUT_NS (60ull * NS_PER_S)
#define WATCH_INTERVAL_NS (200ull * NS_PER_MS)
#define RECOVER_OBJECT_SIZE (128 * MIB)

struct process {
    const struct settings *settings;
    struct file *lock;
    struct objectstore *objects;
    struct meta *meta;
    struct broker broker;
    struct net *net;
    struct admin *admin;
    struct broker_metrics metrics;
    struct wal *wals[REACTORS_MAX];
    struct store *stores[REACTORS_MAX];
    struct shard *shards[REACTORS_MAX];
    struct settings_listener
            listeners[SETTINGS_LISTENERS_MAX]; /* scratch: too large for a fiber's stack */
    struct settings_listener listener;
    struct settings_listener advertised;
    const char *data_dir;
    unsigned target; /* reactor of the call under way */
    struct fiber *main_fiber;
    int failure; /* why the watch fiber ends the process */
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

static int
choose_listeners(struct process *p)
{
    struct settings_listener *all = p->listeners;
    size_t count;
    int r = settings_listeners(p->settings, "listeners", all, &count);
    if (r < 0) {
        return r;
    }
    if (count != 1 || strcmp(all[0].protocol, "PLAINTEXT") != 0) {
        return fault(
                -ENOTSUP, "listeners: exactly one PLAINTEXT listener is possible in this version");
    }
    p->listener = all[0];
    r = settings_listeners(p->settings, "advertised.listeners", all, &count);
    if (r < 0) {
        return r;
    }
    p->advertised = all[0];
    return 0;
}

static int
start_meta(struct process *p)
{
    int32_t node_id = settings_int(p->settings, "node.id");
    const char *rack = settings_string(p->settings, "broker.rack");
    char admin_host[256];
    uint16_t admin_port = 0;
    struct meta_options options = {
        .objects = p->objects,
        .broker_id = node_id,
        .host = bytes_of_string(p->advertised.host),
        .port = p->advertised.port,
        .rack = bytes_of_string(rack),
        .former_holder = holder_read(p->data_dir),
        .lease_ns = (uint64_t)settings_long(p->settings, "lease.ms") * NS_PER_MS,
        .garbage_delay_ns =
                (uint64_t)settings_long(p->settings, "object.delete.delay.ms") * NS_PER_MS,
    };
    if (settings_endpoint(
                settings_string(p->settings, "admin.listener"), admin_host, &admin_port) == 0) {
        options.admin_host = bytes_of_string(admin_host);
        options.admin_port = admin_port;
    }
    int r = meta_start(&options, &p->meta);
    if (r < 0) {
        return r;
    }
    struct uuid writer = meta_writer(p->meta);
    r = holder_write(p->data_dir, &writer);
    return r < 0 ? fault_note(r, "data.dir cannot be written") : meta_share(p->meta);
}

static int
open_store_here(void *arg)
{
    struct process *p = arg;
    struct store_options options = {
        .objects = p->objects,
        .block_cache_bytes =
                (uint64_t)settings_long(p->settings, "block.cache.bytes") / reactor_count(),
        .read_ahead_bytes_max = (uint64_t)settings_long(p->settings, "read.ahead.max.bytes"),
        .fetch_timeout_ns = GET_TIMEOUT_NS,
    };
    return store_new(&options, &p->stores[reactor_index()]);
}

static int
on_every_reactor(struct process *p, int (*fn)(void *arg))
{
    for (unsigned i = 0; i < reactor_count(); i++) {
        p->target = i;
        int r = reactor_call(i, fn, p);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void
wal_folder(const struct process *p, unsigned index, char path[FILE_PATH_MAX])
{
    snprintf(path, FILE_PATH_MAX, "%s/wal/%u", p->data_dir, index);
}

/* Opens one WAL folder on this reactor and brings its content into objects. */
static int
open_wal(struct process *p, unsigned index, struct wal **ret_wal)
{
    char path[FILE_PATH_MAX];
    wal_folder(p, index, path);
    struct wal_options options = {
        .folder = path,
        .cluster_id = meta_cluster_id(p->meta),
        .broker_id = meta_broker_id(p->meta),
        .incarnation = (uint64_t)meta_broker_epoch(p->meta),
        .capacity = (uint64_t)settings_long(p->settings, "wal.capacity.bytes") / reactor_count(),
    };
    struct wal *wal;
    int r = wal_open(&options, &wal);
    if (r < 0) {
        return r;
    }
    struct recover_options recover = {
        .meta = p->meta,
        .store = p->stores[reactor_index()],
        .wal = wal,
        .object_size_max = RECOVER_OBJECT_SIZE,
    };
    struct recover_result result;
    r = wal_recover(&recover, &result);
    if (r < 0) {
        int closed = wal_close(wal);
        (void)closed; /* the first error is the one to tell */
        return r;
    }
    if (result.wal.records || result.wal.torn_bytes) {
        LOG_INFO("wal recovered", LOG_STR("folder", path), LOG_INT("records", result.wal.records),
                LOG_INT("committed", result.records_committed),
                LOG_INT("skipped", result.records_skipped), LOG_INT("objects", result.objects),
                LOG_INT("torn_bytes", result.wal.torn_bytes));
    }
    *ret_wal = wal;
    return 0;
}

static int
open_wal_here(void *arg)
{
    struct process *p = arg;
    return open_wal(p, reactor_index(), &p->wals[reactor_index()]);
}

/* WAL folders of reactors that this start does not have: recovered and left empty. */
static int
recover_other_wals(struct process *p)
{
    char path[FILE_PATH_MAX];
    struct disk_names names;
    snprintf(path, sizeof path, "%s/wal", p->data_dir);
    int r = disk_list(path, &names);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < names.count && r == 0; i++) {
        unsigned index;
        char rest;
        /* check-text: allow sscanf: fixed text, result looked at */
        if (sscanf(names.names[i], "%u%c", &index, &rest) == 1 && index >= reactor_count()) {
            struct wal *wal;
            r = open_wal(p, index, &wal);
            if (r == 0) {
                r = wal_close(wal);
            }
        }
    }
    disk_names_free(&names);
    return r;
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
            if (t->partitions[i].owner == id) {
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

static bool
config_override(void *arg, const char *key, struct bytes *ret_value)
{
    struct {
        struct process *p;
        const char *topic;
    } *look = arg;
    return meta_config_get(meta_state(look->p->meta), META_RESOURCE_TOPIC,
            bytes_of_string(look->topic), bytes_of_string(key), ret_value);
}

static void
limits_of(void *arg, const char *topic_name, struct topic_limits *ret_limits)
{
    struct {
        struct process *p;
        const char *topic;
    } look = { arg, topic_name };
    struct topic_settings topic;
    topic_settings_resolve(look.p->settings, config_override, &look, &topic);
    *ret_limits = (struct topic_limits){
        .message_bytes_max = topic.max_message_bytes,
        .log_append_time = topic.timestamp_type == TIMESTAMP_LOG_APPEND,
        .compacted = topic.compact_enabled,
        .deleted = topic.delete_enabled,
        .retention_ms = topic.retention_ms,
        .retention_bytes = topic.retention_bytes,
        .timestamp_before_max_ms = topic.timestamp_before_max_ms,
        .timestamp_after_max_ms = topic.timestamp_after_max_ms,
    };
}

static int
open_shard_here(void *arg)
{
    struct process *p = arg;
    unsigned i = reactor_index();
    struct shard_options options = {
        .meta = p->meta,
        .store = p->stores[i],
        .wal = p->wals[i],
        .log_cache_bytes =
                (uint64_t)settings_long(p->settings, "log.cache.bytes") / reactor_count(),
        .upload_bytes = (uint64_t)settings_long(p->settings, "upload.bytes"),
        .upload_interval_ns =
                (uint64_t)settings_long(p->settings, "upload.interval.ms") * NS_PER_MS,
        .object_size_max = RECOVER_OBJECT_SIZE,
        .limits_of = limits_of,
        .limits_arg = p,
    };
    return shard_new(&options, &p->shards[i]);
}

static int
start_clients(struct process *p)
{
    p->broker = (struct broker){
        .settings = p->settings,
        .meta = p->meta,
        .shards = p->shards,
        .stores = p->stores,
        .advertised_host = p->advertised.host,
        .advertised_port = p->advertised.port,
    };
    struct groups_options groups = {
        .meta = p->meta, .shards = p->shards, .settings = p->settings
    };
    int r = groups_start(&groups, &p->broker.groups);
    if (r < 0) {
        return r;
    }
    struct net_options options = {
        .broker = &p->broker,
        .host = p->listener.host,
        .port = p->listener.port,
        .frame_size_max = (uint32_t)settings_int(p->settings, "socket.request.max.bytes"),
        .idle_timeout_ns =
                (uint64_t)settings_long(p->settings, "connections.max.idle.ms") * NS_PER_MS,
        .connections_max =
                (uint32_t)MIN(settings_int(p->settings, "max.connections"), CONNECTIONS_MAX),
    };
    return net_start(&options, &p->net);
}

/* admin_options.ready */
static int
is_ready(void *arg, char reason[ADMIN_REASON_SIZE])
{
    struct process *p = arg;
    const char *why =
            p->broker.stopping ? "stopping"
            : !meta_lease_is_valid(p->meta)
                    ? "the broker's lease is not valid: the object store cannot be reached"
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
    p->metrics = (struct broker_metrics){ &p->broker, p->objects, p->wals, p->net };
    struct admin_source source = { broker_metrics_collect, &p->metrics };
    struct admin_options options = {
        .host = host,
        .connections_max = (unsigned)settings_int(p->settings, "admin.max.connections"),
        .version = FRESHET_VERSION,
        .sources = &source,
        .source_count = 1,
        .ready = is_ready,
        .ready_arg = p,
    };
    int r = settings_endpoint(settings_string(p->settings, "admin.listener"), host, &options.port);
    return r < 0 ? r : admin_start(&options, &p->admin);
}

static int
start(struct process *p)
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
    if (r == 0) {
        r = on_every_reactor(p, open_store_here);
    }
    if (r == 0) {
        r = on_every_reactor(p, open_wal_here);
    }
    if (r == 0) {
        r = recover_other_wals(p);
    }
    if (r == 0) {
        r = open_partitions(p);
    }
    if (r == 0) {
        r = on_every_reactor(p, open_shard_here);
    }
    if (r == 0) {
        r = start_clients(p);
    }
    return r < 0 ? r : start_admin(p);
}

static int
drain_here(void *arg)
{
    struct process *p = arg;
    return shard_drain(p->shards[reactor_index()]);
}

static int
close_here(void *arg)
{
    struct process *p = arg;
    unsigned i = reactor_index();
    int r = 0;
    if (p->shards[i]) {
        shard_free(p->shards[i]);
    }
    if (p->wals[i]) {
        r = wal_close(p->wals[i]);
    }
    store_free(p->stores[i]);
    return r;
}

/* SIGTERM: hand over, upload, leave an empty WAL. 0 when nothing is left to recover. */
static int
stop_cleanly(struct process *p)
{
    p->broker.stopping = true;
    net_stop_listening(p->net);
    int r = on_every_reactor(p, drain_here);
    if (r < 0) {
        return fault_note(r, "drain");
    }
    admin_stop(p->admin);
    net_stop(p->net);
    groups_stop(p->broker.groups);
    r = on_every_reactor(p, close_here);
    if (r < 0) {
        return fault_note(r, "closing the wal");
    }
    r = meta_stop(p->meta);
    objectstore_close(p->objects);
    file_close(p->lock);
    return r;
}

static int
shard_error_here(void *arg)
{
    struct process *p = arg;
    return shard_error(p->shards[reactor_index()]);
}

/* Ends the process when it can acknowledge no more: W2, M2. */
static void
watch_main(void *arg)
{
    struct process *p = arg;
    while (p->failure == 0 && fiber_sleep_ns(WATCH_INTERVAL_NS) == 0) {
        int r = on_every_reactor(p, shard_error_here);
        if (meta_is_fenced(p->meta)) {
            r = fault(-ESTALE, "another broker or a newer start of this one has taken over");
        }
        if (r < 0 && r != -ECANCELED) {
            p->failure = r;
            LOG_ERROR("the broker cannot go on and ends for recovery", LOG_FAULT(r));
            process_exit(1);
        }
    }
}

void
process_main(void *arg)
{
    struct process_options *options = arg;
    struct process *p = mem_alloc(sizeof *p);
    struct fiber *watch;
    p->settings = options->settings;
    p->data_dir = settings_string(p->settings, "data.dir");
    options->exit_code = 1;
    uint64_t began = clock_mono_ns();
    int r = start(p);
    if (r == 0) {
        r = fiber_spawn("watch", watch_main, p, &watch);
    }
    if (r < 0) {
        LOG_ERROR("the broker cannot start", LOG_FAULT(r));
        process_exit(1);
    }
    printf("freshet ready on %s:%u\n", p->listener.host[0] ? p->listener.host : "0.0.0.0",
            net_port(p->net));
    fflush(stdout);
    LOG_INFO("ready", LOG_INT("node_id", meta_broker_id(p->meta)),
            LOG_STR("io_engine", io_engine_name(reactor_engine())),
            LOG_INT("reactors", reactor_count()), LOG_STR("store", objectstore_url(p->objects)),
            LOG_INT("start_ms", (clock_mono_ns() - began) / NS_PER_MS));
    int signal_number = signal_wait();
    LOG_INFO("stopping", LOG_INT("signal", signal_number));
    fiber_cancel(watch);
    fiber_join(watch);
    r = stop_cleanly(p);
    if (r < 0) {
        LOG_ERROR("the stop was not clean; what is missing in the bucket is in the wal",
                LOG_FAULT(r));
        process_exit(1);
    }
    LOG_INFO("stopped");
    mem_free(p);
    options->exit_code = 0;
}
