/* Lines for people: one each, whatever the bytes in them. */
#include "base/fault.h"
#include "base/log.h"
#include "unit/test.h"

#include <errno.h>

static char line[4096];
static size_t line_size;
static unsigned line_count;

static void
keep(void *arg, enum log_level level, const char *text, size_t size)
{
    (void)arg;
    (void)level;
    memcpy(line, text, size);
    line[size] = 0;
    line_size = size;
    line_count++;
}

static void
log_begin(enum log_format format)
{
    log_set_sink(keep, NULL);
    log_set_clock(NULL);
    log_setup(LOG_LEVEL_INFO, format);
    line_count = 0;
    line[0] = 0;
}

static void
log_end(void)
{
    log_set_sink(NULL, NULL);
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
}

TEST(fields_are_written_as_logfmt)
{
    log_begin(LOG_FORMAT_LOGFMT);
    LOG_INFO("topic created", LOG_STR("topic", "a-b"), LOG_INT("partitions", -3),
            LOG_STR("none", NULL));
    log_end();
    ASSERT_STRING(line, "level=info msg=\"topic created\" topic=a-b partitions=-3 none=\"\"\n");
}

TEST(fields_are_written_as_json)
{
    log_begin(LOG_FORMAT_JSON);
    LOG_WARN("m", LOG_STR("s", "x"), LOG_INT("n", 5));
    log_end();
    ASSERT_STRING(line, "{\"level\":\"warn\",\"msg\":\"m\",\"s\":\"x\",\"n\":5}\n");
}

TEST(lines_below_the_level_are_not_written)
{
    log_begin(LOG_FORMAT_LOGFMT);
    LOG_DEBUG("hidden");
    ASSERT_EQ(line_count, 0);
    LOG_ERROR("shown");
    log_end();
    ASSERT_EQ(line_count, 1);
}

/* A hostile client id must not forge a line or a field. */
TEST(hostile_bytes_are_escaped)
{
    static const enum log_format formats[] = { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
    for (size_t f = 0; f < 2; f++) {
        uint8_t all[256];
        for (unsigned i = 0; i < 256; i++) {
            all[i] = (uint8_t)i;
        }
        log_begin(formats[f]);
        LOG_INFO("m", LOG_BYTES("client", bytes_of(all, sizeof all)));
        LOG_INFO("m", LOG_STR("client", "a\" level=error msg=\"forged\nlevel=error"));
        log_end();
        for (size_t i = 0; i + 1 < line_size; i++) {
            ASSERT(line[i] >= ' ' && line[i] < 0x7f);
        }
        ASSERT_EQ(line[line_size - 1], '\n');
        ASSERT(strstr(line, "a\\\" level=error msg=\\\"forged\\nlevel=error"));
        ASSERT(!strstr(line, "msg=\"forged"));
    }
}

TEST(a_line_that_is_too_long_is_cut_and_still_ends)
{
    static char long_text[5000];
    static const enum log_format formats[] = { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
    memset(long_text, '\n', sizeof long_text - 1);
    for (size_t f = 0; f < 2; f++) {
        log_begin(formats[f]);
        LOG_INFO("m", LOG_STR("text", long_text), LOG_STR("more", long_text));
        log_end();
        ASSERT(line_size <= 2048);
        ASSERT_EQ(line[line_size - 1], '\n');
        ASSERT(formats[f] == LOG_FORMAT_LOGFMT || line[line_size - 2] == '}');
    }
}

static int64_t
fixed_clock(void)
{
    return 1767225600123;
}

TEST(time_and_context_are_part_of_the_line)
{
    struct log_context context = {
        .fiber = "fetch", .fiber_id = 7, .client = "1.2.3.4:5", .api = "Fetch", .api_version = 12
    };
    log_begin(LOG_FORMAT_LOGFMT);
    log_set_clock(fixed_clock);
    struct log_context *before = log_context_swap(&context);
    LOG_INFO("m");
    log_context_swap(before);
    log_set_clock(NULL);
    log_end();
    ASSERT_STRING(line,
            "time=2026-01-01T00:00:00.123Z level=info msg=m client=1.2.3.4:5 api=Fetch version=12 "
            "fiber=fetch fiber_id=7\n");
}

TEST(a_fault_is_told_once_with_its_story)
{
    fault_clear();
    ASSERT_STRING(log_fault_text(-ENOENT), "No such file or directory");
    int r = fault(-EIO, "wal: short write at %d", 5);
    r = fault_note(r, "produce to %s", "t");
    ASSERT_EQ(r, -EIO);
    log_begin(LOG_FORMAT_LOGFMT);
    LOG_ERROR("failed", LOG_FAULT(r));
    log_end();
    ASSERT(strstr(line, "errno=5 error=\"produce to t: wal: short write at 5 (log_test.c:"));
    fault_clear();
}
