/* The brokers' configuration file, and the revision that it is part of. */
#include "base/mem.h"
#include "base/strbuf.h"
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdio.h>
#include <stdlib.h>

/* More than the schema's bounds make, with each character escaped: a file is never cut. One of more
 * than 1 MiB is refused by the API server, whose words come into the condition. */
#define CONFIG_SIZE_MAX ((size_t)8 << 20)
#define LINGER_MS 5000
#define DATA_FOLDER "/var/lib/freshet"

/* YAML takes what JSON has between quotes. */
static void
line(struct strbuf *out, const char *name, const char *value)
{
    CLEANUP(json_freep) cJSON *text = cJSON_CreateString(value);
    CLEANUP(mem_freep) char *quoted = json_print(text);
    strbuf_printf(out, "%s: %s\n", name, quoted);
}

static void
percent_encode(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("%&#+ ", *text)) {
            strbuf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
        } else {
            strbuf_append_char(out, *text);
        }
    }
}

void
store_url(const struct cluster *cluster, struct strbuf *out)
{
    char separator = '?';
    strbuf_printf(out, "s3://%s", cluster->bucket);
    if (*cluster->prefix) {
        strbuf_printf(out, "/%s", cluster->prefix);
    }
    if (*cluster->region) {
        strbuf_printf(out, "%cregion=", separator);
        percent_encode(out, cluster->region);
        separator = '&';
    }
    if (*cluster->endpoint) {
        strbuf_printf(out, "%cendpoint=", separator);
        percent_encode(out, cluster->endpoint);
        separator = '&';
    }
    if (cluster->path_style) {
        strbuf_printf(out, "%cpath_style=true", separator);
    }
}

static void
store_line(const struct cluster *cluster, struct strbuf *out)
{
    struct strbuf url;
    strbuf_init(&url, STORE_URL_MAX);
    store_url(cluster, &url);
    line(out, "store.url", strbuf_cstring(&url));
    strbuf_done(&url);
}

static void
upper(char *out, size_t out_size, const char *text)
{
    size_t i = 0;
    for (; text[i] && i + 1 < out_size; i++) {
        out[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i]);
    }
    out[i] = 0;
}

static void
listener_lines(const struct cluster *cluster, struct strbuf *out)
{
    struct strbuf listeners;
    struct strbuf protocols;
    char name[32];
    strbuf_init(&listeners, 4096);
    strbuf_init(&protocols, 4096);
    for (size_t i = 0; i < cluster->listener_count; i++) {
        const char *comma = i ? "," : "";
        upper(name, sizeof name, cluster->listeners[i].name);
        strbuf_printf(&listeners, "%s%s://:%d", comma, name, cluster->listeners[i].port);
        strbuf_printf(&protocols, "%s%s:PLAINTEXT", comma, name);
    }
    line(out, "listeners", strbuf_cstring(&listeners));
    line(out, "listener.security.protocol.map", strbuf_cstring(&protocols));
    strbuf_done(&listeners);
    strbuf_done(&protocols);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* In the order of their names: moving a line in the resource is no new revision. */
static void
user_lines(const struct cluster *cluster, struct strbuf *out)
{
    const cJSON *config = json_at(cluster->spec, "config");
    size_t count = (size_t)cJSON_GetArraySize(config);
    CLEANUP(mem_freep) const cJSON **items = mem_alloc_array(count, sizeof *items);
    size_t n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, config)
    {
        if (!setting_is_dynamic(item->string)) {
            items[n++] = item;
        }
    }
    qsort(items, n, sizeof *items, by_name);
    for (size_t i = 0; i < n; i++) {
        char number[JSON_SCALAR_SIZE];
        line(out, items[i]->string, json_scalar(items[i], number));
    }
}

