/* Choosing, reading and reading again of credentials; the pod's service account. */
#include "kube/credentials.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "kube/clock.h"
#include "kube/credentials_internal.h"
#include "kube/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
bytes_free(struct bytes *bytes)
{
    mem_free((void *)(uintptr_t)bytes->data);
    *bytes = BYTES_NULL;
}

char *
text_trimmed(struct bytes content)
{
    while (content.size && strchr(" \r\n\t", content.data[content.size - 1])) {
        content.size--;
    }
    char *text = mem_alloc(content.size + 1);
    return bytes_to_string(content, text, content.size + 1);
}

int
credentials_file(const char *path, struct bytes *ret_content)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        return fault(-error, "cannot open %s: %s", path, strerrordesc_np(error));
    }
    struct strbuf content;
    strbuf_init(&content, CREDENTIALS_FILE_SIZE_MAX);
    char piece[2048];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0) {
        strbuf_append(&content, bytes_of(piece, (size_t)n));
    }
    int error = n < 0 ? errno : content.error ? EFBIG : 0;
    close(fd);
    if (error) {
        strbuf_done(&content);
        return fault(-error, "cannot read %s: %s", path, strerrordesc_np(error));
    }
    *ret_content = bytes_of(mem_dup(content.data, content.size), content.size);
    strbuf_done(&content);
    return 0;
}

static void
content_free(struct credentials *credentials)
{
    mem_free(credentials->server);
    mem_free(credentials->namespace);
    mem_free(credentials->authorization);
    mem_free(credentials->server_name);
    bytes_free(&credentials->tls.ca);
    bytes_free(&credentials->tls.certificate);
    bytes_free(&credentials->tls.key);
}

void
credentials_free(struct credentials *credentials)
{
    if (credentials) {
        content_free(credentials);
        mem_free(credentials->kubeconfig);
        mem_free(credentials->folder);
        exec_told_free(credentials->told);
        mem_free(credentials);
    }
}

static int
pod_file(const struct credentials *credentials, const char *name, struct bytes *ret_content)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", credentials->folder, name);
    return credentials_file(path, ret_content);
}

static int
pod_read(struct credentials *credentials)
{
    struct bytes token = BYTES_NULL;
    struct bytes namespace = BYTES_NULL;
    int r = pod_file(credentials, "token", &token);
    r = r < 0 ? r : pod_file(credentials, "ca.crt", &credentials->tls.ca);
    r = r < 0 ? r : pod_file(credentials, "namespace", &namespace);
    if (r == 0) {
        CLEANUP(mem_freep) char *text = text_trimmed(token);
        struct strbuf header;
        strbuf_init(&header, CREDENTIALS_FILE_SIZE_MAX);
        strbuf_printf(&header, "Bearer %s", text);
        credentials->authorization = mem_strdup(strbuf_cstring(&header));
        credentials->namespace = text_trimmed(namespace);
        strbuf_done(&header);
        r = *text ? 0 : fault(-ENODATA, "%s/token is empty", credentials->folder);
    }
    bytes_free(&token);
    bytes_free(&namespace);
    return r;
}

static int
content_read(struct credentials *credentials)
{
    return credentials->kubeconfig ? kubeconfig_read(credentials) : pod_read(credentials);
}

int
credentials_open_pod(const char *host, const char *port, const char *folder,
        struct credentials **ret_credentials)
{
    struct credentials *credentials = mem_alloc(sizeof *credentials);
    char server[300];
    /* An IPv6 address needs brackets in a URL. */
    snprintf(server, sizeof server, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
            port);
    credentials->server = mem_strdup(server);
    credentials->server_name = mem_strdup("");
    credentials->folder = mem_strdup(folder);
    credentials->read_ms = clock_now_ms();
    int r = pod_read(credentials);
    if (r < 0) {
        credentials_free(credentials);
        return r;
    }
    *ret_credentials = credentials;
    return 0;
}

static int
open_file(const char *path, struct credentials **ret_credentials)
{
    struct credentials *credentials = mem_alloc(sizeof *credentials);
    credentials->kubeconfig = mem_strdup(path);
    credentials->told = mem_alloc(sizeof *credentials->told);
    credentials->read_ms = clock_now_ms();
    int r = kubeconfig_read(credentials);
    if (r < 0) {
        credentials_free(credentials);
        return r;
    }
    *ret_credentials = credentials;
    return 0;
}

int
credentials_open(const char *kubeconfig, struct credentials **ret_credentials)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    const char *named = getenv("KUBECONFIG");
    const char *home = getenv("HOME");
    char path[512];
    if (kubeconfig && *kubeconfig) {
        return open_file(kubeconfig, ret_credentials);
    }
    if (host && *host && port && *port) {
        return credentials_open_pod(host, port, CREDENTIALS_FOLDER, ret_credentials);
    }
    if (named && *named) {
        return open_file(named, ret_credentials);
    }
    snprintf(path, sizeof path, "%s/.kube/config", home ? home : "");
    return open_file(path, ret_credentials);
}

static bool
text_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool
is_same(const struct credentials *a, const struct credentials *b)
{
    return text_equal(a->authorization, b->authorization) && text_equal(a->server, b->server) &&
           bytes_equal(a->tls.ca, b->tls.ca) && bytes_equal(a->tls.key, b->tls.key) &&
           bytes_equal(a->tls.certificate, b->tls.certificate);
}

int
credentials_refresh(struct credentials *credentials, bool is_forced)
{
    int64_t now_ms = clock_now_ms();
    if (!is_forced && now_ms - credentials->read_ms < CREDENTIALS_REFRESH_MS) {
        return 0;
    }
    credentials->read_ms = now_ms;
    struct credentials fresh = { .kubeconfig = credentials->kubeconfig,
        .folder = credentials->folder,
        .told = credentials->told,
        .read_ms = now_ms };
    if (is_forced && credentials->told) {
        credentials->told->is_refused = true;
    }
    if (!credentials->kubeconfig) {
        fresh.server = mem_strdup(credentials->server);
        fresh.server_name = mem_strdup("");
    }
    if (content_read(&fresh) < 0 || is_same(credentials, &fresh)) {
        content_free(&fresh);
        return 0;
    }
    content_free(credentials);
    *credentials = fresh;
    return 1;
}
