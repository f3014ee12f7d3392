/* One signed request to S3: built, sent, and its answer understood. */
#include "base/check.h"
#include "base/crc.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/call.h"
#include "objectstore/s3_internal.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* Sent again at most so often for a wrong clock or old credentials. */
#define CORRECTIONS_MAX 2
/* S3 refuses requests that are 15 minutes off; a HEAD says so without a code. */
#define SKEW_MS_MAX (10 * 60 * (int64_t)1000)
/* Bodies above this are hashed on a helper thread: the reactor has other fibers. */
#define HASH_HERE_SIZE_MAX (256 * KIB)
#define BYTES_PER_S_MIN (1 * MIB)
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

void
s3_call_query(struct s3_call *call, const char *name, const char *value)
{
    call->query[call->query_count++] = (struct s3_field){ name, value };
}

void
s3_call_header(struct s3_call *call, const char *name, const char *value)
{
    call->headers[call->header_count++] = (struct s3_field){ name, value };
}

void
s3_call_done(struct s3_call *call)
{
    http_response_done(&call->response);
}

struct bytes
s3_call_body(const struct s3_call *call)
{
    return call->response.body ? buf_bytes(call->response.body) : BYTES_NULL;
}

int
s3_call_etag(const struct s3_call *call, struct object_etag *ret_etag)
{
    struct bytes etag = http_response_header(&call->response, "etag");
    if (etag.size == 0 || etag.size >= sizeof ret_etag->text) {
        return fault(-EIO, "s3: %s %s: an ETag of %zu bytes in the answer", call->method, call->key,
                etag.size);
    }
    bytes_to_string(etag, ret_etag->text, sizeof ret_etag->text);
    return 0;
}

uint64_t
s3_try_deadline(const struct s3_store *store, uint64_t size, uint64_t deadline_ns)
{
    return MIN(deadline_ns, clock_mono_ns() + store->try_ns + size / BYTES_PER_S_MIN * NS_PER_S);
}

