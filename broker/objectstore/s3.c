/* The S3 store: opening, reading, listing. */
#include "base/crc.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/s3_internal.h"
#include "reactor/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define TRY_MS 15000
#define PARAMETERS "endpoint, region, path_style, ca_file, checksum, part_size, timeout_ms, hedge"

/* The number in a header; false when there is none. */
static bool
header_number(const struct http_response *response, const char *name, uint64_t *ret_number)
{
    char text[32];
    char *end = NULL;
    struct bytes value = http_response_header(response, name);
    if (value.size == 0 || value.size >= sizeof text) {
        return false;
    }
    bytes_to_string(value, text, sizeof text);
    errno = 0;
    /* check-text: allow strtoull: end and range are looked at */
    *ret_number = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0;
}

static int
read_info(const struct s3_call *call, struct object_info *ret_info)
{
    char text[64];
    ret_info->modified_ms = 0;
    bytes_to_string(http_response_header(&call->response, "last-modified"), text, sizeof text);
    time_t modified_s = text[0] ? curl_getdate(text, NULL) : -1;
    if (modified_s >= 0) {
        ret_info->modified_ms = (int64_t)modified_s * 1000;
    }
    return s3_call_etag(call, &ret_info->etag);
}

static int
s3_head(struct objectstore *objectstore, const char *key, uint64_t deadline_ns,
        struct object_info *ret_info)
{
    struct s3_store *store = CONTAINER_OF(objectstore, struct s3_store, base);
    struct s3_call call = { .method = "HEAD", .key = key };
    call.deadline_ns = s3_try_deadline(store, 0, deadline_ns);
    int r = s3_call_run(store, &call);
    if (r == 0) {
        r = read_info(&call, ret_info);
    }
    if (r == 0 && !header_number(&call.response, "content-length", &ret_info->size)) {
        r = fault(-EIO, "s3: HEAD %s: no Content-Length in the answer", key);
    }
    s3_call_done(&call);
    return r;
}

/* "bytes 5-9/100" */
static bool
parse_content_range(
        struct bytes value, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_total)
{
    char text[80];
    int used = 0;
    if (value.size >= sizeof text) {
        return false;
    }
    bytes_to_string(value, text, sizeof text);
    /* Digits only: scanf would take signs and blanks. */
    if (strncasecmp(text, "bytes ", 6) != 0 ||
            strspn(text + 6, "0123456789-/") != strlen(text + 6)) {
        return false;
    }
    /* check-text: allow sscanf: fixed text, result looked at */
    int fields = sscanf(text + 6, "%" SCNu64 "-%" SCNu64 "/%" SCNu64 "%n", ret_first, ret_last,
            ret_total, &used);
    return fields == 3 && text[6 + used] == 0 && *ret_first <= *ret_last && *ret_last < *ret_total;
}

/* Compares what came with what the answer says it is. S3 */
static int
check_range(struct s3_call *call, struct object_range range, struct object_info *info)
{
    uint64_t size = call->response.body ? call->response.body->size : 0;
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t offset = 0;
    uint64_t expected = 0;
    struct bytes header = http_response_header(&call->response, "content-range");
    bool of_nothing = header.size > 2 && memcmp(header.data + header.size - 2, "/0", 2) == 0;
    if (of_nothing && size == 0) {
        /* MinIO answers "bytes 0--1/0" for the tail of an empty object. */
        info->size = 0;
        return object_range_clip(call->key, range, 0, &offset, &expected);
    }
    if (!parse_content_range(header, &first, &last, &info->size)) {
        return fault(-EIO, "s3: GET %s: the answer to a range has Content-Range \"%.*s\"",
                call->key, (int)MIN(header.size, (size_t)60), (const char *)header.data);
    }
    int r = object_range_clip(call->key, range, info->size, &offset, &expected);
    if (r < 0 || first != offset || last - first + 1 != expected || size != expected) {
        return fault(-EIO,
                "s3: GET %s: asked for %" PRIu64 " bytes at %" PRIu64 ", got %" PRIu64
                " with range %" PRIu64 "-%" PRIu64,
                call->key, expected, offset, size, first, last);
    }
    return 0;
}

