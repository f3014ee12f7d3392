/* Batches from one codec to another. The records themselves stay as the producer encoded them, so
 * only the run of records, the attributes, the length and the CRC change. */
#include "partition/recode.h"

#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/strbuf.h"
#include "reactor/call.h"

#include <errno.h>

#define ATTRIBUTES_OFFSET 21
#define CRC_OFFSET 17

struct recoding {
    const struct record_batch *batch;
    enum compression wanted;
    struct buf *out;
};

/* Appends the records in the wanted codec to `out`. */
static int
recode_records(const struct recoding *recoding, struct strbuf *out)
{
    const struct record_batch *batch = recoding->batch;
    enum compression codec = record_batch_compression(batch);
    struct strbuf unfolded;
    strbuf_init(&unfolded, DECOMPRESSED_SIZE_MAX);
    struct bytes records = batch->records;
    int r = 0;
    if (codec != COMPRESSION_NONE) {
        r = decompress(codec, batch->records, 0, &unfolded);
        records = strbuf_bytes(&unfolded);
    }
    if (r == 0 && recoding->wanted == COMPRESSION_NONE) {
        strbuf_append(out, records);
        r = out->error;
    } else if (r == 0) {
        r = compress_bytes(recoding->wanted, COMPRESSION_LEVEL_DEFAULT, records, out);
    }
    strbuf_done(&unfolded);
    return r;
}

static int
recode(void *arg)
{
    struct recoding *recoding = arg;
    const struct record_batch *batch = recoding->batch;
    struct strbuf out;
    strbuf_init(&out, FRAME_SIZE_MAX);
    strbuf_append(&out, bytes_of(batch->bytes.data, RECORD_BATCH_HEADER_SIZE));
    int r = recode_records(recoding, &out);
    if (r == 0) {
        unsigned bits = (unsigned)batch->attributes & ~(unsigned)RECORD_BATCH_COMPRESSION_MASK;
        store_be16(out.data + ATTRIBUTES_OFFSET, (uint16_t)(bits | (unsigned)recoding->wanted));
        store_be32(out.data + RECORD_BATCH_LENGTH_OFFSET,
                (uint32_t)(out.size - RECORD_BATCH_LENGTH_OVERHEAD));
        store_be32(out.data + CRC_OFFSET,
                crc32c(bytes_of(out.data + ATTRIBUTES_OFFSET, out.size - ATTRIBUTES_OFFSET)));
        recoding->out = buf_of_bytes(strbuf_bytes(&out));
    }
    strbuf_done(&out);
    return r == -ENOBUFS ? -E2BIG : r;
}

int
batch_recode(const struct record_batch *batch, enum compression wanted, struct buf **ret_batch)
{
    struct recoding recoding = { batch, wanted, NULL };
    int r = offload_run(recode, &recoding);
    if (r < 0) {
        return fault_note(r, "a batch could not be written as %s", compression_name(wanted));
    }
    *ret_batch = recoding.out;
    return 0;
}
