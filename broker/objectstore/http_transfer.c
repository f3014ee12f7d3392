/* One HTTP request as libcurl sees it: options, callbacks, result. Runs on the client thread. */
#include "base/limits.h"
#include "base/mark.h"
#include "objectstore/http_internal.h"
#include "reactor/clock.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define CONNECT_TIMEOUT_MS 10000L
/* Servers drop idle connections; one that is not reused cannot die under a write. */
#define CONNECTION_IDLE_S_MAX 15L

static int
transfer_break(struct http_transfer *transfer, int error, const char *why)
{
    if (!transfer->broken) {
        transfer->broken = error;
        transfer->why = why;
    }
    return error;
}

/* Moves to a position in the body. */
static void
body_seek(struct http_transfer *transfer, uint64_t position)
{
    const struct http_body *body = transfer->request->body;
    uint64_t left = body->offset + position;
    size_t part = 0;
    while (part < body->part_count && left >= body->parts[part].iov_len) {
        left -= body->parts[part].iov_len;
        part++;
    }
    transfer->position = position;
    transfer->part = part;
    transfer->part_offset = (size_t)left;
}

static size_t
read_body(char *out, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    const struct http_body *body = transfer->request->body;
    size_t room = size * count;
    size_t done = 0;
    transfer->moved_ns = clock_mono_ns();
    while (done < room && transfer->position < body->size && transfer->part < body->part_count) {
        const struct iovec *part = &body->parts[transfer->part];
        uint64_t left = MIN(
                body->size - transfer->position, (uint64_t)(part->iov_len - transfer->part_offset));
        size_t n = (size_t)MIN(left, (uint64_t)(room - done));
        if (n) {
            memcpy(out + done, (const uint8_t *)part->iov_base + transfer->part_offset, n);
        }
        done += n;
        transfer->position += n;
        transfer->part_offset += n;
        if (transfer->part_offset == part->iov_len) {
            transfer->part++;
            transfer->part_offset = 0;
        }
    }
    return done;
}

static int
seek_body(void *arg, curl_off_t offset, int origin)
{
    struct http_transfer *transfer = arg;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > transfer->request->body->size) {
        return CURL_SEEKFUNC_FAIL;
    }
    MARK("http: libcurl sends an idempotent body again");
    body_seek(transfer, (uint64_t)offset);
    return CURL_SEEKFUNC_OK;
}

/* Called when a connection is ready and the request is about to be sent; for a silent repetition
 * too (H1). */
static int
before_request(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    (void)peer;
    (void)local;
    (void)peer_port;
    (void)local_port;
    struct http_transfer *transfer = arg;
    transfer->starts++;
    if (transfer->starts > 1 && transfer->request->once) {
        MARK("http: refused to send a request a second time");
        transfer->resend_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}

static size_t
take_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    struct strbuf *headers = &transfer->response.headers;
    transfer->moved_ns = clock_mono_ns();
    if (size * count >= 5 && strncasecmp(data, "HTTP/", 5) == 0) {
        strbuf_clear(headers); /* the headers before were those of an interim answer */
    }
    strbuf_append(headers, bytes_of(data, size * count));
    if (headers->error) {
        transfer_break(transfer, -EIO, "the headers of the answer are too large");
        return 0;
    }
    return size * count;
}

