/* Frames between brokers: size, CRC, type, version, body. */
#include "meta/peer.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "meta/codec.h"

#include <errno.h>

/* 3: away. */
#define PEER_VERSION 3u
#define PEER_SIZE_MIN 8u /* CRC, type, version */

static void
write_hello(struct strbuf *out, const struct peer_hello *hello)
{
    meta_write_uuid(out, hello->cluster_id);
    meta_write_uuid(out, hello->former[0]);
    meta_write_uuid(out, hello->former[1]);
    meta_write_i64(out, hello->broker_epoch);
    meta_write_u64(out, hello->next_sequence);
}

static void
read_hello(struct meta_reader *in, struct peer_hello *hello)
{
    hello->cluster_id = meta_read_uuid(in);
    hello->former[0] = meta_read_uuid(in);
    hello->former[1] = meta_read_uuid(in);
    hello->broker_epoch = meta_read_i64(in);
    hello->next_sequence = meta_read_u64(in);
    hello->registration = meta_read_raw(in, in->left);
}

static void
write_welcome(struct strbuf *out, const struct peer_welcome *welcome)
{
    meta_write_i64(out, welcome->controller_epoch);
    meta_write_i64(out, welcome->broker_epoch);
    meta_write_u64(out, welcome->sequence);
    meta_write_u64(out, welcome->accepted);
    meta_write_u64(out, welcome->lease_ns);
}

static void
read_welcome(struct meta_reader *in, struct peer_welcome *welcome)
{
    welcome->controller_epoch = meta_read_i64(in);
    welcome->broker_epoch = meta_read_i64(in);
    welcome->sequence = meta_read_u64(in);
    welcome->accepted = meta_read_u64(in);
    welcome->lease_ns = meta_read_u64(in);
}

/* Returns the blob that ends the body. */
static struct bytes
write_body(struct strbuf *out, const struct peer_message *message)
{
    switch (message->type) {
    case PEER_HELLO:
        write_hello(out, &message->hello);
        return message->hello.registration;
    case PEER_WELCOME:
        write_welcome(out, &message->welcome);
        return BYTES_NULL;
    case PEER_REFUSED:
        meta_write_i32(out, message->refused.error);
        meta_write_blob(out, message->refused.text);
        return BYTES_NULL;
    case PEER_HEARTBEAT:
    case PEER_LEASE:
    case PEER_BEHIND:
        meta_write_u64(out, message->number);
        return BYTES_NULL;
    case PEER_PROPOSE:
        meta_write_u64(out, message->propose.number);
        meta_write_i32(out, message->propose.count);
        return message->propose.records;
    case PEER_LOG:
    case PEER_LOAD:
    case PEER_AWAY:
        return message->object;
    }
    UNREACHABLE();
}

struct bytes
peer_encode(const struct peer_message *message, struct strbuf *out)
{
    size_t start = out->size;
    meta_write_u32(out, 0);
    meta_write_u32(out, 0);
    meta_write_u16(out, (uint16_t)message->type);
    meta_write_u16(out, PEER_VERSION);
    struct bytes blob = write_body(out, message);
    CHECK(!out->error);
    uint8_t *frame = out->data + start;
    size_t head = out->size - start;
    uint32_t crc = crc32c(bytes_of(frame + PEER_HEADER_SIZE, head - PEER_HEADER_SIZE));
    store_be32(frame, (uint32_t)(head - 4 + blob.size));
    store_be32(frame + 4, blob.size ? crc32c_extend(crc, blob) : crc);
    return blob;
}

static int
read_body(struct meta_reader *in, unsigned type, struct peer_message *message)
{
    switch (type) {
    case PEER_HELLO:
        read_hello(in, &message->hello);
        break;
    case PEER_WELCOME:
        read_welcome(in, &message->welcome);
        break;
    case PEER_REFUSED:
        message->refused.error = meta_read_i32(in);
        message->refused.text = meta_read_blob(in, 1024);
        break;
    case PEER_HEARTBEAT:
    case PEER_LEASE:
    case PEER_BEHIND:
        message->number = meta_read_u64(in);
        break;
    case PEER_PROPOSE:
        message->propose.number = meta_read_u64(in);
        message->propose.count = meta_read_i32(in);
        message->propose.records = meta_read_raw(in, in->left);
        break;
    case PEER_LOG:
    case PEER_LOAD:
    case PEER_AWAY:
        message->object = meta_read_raw(in, in->left);
        break;
    default:
        return fault(-EPROTO, "internal: message type %u is not known", type);
    }
    message->type = (enum peer_type)type;
    return meta_reader_end(in) ? fault(-EBADMSG, "internal: a message of type %u is damaged", type)
                               : 0;
}

int
peer_decode(struct bytes frame, struct peer_message *ret_message)
{
    struct meta_reader in = meta_reader_of(frame);
    /* No type yet. NOLINTNEXTLINE(*-optin.core.EnumCastOutOfRange) */
    struct peer_message message = { 0 };
    uint32_t crc = meta_read_u32(&in);
    if (in.error || crc != crc32c(bytes_of(in.at, in.left))) {
        return fault(-EBADMSG, "internal: the CRC of a message of %zu bytes differs", frame.size);
    }
    uint16_t type = meta_read_u16(&in);
    uint16_t version = meta_read_u16(&in);
    if (!in.error && version != PEER_VERSION) {
        return fault(-EPROTO, "internal: protocol version %u is not known", version);
    }
    int r = read_body(&in, type, &message);
    if (r == 0) {
        *ret_message = message;
    }
    return r;
}

static int
read_all(struct stream *stream, uint8_t *data, size_t size, uint64_t deadline_ns)
{
    size_t have = 0;
    while (have < size) {
        int64_t n = stream_read(stream, data + have, size - have, deadline_ns);
        if (n < 0) {
            return (int)n;
        }
        if (n == 0) {
            return fault(
                    -ECONNRESET, "internal: %s has closed the connection", stream_peer(stream));
        }
        have += (size_t)n;
    }
    return 0;
}

int
peer_read(struct stream *stream, size_t size_max, uint64_t deadline_ns, struct buf **ret_frame,
        struct peer_message *ret_message)
{
    uint8_t head[4];
    int r = read_all(stream, head, sizeof head, deadline_ns);
    if (r) {
        return r;
    }
    size_t size = load_be32(head);
    if (size < PEER_SIZE_MIN || size > size_max) {
        return fault(-EMSGSIZE, "internal: %s announces a message of %zu bytes",
                stream_peer(stream), size);
    }
    CLEANUP(buf_unrefp) struct buf *frame = buf_try_new(size);
    if (!frame) {
        return -ENOMEM;
    }
    r = read_all(stream, frame->data, size, deadline_ns);
    if (r) {
        return r;
    }
    frame->size = size;
    r = peer_decode(buf_bytes(frame), ret_message);
    if (r == 0) {
        *ret_frame = TAKE_PTR(frame);
    }
    return r;
}

int
peer_write(struct stream *stream, const struct peer_message *message, uint64_t deadline_ns)
{
    struct strbuf head;
    strbuf_init(&head, INTERNAL_HELLO_SIZE_MAX);
    struct bytes blob = peer_encode(message, &head);
    const struct iovec parts[2] = { { head.data, head.size },
        { (void *)(uintptr_t)blob.data, blob.size } };
    int r = stream_write(stream, parts, blob.size ? 2 : 1, deadline_ns);
    strbuf_done(&head);
    return r;
}
