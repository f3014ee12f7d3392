/* Every part of a copy arrives and nothing else changes. */
#include "base/copy.h"
#include "unit/test.h"

#include <string.h>

TEST(copying_out_copies_exactly_that)
{
    static uint8_t from[3000];
    static uint8_t to[3000];
    for (size_t i = 0; i < sizeof from; i++) {
        from[i] = (uint8_t)(i * 31 + 1);
    }
    for (size_t start = 0; start < 20; start++) {
        for (size_t size = 0; size < 2800; size += size < 2000 ? 97 : 1 + start % 7) {
            memset(to, 0, sizeof to);
            bytes_copy_out(to + start, from + 3, size);
            ASSERT_EQ(memcmp(to + start, from + 3, size), 0);
            ASSERT(to[start + size] == 0 && (start == 0 || to[start - 1] == 0));
        }
    }
}
