/* Takes URLs of object stores apart. Written by hand because what the pieces may be is ours, and so
 * are the messages. */
#include "objectstore/url.h"

#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes %XX in place. */
static int
percent_decode(const char *text, char *value)
{
    char *out = value;
    for (const char *in = value; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = hex_digit(in[1]);
        int low = high < 0 ? -1 : hex_digit(in[2]);
        if (low < 0 || (high == 0 && low == 0)) {
            return fault(
                    -EINVAL, "object store URL %s: '%%' must be followed by two hex digits", text);
        }
        *out++ = (char)(unsigned char)(high * 16 + low);
        in += 2;
    }
    *out = 0;
    return 0;
}

static int
parse_parameter(struct object_url *url, char *part)
{
    if (url->parameter_count == OBJECT_URL_PARAMETERS_MAX) {
        return fault(-EINVAL, "object store URL %s: more than %d parameters", url->text,
                OBJECT_URL_PARAMETERS_MAX);
    }
    char *equals = strchr(part, '=');
    if (!equals || equals == part) {
        return fault(-EINVAL, "object store URL %s: \"%s\" is not name=value", url->text, part);
    }
    *equals = 0;
    struct object_url_parameter *parameter = &url->parameters[url->parameter_count++];
    *parameter = (struct object_url_parameter){ .name = part, .value = equals + 1 };
    return percent_decode(url->text, parameter->value);
}

static int
parse_query(struct object_url *url, char *query)
{
    char *rest = query;
    for (char *part = strsep(&rest, "&"); part; part = strsep(&rest, "&")) {
        if (*part == 0) {
            continue;
        }
        int r = parse_parameter(url, part);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int
check_characters(const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f) {
            return fault(-EINVAL, "object store URL: character %zu must be percent-encoded",
                    (size_t)(c - text) + 1);
        }
    }
    return 0;
}

static int
parse_pieces(struct object_url *url)
{
    if (strchr(url->text, '@')) {
        /* The URL is not shown: it may hold a password. */
        return fault(-EINVAL, "object store URL: credentials do not belong in it; put them in the "
                              "environment (AWS_ACCESS_KEY_ID ...) or a credentials file");
    }
    char *after_scheme = strstr(url->storage, "://");
    if (!after_scheme || after_scheme == url->storage) {
        return fault(-EINVAL,
                "object store URL \"%s\" does not start with s3://, file:// or memory://",
                url->text);
    }
    *after_scheme = 0;
    url->scheme = url->storage;
    url->authority = after_scheme + 3;
    if (strchr(url->authority, '#')) {
        return fault(-EINVAL, "object store URL %s: '#' has no meaning here", url->text);
    }
    char *query = strchr(url->authority, '?');
    if (query) {
        *query++ = 0;
    }
    char *slash = strchr(url->authority, '/');
    url->path = mem_strdup(slash ? slash : "");
    if (slash) {
        *slash = 0;
    }
    int r = percent_decode(url->text, url->authority);
    if (r == 0) {
        r = percent_decode(url->text, url->path);
    }
    if (r == 0 && query) {
        r = parse_query(url, query);
    }
    return r;
}

int
object_url_parse(const char *text, struct object_url **ret_url)
{
    if (strlen(text) > OBJECT_URL_SIZE_MAX) {
        return fault(-EINVAL, "object store URL: longer than %d bytes", OBJECT_URL_SIZE_MAX);
    }
    int r = check_characters(text);
    if (r < 0) {
        return r;
    }
    CLEANUP(object_url_freep) struct object_url *url = mem_alloc(sizeof *url);
    url->text = mem_strdup(text);
    url->storage = mem_strdup(text);
    r = parse_pieces(url);
    if (r < 0) {
        return r;
    }
    *ret_url = TAKE_PTR(url);
    return 0;
}

void
object_url_free(struct object_url *url)
{
    if (url) {
        mem_free(url->text);
        mem_free(url->storage);
        mem_free(url->path);
        mem_free(url);
    }
}

const char *
object_url_take(struct object_url *url, const char *name)
{
    for (size_t i = 0; i < url->parameter_count; i++) {
        struct object_url_parameter *parameter = &url->parameters[i];
        if (!parameter->taken && strcmp(parameter->name, name) == 0) {
            parameter->taken = true;
            return parameter->value;
        }
    }
    return NULL;
}

int
object_url_take_bool(struct object_url *url, const char *name, bool fallback, bool *ret_value)
{
    const char *text = object_url_take(url, name);
    if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        return fault(-EINVAL, "object store URL %s: %s must be true or false, not \"%s\"",
                url->text, name, text);
    }
    *ret_value = text ? strcmp(text, "true") == 0 : fallback;
    return 0;
}

int
object_url_take_number(
        struct object_url *url, const char *name, uint64_t min, uint64_t max, uint64_t *value)
{
    const char *text = object_url_take(url, name);
    if (!text) {
        return 0;
    }
    char *end = NULL;
    errno = 0;
    /* check-text: allow strtoull: end and range are looked at */
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number < min || number > max) {
        return fault(-EINVAL,
                "object store URL %s: %s must be a number from %" PRIu64 " to %" PRIu64
                ", not \"%s\"",
                url->text, name, min, max, text);
    }
    *value = number;
    return 0;
}

int
object_url_check_all_taken(const struct object_url *url, const char *known)
{
    for (size_t i = 0; i < url->parameter_count; i++) {
        if (!url->parameters[i].taken) {
            return fault(-EINVAL, "object store URL %s: %s \"%s\" (known: %s)", url->text,
                    "unknown or repeated parameter", url->parameters[i].name, known);
        }
    }
    return 0;
}
