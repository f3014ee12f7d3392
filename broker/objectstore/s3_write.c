/* Writing and removing objects in S3. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/s3_internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

void
s3_add_condition(struct s3_call *call, const struct object_put *put)
{
    if (put->condition == OBJECT_CREATE) {
        s3_call_header(call, "if-none-match", "*");
    } else if (put->condition == OBJECT_REPLACE) {
        s3_call_header(call, "if-match", put->etag.text);
    }
}

int
s3_write_outcome(const struct s3_call *call, enum object_condition condition, int r)
{
    if (r == 0) {
        return 0;
    }
    if (condition == OBJECT_ALWAYS) {
        /* A broken answer to an idempotent write: write again (S4). */
        return r == -EIO || r == -EEXIST ? fault_note(OBJECT_AGAIN, "s3") : r;
    }
    if (r == -EEXIST || (r == -ENOENT && condition == OBJECT_REPLACE)) {
        return r;
    }
    bool refused = call->response.status >= 400 && call->response.status < 500;
    bool may_pass = r == OBJECT_AGAIN || r == -EIO || r == -ENOENT;
    if ((refused && !may_pass) || (!call->sent && !may_pass)) {
        return r; /* it was not executed, and a repetition would not help either */
    }
    MARK("s3: the outcome of a conditional write is unknown");
    return fault_note(OBJECT_UNDECIDED, "s3: nobody knows whether it was written");
}

int
s3_put(struct objectstore *objectstore, const struct object_put *put, struct object_etag *ret_etag)
{
    struct s3_store *store = CONTAINER_OF(objectstore, struct s3_store, base);
    uint64_t size = object_put_size(put);
    if (size > store->part_size) {
        return s3_multipart_put(store, put, ret_etag);
    }
    struct http_body body = { put->parts, put->part_count, 0, size };
    struct s3_call call = { .method = "PUT", .key = put->key, .body = &body };
    call.checksum = store->checksum;
    call.once = put->condition != OBJECT_ALWAYS;
    call.deadline_ns = s3_try_deadline(store, size, put->deadline_ns);
    call.response_size_max = S3_XML_SIZE_MAX;
    s3_add_condition(&call, put);
    int r = s3_call_run(store, &call);
    if (r == 0) {
        r = s3_call_etag(&call, ret_etag);
    }
    r = s3_write_outcome(&call, put->condition, r);
    s3_call_done(&call);
    return r;
}

int
s3_delete(struct objectstore *objectstore, const char *key, uint64_t deadline_ns)
{
    struct s3_store *store = CONTAINER_OF(objectstore, struct s3_store, base);
    struct s3_call call = { .method = "DELETE", .key = key };
    call.deadline_ns = s3_try_deadline(store, 0, deadline_ns);
    call.response_size_max = S3_XML_SIZE_MAX;
    int r = s3_call_run(store, &call);
    s3_call_done(&call);
    if (r == -EIO) {
        return fault_note(OBJECT_AGAIN, "s3");
    }
    return r == -ENOENT ? 0 : r;
}

/* S3 wants a digest of this body in any case. */
static void
md5_text(struct bytes bytes, char out[32])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    out[0] = 0;
    if (EVP_Digest(bytes.data, bytes.size, hash, &size, EVP_md5(), NULL) == 1 && size == 16) {
        EVP_EncodeBlock((unsigned char *)out, hash, 16);
    }
}

/* The answer may name keys that are still there. */
static int
check_deleted(const struct s3_call *call)
{
    char key[OBJECT_KEY_SIZE_MAX * 2];
    struct s3_error error;
    int r = s3_delete_parse(s3_call_body(call), key, &error);
    if (r < 0) {
        return fault_note(OBJECT_AGAIN, "s3");
    }
    if (!error.code[0]) {
        return 0;
    }
    /* There is no status of its own; one that may pass stands for codes that we do not know. */
    return fault(s3_meaning_of(500, error.code, false), "s3: delete %s: %s: %s", key, error.code,
            error.message);
}

static int
post_delete(struct s3_store *store, struct bytes xml, uint64_t deadline_ns)
{
    char md5[32];
    struct iovec part = { (void *)(uintptr_t)xml.data, xml.size };
    struct http_body body = { &part, 1, 0, xml.size };
    struct s3_call call = { .method = "POST", .body = &body, .checksum = S3_CHECKSUM_SHA256 };
    md5_text(xml, md5);
    if (md5[0]) {
        s3_call_header(&call, "content-md5", md5);
    } else {
        call.checksum = S3_CHECKSUM_CRC32C; /* MD5 is forbidden on this machine */
    }
    s3_call_query(&call, "delete", "");
    call.deadline_ns = s3_try_deadline(store, xml.size, deadline_ns);
    call.response_size_max = S3_XML_SIZE_MAX;
    int r = s3_call_run(store, &call);
    if (r == 0) {
        r = check_deleted(&call);
    }
    s3_call_done(&call);
    return r == -EIO ? fault_note(OBJECT_AGAIN, "s3") : r;
}

int
s3_delete_many(struct objectstore *objectstore, const char *const *keys, size_t count,
        uint64_t deadline_ns)
{
    struct s3_store *store = CONTAINER_OF(objectstore, struct s3_store, base);
    struct strbuf xml;
    strbuf_init(&xml, 2 * MIB);
    strbuf_append_string(
            &xml, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for (size_t i = 0; i < count; i++) {
        /* Allowed keys have nothing to escape. */
        strbuf_printf(&xml, "<Object><Key>%s%s</Key></Object>", store->prefix, keys[i]);
    }
    strbuf_append_string(&xml, "</Delete>");
    int r = xml.error ? fault(-EINVAL, "s3: %zu keys do not fit into one request", count)
                      : post_delete(store, strbuf_bytes(&xml), deadline_ns);
    strbuf_done(&xml);
    return r;
}