/* A server that does not know ranges sends everything: use the part that was asked for. */
static int
cut_range(struct s3_call *call, struct object_range range, struct object_info *info)
{
    uint64_t offset = 0;
    uint64_t size = 0;
    info->size = call->response.body ? call->response.body->size : 0;
    int r = object_range_clip(call->key, range, info->size, &offset, &size);
    if (r < 0 || !call->response.body) {
        return r;
    }
    MARK("s3: the server ignored the range");
    memmove(call->response.body->data, call->response.body->data + offset, size);
    call->response.body->size = size;
    return 0;
}

/* The whole object's CRC-32C, when the server keeps one. S3 */
static int
check_crc(const struct s3_call *call)
{
    char expected[16];
    struct bytes value = http_response_header(&call->response, "x-amz-checksum-crc32c");
    /* Objects of several parts have "...-N", a checksum of checksums. */
    if (value.size != 8) {
        return 0;
    }
    s3_crc_text(crc32c(s3_call_body(call)), expected);
    if (memcmp(value.data, expected, 8) != 0) {
        return fault(-EIO, "s3: GET %s: CRC-32C is %s, not %.8s", call->key, expected,
                (const char *)value.data);
    }
    return 0;
}

static int
check_get(struct s3_call *call, struct object_range range, struct object_info *info)
{
    int r = read_info(call, info);
    if (r < 0) {
        return r;
    }
    if (object_range_is_whole(range)) {
        info->size = call->response.body ? call->response.body->size : 0;
        return call->response.status == 200
                       ? check_crc(call)
                       : fault(-EIO, "s3: GET %s: status %d", call->key, call->response.status);
    }
    return call->response.status == 206 ? check_range(call, range, info)
                                        : cut_range(call, range, info);
}

static void
range_text(struct object_range range, char out[64])
{
    if (range.offset == UINT64_MAX) {
        snprintf(out, 64, "bytes=-%" PRIu64, range.size);
    } else if (range.size > UINT64_MAX - range.offset) {
        snprintf(out, 64, "bytes=%" PRIu64 "-", range.offset);
    } else {
        snprintf(
                out, 64, "bytes=%" PRIu64 "-%" PRIu64, range.offset, range.offset + range.size - 1);
    }
}

/* An empty object satisfies no range, but its beginning and its tail are empty, not errors. */
static int
get_of_empty(struct objectstore *objectstore, const char *key, uint64_t deadline_ns,
        struct buf **ret_buf, struct object_info *ret_info)
{
    int r = s3_head(objectstore, key, deadline_ns, ret_info);
    if (r < 0) {
        return r;
    }
    if (ret_info->size) {
        return fault(OBJECT_AGAIN, "s3: GET %s: it changed while it was read", key);
    }
    *ret_buf = buf_new(1);
    return 0;
}

static int
s3_get(struct objectstore *objectstore, const char *key, struct object_range range,
        uint64_t deadline_ns, struct buf **ret_buf, struct object_info *ret_info)
{
    struct s3_store *store = CONTAINER_OF(objectstore, struct s3_store, base);
    char text[64];
    bool whole = object_range_is_whole(range);
    uint64_t size_max = MIN(range.size, (uint64_t)OBJECT_SIZE_MAX);
    struct s3_call call = { .method = "GET", .key = key };
    call.response_size_max = (size_t)size_max;
    call.deadline_ns =
            s3_try_deadline(store, range.size == UINT64_MAX ? 256 * MIB : size_max, deadline_ns);
    if (!whole) {
        range_text(range, text);
        s3_call_header(&call, "range", text);
    } else if (store->checksum == S3_CHECKSUM_CRC32C) {
        s3_call_header(&call, "x-amz-checksum-mode", "ENABLED");
    }
    int r = s3_call_run(store, &call);
    if (r == 0) {
        r = check_get(&call, range, ret_info);
    }
    if (r == 0) {
        *ret_buf = call.response.body ? TAKE_PTR(call.response.body) : buf_new(1);
    }
    s3_call_done(&call);
    if (r == -ERANGE && (range.offset == 0 || range.offset == UINT64_MAX)) {
        return get_of_empty(objectstore, key, deadline_ns, ret_buf, ret_info);
    }
    return r;
}

