/* Large objects: parts are uploaded side by side, then one request makes the object. Nothing is
 * visible before that, so the parts may be repeated freely; the last request is the write that S1
 * speaks of. An upload that failed is aborted; one whose end is unknown is left alone (S2): a
 * lifecycle rule of the bucket removes what remains. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/call.h"
#include "objectstore/s3_internal.h"
#include "reactor/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define ABORT_NS_MAX (5 * (uint64_t)NS_PER_S)

struct part {
    struct object_etag etag;
    char checksum[16];
};

struct upload {
    struct s3_store *store;
    const struct object_put *put;
    char *id;
    uint64_t size;
    struct part *parts;
    size_t part_count;
    size_t next;
    int error;       /* of the first part that failed */
    char story[320]; /* of it: faults belong to fibers */
};

static int
begin(struct upload *upload)
{
    struct s3_store *store = upload->store;
    struct http_body empty = { NULL, 0, 0, 0 };
    struct s3_call call = { .method = "POST", .key = upload->put->key, .body = &empty };
    if (store->checksum == S3_CHECKSUM_CRC32C) {
        s3_call_header(&call, "x-amz-checksum-algorithm", "CRC32C");
    }
    s3_call_query(&call, "uploads", "");
    call.deadline_ns = s3_try_deadline(store, 0, upload->put->deadline_ns);
    call.response_size_max = S3_XML_SIZE_MAX;
    int r = s3_call_run(store, &call);
    if (r == 0) {
        r = s3_upload_id_parse(s3_call_body(&call), &upload->id);
    }
    s3_call_done(&call);
    return r;
}

static int
try_part(struct upload *upload, size_t index)
{
    struct s3_store *store = upload->store;
    struct part *part = &upload->parts[index];
    uint64_t offset = index * store->part_size;
    uint64_t size = MIN(store->part_size, upload->size - offset);
    char number[24];
    snprintf(number, sizeof number, "%zu", index + 1);
    struct http_body body = { upload->put->parts, upload->put->part_count, offset, size };
    struct s3_call call = { .method = "PUT", .key = upload->put->key, .body = &body };
    call.checksum = store->checksum;
    s3_call_query(&call, "partNumber", number);
    s3_call_query(&call, "uploadId", upload->id);
    call.deadline_ns = s3_try_deadline(store, size, upload->put->deadline_ns);
    call.response_size_max = S3_XML_SIZE_MAX;
    int r = s3_call_run(store, &call);
    if (r == 0) {
        r = s3_call_etag(&call, &part->etag);
    }
    memcpy(part->checksum, call.checksum_text, sizeof part->checksum);
    s3_call_done(&call);
    return r == -EIO ? OBJECT_AGAIN : r;
}

static int
upload_part(struct upload *upload, size_t index)
{
    struct object_backoff backoff = { 0 };
    for (;;) {
        int r = try_part(upload, index);
        if (r != OBJECT_AGAIN) {
            return r;
        }
        uint64_t pause_ns = object_backoff_next_ns(&backoff, &upload->store->base);
        uint64_t now_ns = clock_mono_ns();
        uint64_t deadline_ns = upload->put->deadline_ns;
        if (now_ns >= deadline_ns || pause_ns >= deadline_ns - now_ns) {
            return fault_note(-ETIMEDOUT, "s3: part %zu of %s", index + 1, upload->put->key);
        }
        MARK("s3: a part is uploaded again");
        r = fiber_sleep_ns(pause_ns);
        if (r < 0) {
            return r;
        }
    }
}

/* Takes parts until none is left. */
static int
worker(void *arg)
{
    struct upload *upload = arg;
    while (!upload->error && upload->next < upload->part_count) {
        int r = upload_part(upload, upload->next++);
        if (r < 0) {
            if (!upload->error) {
                upload->error = r;
                snprintf(upload->story, sizeof upload->story, "%s", fault_text());
            }
            return r;
        }
    }
    return 0;
}

static int
upload_parts(struct upload *upload)
{
    struct fiber_group group;
    fiber_group_init(&group);
    size_t workers = MIN((size_t)S3_PARTS_AT_ONCE, upload->part_count);
    for (size_t i = 1; i < workers; i++) {
        fiber_group_spawn(&group, "s3 part", worker, upload);
    }
    int own = worker(upload);
    int others = fiber_group_wait(&group);
    if (own < 0 || others < 0) {
        return fault(upload->error, "s3: %s in %zu parts: %s", upload->put->key, upload->part_count,
                upload->story);
    }
    return 0;
}