/* The log takes four fifths of its volume: the file system and spare segments need the rest. */
static void
wal_line(const struct cluster *cluster, struct strbuf *out)
{
    char number[32];
    int64_t size = quantity_bytes(cluster->wal_size);
    const cJSON *config = json_at(cluster->spec, "config");
    if (!cluster->wal_is_volume) {
        line(out, "wal.type", "s3");
        return;
    }
    if (size > 0 && !cJSON_GetObjectItemCaseSensitive(config, "wal.capacity.bytes")) {
        long long part = size / 5 * 4;
        snprintf(number, sizeof number, "%lld", part);
        line(out, "wal.capacity.bytes", number);
    }
}

/* Connections are sent to an ending pod until the last proxy knows that it isn't ready: a second
 * until the probe, and as long again for each of those who pass it on. For a pod that is given
 * little time it is less: what it leads must be handed over too. */
static void
linger_line(const struct cluster *cluster, struct strbuf *out)
{
    static const char name[] = "shutdown.linger.ms";
    char number[32];
    if (!cJSON_GetObjectItemCaseSensitive(json_at(cluster->spec, "config"), name)) {
        int64_t linger_ms = MIN((int64_t)LINGER_MS, cluster->grace_s * 1000 / 4);
        snprintf(number, sizeof number, "%lld", (long long)linger_ms);
        line(out, name, number);
    }
}

static void
text_make(const struct cluster *cluster, struct strbuf *out)
{
    strbuf_append_string(out, "# Written by freshet-operator.\n");
    listener_lines(cluster, out);
    line(out, "admin.listener", ":9190");
    line(out, "internal.listener", ":9191");
    line(out, "data.dir", DATA_FOLDER);
    store_line(cluster, out);
    wal_line(cluster, out);
    linger_line(cluster, out);
    user_lines(cluster, out);
}

static void
image_make(struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    const struct plan_settings *settings = planner->in->settings;
    if (*cluster->image) {
        snprintf(planner->image, sizeof planner->image, "%s", cluster->image);
    } else {
        snprintf(planner->image, sizeof planner->image, "%s:%s", settings->image_repository,
                *cluster->version ? cluster->version : settings->version);
    }
}

/* What a running pod cannot take over without a restart, and nothing else: not the number of
 * brokers, not the operator's version. */
static uint64_t
revision_of(const struct planner *planner, struct bytes config)
{
    static const char *const parts[] = { "resources", "template", "imagePullSecrets" };
    uint64_t hash = bytes_hash(config, 0);
    hash = bytes_hash(bytes_of_string(planner->image), hash);
    hash = bytes_hash(bytes_of_string(planner->in->cluster->pull_policy), hash);
    hash = bytes_hash(bytes_of_string(planner->in->cluster->credentials_secret), hash);
    hash = bytes_hash(bytes_of_string(planner->in->cluster->zone_key), hash);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        const cJSON *part = json_at(planner->in->cluster->spec, parts[i]);
        hash = part ? hash ^ (json_hash(part) + i) : hash;
    }
    for (size_t i = 0; i < planner->in->cluster->listener_count; i++) {
        const char *host = planner->in->cluster->listeners[i].host;
        int node_port = planner->in->cluster->listeners[i].node_port;
        hash = bytes_hash(bytes_of_string(host), hash);
        hash = node_port ? bytes_hash(bytes_of(&node_port, sizeof node_port), hash) : hash;
    }
    return hash;
}

void
names_make(struct planner *planner)
{
    char name[OBJECT_NAME_SIZE];
    struct strbuf text;
    image_make(planner);
    strbuf_init(&text, CONFIG_SIZE_MAX);
    text_make(planner->in->cluster, &text);
    uint64_t revision = revision_of(planner, strbuf_bytes(&text));
    snprintf(planner->revision, sizeof planner->revision, "%08x", (unsigned)revision);
    snprintf(name, sizeof name, "%s-config-%s", planner->in->cluster->meta.name, planner->revision);
    planner->config = object_new(planner, &KUBE_CONFIG_MAPS, name, true);
    json_set_bool(planner->config, "immutable", true);
    json_set(json_object(planner->config, "data"), "freshet.yaml", strbuf_cstring(&text));
    strbuf_done(&text);
}