struct listing {
    struct s3_store *store;
    const char *prefix; /* with the store's own */
    uint64_t deadline_ns;
    char after[2 * S3_KEY_SIZE_MAX];
    size_t max;
    struct object_list list;
};

/* Appends one page. */
static int
list_page(struct listing *listing, bool *ret_truncated)
{
    struct s3_store *store = listing->store;
    char max[24];
    struct s3_call call = { .method = "GET" };
    size_t wanted = listing->max - listing->list.count;
    snprintf(max, sizeof max, "%zu", wanted);
    s3_call_query(&call, "list-type", "2");
    s3_call_query(&call, "max-keys", max);
    s3_call_query(&call, "prefix", listing->prefix);
    if (listing->after[0]) {
        s3_call_query(&call, "start-after", listing->after);
    }
    call.deadline_ns = s3_try_deadline(store, 0, listing->deadline_ns);
    call.response_size_max = S3_XML_SIZE_MAX;
    struct s3_list_page *page = mem_alloc(sizeof *page);
    int r = s3_call_run(store, &call);
    if (r == 0) {
        r = s3_list_parse(s3_call_body(&call), store->prefix, wanted, page);
    }
    s3_call_done(&call);
    for (size_t i = 0; r == 0 && i < page->list.count; i++) {
        const struct object_list_entry *entry = &page->list.entries[i];
        object_list_add(&listing->list, listing->max, entry->key, entry->size, entry->modified_ms);
    }
    if (r == 0) {
        *ret_truncated = page->truncated;
        if (page->truncated && !page->last[0]) {
            r = fault(-EIO, "s3: list %s: an empty page that is not the last", listing->prefix);
        }
        snprintf(listing->after, sizeof listing->after, "%s%s", store->prefix, page->last);
    }
    object_list_done(&page->list);
    mem_free(page);
    return r;
}

static int
s3_list(struct objectstore *objectstore, const char *prefix, const char *start_after, size_t max,
        uint64_t deadline_ns, struct object_list *ret_list)
{
    struct s3_store *store = CONTAINER_OF(objectstore, struct s3_store, base);
    struct strbuf full;
    strbuf_init(&full, 2 * S3_KEY_SIZE_MAX);
    strbuf_printf(&full, "%s%s", store->prefix, prefix);
    struct listing *listing = mem_alloc(sizeof *listing);
    *listing = (struct listing){ store, strbuf_cstring(&full), deadline_ns, .max = max };
    if (start_after[0]) {
        snprintf(listing->after, sizeof listing->after, "%s%s", store->prefix, start_after);
    }
    bool truncated = true;
    int r = 0;
    /* A page may hold foreign keys, which are left out: then go on until ours fill it. */
    while (r == 0 && truncated && listing->list.count < max) {
        r = list_page(listing, &truncated);
    }
    if (r == 0) {
        *ret_list = listing->list;
        ret_list->more = truncated;
    } else {
        object_list_done(&listing->list);
    }
    mem_free(listing);
    strbuf_done(&full);
    return r;
}

static void
s3_close(struct objectstore *objectstore)
{
    struct s3_store *store = CONTAINER_OF(objectstore, struct s3_store, base);
    s3_provider_free(store->provider);
    http_client_close(store->client);
    pthread_mutex_destroy(&store->key_mutex);
    explicit_bzero(&store->signing_key, sizeof store->signing_key);
    mem_free(store->bucket);
    mem_free(store->prefix);
    mem_free(store->region);
    mem_free(store->base_url);
    mem_free(store->host);
    objectstore_done(objectstore);
    mem_free(store);
}

