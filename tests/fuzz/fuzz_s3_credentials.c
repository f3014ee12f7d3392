/* Credentials files, the JSON of metadata services, and URLs of object stores. The first byte
 * chooses. */
#include "base/check.h"
#include "base/mem.h"
#include "objectstore/s3_credentials.h"
#include "objectstore/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_credentials(int r, struct s3_credentials *credentials)
{
    if (r == 0) {
        /* They go into headers: one line, no blanks. */
        CHECK(strcspn(credentials->secret_key, " \t\r\n") == strlen(credentials->secret_key));
        CHECK(credentials->access_key[0]);
        s3_credentials_unref(credentials);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3_credentials *credentials = NULL;
    if (size == 0) {
        return 0;
    }
    struct bytes input = bytes_of(data + 1, size - 1);
    if (data[0] % 3 == 0) {
        check_credentials(s3_profile_parse(input, "default", &credentials), credentials);
    } else if (data[0] % 3 == 1) {
        check_credentials(s3_credentials_json_parse(input, "fuzz", &credentials), credentials);
    } else {
        char *text = mem_alloc(input.size + 1);
        struct object_url *url = NULL;
        memcpy(text, input.data, input.size);
        if (object_url_parse(text, &url) == 0) {
            CHECK(url->parameter_count <= OBJECT_URL_PARAMETERS_MAX && url->path && url->authority);
            object_url_free(url);
        }
        mem_free(text);
    }
    return 0;
}
