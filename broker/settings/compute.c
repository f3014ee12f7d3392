/* What was left to us: values computed from the machine, and what only shows when two settings are
 * put side by side. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "settings/settings_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Taken when the machine doesn't say: small enough for anything that runs a broker at all. */
#define MEMORY_UNKNOWN_BYTES (1 * GIB)
#define CACHE_BYTES_MIN (32 * MIB)
/* For each reactor: some seconds of all that it can take. */
#define CACHE_UPLOADED_BYTES_MAX ((uint64_t)512 * MIB)
#define WAL_SEGMENTS_MIN ((uint64_t)4)
/* A dead broker's partitions serve again within 3 s: docs/operations.md has the sum. */
#define BUCKET_LEASE_MS 2000

static int
put_number(struct settings *settings, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    return settings_put_computed(settings, name, bytes_of_string(text));
}

static bool
is_default(const struct settings *settings, const char *name)
{
    const struct setting *setting = setting_find(SETTING_BROKER, bytes_of_string(name));
    return settings_origin(settings, setting) <= SETTING_FROM_MACHINE;
}

/* The write-ahead log shares its volume with whatever else is there, the folder store included: it
 * leaves half. */
static int
compute_wal(struct settings *settings, const struct settings_machine *machine)
{
    uint64_t wanted = (uint64_t)settings_long(settings, "wal.capacity.bytes");
    uint64_t room = machine->volume_free_bytes + machine->wal_bytes;
    if (room == 0 || wanted <= room / 2) {
        return 0;
    }
    uint64_t smallest = WAL_SEGMENTS_MIN * WAL_SEGMENT_SIZE;
    if (!is_default(settings, "wal.capacity.bytes")) {
        if (wanted <= room) {
            return 0;
        }
        fault_clear();
        return fault_note(-ENOSPC,
                "wal.capacity.bytes is %" PRIu64 ", but the volume of data.dir has only %" PRIu64
                " bytes for it",
                wanted, room);
    }
    uint64_t segments = room / 2 / WAL_SEGMENT_SIZE;
    if (segments < WAL_SEGMENTS_MIN) {
        fault_clear();
        return fault_note(-ENOSPC,
                "the volume of data.dir has %" PRIu64
                " bytes free; the write-ahead log needs %" PRIu64 " and takes no more than half",
                room, smallest);
    }
    return put_number(settings, "wal.capacity.bytes", segments * WAL_SEGMENT_SIZE);
}

static int
compute_lease(struct settings *settings)
{
    return is_default(settings, "lease.ms") ? put_number(settings, "lease.ms", BUCKET_LEASE_MS) : 0;
}

static int
compute_store_url(struct settings *settings, const struct settings_machine *machine)
{
    char url[1100];
    const char *folder = settings_string(settings, "data.dir");
    if (!settings_is_null(settings, "store.url")) {
        return 0;
    }
    while (strncmp(folder, "./", 2) == 0) {
        folder += 2;
    }
    int n = folder[0] == '/' ? snprintf(url, sizeof url, "file://%s/store", folder)
                             : snprintf(url, sizeof url, "file://%s/%s/store",
                                       machine->working_directory, folder);
    if (n < 0 || (size_t)n >= sizeof url) {
        fault_clear();
        return fault_note(-EINVAL, "data.dir is too long a path");
    }
    return settings_put_computed(settings, "store.url", bytes_of_string(url));
}

/* Who listens on all addresses is told to clients by the machine's name, as in Kafka. */
static int
compute_advertised(struct settings *settings, const char *host_name)
{
    CLEANUP(strbuf_done) struct strbuf text;
    CLEANUP(mem_freep)
    struct settings_listener *listeners =
            mem_alloc_array(SETTINGS_LISTENERS_MAX, sizeof *listeners);
    size_t count;
    bool everywhere = false;
    strbuf_init(&text, SETTINGS_VALUE_SIZE_MAX);
    int r = settings_listeners(settings, "listeners", listeners, &count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const char *host = listeners[i].host[0] ? listeners[i].host : host_name;
        bool v6 = strchr(host, ':');
        everywhere |= !listeners[i].host[0];
        strbuf_printf(&text, "%s%s://%s%s%s:%u", i ? "," : "", listeners[i].name, v6 ? "[" : "",
                host, v6 ? "]" : "", listeners[i].port);
    }
    if (r < 0 || !everywhere || !settings_is_null(settings, "advertised.listeners")) {
        return r;
    }
    return settings_put_computed(settings, "advertised.listeners", strbuf_bytes(&text));
}

