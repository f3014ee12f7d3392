/* Lines out of chunks that are cut anywhere. */
#include "base/mem.h"
#include "kube/lines.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

struct seen {
    char text[512];
    size_t count;
};

static int
note(void *arg, struct bytes line)
{
    struct seen *seen = arg;
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof seen->text - used, "[%.*s]", (int)line.size, line.data);
    seen->count++;
    return bytes_equal(line, BYTES_LITERAL("stop")) ? -ECANCELED : 0;
}

TEST(every_cut_of_a_stream_gives_the_same_lines)
{
    static const char stream[] = "{\"a\":1}\n\n{\"b\":\"\xc3\xa4\"}\nx\n";
    size_t size = sizeof stream - 1;
    for (size_t piece = 1; piece <= size; piece++) {
        struct seen seen = { .count = 0 };
        struct lines lines;
        lines_init(&lines, 64, note, &seen);
        for (size_t at = 0; at < size; at += piece) {
            ASSERT_OK(lines_feed(&lines, bytes_of(stream + at, MIN(piece, size - at))));
        }
        ASSERT_STRING(seen.text, "[{\"a\":1}][{\"b\":\"\xc3\xa4\"}][x]");
        lines_done(&lines);
    }
}

TEST(an_unfinished_line_is_not_handed_over_and_can_be_forgotten)
{
    struct seen seen = { .count = 0 };
    struct lines lines;
    lines_init(&lines, 64, note, &seen);
    ASSERT_OK(lines_feed(&lines, BYTES_LITERAL("half")));
    ASSERT_EQ(seen.count, 0);
    lines_reset(&lines);
    ASSERT_OK(lines_feed(&lines, BYTES_LITERAL("whole\n")));
    ASSERT_STRING(seen.text, "[whole]");
    lines_done(&lines);
}

TEST(a_line_that_is_too_long_ends_the_stream_however_it_comes)
{
    struct seen seen = { .count = 0 };
    struct lines lines;
    lines_init(&lines, 4, note, &seen);
    ASSERT_OK(lines_feed(&lines, BYTES_LITERAL("1234\n")));
    ASSERT_ERROR(lines_feed(&lines, BYTES_LITERAL("12345\n")), -EMSGSIZE);
    lines_reset(&lines);
    ASSERT_OK(lines_feed(&lines, BYTES_LITERAL("123")));
    ASSERT_ERROR(lines_feed(&lines, BYTES_LITERAL("45")), -EMSGSIZE);
    lines_reset(&lines);
    ASSERT_OK(lines_feed(&lines, BYTES_LITERAL("12")));
    ASSERT_ERROR(lines_feed(&lines, BYTES_LITERAL("345\nx\n")), -EMSGSIZE);
    lines_done(&lines);
}

TEST(an_error_of_the_line_function_is_returned_and_nothing_follows)
{
    struct seen seen = { .count = 0 };
    struct lines lines;
    lines_init(&lines, 64, note, &seen);
    ASSERT_ERROR(lines_feed(&lines, BYTES_LITERAL("a\nstop\nb\n")), -ECANCELED);
    ASSERT_STRING(seen.text, "[a][stop]");
    lines_done(&lines);
}
