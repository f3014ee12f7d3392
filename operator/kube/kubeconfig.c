/* kubeconfig files: current-context, its cluster and user. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "kube/credentials_internal.h"
#include "kube/exec.h"
#include "kube/yaml.h"

#include <errno.h>
#include <stdio.h>

/* The entry of clusters, users or contexts with that name: its part `what`. */
static const cJSON *
entry(const cJSON *config, const char *list, const char *name, const char *what)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(config, list))
    {
        if (strcmp(json_text(item, "name"), name) == 0) {
            return json_at(item, what);
        }
    }
    return NULL;
}

/* Paths in a kubeconfig are relative to its folder. */
static int
file_beside(const char *kubeconfig, const char *name, struct bytes *ret_content)
{
    const char *slash = strrchr(kubeconfig, '/');
    char path[1024];
    if (*name == '/' || !slash) {
        return credentials_file(name, ret_content);
    }
    snprintf(path, sizeof path, "%.*s/%s", (int)(slash - kubeconfig), kubeconfig, name);
    return credentials_file(path, ret_content);
}

/* "name-data" holds base64 and beats "name", which is a path. Neither: empty. */
static int
blob(const struct credentials *credentials, const cJSON *from, const char *name,
        struct bytes *ret_content)
{
    char data[64];
    snprintf(data, sizeof data, "%s-data", name);
    const char *text = json_text(from, data);
    const char *path = json_text(from, name);
    if (*text) {
        int r = base64_decode(bytes_of_string(text), ret_content);
        return r < 0 ? fault_note(r, "%s: %s", credentials->kubeconfig, data) : 0;
    }
    return *path ? file_beside(credentials->kubeconfig, path, ret_content) : 0;
}

char *
authorization_new(const char *scheme, const char *value)
{
    struct strbuf text;
    strbuf_init(&text, CREDENTIALS_FILE_SIZE_MAX);
    strbuf_printf(&text, "%s %s", scheme, value);
    char *owned = mem_strdup(strbuf_cstring(&text));
    strbuf_done(&text);
    return owned;
}

static int
authorization_read(struct credentials *credentials, const cJSON *user)
{
    const char *file = json_text(user, "tokenFile");
    if (*file) {
        struct bytes content = BYTES_NULL;
        int r = file_beside(credentials->kubeconfig, file, &content);
        if (r < 0) {
            return r;
        }
        CLEANUP(mem_freep) char *token = text_trimmed(content);
        bytes_free(&content);
        credentials->authorization = authorization_new("Bearer", token);
    } else if (*json_text(user, "token")) {
        credentials->authorization = authorization_new("Bearer", json_text(user, "token"));
    } else if (*json_text(user, "username")) {
        struct strbuf pair;
        strbuf_init(&pair, 4096);
        strbuf_printf(&pair, "%s:%s", json_text(user, "username"), json_text(user, "password"));
        CLEANUP(mem_freep) char *encoded = base64_encode(strbuf_bytes(&pair));
        strbuf_done(&pair);
        credentials->authorization = authorization_new("Basic", encoded);
    }
    return 0;
}

static int
user_read(struct credentials *credentials, const cJSON *user, const cJSON *cluster)
{
    const cJSON *exec = json_at(user, "exec");
    if (json_at(user, "auth-provider")) {
        return fault(-ENOTSUP,
                "%s: users with auth-provider plugins are not supported; use exec, a token, a "
                "client certificate or a service account",
                credentials->kubeconfig);
    }
    if (exec) {
        return exec_read(credentials, exec, cluster);
    }
    int r = blob(credentials, user, "client-certificate", &credentials->tls.certificate);
    r = r < 0 ? r : blob(credentials, user, "client-key", &credentials->tls.key);
    return r < 0 ? r : authorization_read(credentials, user);
}

static int
cluster_read(struct credentials *credentials, const cJSON *cluster)
{
    const char *server = json_text(cluster, "server");
    if (strncmp(server, "https://", 8) != 0 && strncmp(server, "http://", 7) != 0) {
        return fault(-EINVAL, "%s: the cluster's server is \"%s\", which is no http(s) URL",
                credentials->kubeconfig, server);
    }
    size_t size = strlen(server);
    while (size && server[size - 1] == '/') {
        size--;
    }
    credentials->server = text_trimmed(bytes_of(server, size));
    credentials->server_name = mem_strdup(json_text(cluster, "tls-server-name"));
    credentials->tls.server_name = credentials->server_name;
    credentials->tls.is_insecure = json_bool(cluster, "insecure-skip-tls-verify", false);
    return blob(credentials, cluster, "certificate-authority", &credentials->tls.ca);
}

int
kubeconfig_read(struct credentials *credentials)
{
    struct bytes content = BYTES_NULL;
    CLEANUP(json_freep) cJSON *config = NULL;
    int r = credentials_file(credentials->kubeconfig, &content);
    if (r < 0) {
        return r;
    }
    r = yaml_parse(content, &config);
    bytes_free(&content);
    if (r < 0) {
        return fault_note(r, "%s", credentials->kubeconfig);
    }
    const char *name = json_text(config, "current-context");
    const cJSON *context = entry(config, "contexts", name, "context");
    const cJSON *cluster = entry(config, "clusters", json_text(context, "cluster"), "cluster");
    const cJSON *user = entry(config, "users", json_text(context, "user"), "user");
    if (!context || !cluster) {
        return fault(-EINVAL, "%s: current-context \"%s\" names no context with a cluster",
                credentials->kubeconfig, name);
    }
    const char *namespace = json_text(context, "namespace");
    credentials->namespace = mem_strdup(*namespace ? namespace : "default");
    r = cluster_read(credentials, cluster);
    return r < 0 ? r : user_read(credentials, user, cluster);
}
