/* Lines out of chunks. */
#include "kube/lines.h"

#include "base/fault.h"

#include <errno.h>

void
lines_init(struct lines *lines, size_t line_max, int (*line)(void *, struct bytes), void *arg)
{
    strbuf_init(&lines->rest, line_max);
    lines->line = line;
    lines->arg = arg;
}

void
lines_done(struct lines *lines)
{
    strbuf_done(&lines->rest);
}

void
lines_reset(struct lines *lines)
{
    /* Gives the memory back too: one large object must not stay for ever. */
    size_t max = lines->rest.max;
    strbuf_done(&lines->rest);
    strbuf_init(&lines->rest, max);
}

static int
line_end(struct lines *lines, struct bytes tail)
{
    if (lines->rest.size == 0 && tail.size <= lines->rest.max) {
        return tail.size ? lines->line(lines->arg, tail) : 0;
    }
    strbuf_append(&lines->rest, tail);
    if (lines->rest.error) {
        return lines->rest.error;
    }
    int r = lines->line(lines->arg, strbuf_bytes(&lines->rest));
    lines_reset(lines);
    return r;
}

int
lines_feed(struct lines *lines, struct bytes chunk)
{
    while (chunk.size > 0) {
        const uint8_t *end = memchr(chunk.data, '\n', chunk.size);
        size_t size = end ? (size_t)(end - chunk.data) : chunk.size;
        int r = 0;
        if (end) {
            r = line_end(lines, bytes_of(chunk.data, size));
        } else {
            strbuf_append(&lines->rest, chunk);
            r = lines->rest.error;
        }
        if (r == -ENOBUFS) {
            return fault(-EMSGSIZE, "kube: a line of more than %zu bytes", lines->rest.max);
        }
        if (r < 0) {
            return r;
        }
        size += end != NULL;
        chunk = bytes_of(chunk.data + size, chunk.size - size);
    }
    return 0;
}
