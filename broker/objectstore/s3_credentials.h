#pragma once
/* Where S3 credentials come from, as AWS's own clients look for them: environment, web identity
 * (STS), shared credentials file, container, instance metadata; the first that is configured
 * counts. Private to the room.
 *
 * C1  Secrets never reach a message, a log line or a URL, and are wiped when freed.
 *
 * C2  Credentials that end are renewed before they do, by one fiber, while the others go on with
 *     the old ones; a renewal that fails leaves the old ones in use until their end.
 *
 * C3  A source that is configured and fails stops the search: falling through to another identity
 *     would hide it.
 *
 * Limits: S3_CREDENTIAL_SIZE_MAX each, S3_CREDENTIALS_FILE_SIZE_MAX,
 * S3_CREDENTIALS_ANSWER_SIZE_MAX. */

#include "base/attr.h"
#include "base/bytes.h"
#include "objectstore/http.h"

#include <stdatomic.h>

#define S3_CREDENTIAL_SIZE_MAX (16 * (size_t)1024)
#define S3_CREDENTIALS_FILE_SIZE_MAX (1024 * (size_t)1024)
#define S3_CREDENTIALS_ANSWER_SIZE_MAX (64 * (size_t)1024)

/* Shared and never changed. */
struct s3_credentials {
    _Atomic uint32_t refs;
    char *access_key;
    char *secret_key;
    char *token;        /* NULL: none */
    int64_t expires_ms; /* wall clock; 0: never */
};
/* Wipes the text, then frees it (C1). Accepts NULL. */
void s3_secret_free(char *text);
void s3_credentials_unref(struct s3_credentials *credentials);
DEFINE_CLEANUP(struct s3_credentials *, s3_credentials_unref);
/* Takes copies. -EINVAL: empty, too long, or with characters that cannot be in a header. */
MUST_CHECK int s3_credentials_new(const char *access_key, const char *secret_key, const char *token,
        int64_t expires_ms, const char *source, struct s3_credentials **ret_credentials);

struct s3_provider;

/* Borrows the client for as long as the provider lives. `region` is copied. */
struct s3_provider *s3_provider_new(struct http_client *client, const char *region);
void s3_provider_free(struct s3_provider *provider);
/* A reference to credentials that are good now. -EACCES: none were found, and the fault says where
 * it looked; -EAGAIN: a source did not answer; -EINVAL; -ECANCELED; -ETIMEDOUT. */
MUST_CHECK MAY_SUSPEND int s3_provider_get(struct s3_provider *provider, uint64_t deadline_ns,
        struct s3_credentials **ret_credentials);
/* The server refused them: the next s3_provider_get asks the source again. */
void s3_provider_refuse(struct s3_provider *provider, const struct s3_credentials *credentials);

/* Each source: -ENOENT when it is not configured, with a fault that says why. Called by the
 * provider. */
struct s3_source {
    struct http_client *client;
    const char *region;
    uint64_t deadline_ns;
};
MUST_CHECK MAY_SUSPEND int s3_source_environment(
        const struct s3_source *source, struct s3_credentials **ret_credentials);
MUST_CHECK MAY_SUSPEND int s3_source_web_identity(
        const struct s3_source *source, struct s3_credentials **ret_credentials);
MUST_CHECK MAY_SUSPEND int s3_source_file(
        const struct s3_source *source, struct s3_credentials **ret_credentials);
MUST_CHECK MAY_SUSPEND int s3_source_container(
        const struct s3_source *source, struct s3_credentials **ret_credentials);
MUST_CHECK MAY_SUSPEND int s3_source_instance(
        const struct s3_source *source, struct s3_credentials **ret_credentials);

/* Pure parts. The text of a credentials file; -ENOENT: no such profile, or no keys in it. */
MUST_CHECK int s3_profile_parse(
        struct bytes text, const char *profile, struct s3_credentials **ret_credentials);
/* The JSON of container and instance sources. -EIO. */
MUST_CHECK int s3_credentials_json_parse(
        struct bytes json, const char *source, struct s3_credentials **ret_credentials);