static void
complete_xml(const struct upload *upload, struct strbuf *xml)
{
    strbuf_append_string(
            xml, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < upload->part_count; i++) {
        const struct part *part = &upload->parts[i];
        strbuf_printf(xml, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
        for (const char *c = part->etag.text; *c; c++) {
            if (strchr("<>&\"'", *c)) {
                strbuf_printf(xml, "&#%d;", *c);
            } else {
                strbuf_append_char(xml, *c);
            }
        }
        strbuf_append_string(xml, "</ETag>");
        if (part->checksum[0]) {
            strbuf_printf(xml, "<ChecksumCRC32C>%s</ChecksumCRC32C>", part->checksum);
        }
        strbuf_append_string(xml, "</Part>");
    }
    strbuf_append_string(xml, "</CompleteMultipartUpload>");
}

/* S3 may answer 200 at once and report a failure in the body later. */
static int
check_completed(struct s3_call *call, struct object_etag *ret_etag)
{
    if (!s3_is_error(s3_call_body(call))) {
        return s3_complete_parse(s3_call_body(call), ret_etag);
    }
    MARK("s3: an error came with status 200");
    s3_error_parse(s3_call_body(call), &call->error);
    return fault(s3_meaning_of(500, call->error.code, false), "s3: complete %s: %s: %s", call->key,
            call->error.code, call->error.message);
}

static int
complete(struct upload *upload, struct bytes xml, struct object_etag *ret_etag)
{
    struct s3_store *store = upload->store;
    const struct object_put *put = upload->put;
    struct iovec part = { (void *)(uintptr_t)xml.data, xml.size };
    struct http_body body = { &part, 1, 0, xml.size };
    struct s3_call call = {
        .method = "POST", .key = put->key, .body = &body, .checksum = S3_CHECKSUM_SHA256
    };
    call.once = put->condition != OBJECT_ALWAYS;
    s3_add_condition(&call, put);
    s3_call_query(&call, "uploadId", upload->id);
    /* The server puts the parts together meanwhile. */
    call.deadline_ns = s3_try_deadline(store, upload->size, put->deadline_ns);
    call.response_size_max = S3_XML_SIZE_MAX;
    int r = s3_call_run(store, &call);
    if (r == 0) {
        r = check_completed(&call, ret_etag);
    }
    r = s3_write_outcome(&call, put->condition, r);
    s3_call_done(&call);
    return r;
}

/* Best effort, also on behalf of a cancelled fiber. */
static void
abort_upload(struct upload *upload)
{
    struct s3_call call = { .method = "DELETE", .key = upload->put->key, .uncancellable = true };
    s3_call_query(&call, "uploadId", upload->id);
    call.deadline_ns = clock_mono_ns() + ABORT_NS_MAX;
    call.response_size_max = S3_XML_SIZE_MAX;
    int r = s3_call_run(upload->store, &call);
    (void)r;
    s3_call_done(&call);
    MARK("s3: an upload was aborted");
}

/* A whole object that would be refused at its end need not be uploaded. */
static int
check_early(struct upload *upload)
{
    if (upload->put->condition == OBJECT_ALWAYS) {
        return 0;
    }
    struct s3_call call = { .method = "HEAD", .key = upload->put->key };
    struct object_etag etag = { "" };
    call.deadline_ns = s3_try_deadline(upload->store, 0, upload->put->deadline_ns);
    call.response_size_max = S3_XML_SIZE_MAX;
    int r = s3_call_run(upload->store, &call);
    bool is_there = r == 0 && s3_call_etag(&call, &etag) == 0;
    s3_call_done(&call);
    if (upload->put->condition == OBJECT_CREATE && is_there) {
        return fault(-EEXIST, "s3: there is a %s already", upload->put->key);
    }
    if (upload->put->condition == OBJECT_REPLACE && is_there &&
            strcmp(etag.text, upload->put->etag.text) != 0) {
        return fault(-EEXIST, "s3: %s has another etag", upload->put->key);
    }
    if (upload->put->condition == OBJECT_REPLACE && r == -ENOENT) {
        return r;
    }
    return 0; /* whatever else it was, the upload will tell */
}

static int
run(struct upload *upload, struct object_etag *ret_etag)
{
    int r = upload_parts(upload);
    if (r < 0) {
        return r;
    }
    struct strbuf xml;
    strbuf_init(&xml, 1 * MIB);
    complete_xml(upload, &xml);
    r = xml.error ? fault(-EINVAL, "s3: too many parts")
                  : complete(upload, strbuf_bytes(&xml), ret_etag);
    strbuf_done(&xml);
    return r;
}

/* Nothing was written, but a failure that may pass has only one name for a conditional write (S1).
 */
static int
begin_failed(const struct object_put *put, int r)
{
    if (r != OBJECT_AGAIN && r != -EIO) {
        return r;
    }
    return fault_note(put->condition == OBJECT_ALWAYS ? OBJECT_AGAIN : OBJECT_UNDECIDED, "s3");
}

int
s3_multipart_put(struct s3_store *store, const struct object_put *put, struct object_etag *ret_etag)
{
    struct upload upload = { .store = store, .put = put, .size = object_put_size(put) };
    int r = check_early(&upload);
    if (r == 0) {
        r = begin(&upload);
    }
    if (r < 0) {
        return begin_failed(put, r);
    }
    upload.part_count = (size_t)((upload.size + store->part_size - 1) / store->part_size);
    upload.parts = mem_alloc_array(upload.part_count, sizeof *upload.parts);
    r = run(&upload, ret_etag);
    if (r < 0 && r != OBJECT_UNDECIDED) {
        char story[320];
        snprintf(story, sizeof story, "%s", fault_text());
        abort_upload(&upload);
        r = fault(r, "%s", story);
    }
    mem_free(upload.parts);
    mem_free(upload.id);
    return r;
}
