/* The list parser: what comes back is within the limits, ordered as it came, and made of good keys
 * only. */
#include "base/check.h"
#include "base/mem.h"
#include "objectstore/internal.h"
#include "objectstore/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3_list_page *page = mem_alloc(sizeof *page);
    size_t max = size ? 1 + data[0] % 4 : 1;
    const char *prefix = size && data[0] & 16 ? "p/" : "";
    int r = s3_list_parse(bytes_of(data + (size > 0), size - (size > 0)), prefix, max, page);
    if (r == 0) {
        CHECK(page->list.count <= max);
        for (size_t i = 0; i < page->list.count; i++) {
            CHECK(object_key_check(page->list.entries[i].key) == 0);
        }
        CHECK(strlen(page->last) < sizeof page->last);
        object_list_done(&page->list);
    }
    mem_free(page);
    return 0;
}
