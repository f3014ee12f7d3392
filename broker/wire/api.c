/* Headers of requests and answers. The table itself is generated. */
#include "wire/api.h"

#include "base/check.h"
#include "base/fault.h"
#include "wire/messages/apis.h"
#include "wire/messages/headers.h"

#include <errno.h>

const struct wire_api *
wire_api_find(int16_t key)
{
    if (key < 0 || key > WIRE_API_KEY_MAX || !wire_apis[key].name) {
        return NULL;
    }
    return &wire_apis[key];
}

int16_t
wire_api_request_header_version(const struct wire_api *api, int16_t version)
{
    return version >= api->flexible_min ? 2 : 1;
}

int16_t
wire_api_response_header_version(const struct wire_api *api, int16_t version)
{
    bool is_api_versions = api->key == WIRE_API_API_VERSIONS;
    return version >= api->flexible_min && !is_api_versions ? 1 : 0;
}

int
wire_request_header_read(
        struct wire_reader *r, struct request_header *ret_header, const struct wire_api **ret_api)
{
    struct wire_reader peek = *r;
    int16_t key = wire_reader_int16(&peek);
    int16_t version = wire_reader_int16(&peek);
    int32_t correlation_id = wire_reader_int32(&peek);
    int result = wire_reader_result(&peek, "request header");
    if (result < 0) {
        return result;
    }
    const struct wire_api *api = wire_api_find(key);
    *ret_api = api;
    if (!api) {
        *ret_header = request_header_default;
        ret_header->request_api_key = key;
        ret_header->request_api_version = version;
        ret_header->correlation_id = correlation_id;
        *r = peek;
        return 0;
    }
    return request_header_read(r, wire_api_request_header_version(api, version), ret_header);
}

void
wire_response_begin(
        struct wire_writer *w, const struct wire_api *api, int16_t version, int32_t correlation_id)
{
    CHECK(wire_writer_size(w) == 0);
    wire_writer_int32(w, 0); /* the frame's length, filled in by wire_response_end */
    wire_writer_int32(w, correlation_id);
    if (wire_api_response_header_version(api, version) >= 1) {
        wire_writer_unsigned_varint(w, 0); /* no tagged fields */
    }
}

int
wire_response_end(struct wire_writer *w)
{
    if (w->error) {
        return fault(w->error, "wire: an answer is longer than %zu bytes", w->size_max);
    }
    wire_writer_patch_int32(w, 0, (int32_t)(wire_writer_size(w) - 4));
    return 0;
}
