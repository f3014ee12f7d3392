#pragma once
/* The S3 store's parts: s3.c opens and reads, s3_write.c writes and removes, s3_multipart.c writes
 * what is large, s3_request.c signs, sends and understands one request. Private to them and to
 * tests. */

#include "base/limits.h"
#include "objectstore/http.h"
#include "objectstore/internal.h"
#include "objectstore/s3_credentials.h"
#include "objectstore/s3_sign.h"
#include "objectstore/s3_xml.h"

#include <pthread.h>

#define S3_KEY_SIZE_MAX 1024 /* with the URL's prefix */
#define S3_PREFIX_SIZE_MAX (S3_KEY_SIZE_MAX - OBJECT_KEY_SIZE_MAX)
#define S3_PART_SIZE_MIN (5 * MIB) /* S3 refuses smaller ones, but for the last */
#define S3_PART_SIZE (8 * MIB)
#define S3_PARTS_AT_ONCE 4
#define S3_XML_SIZE_MAX (8 * MIB)

/* How the body of a PUT is proven intact. */
enum s3_checksum { S3_CHECKSUM_NONE, S3_CHECKSUM_SHA256, S3_CHECKSUM_CRC32C };

struct s3_store {
    struct objectstore base;
    struct http_client *client;
    struct s3_provider *provider;
    char *bucket;
    char *prefix; /* "" or ending in '/' */
    char *region;
    char *base_url; /* scheme and host */
    char *host;     /* the Host header */
    bool path_style;
    enum s3_checksum checksum;
    uint64_t part_size;
    uint64_t try_ns;         /* patience with one try, without the time for its bytes */
    _Atomic int64_t skew_ms; /* the server's clock minus ours */
    pthread_mutex_t key_mutex;
    struct s3_signing_key signing_key;
};

#define S3_CALL_FIELDS_MAX 12

/* One request and how it ended. Strings are borrowed. */
struct s3_call {
    const char *method;
    const char *key; /* without the prefix; NULL: the bucket */
    struct s3_field query[S3_CALL_FIELDS_MAX];
    size_t query_count;
    struct s3_field headers[S3_CALL_FIELDS_MAX];
    size_t header_count;
    const struct http_body *body;
    enum s3_checksum checksum; /* of the body */
    bool once;
    bool uncancellable;
    uint64_t deadline_ns;
    size_t response_size_max;
    struct http_response response; /* owned by the call: s3_call_done */
    struct s3_error error;
    bool sent;              /* the server may have got it */
    char checksum_text[16]; /* base64 of the CRC-32C that was sent; "" when none was */
};

void s3_call_query(struct s3_call *call, const char *name, const char *value);
void s3_call_header(struct s3_call *call, const char *name, const char *value);
/* Sends; 0 for a 2xx answer. Otherwise what the status and the error code mean: -ENOENT, -EEXIST
 * (412), -ERANGE, -EACCES, -ENODEV (no bucket), -EINVAL, -ENOSPC, -EFBIG, -ENOTSUP, OBJECT_AGAIN,
 * -EIO, -ECANCELED. A request that the server refused for its clock or its credentials is sent
 * again with better ones. */
MUST_CHECK int s3_call_run(struct s3_store *store, struct s3_call *call);
void s3_call_done(struct s3_call *call);
/* The answer's body, empty when there is none. */
struct bytes s3_call_body(const struct s3_call *call);
/* The ETag of the answer; -EIO when there is none or it is too long. */
MUST_CHECK int s3_call_etag(const struct s3_call *call, struct object_etag *ret_etag);

/* Pure: what an answer means. `is_head`: the answer can have no body, so no code. */
int s3_meaning_of(int status, const char *code, bool is_head);
/* The value of base64(CRC-32C, big-endian). */
void s3_crc_text(uint32_t crc, char out[16]);
uint64_t s3_try_deadline(const struct s3_store *store, uint64_t size, uint64_t deadline_ns);

MUST_CHECK int s3_put(
        struct objectstore *store, const struct object_put *put, struct object_etag *ret_etag);
MUST_CHECK int s3_delete(struct objectstore *store, const char *key, uint64_t deadline_ns);
MUST_CHECK int s3_delete_many(
        struct objectstore *store, const char *const *keys, size_t count, uint64_t deadline_ns);
MUST_CHECK int s3_multipart_put(
        struct s3_store *store, const struct object_put *put, struct object_etag *ret_etag);
/* What the end of a write that ended with `r` says to its caller (S1). */
int s3_write_outcome(const struct s3_call *call, enum object_condition condition, int r);
void s3_add_condition(struct s3_call *call, const struct object_put *put);
