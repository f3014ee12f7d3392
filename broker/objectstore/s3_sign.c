/* AWS Signature Version 4; hashes by OpenSSL's libcrypto, which uses the CPU's SHA instructions. */
#include "objectstore/s3_sign.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CANONICAL_SIZE_MAX (128 * KIB)

void
s3_sha256(struct bytes bytes, uint8_t out[S3_SHA256_SIZE])
{
    unsigned size = 0;
    CHECK(EVP_Digest(bytes.size ? (const void *)bytes.data : "", bytes.size, out, &size,
                  EVP_sha256(), NULL) == 1);
    CHECK(size == S3_SHA256_SIZE);
}

static void
hmac(const uint8_t *key, size_t key_size, struct bytes bytes, uint8_t out[S3_SHA256_SIZE])
{
    unsigned size = 0;
    CHECK(HMAC(EVP_sha256(), key, (int)key_size, bytes.data, bytes.size, out, &size));
}

void
s3_hex(const uint8_t *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * size] = 0;
}

void
s3_date(int64_t wall_ms, char out[S3_DATE_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm = { 0 };
    gmtime_r(&seconds, &tm);
    /* check-text: allow strftime: a date in UTC for a signature */
    strftime(out, S3_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

void
s3_encode(struct strbuf *out, const char *text, bool keep_slash)
{
    for (const char *c = text; *c; c++) {
        bool plain = (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
                     (*c >= '0' && *c <= '9') || strchr("-_.~", *c) || (keep_slash && *c == '/');
        if (plain) {
            strbuf_append_char(out, *c);
        } else {
            strbuf_printf(out, "%%%02X", (unsigned)(unsigned char)*c);
        }
    }
}

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts lines that each end in NUL in `text` and appends them with `separator` between. */
static void
append_sorted(struct strbuf *out, struct strbuf *text, size_t count, char separator)
{
    char *lines[S3_SIGN_FIELDS_MAX];
    char *line = (char *)text->data;
    for (size_t i = 0; i < count; i++) {
        lines[i] = line;
        line += strlen(line) + 1;
    }
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++) {
        if (i) {
            strbuf_append_char(out, separator);
        }
        strbuf_append_string(out, lines[i]);
    }
}

/* Sorted by encoded name, then value; names and values encoded, '/' too. */
static void
append_query(struct strbuf *out, const struct s3_signing *signing)
{
    struct strbuf text;
    strbuf_init(&text, CANONICAL_SIZE_MAX);
    for (size_t i = 0; i < signing->query_count; i++) {
        /* '=' sorts behind all characters that encoded names have but '~' and letters; 0x01 sorts
         * before all, so that a name which another one starts with comes first. */
        s3_encode(&text, signing->query[i].name, false);
        strbuf_append_char(&text, '\x01');
        s3_encode(&text, signing->query[i].value, false);
        strbuf_append_char(&text, 0);
    }
    if (text.error) {
        out->error = text.error;
    } else if (signing->query_count) {
        size_t start = out->size;
        append_sorted(out, &text, signing->query_count, '&');
        for (size_t i = start; i < out->size; i++) {
            out->data[i] = out->data[i] == '\x01' ? '=' : out->data[i];
        }
    }
    strbuf_done(&text);
}

static int
compare_fields(const void *a, const void *b)
{
    return strcmp(((const struct s3_field *)a)->name, ((const struct s3_field *)b)->name);
}

/* The value without blanks at its ends, and with one for each run inside. */
static void
append_trimmed(struct strbuf *out, const char *value)
{
    bool blank = false;
    bool started = false;
    for (const char *c = value; *c; c++) {
        if (*c == ' ' || *c == '\t') {
            blank = true;
            continue;
        }
        if (blank && started) {
            strbuf_append_char(out, ' ');
        }
        strbuf_append_char(out, *c);
        blank = false;
        started = true;
    }
}

static void
append_canonical(struct strbuf *out, struct strbuf *signed_names, const struct s3_signing *signing,
        const struct strbuf *path, const struct strbuf *query)
{
    struct s3_field fields[S3_SIGN_FIELDS_MAX];
    memcpy(fields, signing->headers, signing->header_count * sizeof *fields);
    qsort(fields, signing->header_count, sizeof *fields, compare_fields);
    strbuf_printf(out, "%s\n", signing->method);
    strbuf_append(out, strbuf_bytes(path));
    strbuf_append_char(out, '\n');
    strbuf_append(out, strbuf_bytes(query));
    strbuf_append_char(out, '\n');
    for (size_t i = 0; i < signing->header_count; i++) {
        strbuf_append_string(out, fields[i].name);
        strbuf_append_char(out, ':');
        append_trimmed(out, fields[i].value);
        strbuf_append_char(out, '\n');
        strbuf_printf(signed_names, i ? ";%s" : "%s", fields[i].name);
    }
    strbuf_append_char(out, '\n');
    strbuf_append(out, strbuf_bytes(signed_names));
    strbuf_printf(out, "\n%s", signing->payload_hash);
}

static void
refresh_key(const struct s3_signing *signing, struct s3_signing_key *key)
{
    struct strbuf text;
    uint8_t of[S3_SHA256_SIZE];
    strbuf_init(&text, CANONICAL_SIZE_MAX);
    strbuf_printf(&text, "AWS4%s", signing->secret_key);
    size_t secret_size = text.size;
    strbuf_printf(&text, "/%s/%s", signing->region, signing->service);
    s3_sha256(strbuf_bytes(&text), of);
    if (strncmp(key->day, signing->date, 8) != 0 || memcmp(key->of, of, sizeof of) != 0) {
        uint8_t a[S3_SHA256_SIZE];
        uint8_t b[S3_SHA256_SIZE];
        hmac(text.data, secret_size, bytes_of(signing->date, 8), a);
        hmac(a, sizeof a, bytes_of_string(signing->region), b);
        hmac(b, sizeof b, bytes_of_string(signing->service), a);
        hmac(a, sizeof a, BYTES_LITERAL("aws4_request"), key->key);
        memcpy(key->of, of, sizeof of);
        snprintf(key->day, sizeof key->day, "%.8s", signing->date);
    }
    explicit_bzero(text.data, text.size);
    strbuf_done(&text);
}

/* What the signing key signs: algorithm, time, scope, hash of the canonical request. */
static void
sign_canonical(const struct s3_signing *signing, struct s3_signing_key *key, struct bytes canonical,
        struct bytes signed_names, struct strbuf *authorization)
{
    uint8_t hash[S3_SHA256_SIZE];
    char hex[S3_SHA256_HEX_SIZE];
    struct strbuf text;
    s3_sha256(canonical, hash);
    s3_hex(hash, sizeof hash, hex);
    strbuf_init(&text, 4 * KIB);
    strbuf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", signing->date,
            signing->date, signing->region, signing->service, hex);
    refresh_key(signing, key);
    hmac(key->key, sizeof key->key, strbuf_bytes(&text), hash);
    s3_hex(hash, sizeof hash, hex);
    strbuf_printf(authorization,
            "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%.*s, "
            "Signature=%s",
            signing->access_key, signing->date, signing->region, signing->service,
            (int)signed_names.size, (const char *)signed_names.data, hex);
    if (text.error) {
        authorization->error = text.error;
    }
    strbuf_done(&text);
}

int
s3_sign(const struct s3_signing *signing, struct s3_signing_key *key, struct strbuf *target,
        struct strbuf *authorization)
{
    if (signing->header_count > S3_SIGN_FIELDS_MAX || signing->query_count > S3_SIGN_FIELDS_MAX) {
        return fault(-EINVAL, "s3: more than %d headers or parameters to sign", S3_SIGN_FIELDS_MAX);
    }
    struct strbuf query;
    struct strbuf canonical;
    struct strbuf signed_names;
    strbuf_init(&query, CANONICAL_SIZE_MAX);
    strbuf_init(&canonical, CANONICAL_SIZE_MAX);
    strbuf_init(&signed_names, 4 * KIB);
    strbuf_clear(target);
    strbuf_clear(authorization);
    s3_encode(target, signing->path, true);
    append_query(&query, signing);
    append_canonical(&canonical, &signed_names, signing, target, &query);
    sign_canonical(
            signing, key, strbuf_bytes(&canonical), strbuf_bytes(&signed_names), authorization);
    if (query.size) {
        strbuf_append_char(target, '?');
        strbuf_append(target, strbuf_bytes(&query));
    }
    bool failed = query.error || canonical.error || signed_names.error || target->error ||
                  authorization->error;
    strbuf_done(&query);
    strbuf_done(&canonical);
    strbuf_done(&signed_names);
    return failed ? fault(-EINVAL, "s3: the request is too large to sign") : 0;
}
