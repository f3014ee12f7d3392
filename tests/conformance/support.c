/* The store under test; see support.h. */
#include "conformance/support.h"

#include "reactor/clock.h"
#include "reactor/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *
conformance_url(void)
{
    static char url[2048];
    const char *given = getenv("FRESHET_CONFORMANCE_URL");
    const char *server = getenv("S3_STORE_URL");
    const char *ca_file = getenv("S3_CA_FILE");
    if (given && *given) {
        return given;
    }
    if (!server) {
        return "memory://conformance";
    }
    snprintf(url, sizeof url, "%s%s%s", server, ca_file ? "&ca_file=" : "", ca_file ? ca_file : "");
    return url;
}

bool
conformance_is_s3(void)
{
    return strncmp(conformance_url(), "s3:", 3) == 0;
}

struct objectstore *
conformance_open(void)
{
    struct objectstore *store = NULL;
    int r = objectstore_open(conformance_url(), &store);
    if (r < 0) {
        test_fail(__FILE__, __LINE__, "cannot open %s: %s", conformance_url(), test_fault(r));
        return NULL;
    }
    return store;
}

const char *
conformance_key(char *out, const char *name)
{
    static uint64_t run;
    if (run == 0) {
        run = random_u64() | 1;
    }
    snprintf(out, OBJECT_KEY_SIZE_MAX + 1, "c%016" PRIx64 "%s/%s", run,
            io_engine_name(reactor_engine()), name);
    return out;
}

uint64_t
conformance_deadline(void)
{
    return clock_mono_ns() + 60 * (uint64_t)NS_PER_S;
}

static int
write_object(struct objectstore *store, const char *key, struct bytes body,
        enum object_condition condition, const struct object_etag *etag,
        struct object_etag *ret_etag)
{
    struct iovec part = { (void *)(uintptr_t)body.data, body.size };
    struct object_put put = { key, &part, 1, condition, .deadline_ns = conformance_deadline() };
    if (etag) {
        put.etag = *etag;
    }
    return objectstore_put(store, &put, ret_etag);
}

int
conformance_put(
        struct objectstore *store, const char *key, struct bytes body, struct object_etag *ret_etag)
{
    return write_object(store, key, body, OBJECT_ALWAYS, NULL, ret_etag);
}

int
conformance_create(
        struct objectstore *store, const char *key, struct bytes body, struct object_etag *ret_etag)
{
    return write_object(store, key, body, OBJECT_CREATE, NULL, ret_etag);
}

int
conformance_replace(struct objectstore *store, const char *key, struct bytes body,
        const struct object_etag *etag, struct object_etag *ret_etag)
{
    return write_object(store, key, body, OBJECT_REPLACE, etag, ret_etag);
}

struct buf *
conformance_body(size_t size, uint64_t seed)
{
    struct buf *buf = buf_new(size + 8);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = hash_u64(i + seed * 1000003);
        memcpy(buf->data + i, &word, 8);
    }
    buf->size = size;
    return buf;
}