void
s3_crc_text(uint32_t crc, char out[16])
{
    const uint8_t bytes[4] = { (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
        (uint8_t)crc };
    EVP_EncodeBlock((unsigned char *)out, bytes, sizeof bytes);
}

/* Calls fn with each run of bytes of the body. */
static void
body_walk(const struct http_body *body, void (*fn)(void *arg, struct bytes run), void *arg)
{
    uint64_t skip = body->offset;
    uint64_t left = body->size;
    for (size_t i = 0; i < body->part_count && left; i++) {
        const struct iovec *part = &body->parts[i];
        if (skip >= part->iov_len) {
            skip -= part->iov_len;
            continue;
        }
        size_t size = (size_t)MIN(left, (uint64_t)(part->iov_len - skip));
        fn(arg, bytes_of((const uint8_t *)part->iov_base + skip, size));
        skip = 0;
        left -= size;
    }
}

static void
crc_run(void *arg, struct bytes run)
{
    uint32_t *crc = arg;
    *crc = crc32c_extend(*crc, run);
}

static void
sha_run(void *arg, struct bytes run)
{
    CHECK(EVP_DigestUpdate(arg, run.data, run.size) == 1);
}

struct hash_job {
    const struct http_body *body;
    char hex[S3_SHA256_HEX_SIZE];
};

static int
hash_body(void *arg)
{
    struct hash_job *job = arg;
    uint8_t hash[S3_SHA256_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    body_walk(job->body, sha_run, context);
    CHECK(EVP_DigestFinal_ex(context, hash, NULL) == 1);
    EVP_MD_CTX_free(context);
    s3_hex(hash, sizeof hash, job->hex);
    return 0;
}

/* The value of x-amz-content-sha256; sets call->checksum_text when a CRC goes along. */
static int
payload_hash(struct s3_call *call, char out[S3_SHA256_HEX_SIZE])
{
    const struct http_body *body = call->body;
    if (!body || body->size == 0) {
        snprintf(out, S3_SHA256_HEX_SIZE, "%s", EMPTY_SHA256);
        return 0;
    }
    if (call->checksum == S3_CHECKSUM_SHA256) {
        struct hash_job job = { .body = body };
        int r = body->size > HASH_HERE_SIZE_MAX ? offload_run(hash_body, &job) : hash_body(&job);
        memcpy(out, job.hex, sizeof job.hex);
        return r;
    }
    if (call->checksum == S3_CHECKSUM_CRC32C && !call->checksum_text[0]) {
        uint32_t crc = crc32c(BYTES_NULL);
        body_walk(body, crc_run, &crc);
        s3_crc_text(crc, call->checksum_text);
    }
    snprintf(out, S3_SHA256_HEX_SIZE, "UNSIGNED-PAYLOAD");
    return 0;
}

/* The header lines of a request, each ending in NUL, and pointers to them. */
struct lines {
    struct strbuf text;
    const char *of[S3_SIGN_FIELDS_MAX + 2];
    size_t count;
};

static void
lines_make(struct lines *lines, const struct s3_field *fields, size_t count,
        const struct strbuf *authorization)
{
    strbuf_init(&lines->text, 4 * S3_CREDENTIAL_SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        strbuf_printf(&lines->text, "%s: %s", fields[i].name, fields[i].value);
        strbuf_append_char(&lines->text, 0);
    }
    strbuf_append_string(&lines->text, "authorization: ");
    strbuf_append(&lines->text, strbuf_bytes(authorization));
    strbuf_append_char(&lines->text, 0);
    const char *line = (const char *)lines->text.data;
    lines->count = lines->text.error ? 0 : count + 1;
    for (size_t i = 0; i < lines->count; i++) {
        lines->of[i] = line;
        line += strlen(line) + 1;
    }
}

static void
object_path(const struct s3_store *store, const struct s3_call *call, struct strbuf *path)
{
    if (store->path_style) {
        strbuf_printf(path, "/%s", store->bucket);
    }
    if (call->key) {
        strbuf_printf(path, "/%s%s", store->prefix, call->key);
    } else if (!store->path_style) {
        strbuf_append_char(path, '/');
    }
}

/* Everything that is signed: what the call wants and what every request has. */
static size_t
collect_fields(const struct s3_store *store, const struct s3_call *call,
        const struct s3_credentials *credentials, const char *hash, const char *date,
        struct s3_field fields[S3_SIGN_FIELDS_MAX])
{
    size_t count = call->header_count;
    memcpy(fields, call->headers, count * sizeof *fields);
    fields[count++] = (struct s3_field){ "host", store->host };
    fields[count++] = (struct s3_field){ "x-amz-content-sha256", hash };
    fields[count++] = (struct s3_field){ "x-amz-date", date };
    if (credentials->token) {
        fields[count++] = (struct s3_field){ "x-amz-security-token", credentials->token };
    }
    if (call->checksum_text[0]) {
        fields[count++] = (struct s3_field){ "x-amz-checksum-crc32c", call->checksum_text };
    }
    return count;
}

static int
sign(struct s3_store *store, const struct s3_call *call, const struct s3_credentials *credentials,
        struct s3_signing *signing, struct strbuf *target, struct strbuf *authorization)
{
    struct s3_signing_key key;
    struct strbuf path;
    strbuf_init(&path, 2 * S3_KEY_SIZE_MAX);
    object_path(store, call, &path);
    signing->access_key = credentials->access_key;
    signing->secret_key = credentials->secret_key;
    signing->region = store->region;
    signing->service = "s3";
    signing->method = call->method;
    signing->path = strbuf_cstring(&path);
    signing->query = call->query;
    signing->query_count = call->query_count;
    pthread_mutex_lock(&store->key_mutex);
    key = store->signing_key;
    pthread_mutex_unlock(&store->key_mutex);
    int r = s3_sign(signing, &key, target, authorization);
    pthread_mutex_lock(&store->key_mutex);
    store->signing_key = key;
    pthread_mutex_unlock(&store->key_mutex);
    explicit_bzero(&key, sizeof key);
    strbuf_done(&path);
    return r;
}

static int
send_signed(struct s3_store *store, struct s3_call *call, const struct s3_field *fields,
        size_t count, const struct strbuf *target, const struct strbuf *authorization)
{
    struct lines lines = { 0 };
    struct strbuf url;
    strbuf_init(&url, 16 * KIB);
    strbuf_append_string(&url, store->base_url);
    strbuf_append(&url, strbuf_bytes(target));
    lines_make(&lines, fields, count, authorization);
    struct http_request request = { call->method, strbuf_cstring(&url), lines.of, lines.count,
        call->body, .once = call->once, .uncancellable = call->uncancellable,
        .deadline_ns = call->deadline_ns, .stall_ns_max = store->try_ns,
        .response_size_max = call->response_size_max };
    int r;
    if (lines.text.error || url.error) {
        r = fault(-EINVAL, "s3: %s %s: the headers are too large", call->method,
                call->key ? call->key : "");
    } else {
        bool sent = false;
        r = http_do(store->client, &request, &call->response, &sent);
        call->sent = sent || r == 0;
    }
    strbuf_done(&lines.text);
    strbuf_done(&url);
    return r;
}

/* Signs with the present clock and credentials, sends, receives. */
static int
send_once(struct s3_store *store, struct s3_call *call, const struct s3_credentials *credentials)
{
    char hash[S3_SHA256_HEX_SIZE];
    char date[S3_DATE_SIZE];
    struct s3_field fields[S3_SIGN_FIELDS_MAX];
    struct strbuf target;
    struct strbuf authorization;
    int r = payload_hash(call, hash);
    if (r < 0) {
        return r;
    }
    s3_date(clock_wall_ms() + atomic_load(&store->skew_ms), date);
    size_t count = collect_fields(store, call, credentials, hash, date, fields);
    struct s3_signing signing = {
        .date = date, .payload_hash = hash, .headers = fields, .header_count = count
    };
    strbuf_init(&target, 12 * KIB);
    strbuf_init(&authorization, 2 * KIB + S3_CREDENTIAL_SIZE_MAX);
    r = sign(store, call, credentials, &signing, &target, &authorization);
    if (r == 0) {
        r = send_signed(store, call, fields, count, &target, &authorization);
    }
    strbuf_done(&target);
    strbuf_done(&authorization);
    return r;
}

static bool
is_one_of(const char *code, const char *const *codes)
{
    for (size_t i = 0; codes[i]; i++) {
        if (strcmp(codes[i], code) == 0) {
            return true;
        }
    }
    return false;
}

static const char *const denied_codes[] = { "AccessDenied", "InvalidAccessKeyId",
    "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
    "XAdminUserNotFound", "RequestTimeTooSkewed", "AccountProblem", "AllAccessDisabled",
    "InvalidSecurity", "NotSignedUp", NULL };
static const char *const passing_codes[] = { "ConditionalRequestConflict", "OperationAborted",
    "SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError", "ServiceUnavailable",
    "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
    "ContentSHA256Mismatch", "IncompleteBody", NULL };
static const char *const path_codes[] = { "ObjectParentIsFile", "ExistingObjectIsDirectory",
    "XMinioParentIsObject", "XMinioObjectExistsAsDirectory", "KeyTooLongError",
    "XMinioInvalidObjectName", "AuthorizationHeaderMalformed", "PermanentRedirect",
    "TemporaryRedirect", "IllegalLocationConstraintException", NULL };

static int
meaning_of_status(int status)
{
    switch (status) {
    case 304:
    case 412:
        return -EEXIST;
    case 401:
    case 403:
        return -EACCES;
    case 416:
        return -ERANGE;
    case 413:
        return -EFBIG;
    case 501:
        return -ENOTSUP;
    case 507:
        return -ENOSPC;
    case 408:
    case 409:
    case 425:
    case 429:
        return OBJECT_AGAIN;
    case 404: /* not S3's own "no such key": a proxy's, perhaps, which proves nothing about the
                 object */
        return -EIO;
    default:
        return status >= 500 ? OBJECT_AGAIN : -EINVAL;
    }
}

int
s3_meaning_of(int status, const char *code, bool is_head)
{
    if (strcmp(code, "NoSuchKey") == 0 || (is_head && status == 404)) {
        return -ENOENT;
    }
    if (strcmp(code, "NoSuchBucket") == 0) {
        return -ENODEV;
    }
    if (strcmp(code, "NoSuchUpload") == 0) {
        return OBJECT_AGAIN;
    }
    if (strcmp(code, "PreconditionFailed") == 0) {
        return -EEXIST;
    }
    if (strcmp(code, "InvalidRange") == 0) {
        return -ERANGE;
    }
    if (strcmp(code, "EntityTooLarge") == 0) {
        return -EFBIG;
    }
    if (strcmp(code, "XMinioStorageFull") == 0) {
        return -ENOSPC;
    }
    if (is_one_of(code, denied_codes)) {
        return -EACCES;
    }
    if (is_one_of(code, passing_codes)) {
        return OBJECT_AGAIN;
    }
    return is_one_of(code, path_codes) ? -EINVAL : meaning_of_status(status);
}

/* Sets the clock by the server's; false when that is not what is wrong. */
static bool
correct_clock(struct s3_store *store, const struct s3_call *call)
{
    char text[64];
    bytes_to_string(http_response_header(&call->response, "date"), text, sizeof text);
    time_t server_s = text[0] ? curl_getdate(text, NULL) : -1;
    if (server_s < 0) {
        return false;
    }
    int64_t skew_ms = (int64_t)server_s * 1000 - clock_wall_ms();
    int64_t error_ms = skew_ms - atomic_load(&store->skew_ms);
    bool is_told = strcmp(call->error.code, "RequestTimeTooSkewed") == 0;
    bool is_far = error_ms > SKEW_MS_MAX || error_ms < -SKEW_MS_MAX;
    if (!is_told && !(is_far && !call->error.code[0])) {
        return false;
    }
    MARK("s3: clock corrected by the server's");
    LOG_WARN("our clock and the object store's differ", LOG_STR("store", store->base.url),
            LOG_INT("difference_s", skew_ms / 1000));
    atomic_store(&store->skew_ms, skew_ms);
    return true;
}

/* True when the request was refused unexecuted and may succeed with what was just corrected (S5).
 */
static bool
correct(struct s3_store *store, struct s3_call *call, const struct s3_credentials *credentials)
{
    static const char *const stale_codes[] = { "ExpiredToken", "InvalidToken",
        "TokenRefreshRequired", "InvalidAccessKeyId", NULL };
    if (call->response.status != 403 && call->response.status != 400) {
        return false;
    }
    if (correct_clock(store, call)) {
        return true;
    }
    if (!is_one_of(call->error.code, stale_codes)) {
        return false;
    }
    MARK("s3: the server refused the credentials, new ones are fetched");
    s3_provider_refuse(store->provider, credentials);
    return true;
}

/* Retry-After, in seconds; the date form is not used by S3. */
static void
note_patience(struct s3_store *store, const struct s3_call *call)
{
    char text[16];
    bytes_to_string(http_response_header(&call->response, "retry-after"), text, sizeof text);
    /* check-text: allow strtoul: end and range are looked at */
    unsigned long seconds = strtoul(text, NULL, 10);
    if (seconds) {
        uint64_t patience_ns = (uint64_t)MIN(seconds, 3600UL) * NS_PER_S;
        atomic_store(&store->base.patience_ns, MIN(patience_ns, (uint64_t)OBJECT_PATIENCE_NS_MAX));
    }
}

static int
failure(const struct s3_call *call)
{
    const struct s3_error *error = &call->error;
    int status = call->response.status;
    int r = s3_meaning_of(status, error->code, strcmp(call->method, "HEAD") == 0);
    return fault(r, "s3: %s %s: status %d %s%s%s%s%s%s%s", call->method,
            call->key ? call->key : "(bucket)", status, error->code, error->message[0] ? ": " : "",
            error->message, error->region[0] ? ", region " : "", error->region,
            error->request_id[0] ? ", request " : "", error->request_id);
}

int
s3_call_run(struct s3_store *store, struct s3_call *call)
{
    for (unsigned corrections = 0;; corrections++) {
        CLEANUP(s3_credentials_unrefp) struct s3_credentials *credentials = NULL;
        int r = s3_provider_get(store->provider, call->deadline_ns, &credentials);
        if (r == 0) {
            http_response_done(&call->response);
            r = send_once(store, call, credentials);
        }
        if (r < 0) {
            return r == -ETIMEDOUT ? fault_note(OBJECT_AGAIN, "s3") : r;
        }
        if (call->response.status >= 200 && call->response.status < 300) {
            return 0;
        }
        s3_error_parse(s3_call_body(call), &call->error);
        if (corrections == CORRECTIONS_MAX || !correct(store, call, credentials)) {
            note_patience(store, call);
            return failure(call);
        }
    }
}
