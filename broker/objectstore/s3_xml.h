#pragma once
/* Reads the XML that S3 and STS answer with, by expat. Private to the room; fuzzed.
 *
 * X1  Bounded whatever comes: nesting, text of one element and number of entries have limits,
 *     document types (and with them entities) are refused. Crash: a proxy's or an attacker's answer
 *     would eat the broker's memory.
 *
 * X2  What is missing or malformed is -EIO, never a made-up value. */

#include "base/attr.h"
#include "base/bytes.h"
#include "objectstore/objectstore.h"

#define S3_XML_DEPTH_MAX 12
#define S3_XML_TEXT_SIZE_MAX (16 * (size_t)1024)
#define S3_ERROR_TEXT_SIZE 160

struct s3_error {
    char code[64];
    char message[S3_ERROR_TEXT_SIZE];
    char request_id[64];
    char region[32];
};
/* Never fails: what cannot be read leaves empty strings. */
void s3_error_parse(struct bytes xml, struct s3_error *ret_error);
/* True when the root element is Error: some operations answer 200 and then fail. */
bool s3_is_error(struct bytes xml);

/* One page of ListObjectsV2. Keys must start with `prefix`, which is cut off; keys that are not
 * ours (bad characters, too long) are skipped, but ret_last has the last key of the page in any
 * case, without the prefix. At most `max`. */
struct s3_list_page {
    struct object_list list;
    char last[1025];
    bool truncated;
};
MUST_CHECK int s3_list_parse(
        struct bytes xml, const char *prefix, size_t max, struct s3_list_page *ret_page);

/* The first failure in the answer to DeleteObjects; code is "" when all went well. Missing keys are
 * no failure. */
MUST_CHECK int s3_delete_parse(
        struct bytes xml, char ret_key[OBJECT_KEY_SIZE_MAX * 2], struct s3_error *ret_error);
/* The UploadId of InitiateMultipartUpload, as a new string owned by the caller. */
MUST_CHECK int s3_upload_id_parse(struct bytes xml, char **ret_id);
/* The ETag of CompleteMultipartUpload. */
MUST_CHECK int s3_complete_parse(struct bytes xml, struct object_etag *ret_etag);

/* AssumeRoleWithWebIdentity. Strings are owned; freed by s3_sts_done, which wipes them. */
struct s3_sts {
    char *access_key;
    char *secret_key;
    char *token;
    int64_t expires_ms;
};
MUST_CHECK int s3_sts_parse(struct bytes xml, struct s3_sts *ret_sts);
void s3_sts_done(struct s3_sts *sts);

/* 2026-01-02T03:04:05(.678)?Z as milliseconds since 1970; -EIO. */
MUST_CHECK int s3_time_parse(const char *text, int64_t *ret_ms);
