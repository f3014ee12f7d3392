/* What partition/ finds in WAL records and in the checkpoints of objects when it recovers: payload
 * headers, the batches behind them, producer states. The first byte chooses, and says whether magic
 * and CRC are made right first, so that what lies behind them is reached. What is decoded is
 * encoded again as the same bytes.
 */
#include "base/buf.h"
#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/strbuf.h"
#include "partition/record_claim.h"
#include "partition/wal_payload.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_payload(struct bytes input)
{
    struct wal_payload payload;
    uint8_t header[WAL_PAYLOAD_HEADER_SIZE];
    int r = wal_payload_decode(input, &payload);
    CHECK(r == 0 || r == -EBADMSG);
    if (r < 0) {
        return;
    }
    CHECK(payload.base_offset >= 0 && payload.end_offset > payload.base_offset);
    CHECK(payload.batches.size == input.size - WAL_PAYLOAD_HEADER_SIZE);
    wal_payload_encode(&payload, header);
    CHECK(bytes_equal(bytes_of(header, 2), bytes_of(input.data, 2)));
    CHECK(bytes_equal(
            bytes_of(header + 4, sizeof header - 4), bytes_of(input.data + 4, sizeof header - 4)));

    struct producer_states states;
    producer_states_init(&states);
    record_claims_replay(&states, payload.batches);
    producer_states_done(&states);
}

static void
try_producers(struct bytes input)
{
    struct producer_states states;
    struct producer_states again;
    struct strbuf once;
    struct strbuf twice;
    producer_states_init(&states);
    producer_states_init(&again);
    strbuf_init(&once, 64 << 20);
    strbuf_init(&twice, 64 << 20);
    int r = producer_states_decode(&states, input);
    CHECK(r == 0 || r == -EBADMSG);
    if (r == 0) {
        producer_states_encode(&states, INT64_MAX, &once);
        CHECK(once.error == 0);
        CHECK(producer_states_decode(&again, strbuf_bytes(&once)) == 0);
        producer_states_encode(&again, INT64_MAX, &twice);
        CHECK(bytes_equal(strbuf_bytes(&once), strbuf_bytes(&twice)));
    }
    strbuf_done(&once);
    strbuf_done(&twice);
    producer_states_done(&states);
    producer_states_done(&again);
}

/* docs/formats/producers.md */
static void
repair_producers(struct buf *buf)
{
    if (buf->size >= 12) {
        memcpy(buf->data, "FPS1", 4);
        store_be32(buf->data + 8, crc32c(bytes_of(buf->data + 12, buf->size - 12)));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct bytes input = bytes_of(data + 1, size - 1);
    if (data[0] & 1) {
        struct buf *copy = buf_of_bytes(input);
        if (data[0] & 2) {
            repair_producers(copy);
        }
        try_producers(buf_bytes(copy));
        buf_unref(copy);
    } else {
        try_payload(input);
    }
    return 0;
}
