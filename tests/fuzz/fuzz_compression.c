/* The codecs: the first byte chooses one, the rest is its input. Output stays below its cap, and
 * does not depend on how much is taken at a time.
 */
#include "base/check.h"
#include "base/strbuf.h"
#include "wire/compression.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUTPUT_MAX (1 * MIB)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    enum compression compression = (enum compression)(1 + data[0] % 4);
    struct bytes input = bytes_of(data + 1, size - 1);
    struct strbuf out;
    strbuf_init(&out, 2 * OUTPUT_MAX);
    int r = decompress(compression, input, OUTPUT_MAX, &out);
    CHECK(r == 0 || r == -EBADMSG || r == -E2BIG || r == -ENOMEM || r == -EINVAL);
    CHECK(out.size <= OUTPUT_MAX);
    struct decompressor *d = NULL;
    if (decompressor_open(compression, input, OUTPUT_MAX, &d) == 0) {
        uint8_t step[100];
        size_t at = 0;
        ssize_t n;
        while ((n = decompressor_read(d, step, sizeof step)) > 0) {
            CHECK(r < 0 ||
                    (at + (size_t)n <= out.size && memcmp(out.data + at, step, (size_t)n) == 0));
            at += (size_t)n;
        }
        CHECK((n == 0) == (r == 0));
        CHECK(r < 0 || at == out.size);
        decompressor_close(d);
    }
    strbuf_done(&out);
    return 0;
}
