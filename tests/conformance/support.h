#pragma once
/* What the conformance tests of object stores share: the store under test and keys that no other
 * test uses. The URL comes from FRESHET_CONFORMANCE_URL, else from S3_STORE_URL and S3_CA_FILE
 * (tests/s3/with-server), else it is memory://conformance. */

#include "objectstore/objectstore.h"
#include "unit/test.h"

/* Opens the store under test, or fails the test and returns NULL. */
struct objectstore *conformance_open(void);
/* Its URL, for tests that open it in another way. */
const char *conformance_url(void);
bool conformance_is_s3(void);
/* A key below this run's own prefix; `out` has OBJECT_KEY_SIZE_MAX + 1 bytes. Returns out. */
const char *conformance_key(char *out, const char *name);
/* A minute from now. */
uint64_t conformance_deadline(void);

/* Writes one run of bytes. */
int conformance_put(struct objectstore *store, const char *key, struct bytes body,
        struct object_etag *ret_etag);
int conformance_create(struct objectstore *store, const char *key, struct bytes body,
        struct object_etag *ret_etag);
int conformance_replace(struct objectstore *store, const char *key, struct bytes body,
        const struct object_etag *etag, struct object_etag *ret_etag);
/* Bytes that differ at each position and from one seed to the next. */
struct buf *conformance_body(size_t size, uint64_t seed);
