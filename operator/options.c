/* --name VALUE and --name=VALUE, each with the environment variable FRESHET_OPERATOR_NAME. */
#include "options.h"

#include "resource/pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, NUMBER, FLAG };

struct option {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *help;
};

#define OPTION(name, kind, field, help) { name, kind, offsetof(struct options, field), help }

static const struct option options[] = {
    OPTION("kubeconfig", TEXT, kubeconfig, "a kubeconfig file; else the pod's service account"),
    OPTION("namespace", TEXT, namespace, "the only namespace to look at; else all"),
    OPTION("lease-namespace", TEXT, lease_namespace, "where the Lease is; else the operator's own"),
    OPTION("lease-name", TEXT, lease_name, "name of the Lease (freshet-operator)"),
    OPTION("identity", TEXT, identity, "this process in the Lease; else host name and a number"),
    OPTION("image-repository", TEXT, image_repository, "brokers' image without its tag (freshet)"),
    OPTION("watch-nodes", FLAG, has_nodes, "true: replace brokers of lost nodes (true)"),
    OPTION("port", NUMBER, port, "port of /metrics, /healthz and /readyz (8080)"),
    OPTION("lease-ms", NUMBER, lease_ms, "how long a silent leader is waited for (15000)"),
    OPTION("renew-ms", NUMBER, renew_ms, "a leader that could not renew as long stops (10000)"),
    OPTION("retry-ms", NUMBER, retry_ms, "between two looks at the Lease (2000)"),
    OPTION("log-json", FLAG, is_json, "true: one JSON object a line (false)"),
    OPTION("die-after-writes", NUMBER, die_after_writes, "for tests: end after the k-th write"),
};

static int
usage(FILE *out, int code)
{
    fputs("usage: freshet-operator [--NAME VALUE]...\n\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        fprintf(out, "  --%-18s %s\n", options[i].name, options[i].help);
    }
    return code + 1;
}

static const struct option *
find(const char *name, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static int
set(struct options *out, const struct option *option, const char *value)
{
    void *field = (char *)out + option->offset;
    int64_t number = number_parse(value, INT32_MAX);
    bool is_true = strcmp(value, "true") == 0;
    switch (option->kind) {
    case TEXT:
        *(const char **)field = value;
        return 0;
    case FLAG:
        *(bool *)field = is_true;
        return is_true || strcmp(value, "false") == 0 ? 0 : -1;
    case NUMBER:
        if (option->offset == offsetof(struct options, port)) {
            *(int *)field = (int)number;
            return number <= 65535 ? 0 : -1;
        }
        *(int64_t *)field = number;
        return number >= 0 ? 0 : -1;
    }
    return -1;
}

static int
environment_take(struct options *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        char name[64];
        snprintf(name, sizeof name, "FRESHET_OPERATOR_%s", options[i].name);
        for (char *c = name; *c; c++) {
            *c = (char)(*c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
        }
        const char *value = getenv(name);
        if (value && set(out, &options[i], value) < 0) {
            fprintf(stderr, "freshet-operator: %s cannot be \"%s\"\n", name, value);
            return 2;
        }
    }
    return 0;
}

static int
check(const struct options *out)
{
    bool is_fine = out->lease_ms > out->renew_ms && out->renew_ms > out->retry_ms &&
                   out->retry_ms > 0 && out->port >= 0;
    if (!is_fine) {
        fputs("freshet-operator: lease-ms must be greater than renew-ms, and that than retry-ms\n",
                stderr);
    }
    return is_fine ? 0 : 3;
}

int
options_parse(int argc, char **argv, struct options *ret_options)
{
    *ret_options = (struct options){ .lease_name = "freshet-operator",
        .image_repository = "freshet",
        .has_nodes = true,
        .port = 8080,
        .lease_ms = 15000,
        .renew_ms = 10000,
        .retry_ms = 2000 };
    int r = environment_take(ret_options);
    for (int i = 1; r == 0 && i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--help") == 0) {
            return usage(stdout, 0);
        }
        const char *equal = strchr(name, '=');
        size_t size = equal ? (size_t)(equal - name) : strlen(name);
        const struct option *option =
                size > 2 && memcmp(name, "--", 2) == 0 ? find(name + 2, size - 2) : NULL;
        const char *value = equal ? equal + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!option || !value || set(ret_options, option, value) < 0) {
            fprintf(stderr, "freshet-operator: %s %s cannot be read\n\n", name, value ? value : "");
            return usage(stderr, 2);
        }
    }
    return r ? r : check(ret_options);
}
