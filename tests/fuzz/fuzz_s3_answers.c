/* All other XML that S3 and STS answer with. The first byte chooses the reader. */
#include "base/check.h"
#include "base/mem.h"
#include "objectstore/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_error(struct bytes xml)
{
    struct s3_error error;
    s3_error_parse(xml, &error);
    CHECK(memchr(error.code, 0, sizeof error.code) &&
            memchr(error.message, 0, sizeof error.message));
    CHECK(!strchr(error.message, '\n'));
    (void)s3_is_error(xml);
}

static void
read_upload(struct bytes xml)
{
    char *id = NULL;
    struct object_etag etag;
    if (s3_upload_id_parse(xml, &id) == 0) {
        CHECK(id[0]);
        mem_free(id);
    }
    if (s3_complete_parse(xml, &etag) == 0) {
        CHECK(etag.text[0] && memchr(etag.text, 0, sizeof etag.text));
    }
}

static void
read_delete(struct bytes xml)
{
    char key[OBJECT_KEY_SIZE_MAX * 2];
    struct s3_error error;
    if (s3_delete_parse(xml, key, &error) == 0) {
        CHECK(memchr(key, 0, sizeof key));
    }
}

static void
read_sts(struct bytes xml)
{
    struct s3_sts sts;
    if (s3_sts_parse(xml, &sts) == 0) {
        CHECK(sts.access_key && sts.secret_key && sts.token && sts.expires_ms);
        s3_sts_done(&sts);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(
            struct bytes xml) = { read_error, read_upload, read_delete, read_sts };
    if (size) {
        readers[data[0] % ARRAY_SIZE(readers)](bytes_of(data + 1, size - 1));
    }
    return 0;
}
