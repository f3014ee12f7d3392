/* Growable text with a ceiling. */
#include "base/strbuf.h"
#include "unit/test.h"

#include <errno.h>

TEST(text_grows_to_its_maximum_and_not_beyond)
{
    struct strbuf s;
    strbuf_init(&s, 10);
    ASSERT_STRING(strbuf_cstring(&s), "");
    strbuf_append_string(&s, "01234");
    strbuf_append_char(&s, '5');
    strbuf_printf(&s, "%d", 6789);
    ASSERT_EQ(s.error, 0);
    ASSERT_STRING(strbuf_cstring(&s), "0123456789");
    strbuf_append_char(&s, 'x');
    ASSERT_ERROR(s.error, -ENOBUFS);
    ASSERT_EQ(s.size, 10);
    /* The error is sticky until the text is cleared. */
    strbuf_append(&s, BYTES_NULL);
    ASSERT_ERROR(s.error, -ENOBUFS);
    strbuf_clear(&s);
    strbuf_append(&s, BYTES_LITERAL("a\0b"));
    ASSERT_BYTES(strbuf_bytes(&s), BYTES_LITERAL("a\0b"));
    strbuf_done(&s);
}

TEST(nothing_fits_into_nothing)
{
    struct strbuf s;
    strbuf_init(&s, 0);
    strbuf_append(&s, BYTES_NULL);
    strbuf_append_string(&s, "");
    ASSERT_EQ(s.error, 0);
    strbuf_append_char(&s, 'x');
    ASSERT_ERROR(s.error, -ENOBUFS);
    strbuf_done(&s);
}

TEST(many_small_pieces_make_a_big_text)
{
    struct strbuf s;
    strbuf_init(&s, 1 << 20);
    for (int i = 0; i < 10000; i++) {
        strbuf_printf(&s, "%05d,", i);
    }
    ASSERT_EQ(s.error, 0);
    ASSERT_EQ(s.size, 60000);
    ASSERT(memcmp(s.data + 59994, "09999,", 6) == 0);
    strbuf_done(&s);
}