/* Makes room for `more` bytes of body; `expected` is what Content-Length says, or -1. */
static int
reserve_body(struct http_transfer *transfer, size_t more, curl_off_t expected, size_t size_max)
{
    struct http_response *response = &transfer->response;
    size_t size = response->body ? response->body->size : 0;
    if (more > size_max - size || expected > (curl_off_t)size_max) {
        return transfer_break(
                transfer, -EIO, "the body of the answer is longer than what was asked for");
    }
    size_t need = size + more;
    if (response->body && need <= response->body->capacity) {
        return 0;
    }
    size_t capacity =
            expected > 0 ? MAX(need, (size_t)expected) : MAX(need, MIN(2 * need + 4096, size_max));
    struct buf *bigger = buf_try_new(capacity);
    if (!bigger) {
        return transfer_break(transfer, -ENOMEM, "no memory for the body of the answer");
    }
    if (size) {
        memcpy(bigger->data, response->body->data, size);
        bigger->size = size;
    }
    buf_unref(response->body);
    response->body = bigger;
    return 0;
}

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    struct http_response *response = &transfer->response;
    size_t n = size * count;
    long status = 0;
    curl_off_t expected = -1;
    transfer->moved_ns = clock_mono_ns();
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
    bool good = status >= 200 && status < 300;
    size_t size_max = good ? transfer->request->response_size_max : HTTP_ERROR_BODY_SIZE_MAX;
    if (n == 0 || reserve_body(transfer, n, expected, size_max) < 0) {
        return 0;
    }
    memcpy(response->body->data + response->body->size, data, n);
    response->body->size += n;
    return n;
}

static CURLcode
set_body(struct http_transfer *transfer, CURL *easy)
{
    const struct http_request *request = transfer->request;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body->size);
    code |= curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
    code |= curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
    code |= curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    if (!request->once) {
        code |= curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_body);
        code |= curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
    }
    body_seek(transfer, 0);
    return code;
}

static CURLcode
set_method(struct http_transfer *transfer, CURL *easy)
{
    const struct http_request *request = transfer->request;
    CURLcode code = CURLE_OK;
    if (strcmp(request->method, "HEAD") == 0) {
        return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (request->body) {
        code = set_body(transfer, easy);
    }
    return code | curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static CURLcode
set_callbacks(struct http_transfer *transfer, CURL *easy)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    code |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error_text);
    code |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    code |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    code |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    code |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    code |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
    code |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    return code;
}

static CURLcode
set_connection(const struct http_transfer *transfer, CURL *easy, const char *ca_file)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, transfer->request->url);
    code |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    code |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    code |= curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    code |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    code |= curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, CONNECTION_IDLE_S_MAX);
    code |= curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
    code |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (ca_file) {
        code |= curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    }
    if (transfer->request->direct) {
        code |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
    return code;
}

int
http_transfer_prepare(struct http_transfer *transfer, CURL *easy, const char *ca_file)
{
    const struct http_request *request = transfer->request;
    transfer->easy = easy;
    transfer->moved_ns = clock_mono_ns();
    /* No "Expect: 100-continue": it costs a round trip, and some servers mistreat it. */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; headers && i < request->header_count; i++) {
        struct curl_slist *longer = curl_slist_append(headers, request->headers[i]);
        if (!longer) {
            curl_slist_free_all(headers);
        }
        headers = longer;
    }
    transfer->headers = headers;
    /* The codes are or-ed: any option that was refused makes the sum differ from CURLE_OK. */
    CURLcode code = set_connection(transfer, easy, ca_file);
    code |= set_callbacks(transfer, easy);
    code |= set_method(transfer, easy);
    code |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (!headers || code != CURLE_OK) {
        transfer->why = "libcurl refuses the request's options";
        return -ENOMEM;
    }
    return 0;
}

int
http_transfer_result(struct http_transfer *transfer, CURLcode code)
{
    long status = 0;
    if (transfer->resend_refused) {
        transfer->why =
                "the connection died before an answer and the request may not be sent again";
        return -EAGAIN;
    }
    if (transfer->broken) {
        return transfer->broken;
    }
    if (code == CURLE_OK) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        transfer->response.status = (int)status;
        if (status >= 100 && status <= 999) {
            return 0;
        }
        transfer->why = "an answer without a status";
        return -EIO;
    }
    if (!transfer->error_text[0]) {
        transfer->why = curl_easy_strerror(code);
    }
    switch ((int)code) {
    case CURLE_PARTIAL_FILE:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 or garbage */
    case CURLE_WRITE_ERROR:
    case CURLE_BAD_CONTENT_ENCODING:
        return -EIO;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return -EACCES;
    case CURLE_URL_MALFORMAT:
        return -EINVAL;
    default:
        return -EAGAIN;
    }
}
