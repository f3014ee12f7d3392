#pragma once
/* A growable text or byte buffer that is told its maximum at birth. Errors are sticky: append
 * freely, look once. */

#include "base/attr.h"
#include "base/bytes.h"

struct strbuf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t max; /* size never exceeds this */
    int error;  /* 0, or -ENOBUFS once an append did not fit */
};

void strbuf_init(struct strbuf *s, size_t max);
void strbuf_done(struct strbuf *s);
void strbuf_clear(struct strbuf *s);
void strbuf_append(struct strbuf *s, struct bytes bytes);
void strbuf_append_string(struct strbuf *s, const char *text);
void strbuf_append_char(struct strbuf *s, char c);
PRINTF(2, 3) void strbuf_printf(struct strbuf *s, const char *format, ...);
/* The text with a NUL behind it (not counted in size); valid until the next change. Never NULL. */
const char *strbuf_cstring(struct strbuf *s);

static inline struct bytes
strbuf_bytes(const struct strbuf *s)
{
    return bytes_of(s->data, s->size);
}
