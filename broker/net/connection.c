/* One connection: cuts the byte stream into frames. Small frames are copied out of a read buffer,
 * the rest of a large one is read straight into the buffer that the batches stay in. */
#include "base/endian.h"
#include "base/log.h"
#include "base/mark.h"
#include "net/net_internal.h"
#include "reactor/clock.h"
#include "session/session.h"

#include <errno.h>

#define READ_BUFFER_SIZE 8192u
#define FRAME_SIZE_MIN 8u /* api key, version, correlation id */

struct frames {
    struct stream *stream;
    const struct net_options *options;
    size_t start; /* unread bytes in data */
    size_t end;
    uint8_t data[READ_BUFFER_SIZE];
};

/* Has at least `size` bytes in the read buffer. 0: the stream ended; -EPIPE: it ended inside a
 * frame. */
static int64_t
frames_fill(struct frames *frames, size_t size)
{
    if (frames->start == frames->end) {
        frames->start = 0;
        frames->end = 0;
    }
    while (frames->end - frames->start < size) {
        if (sizeof frames->data - frames->start < size) {
            memmove(frames->data, frames->data + frames->start, frames->end - frames->start);
            frames->end -= frames->start;
            frames->start = 0;
        }
        int64_t n = stream_read(frames->stream, frames->data + frames->end,
                sizeof frames->data - frames->end,
                clock_mono_coarse_ns() + frames->options->idle_timeout_ns);
        if (n <= 0) {
            return n == 0 && frames->end > frames->start ? -EPIPE : n;
        }
        frames->end += (size_t)n;
    }
    return 1;
}

/* C2: a frame has this long in all. */
static uint64_t
body_deadline_ns(const struct frames *frames, size_t size)
{
    uint64_t slowest_ns = (uint64_t)size * NS_PER_S / FRAME_BYTES_PER_SECOND_MIN;
    return clock_mono_coarse_ns() + frames->options->frame_grace_ns + slowest_ns;
}

/* Reads the rest of a frame into its own buffer. */
static int
frames_read_body(struct frames *frames, struct buf *frame, size_t size)
{
    size_t have = MIN(size, frames->end - frames->start);
    memcpy(frame->data, frames->data + frames->start, have);
    frames->start += have;
    frame->size = have;
    uint64_t deadline_ns = body_deadline_ns(frames, size);
    while (frame->size < size) {
        uint64_t idle_ns = clock_mono_coarse_ns() + frames->options->idle_timeout_ns;
        int64_t n = stream_read(frames->stream, frame->data + frame->size, size - frame->size,
                MIN(deadline_ns, idle_ns));
        if (n == -ETIMEDOUT) {
            MARK("net: a frame came too slowly");
            LOG_WARN("connection closed: a frame comes too slowly",
                    LOG_STR("client", stream_peer(frames->stream)), LOG_INT("size", size),
                    LOG_INT("came", frame->size));
        }
        if (n <= 0) {
            return n == 0 ? -EPIPE : (int)n;
        }
        frame->size += (size_t)n;
    }
    return 0;
}

/* The next frame, owned. 0: the client closed the connection; 1: a frame; -errno: it is to be
 * closed. */
static int
frames_next(struct frames *frames, struct buf **ret_frame)
{
    int64_t r = frames_fill(frames, 4);
    if (r <= 0) {
        return (int)r;
    }
    uint32_t size = load_be32(frames->data + frames->start);
    if (size < FRAME_SIZE_MIN || size > frames->options->frame_size_max) {
        LOG_WARN("frame refused: its size cannot be",
                LOG_STR("client", stream_peer(frames->stream)), LOG_INT("size", size),
                LOG_INT("size_max", frames->options->frame_size_max));
        return -EBADMSG;
    }
    frames->start += 4;
    struct request_memory *memory = &frames->options->broker->memory;
    int result =
            request_memory_take(memory, size, clock_mono_ns() + frames->options->idle_timeout_ns);
    if (result < 0) {
        return result;
    }
    CLEANUP(buf_unrefp) struct buf *frame = buf_try_new(size);
    result = frame ? frames_read_body(frames, frame, size) : -ENOMEM;
    if (result < 0) {
        request_memory_give(memory, size);
        return result;
    }
    *ret_frame = TAKE_PTR(frame);
    return 1;
}

/* C5 */
static void
connection_used(struct net *net, struct connection *connection)
{
    list_remove(&connection->link);
    list_push_back(&net->open[reactor_index()], &connection->link);
}

static void
connection_serve(
        struct net *net, const char *listener, struct connection *connection, struct frames *frames)
{
    struct session session;
    session_init(&session, net->options.broker, listener, connection->stream);
    for (;;) {
        struct buf *frame = NULL;
        int r = frames_next(frames, &frame);
        if (r <= 0) {
            if (r == -EBADMSG) {
                atomic_fetch_add(&net->bad_frames, 1);
            }
            break;
        }
        connection_used(net, connection);
        if (session_request(&session, frame) < 0) {
            break;
        }
    }
    session_done(&session);
}

void
connection_run(struct net *net, const char *listener, struct stream *stream)
{
    struct connection connection = { .stream = stream };
    struct buf *memory = buf_new(sizeof(struct frames)); /* too large for a fiber's stack */
    struct frames *frames = (struct frames *)(void *)memory->data;
    *frames = (struct frames){ .stream = stream };
    frames->options = &net->options;
    list_push_back(&net->open[reactor_index()], &connection.link);
    net->staying[reactor_index()]++;
    if (!net->stopping[reactor_index()]) {
        connection_serve(net, listener, &connection, frames);
    }
    list_remove(&connection.link);
    net->staying[reactor_index()] -= !connection.ending;
    buf_unref(memory);
    stream_close(stream);
}
