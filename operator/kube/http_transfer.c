/* One transfer: its curl handle, and what libcurl's result means. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "kube/http_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

/* Unanswered data ends a connection after this long, whatever the kernel's default. */
#define USER_TIMEOUT_MS 30000u

static void
transfer_free(struct http_transfer *transfer)
{
    list_remove(&transfer->node);
    transfer->http->transfer_count--;
    curl_multi_remove_handle(transfer->http->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->connect_to);
    strbuf_done(&transfer->answer);
    mem_free(transfer->body);
    mem_free(transfer);
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    struct bytes piece = bytes_of(data, size * count);
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (transfer->data && status == 200) {
        transfer->data_error = transfer->data(transfer->arg, piece);
    } else {
        strbuf_append(&transfer->answer, piece);
        if (transfer->answer.error) {
            transfer->data_error =
                    fault(-EMSGSIZE, "an answer of more than %zu bytes", transfer->answer.max);
        }
    }
    if (transfer->data_error < 0) {
        snprintf(transfer->data_reason, sizeof transfer->data_reason, "%.299s", fault_text());
        return 0;
    }
    return piece.size;
}

static int
on_socket(void *arg, curl_socket_t socket, curlsocktype purpose)
{
    (void)arg;
    (void)purpose;
    unsigned timeout_ms = USER_TIMEOUT_MS;
    setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    return CURL_SOCKOPT_OK;
}

static void
header_add(struct http_transfer *transfer, const char *name, const char *value)
{
    struct strbuf line;
    strbuf_init(&line, 32 << 10);
    strbuf_printf(&line, "%s: %s", name, value);
    struct curl_slist *list = curl_slist_append(transfer->headers, strbuf_cstring(&line));
    CHECK(list);
    transfer->headers = list;
    strbuf_done(&line);
}

static void
blob_set(CURL *easy, CURLoption option, struct bytes bytes)
{
    struct curl_blob blob = { (void *)(uintptr_t)bytes.data, bytes.size, CURL_BLOB_COPY };
    if (bytes.size) {
        curl_easy_setopt(easy, option, &blob);
    }
}

/* libcurl has no option for another name in the certificate: the URL gets that name, and the
 * connection goes to the real host all the same. */
static void
server_name_set(struct http_transfer *transfer, const char *url, const char *server_name)
{
    CURLU *parts = curl_url();
    char *host = NULL;
    char *port = NULL;
    char *whole = NULL;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
            curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
            curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
            curl_url_set(parts, CURLUPART_HOST, server_name, 0) == CURLUE_OK &&
            curl_url_get(parts, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
        struct strbuf to;
        strbuf_init(&to, 2048);
        strbuf_printf(&to, "%s:%s:%s:%s", server_name, port, host, port);
        transfer->connect_to = curl_slist_append(NULL, strbuf_cstring(&to));
        strbuf_done(&to);
        curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to);
        curl_easy_setopt(transfer->easy, CURLOPT_URL, whole);
    }
    curl_free(host);
    curl_free(port);
    curl_free(whole);
    curl_url_cleanup(parts);
}

static void
tls_set(struct http_transfer *transfer, const struct http_request *request)
{
    const struct http_tls *tls = request->tls;
    CURL *easy = transfer->easy;
    if (tls->is_insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    blob_set(easy, CURLOPT_CAINFO_BLOB, tls->ca);
    blob_set(easy, CURLOPT_SSLCERT_BLOB, tls->certificate);
    blob_set(easy, CURLOPT_SSLKEY_BLOB, tls->key);
    if (tls->server_name && *tls->server_name) {
        server_name_set(transfer, request->url, tls->server_name);
    }
}

static void
body_set(struct http_transfer *transfer, const struct http_request *request)
{
    CURL *easy = transfer->easy;
    if (request->content_type) {
        header_add(transfer, "Content-Type", request->content_type);
    }
    if (request->body.size || strcmp(request->method, "POST") == 0) {
        transfer->body = mem_dup(request->body.data, request->body.size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
        /* No "Expect: 100-continue": a second round trip for nothing. */
        header_add(transfer, "Expect", "");
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void
options_set(struct http_transfer *transfer, const struct http_request *request)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 15L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "freshet-operator");
    header_add(transfer, "Accept", "application/json");
    if (request->authorization) {
        header_add(transfer, "Authorization", request->authorization);
    }
    body_set(transfer, request);
    if (request->tls) {
        tls_set(transfer, request);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
}

int
http_start(
        struct http *http, const struct http_request *request, struct http_transfer **ret_transfer)
{
    if (http->transfer_count >= HTTP_TRANSFERS_MAX) {
        return fault(-ENOBUFS, "kube: %d requests are under way", HTTP_TRANSFERS_MAX);
    }
    struct http_transfer *transfer = mem_alloc(sizeof *transfer);
    transfer->http = http;
    transfer->easy = curl_easy_init();
    CHECK(transfer->easy);
    strbuf_init(&transfer->answer, request->answer_max);
    transfer->data = request->data;
    transfer->done = request->done;
    transfer->arg = request->arg;
    options_set(transfer, request);
    CHECK(curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK);
    list_push_back(&http->transfers, &transfer->node);
    http->transfer_count++;
    http->is_hurried = true;
    *ret_transfer = transfer;
    return 0;
}

void
http_cancel(struct http_transfer *transfer)
{
    if (transfer) {
        transfer_free(transfer);
    }
}

static int
error_of(const struct http_transfer *transfer, CURLcode code, bool *ret_unsent)
{
    curl_off_t connected_us = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    *ret_unsent = connected_us == 0;
    switch ((unsigned)code) {
    case CURLE_OK:
        *ret_unsent = false;
        return 0;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return -EPROTO;
    case CURLE_WRITE_ERROR:
        return transfer->data_error < 0 ? transfer->data_error : -EIO;
    default:
        return -EIO;
    }
}

/* "Failed to connect to h port 1 after 7 ms: Couldn't connect", without the time: reasons come
 * into conditions, and one that differs each time is a new status each time. */
static void
time_cut(char *text)
{
    char *begin = strstr(text, " after ");
    if (begin) {
        char *end = begin + 7 + strspn(begin + 7, "0123456789");
        if (strncmp(end, " ms", 3) == 0) {
            memmove(begin, end + 3, strlen(end + 3) + 1);
        }
    }
}

static const char *
reason_of(struct http_transfer *transfer, CURLcode code)
{
    if (*transfer->data_reason) {
        return transfer->data_reason;
    }
    time_cut(transfer->error);
    /* Of time-outs libcurl tells how long and how much. */
    return *transfer->error && code != CURLE_OPERATION_TIMEDOUT ? transfer->error
                                                                : curl_easy_strerror(code);
}

void
http_transfer_end(struct http_transfer *transfer, CURLcode code)
{
    struct http_answer answer = { .retry_after_ms = -1 };
    answer.error = error_of(transfer, code, &answer.unsent);
    answer.body = strbuf_bytes(&transfer->answer);
    answer.reason = reason_of(transfer, code);
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (retry_after_s > 0) {
        answer.retry_after_ms = retry_after_s < 3600 ? (int64_t)retry_after_s * 1000 : 3600000;
    }
    transfer->done(transfer->arg, &answer);
    transfer_free(transfer);
}