/* 0 is "you choose". */
static int
put_unless_chosen(struct settings *settings, const char *name, uint64_t number)
{
    return settings_long(settings, name) == 0 ? put_number(settings, name, number) : 0;
}

static int
compute_caches(struct settings *settings, uint64_t memory)
{
    uint64_t cache = MAX(memory / 4, (uint64_t)CACHE_BYTES_MIN);
    int r = put_unless_chosen(settings, "log.cache.bytes", cache);
    if (r == 0) {
        uint64_t most = (uint64_t)settings_long(settings, "reactors") * CACHE_UPLOADED_BYTES_MAX;
        uint64_t half = (uint64_t)settings_long(settings, "log.cache.bytes") / 2;
        r = put_unless_chosen(settings, "log.cache.uploaded.bytes", MIN(most, half));
    }
    return r == 0 ? put_unless_chosen(settings, "block.cache.bytes", cache) : r;
}

int
settings_compute(struct settings *settings, const struct settings_machine *machine)
{
    uint64_t memory = machine->memory_bytes ? machine->memory_bytes : MEMORY_UNKNOWN_BYTES;
    bool in_bucket = strcmp(settings_string(settings, "wal.type"), "s3") == 0;
    int r = in_bucket ? compute_lease(settings) : compute_wal(settings, machine);
    if (r < 0) {
        return r;
    }
    /* Each reactor has a write-ahead log of its own, of two segments at least. */
    uint64_t logs =
            (uint64_t)settings_long(settings, "wal.capacity.bytes") / (2 * WAL_SEGMENT_SIZE);
    uint64_t reactors = MIN(MIN((uint64_t)machine->processors, (uint64_t)REACTORS_MAX), logs);
    r = put_unless_chosen(settings, "reactors", MAX(reactors, (uint64_t)1));
    if (r == 0) {
        r = compute_caches(settings, memory);
    }
    if (r == 0 && settings_long(settings, "queued.max.request.bytes") <= 0) {
        uint64_t least = 2 * (uint64_t)settings_int(settings, "socket.request.max.bytes");
        r = put_number(settings, "queued.max.request.bytes", MAX(memory / 8, least));
    }
    if (r == 0 && machine->host_name) {
        r = compute_advertised(settings, machine->host_name);
    }
    return r == 0 ? compute_store_url(settings, machine) : r;
}

int
check_cluster_id(const char *name, const char *text, char *error)
{
    struct uuid uuid;
    (void)name;
    if (uuid_parse(bytes_of_string(text), &uuid) == 0 && !uuid_is_zero(&uuid)) {
        return 0;
    }
    snprintf(error, SETTINGS_ERROR_SIZE,
            "Value must be 22 characters of URL-safe base64, not all zero");
    return -EINVAL;
}

int
check_selector(const char *name, const char *text, char *error)
{
    (void)name;
    if (strcmp(text, "org.apache.kafka.common.replica.RackAwareReplicaSelector") == 0) {
        return 0;
    }
    snprintf(error, SETTINGS_ERROR_SIZE,
            "Value must be org.apache.kafka.common.replica.RackAwareReplicaSelector: classes of "
            "Java cannot be loaded");
    return -EINVAL;
}

int
check_rack(const char *name, const char *text, char *error)
{
    (void)name;
    if (*text && strlen(text) < 256) {
        return 0;
    }
    snprintf(error, SETTINGS_ERROR_SIZE, "Value must have 1 to 255 bytes");
    return -EINVAL;
}
