/* The table of APIs, and the headers around bodies. */
#include "unit/test.h"
#include "wire/api.h"
#include "wire/messages/api_versions.h"
#include "wire/messages/apis.h"
#include "wire/messages/headers.h"

#include <errno.h>

TEST(the_table_has_79_apis_and_says_what_kafka_4_4_accepts)
{
    int count = 0;
    for (int16_t key = -1; key <= WIRE_API_KEY_MAX + 1; key++) {
        count += wire_api_find(key) != NULL;
    }
    ASSERT_EQ(count, 79);
    const struct wire_api *produce = wire_api_find(WIRE_API_PRODUCE);
    ASSERT_STRING(produce->name, "Produce");
    ASSERT_EQ(produce->version_min, 3);
    ASSERT_EQ(produce->version_max, 13);
    ASSERT_EQ(produce->flexible_min, 9);
    ASSERT(produce->for_broker && !produce->for_controller);
    ASSERT(!wire_api_find(4) && !wire_api_find(52) && !wire_api_find(-1) &&
            !wire_api_find(INT16_MAX));
}

TEST(only_init_producer_id_has_an_unstable_version)
{
    for (int16_t key = 0; key <= WIRE_API_KEY_MAX; key++) {
        const struct wire_api *api = wire_api_find(key);
        if (api) {
            ASSERT_EQ(api->stable_max, api->version_max - (key == WIRE_API_INIT_PRODUCER_ID));
        }
    }
}

TEST(headers_follow_the_flexible_versions_but_api_versions_answers_with_header_0)
{
    const struct wire_api *fetch = wire_api_find(WIRE_API_FETCH);
    const struct wire_api *api_versions = wire_api_find(WIRE_API_API_VERSIONS);
    const struct wire_api *handshake = wire_api_find(WIRE_API_SASL_HANDSHAKE);
    ASSERT_EQ(wire_api_request_header_version(fetch, 11), 1);
    ASSERT_EQ(wire_api_request_header_version(fetch, 12), 2);
    ASSERT_EQ(wire_api_response_header_version(fetch, 11), 0);
    ASSERT_EQ(wire_api_response_header_version(fetch, 12), 1);
    ASSERT_EQ(wire_api_request_header_version(api_versions, 4), 2);
    ASSERT_EQ(wire_api_response_header_version(api_versions, 4), 0);
    ASSERT_EQ(wire_api_request_header_version(handshake, 1), 1);
}

TEST(a_request_header_is_read_by_its_own_first_fields)
{
    /* ApiVersions 3: header 2, whose client id keeps its int16 prefix, then no tagged fields. */
    const uint8_t frame[] = { 0, 18, 0, 3, 0, 0, 0, 9, 0, 2, 'm', 'e', 0, 4, 'j', 'v', 'm', 2, '1',
        0 };
    struct wire_reader r;
    struct request_header header;
    const struct wire_api *api = NULL;
    wire_reader_init(&r, bytes_of(frame, sizeof frame));
    ASSERT_OK(wire_request_header_read(&r, &header, &api));
    ASSERT(api == wire_api_find(WIRE_API_API_VERSIONS));
    ASSERT_EQ(header.request_api_version, 3);
    ASSERT_EQ(header.correlation_id, 9);
    ASSERT_BYTES(header.client_id, BYTES_LITERAL("me"));
    struct api_versions_request request;
    ASSERT_OK(api_versions_request_read(&r, 3, &request));
    ASSERT_BYTES(request.client_software_name, BYTES_LITERAL("jvm"));
    ASSERT_EQ(wire_reader_remaining(&r), 0);
}

TEST(an_unknown_key_gives_no_api_and_a_short_header_an_error)
{
    const uint8_t frame[] = { 0, 99, 0, 3, 0, 0, 0, 9, 0, 2, 'm', 'e' };
    struct wire_reader r;
    struct request_header header;
    const struct wire_api *api = wire_api_find(0);
    wire_reader_init(&r, bytes_of(frame, sizeof frame));
    ASSERT_OK(wire_request_header_read(&r, &header, &api));
    ASSERT(!api);
    ASSERT_EQ(header.request_api_key, 99);
    ASSERT_EQ(header.correlation_id, 9);
    wire_reader_init(&r, bytes_of(frame, 7));
    ASSERT_ERROR(wire_request_header_read(&r, &header, &api), -EBADMSG);
}

TEST(an_answer_begins_with_its_length_and_correlation_id)
{
    struct wire_writer w;
    wire_writer_init(&w, 100);
    wire_response_begin(&w, wire_api_find(WIRE_API_FETCH), 12, 77);
    wire_writer_int8(&w, 5);
    ASSERT_OK(wire_response_end(&w));
    ASSERT_BYTES(bytes_of(w.data, w.size), bytes_of("\0\0\0\6\0\0\0\x4d\0\5", 10));
    wire_writer_clear(&w);
    wire_response_begin(&w, wire_api_find(WIRE_API_API_VERSIONS), 3, 77);
    ASSERT_OK(wire_response_end(&w));
    ASSERT_EQ(w.size, 8);
    wire_writer_done(&w);
    wire_writer_init(&w, 6);
    wire_response_begin(&w, wire_api_find(WIRE_API_FETCH), 12, 77);
    ASSERT_ERROR(wire_response_end(&w), -ENOBUFS);
    wire_writer_done(&w);
}
