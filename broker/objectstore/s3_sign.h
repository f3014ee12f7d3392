#pragma once
/* AWS Signature Version 4, by hand: libcurl's own signer fails on keys and queries that we need,
 * and its behaviour changes between versions. Pure: no clock, no I/O. Private to the room.
 *
 * The request must be sent exactly as signed: the target that comes back, and every signed header
 * with its value. */

#include "base/attr.h"
#include "base/bytes.h"
#include "base/strbuf.h"

#define S3_SHA256_SIZE 32
#define S3_SHA256_HEX_SIZE 65
#define S3_DATE_SIZE 17 /* 20260102T030405Z and a NUL */
#define S3_SIGN_FIELDS_MAX 24

/* A query parameter, unencoded; or a header with its name in lower case. Borrowed. */
struct s3_field {
    const char *name;
    const char *value;
};

/* The key that signs for one day, region and service. Starts zeroed; the signer fills and reuses
 * it. */
struct s3_signing_key {
    char day[9];
    uint8_t of[S3_SHA256_SIZE]; /* hash of the secret, region and service that it was made from */
    uint8_t key[S3_SHA256_SIZE];
};

struct s3_signing {
    const char *access_key;
    const char *secret_key;
    const char *region;
    const char *service;
    const char *method;
    const char *path; /* unencoded, starts with '/' */
    const struct s3_field *query;
    size_t query_count;
    const struct s3_field *headers; /* all that are signed, with host and x-amz-date */
    size_t header_count;
    const char *date;         /* S3_DATE_SIZE; the value of x-amz-date */
    const char *payload_hash; /* hex, or UNSIGNED-PAYLOAD */
};

/* Fills `target` (path and query, encoded) and `authorization` (the value of that header). Both are
 * cleared first. -EINVAL: too many fields, or too large. */
MUST_CHECK int s3_sign(const struct s3_signing *signing, struct s3_signing_key *key,
        struct strbuf *target, struct strbuf *authorization);
/* 20260102T030405Z */
void s3_date(int64_t wall_ms, char out[S3_DATE_SIZE]);
void s3_sha256(struct bytes bytes, uint8_t out[S3_SHA256_SIZE]);
void s3_hex(const uint8_t *data, size_t size, char *out);
/* Appends with everything but A-Z a-z 0-9 - _ . ~ (and '/', when kept) percent-encoded. */
void s3_encode(struct strbuf *out, const char *text, bool keep_slash);
