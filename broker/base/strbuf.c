/* Doubling buffer with a ceiling. */
#include "base/strbuf.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void
strbuf_init(struct strbuf *s, size_t max)
{
    *s = (struct strbuf){ .max = max };
}

void
strbuf_done(struct strbuf *s)
{
    mem_free(s->data);
    *s = (struct strbuf){ 0 };
}

void
strbuf_clear(struct strbuf *s)
{
    s->size = 0;
    s->error = 0;
}

/* Makes room for `more` bytes and a NUL. */
static bool
strbuf_reserve(struct strbuf *s, size_t more)
{
    if (s->error || more > s->max - s->size) {
        s->error = -ENOBUFS;
        return false;
    }
    size_t need = s->size + more + 1;
    if (need > s->capacity) {
        s->capacity = MAX(need, MIN(s->capacity * 2 + 64, s->max + 1));
        s->data = mem_realloc(s->data, s->capacity);
    }
    return true;
}

void
strbuf_append(struct strbuf *s, struct bytes bytes)
{
    if (bytes.size && strbuf_reserve(s, bytes.size)) {
        memcpy(s->data + s->size, bytes.data, bytes.size);
        s->size += bytes.size;
    }
}

void
strbuf_append_string(struct strbuf *s, const char *text)
{
    strbuf_append(s, bytes_of_string(text));
}

void
strbuf_append_char(struct strbuf *s, char c)
{
    strbuf_append(s, bytes_of(&c, 1));
}

void
strbuf_printf(struct strbuf *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(n >= 0);
    if (strbuf_reserve(s, (size_t)n)) {
        vsnprintf((char *)s->data + s->size, (size_t)n + 1, format, again);
        s->size += (size_t)n;
    }
    va_end(again);
}

const char *
strbuf_cstring(struct strbuf *s)
{
    if (!s->data) {
        return "";
    }
    s->data[s->size] = 0;
    return (const char *)s->data;
}