static const struct objectstore_ops s3_ops = {
    .get = s3_get,
    .head = s3_head,
    .put = s3_put,
    .delete = s3_delete,
    .delete_many = s3_delete_many,
    .list = s3_list,
    .close = s3_close,
};

static const char *
environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static char *
text_of(struct strbuf *text)
{
    char *copy = mem_strdup(strbuf_cstring(text));
    strbuf_done(text);
    return copy;
}

/* Sets base_url and host from http[s]://HOST[:PORT][/]. */
static int
set_endpoint(struct s3_store *store, const char *url, const char *endpoint)
{
    bool tls = strncmp(endpoint, "https://", 8) == 0;
    if (!tls && strncmp(endpoint, "http://", 7) != 0) {
        return fault(-EINVAL,
                "object store URL %s: endpoint \"%s\" does not start with http:// or https://", url,
                endpoint);
    }
    const char *host = endpoint + (tls ? 8 : 7);
    size_t size = strcspn(host, "/?#");
    const char *port =
            memchr(host, ']', size) ? strchr(strchr(host, ']'), ':') : memchr(host, ':', size);
    if (size == 0 || memchr(host, '@', size) || host == port ||
            (host[size] && strcmp(host + size, "/") != 0)) {
        return fault(-EINVAL, "object store URL %s: endpoint \"%s\" is not http[s]://HOST[:PORT]",
                url, endpoint);
    }
    /* The port that a scheme has anyway is not in the Host header, so it is not signed either. */
    if (port && port < host + size &&
            (size_t)(host + size - port) == strlen(tls ? ":443" : ":80") &&
            strncmp(port, tls ? ":443" : ":80", (size_t)(host + size - port)) == 0) {
        size = (size_t)(port - host);
    }
    struct strbuf text;
    strbuf_init(&text, OBJECT_URL_SIZE_MAX);
    strbuf_printf(&text, "%s%s%.*s", store->path_style ? "" : store->bucket,
            store->path_style ? "" : ".", (int)size, host);
    store->host = text_of(&text);
    strbuf_init(&text, OBJECT_URL_SIZE_MAX + 16);
    strbuf_printf(&text, "%s://%s", tls ? "https" : "http", store->host);
    store->base_url = text_of(&text);
    return 0;
}

static int
check_bucket(const struct object_url *url)
{
    size_t size = strlen(url->authority);
    bool good =
            size >= 3 && size <= 63 && url->authority[0] != '.' && url->authority[size - 1] != '.';
    for (const char *c = url->authority; good && *c; c++) {
        good = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '.';
    }
    return good ? 0
                : fault(-EINVAL,
                          "object store URL %s: \"%s\" is no bucket name (3 to 63 of a-z 0-9 - .)",
                          url->text, url->authority);
}

/* "" or a path that ends in '/'. */
static int
set_prefix(struct s3_store *store, const struct object_url *url)
{
    const char *path = url->path[0] == '/' ? url->path + 1 : url->path;
    size_t size = strlen(path);
    while (size && path[size - 1] == '/') {
        size--;
    }
    store->prefix = mem_alloc(size + 2);
    memcpy(store->prefix, path, size);
    if (size > S3_PREFIX_SIZE_MAX - 1) {
        return fault(-EINVAL, "object store URL %s: the prefix is longer than %d bytes", url->text,
                S3_PREFIX_SIZE_MAX - 1);
    }
    int r = size ? object_key_check(store->prefix) : 0;
    if (r == 0 && size) {
        store->prefix[size] = '/';
    }
    return r < 0 ? fault_note(r, "object store URL %s: the prefix", url->text) : 0;
}

