#pragma once
/* URLs that name an object store: scheme://authority/path?name=value&name=value. Used by this
 * room's stores only. Values may be percent-encoded; "&" separates. No secrets are accepted in
 * URLs, so the text may be shown to anybody. Limits: OBJECT_URL_SIZE_MAX,
 * OBJECT_URL_PARAMETERS_MAX. */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_URL_SIZE_MAX 2048
#define OBJECT_URL_PARAMETERS_MAX 24

struct object_url_parameter {
    char *name;
    char *value;
    bool taken;
};

struct object_url {
    char *text;    /* as given */
    char *storage; /* what the pieces below but path point into */
    char *scheme;
    char *authority; /* bucket or name; "" for file:///... */
    char *path;      /* with its leading '/', or "" */
    struct object_url_parameter parameters[OBJECT_URL_PARAMETERS_MAX];
    size_t parameter_count;
};

/* -EINVAL: the fault shows the part that cannot be read. */
MUST_CHECK int object_url_parse(const char *text, struct object_url **ret_url);
/* Accepts NULL. */
void object_url_free(struct object_url *url);
DEFINE_CLEANUP(struct object_url *, object_url_free);
/* The value of a parameter that has not been taken yet, or NULL. Marks it as known; borrowed from
 * url. */
const char *object_url_take(struct object_url *url, const char *name);
/* -EINVAL: neither "true" nor "false". */
MUST_CHECK int object_url_take_bool(
        struct object_url *url, const char *name, bool fallback, bool *ret_value);
/* Leaves *value alone when there is none. -EINVAL: not a number, or outside [min, max]. */
MUST_CHECK int object_url_take_number(
        struct object_url *url, const char *name, uint64_t min, uint64_t max, uint64_t *value);
/* -EINVAL: a parameter that nobody took; the fault names it. `known` lists the right ones for the
 * message. */
MUST_CHECK int object_url_check_all_taken(const struct object_url *url, const char *known);
