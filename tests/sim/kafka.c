/* See kafka.h. */
#include "sim/kafka.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "reactor/tcp.h"
#include "wire/messages/headers.h"

#include <errno.h>

#define REQUEST_SIZE_MAX (4 * MIB)
#define ANSWER_SIZE_MAX_HERE (64 * MIB)
#define PIPELINE_MAX 8

struct expected {
    const struct wire_api *api;
    int16_t version;
    int32_t correlation_id;
};

struct kafka {
    struct stream *stream;
    struct buf *frame; /* of the last answer */
    int32_t correlation_next;
    struct expected expected[PIPELINE_MAX]; /* answers that are to come, oldest first */
    size_t expected_count;
};

int
kafka_connect(const char *host, uint16_t port, uint64_t deadline_ns, struct kafka **ret_kafka)
{
    struct stream *stream;
    int r = tcp_connect(host, port, deadline_ns, &stream);
    if (r < 0) {
        return r;
    }
    struct kafka *kafka = mem_alloc(sizeof *kafka);
    kafka->stream = stream;
    *ret_kafka = kafka;
    return 0;
}

void
kafka_close(struct kafka *kafka)
{
    if (kafka) {
        stream_close(kafka->stream);
        buf_unref(kafka->frame);
        mem_free(kafka);
    }
}

static int
write_request(struct wire_writer *w, const struct wire_api *api, int16_t version,
        int32_t correlation_id, const void *message)
{
    const struct request_header header = { .request_api_key = api->key,
        .request_api_version = version,
        .correlation_id = correlation_id,
        .client_id = BYTES_LITERAL("sim") };
    wire_writer_int32(w, 0);
    int r = request_header_write(w, wire_api_request_header_version(api, version), &header);
    r = r < 0 ? r : wire_write(w, api->request, version, message);
    if (r == 0) {
        wire_writer_patch_int32(w, 0, (int32_t)(wire_writer_size(w) - sizeof(int32_t)));
    }
    return r;
}

int
kafka_send(struct kafka *kafka, int16_t api_key, int16_t version, const void *message,
        uint64_t deadline_ns)
{
    const struct wire_api *api = wire_api_find(api_key);
    struct wire_writer w;
    CHECK(api && kafka->expected_count < PIPELINE_MAX);
    wire_writer_init(&w, REQUEST_SIZE_MAX);
    int32_t id = kafka->correlation_next++;
    int r = write_request(&w, api, version, id, message);
    CHECK(r == 0); /* our own request */
    struct iovec parts[16];
    CHECK(wire_writer_part_count_max(&w) <= ARRAY_SIZE(parts));
    size_t count = wire_writer_parts(&w, parts);
    r = stream_write(kafka->stream, parts, count, deadline_ns);
    wire_writer_done(&w);
    if (r == 0) {
        kafka->expected[kafka->expected_count++] = (struct expected){ api, version, id };
    }
    return r;
}

static int
read_exactly(struct stream *stream, void *data, size_t size, uint64_t deadline_ns)
{
    uint8_t *at = data;
    while (size > 0) {
        int64_t n = stream_read(stream, at, size, deadline_ns);
        if (n <= 0) {
            return n < 0 ? (int)n : fault(-ECONNRESET, "the broker has closed the connection");
        }
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static int
read_frame(struct kafka *kafka, uint64_t deadline_ns)
{
    uint8_t prefix[4];
    int r = read_exactly(kafka->stream, prefix, sizeof prefix, deadline_ns);
    if (r < 0) {
        return r;
    }
    uint32_t size = load_be32(prefix);
    CHECK(size <= ANSWER_SIZE_MAX_HERE);
    buf_unref(kafka->frame);
    kafka->frame = buf_new(size + 1);
    kafka->frame->size = size;
    return read_exactly(kafka->stream, kafka->frame->data, size, deadline_ns);
}

int
kafka_receive(struct kafka *kafka, void *ret_message, uint64_t deadline_ns)
{
    struct wire_reader reader;
    struct response_header header;
    CHECK(kafka->expected_count > 0);
    struct expected expected = kafka->expected[0];
    int r = read_frame(kafka, deadline_ns);
    if (r < 0) {
        return r;
    }
    kafka->expected_count--;
    for (size_t i = 0; i < kafka->expected_count; i++) {
        kafka->expected[i] = kafka->expected[i + 1];
    }
    wire_reader_init(&reader, buf_bytes(kafka->frame));
    r = response_header_read(
            &reader, wire_api_response_header_version(expected.api, expected.version), &header);
    CHECK(r == 0 && header.correlation_id == expected.correlation_id);
    r = wire_read(&reader, expected.api->response, expected.version, ret_message);
    CHECK(r == 0 && wire_reader_remaining(&reader) == 0);
    return 0;
}
