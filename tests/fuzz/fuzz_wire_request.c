/* A frame as it comes from a connection: header, then the body of whatever API and version the
 * header names. */
#include "base/check.h"
#include "wire/api.h"
#include "wire/messages/headers.h"

#include <errno.h>

#define MESSAGE_SIZE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(16) uint8_t message[MESSAGE_SIZE_MAX];
    struct wire_reader r;
    struct request_header header;
    const struct wire_api *api = NULL;
    wire_reader_init(&r, bytes_of(data, size));
    if (wire_request_header_read(&r, &header, &api) < 0 || !api) {
        return 0;
    }
    CHECK(header.request_api_key == api->key);
    CHECK(api->request->size <= sizeof message);
    int result = wire_read(&r, api->request, header.request_api_version, message);
    bool known = wire_versions_contain(api->request->versions, header.request_api_version);
    CHECK(known ? result == 0 || result == -EBADMSG : result == -ENOTSUP);
    return 0;
}