static int
set_checksum(struct s3_store *store, struct object_url *url)
{
    const char *text = object_url_take(url, "checksum");
    bool tls = strncmp(store->base_url, "https:", 6) == 0;
    if (!text) {
        /* TLS protects the bytes on the way; over plain HTTP only a signed hash does. */
        store->checksum = tls ? S3_CHECKSUM_CRC32C : S3_CHECKSUM_SHA256;
    } else if (strcmp(text, "sha256") == 0) {
        store->checksum = S3_CHECKSUM_SHA256;
    } else if (strcmp(text, "crc32c") == 0) {
        store->checksum = S3_CHECKSUM_CRC32C;
    } else if (strcmp(text, "none") == 0) {
        store->checksum = S3_CHECKSUM_NONE;
    } else {
        return fault(-EINVAL,
                "object store URL %s: checksum must be sha256, crc32c or none, not \"%s\"",
                url->text, text);
    }
    return 0;
}

static void
set_region(struct s3_store *store, struct object_url *url)
{
    const char *region = object_url_take(url, "region");
    if (!region) {
        region = environment("AWS_REGION");
    }
    if (!region) {
        region = environment("AWS_DEFAULT_REGION");
    }
    store->region = mem_strdup(region && *region ? region : "us-east-1");
}

static int
configure_address(struct s3_store *store, struct object_url *url)
{
    char amazon[256];
    const char *endpoint = object_url_take(url, "endpoint");
    if (!endpoint) {
        endpoint = environment("AWS_ENDPOINT_URL_S3");
    }
    if (!endpoint) {
        endpoint = environment("AWS_ENDPOINT_URL");
    }
    set_region(store, url);
    /* Dots in the bucket's name do not fit the certificates of virtual hosts. */
    bool path_style = endpoint || strchr(store->bucket, '.');
    int r = object_url_take_bool(url, "path_style", path_style, &store->path_style);
    if (r < 0) {
        return r;
    }
    for (const char *c = store->region; *c; c++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *c)) {
            return fault(
                    -EINVAL, "object store URL %s: \"%s\" is no region", url->text, store->region);
        }
    }
    snprintf(amazon, sizeof amazon, "https://s3.%.60s.amazonaws.com", store->region);
    return set_endpoint(store, url->text, endpoint ? endpoint : amazon);
}

static int
configure(struct s3_store *store, struct object_url *url)
{
    uint64_t try_ms = TRY_MS;
    store->part_size = S3_PART_SIZE;
    int r = check_bucket(url);
    if (r == 0) {
        store->bucket = mem_strdup(url->authority);
        r = set_prefix(store, url);
    }
    if (r == 0) {
        r = configure_address(store, url);
    }
    if (r == 0) {
        r = set_checksum(store, url);
    }
    if (r == 0) {
        r = object_url_take_number(
                url, "part_size", S3_PART_SIZE_MIN, OBJECT_SIZE_MAX, &store->part_size);
    }
    if (r == 0) {
        r = object_url_take_number(url, "timeout_ms", 100, 3600 * 1000, &try_ms);
    }
    store->try_ns = try_ms * NS_PER_MS;
    return r;
}

int
s3_open(struct object_url *url, struct objectstore **ret_store)
{
    struct s3_store *store = mem_alloc(sizeof *store);
    struct http_client_options options = { .ca_file = object_url_take(url, "ca_file") };
    objectstore_init(&store->base, &s3_ops, url->text);
    pthread_mutex_init(&store->key_mutex, NULL);
    int r = configure(store, url);
    if (r == 0) {
        r = object_url_check_all_taken(url, PARAMETERS);
    }
    if (r == 0 && options.ca_file && access(options.ca_file, R_OK) < 0) {
        r = fault(
                -EINVAL, "object store URL %s: cannot read ca_file %s", url->text, options.ca_file);
    }
    if (r == 0) {
        r = http_client_open(&options, &store->client);
    }
    store->provider = s3_provider_new(store->client, store->region ? store->region : "");
    if (r < 0) {
        s3_close(&store->base);
        return r;
    }
    *ret_store = &store->base;
    return 0;
}
