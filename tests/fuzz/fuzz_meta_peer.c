/* The messages between brokers. With the first bit of the input set the CRC is made right. What
 * decodes is encoded again to the same bytes, and borrows only from the frame. */
#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/mem.h"
#include "meta/load.h"
#include "meta/peer.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fix_crc(uint8_t *data, size_t size)
{
    if (size >= 4) {
        store_be32(data, crc32c(bytes_of(data + 4, size - 4)));
    }
}

/* The blob at the end is no copy: it is the end of the frame. */
static void
check_round_trip(struct bytes frame, const struct peer_message *message)
{
    struct strbuf head;
    strbuf_init(&head, INTERNAL_HELLO_SIZE_MAX);
    struct bytes blob = peer_encode(message, &head);
    CHECK(head.size - 4 + blob.size == frame.size);
    CHECK(load_be32(head.data) == frame.size);
    CHECK(bytes_equal(bytes_of(head.data + 4, head.size - 4), bytes_of(frame.data, head.size - 4)));
    CHECK(blob.size == 0 || blob.data == frame.data + head.size - 4);
    strbuf_done(&head);
}

/* Reports of loads have a body of their own. */
static void
check_load(struct bytes body)
{
    static struct meta_partition_load partitions[META_LOAD_PARTITIONS_MAX];
    struct meta_load load;
    struct strbuf again;
    int r = load_decode(body, partitions, &load);
    CHECK(r == 0 || r == -EBADMSG);
    if (r == 0) {
        strbuf_init(&again, body.size);
        load_encode(&load, &again);
        CHECK(bytes_equal(strbuf_bytes(&again), body));
        strbuf_done(&again);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint8_t *copy = mem_dup(data + 1, size - 1);
    struct bytes frame = bytes_of(copy, size - 1);
    struct peer_message message;
    if (data[0] & 1) {
        fix_crc(copy, frame.size);
    }
    int r = peer_decode(frame, &message);
    CHECK(r == 0 || r == -EBADMSG || r == -EPROTO);
    if (r == 0) {
        check_round_trip(frame, &message);
        if (message.type == PEER_LOAD) {
            check_load(message.object);
        }
    }
    mem_free(copy);
    return 0;
}
