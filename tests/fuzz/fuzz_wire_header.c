/* Request and response headers at every version. The first byte chooses: a request as it comes
 * from a client, or one of the two headers by itself; the second its version. What is read is
 * written again as the same message.
 */
#include "base/check.h"
#include "wire/api.h"
#include "wire/messages/headers.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum subject { REQUEST_OF_CLIENT, REQUEST_HEADER, RESPONSE_HEADER, SUBJECT_COUNT };

static void
check_request(const struct request_header *a, const struct request_header *b)
{
    CHECK(a->request_api_key == b->request_api_key);
    CHECK(a->request_api_version == b->request_api_version);
    CHECK(a->correlation_id == b->correlation_id);
    CHECK(bytes_equal(a->client_id, b->client_id));
    CHECK((a->client_id.data == NULL) == (b->client_id.data == NULL));
}

static void
try_request_header(struct bytes input, int16_t version)
{
    struct wire_reader r;
    struct wire_writer w;
    struct request_header header;
    struct request_header again;
    wire_reader_init(&r, input);
    if (request_header_read(&r, version, &header) < 0) {
        return;
    }
    wire_writer_init(&w, 1 << 20);
    CHECK(request_header_write(&w, version, &header) == 0);
    wire_reader_init(&r, bytes_of(w.data, w.size));
    CHECK(request_header_read(&r, version, &again) == 0);
    CHECK(wire_reader_remaining(&r) == 0);
    check_request(&header, &again);
    wire_writer_done(&w);
}

static void
try_response_header(struct bytes input, int16_t version)
{
    struct wire_reader r;
    struct wire_writer w;
    struct response_header header;
    wire_reader_init(&r, input);
    if (response_header_read(&r, version, &header) < 0) {
        return;
    }
    wire_writer_init(&w, 1 << 20);
    CHECK(response_header_write(&w, version, &header) == 0);
    CHECK(w.size <= input.size && bytes_equal(bytes_of(w.data, 4), bytes_of(input.data, 4)));
    wire_writer_done(&w);
}

/* The header's version comes out of the key and version that it begins with. */
static void
try_client(struct bytes input)
{
    struct wire_reader r;
    struct request_header header;
    struct request_header again;
    const struct wire_api *api = NULL;
    wire_reader_init(&r, input);
    int result = wire_request_header_read(&r, &header, &api);
    CHECK(result == 0 || result == -EBADMSG);
    if (result < 0) {
        return;
    }
    CHECK(api == wire_api_find(header.request_api_key));
    if (api) {
        size_t position = wire_reader_position(&r);
        int16_t version = wire_api_request_header_version(api, header.request_api_version);
        wire_reader_init(&r, input);
        CHECK(request_header_read(&r, version, &again) == 0);
        CHECK(wire_reader_position(&r) == position);
        check_request(&header, &again);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct bytes input = bytes_of(data + 2, size - 2);
    switch ((enum subject)(data[0] % SUBJECT_COUNT)) {
    case REQUEST_HEADER:
        try_request_header(input, (int16_t)(1 + data[1] % 2));
        break;
    case RESPONSE_HEADER:
        try_response_header(input, (int16_t)(data[1] % 2));
        break;
    case REQUEST_OF_CLIENT:
    case SUBJECT_COUNT:
        try_client(input);
        break;
    }
    return 0;
}
