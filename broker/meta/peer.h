#pragma once
/* Frames and messages between a broker and the controller. Private to this room; decoding is a pure
 * function, fuzzed as it is. Format: docs/formats/internal.md. Limits: INTERNAL_FRAME_SIZE_MAX; a
 * frame that is announced larger is refused before anything is allocated for it. */

#include "base/buf.h"
#include "meta/record.h"
#include "reactor/tcp.h"

enum peer_type {
    PEER_HELLO = 1,
    PEER_WELCOME = 2,
    PEER_REFUSED = 3,
    PEER_HEARTBEAT = 4,
    PEER_LEASE = 5,
    PEER_PROPOSE = 6,
    PEER_LOG = 7,
    PEER_BEHIND = 8,
    PEER_LOAD = 9,
    PEER_AWAY = 10,
};

struct peer_hello {
    struct uuid cluster_id;
    struct uuid former[2]; /* incarnations whose death the volume's lock proves; zero: none */
    int64_t broker_epoch;  /* 0: not registered yet */
    uint64_t next_sequence;
    struct bytes registration; /* the encoded META_BROKER record: who speaks */
};

struct peer_welcome {
    int64_t controller_epoch;
    int64_t broker_epoch;
    uint64_t sequence; /* of the newest log object */
    uint64_t accepted; /* number of the last proposal taken in this term */
    uint64_t lease_ns;
};

struct peer_message {
    enum peer_type type;
    union {
        struct peer_hello hello;
        struct peer_welcome welcome;
        struct {
            int error; /* positive errno */
            struct bytes text;
        } refused;
        uint64_t number; /* heartbeat, lease; behind: first sequence */
        struct {
            uint64_t number;
            int32_t count;
            struct bytes records;
        } propose;
        struct bytes object; /* log; load: as load_encode writes it; away: as away_list does */
    };
};

#define PEER_HEADER_SIZE 8u /* size, CRC */

/* The frame but for the bytes of a blob at its end (registration, records, object), which follow
 * `out` on the wire. */
struct bytes peer_encode(const struct peer_message *message, struct strbuf *out);
/* `frame`: what follows the size. Texts and blobs are borrowed from it. -EBADMSG; -EPROTO: a type
 * or version that we do not know. */
MUST_CHECK int peer_decode(struct bytes frame, struct peer_message *ret_message);

/* One frame. ret_frame keeps what the message borrows. -ECONNRESET: the other side has closed;
 * -EMSGSIZE: larger than size_max; errors of the stream. */
MUST_CHECK MAY_SUSPEND int peer_read(struct stream *stream, size_t size_max, uint64_t deadline_ns,
        struct buf **ret_frame, struct peer_message *ret_message);
MUST_CHECK MAY_SUSPEND int peer_write(
        struct stream *stream, const struct peer_message *message, uint64_t deadline_ns);
