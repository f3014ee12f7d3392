/* The byte stream of a connection, cut into frames (net/connection.c). The stream and the session
 * are replaced: the input is a byte that says how the stream breaks it into reads, then what the
 * client sends. What the session gets must be what a plain reading of the format gives: no byte
 * lost, added or taken twice, whatever the reads; and no frame above the limit, nor memory for it.
 */
#include "base/check.h"
#include "base/endian.h"
#include "base/log.h"
#include "handlers/broker.h"
#include "net/net_internal.h"
#include "session/session.h"

#include <errno.h>
#include <string.h>

#define FUZZ_FRAME_MAX 20000u /* above the connection's read buffer, so that both ways are taken */
#define FUZZ_FRAME_MIN 8u
#define READ_ERROR (-ECONNRESET)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

struct stream {
    struct bytes unread;
    struct bytes expected; /* what the next frames must be cut out of */
    uint32_t step;         /* state of the sizes of reads */
    bool ends_in_error;
    bool closed;
    uint64_t frames;
};

/* The linker gives us the calls of net/ (CMakeLists.txt). */
int64_t __wrap_stream_read(struct stream *stream, void *data, size_t size, uint64_t deadline_ns);
void __wrap_stream_close(struct stream *stream);
const char *__wrap_stream_peer(const struct stream *stream);
unsigned __wrap_reactor_index(void);
void __wrap_session_init(struct session *session, struct broker *broker, const char *listener,
        struct stream *stream);
int __wrap_session_request(struct session *session, struct buf *frame);
void __wrap_session_done(struct session *session);

int64_t
__wrap_stream_read(struct stream *stream, void *data, size_t size, uint64_t deadline_ns)
{
    (void)deadline_ns;
    CHECK(size > 0 && !stream->closed);
    if (stream->unread.size == 0) {
        return stream->ends_in_error ? READ_ERROR : 0;
    }
    stream->step = stream->step * 1103515245u + 12345u;
    size_t n = 1 + (stream->step >> 16) % (stream->step & 0x1000 ? 8 : 9000);
    n = MIN(MIN(n, size), stream->unread.size);
    memcpy(data, stream->unread.data, n);
    stream->unread = bytes_of(stream->unread.data + n, stream->unread.size - n);
    return (int64_t)n;
}

void
__wrap_stream_close(struct stream *stream)
{
    CHECK(!stream->closed);
    stream->closed = true;
}

const char *
__wrap_stream_peer(const struct stream *stream)
{
    (void)stream;
    return "fuzz";
}

unsigned
__wrap_reactor_index(void)
{
    return 0;
}

void
__wrap_session_init(
        struct session *session, struct broker *broker, const char *listener, struct stream *stream)
{
    session->broker = broker;
    session->listener = listener;
    session->stream = stream;
}

/* The plain reading: a length, and that many bytes. */
int
__wrap_session_request(struct session *session, struct buf *frame)
{
    struct stream *stream = session->stream;
    struct bytes rest = stream->expected;
    CHECK(rest.size >= 4);
    uint32_t size = load_be32(rest.data);
    CHECK(size >= FUZZ_FRAME_MIN && size <= FUZZ_FRAME_MAX && size <= rest.size - 4);
    CHECK(bytes_equal(buf_bytes(frame), bytes_of(rest.data + 4, size)));
    stream->expected = bytes_of(rest.data + 4 + size, rest.size - 4 - size);
    stream->frames++;
    request_memory_give(&session->broker->memory, frame->size);
    buf_unref(frame);
    /* A session may end the connection at any frame. */
    return size == 13 ? -EPROTO : 0;
}

void
__wrap_session_done(struct session *session)
{
    CHECK(session->stream);
}

/* Why the connection may end here: a session that wanted it to, a length that cannot be, or
 * the end of the bytes inside a frame. */
static void
check_end(const struct stream *stream, struct bytes last_frame, uint64_t bad_frames)
{
    struct bytes rest = stream->expected;
    bool ended_by_session = last_frame.size == 13;
    uint32_t size = rest.size >= 4 ? load_be32(rest.data) : 0;
    bool bad_size = rest.size >= 4 && (size < FUZZ_FRAME_MIN || size > FUZZ_FRAME_MAX);
    bool cut = rest.size < 4 || (!bad_size && size > rest.size - 4);
    CHECK(ended_by_session || bad_size || cut);
    CHECK(bad_frames == (bad_size && !ended_by_session ? 1 : 0));
}

/* The last frame that the session got, found by walking the input once more. */
static struct bytes
last_of(struct bytes input, uint64_t frames)
{
    struct bytes frame = BYTES_NULL;
    for (uint64_t i = 0; i < frames; i++) {
        uint32_t size = load_be32(input.data);
        frame = bytes_of(input.data + 4, size);
        input = bytes_of(frame.data + size, input.size - 4 - size);
    }
    return frame;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct broker broker;
    static struct net net;
    if (size < 1) {
        return 0;
    }
    struct bytes input = bytes_of(data + 1, size - 1);
    struct stream stream = {
        .unread = input, .expected = input, .step = data[0], .ends_in_error = data[0] & 1
    };
    net = (struct net){
        .options = { .broker = &broker, .frame_size_max = FUZZ_FRAME_MAX, .idle_timeout_ns = 1 },
    };
    list_init(&net.open[0]);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    connection_run(&net, "PLAINTEXT", &stream);
    CHECK(stream.closed && list_is_empty(&net.open[0]) && atomic_load(&broker.memory.used) == 0);
    check_end(&stream, last_of(input, stream.frames), net.bad_frames);
    return 0;
}

/* Random bytes almost never hold two good lengths in a row: now and then some frames are written
 * out whole. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    if (seed % 8 != 0 || size_max < 64) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    size_t at = 1;
    uint32_t state = seed;
    data[0] = (uint8_t)(seed >> 8);
    for (;;) {
        state = state * 1103515245u + 12345u;
        uint32_t frame = FUZZ_FRAME_MIN + (state >> 16) % (state & 0x3000 ? 40 : 15000);
        if (at + 4 + frame > size_max) {
            break;
        }
        store_be32(data + at, frame);
        memset(data + at + 4, (int)(state & 0xff), frame);
        at += 4 + frame;
    }
    return at;
}
