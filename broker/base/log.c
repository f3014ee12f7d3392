/* Builds one line per event in a fixed buffer and writes it with one call, so that lines of several
 * threads do not mix. */
#include "base/log.h"

#include "base/fault.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_SIZE 2048

struct line {
    char text[LOG_LINE_SIZE];
    size_t size;
};

static const char *const level_names[] = { "debug", "info", "warn", "error" };
static _Atomic int current_level = LOG_LEVEL_INFO;
static enum log_format current_format = LOG_FORMAT_LOGFMT;
static log_sink_fn current_sink;
static void *current_sink_arg;
static int64_t (*current_clock)(void);
static _Thread_local struct log_context *current_context;

void
log_setup(enum log_level level, enum log_format format)
{
    current_level = (int)level;
    current_format = format;
}

enum log_level
log_level_get(void)
{
    return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

void
log_set_sink(log_sink_fn sink, void *arg)
{
    current_sink = sink;
    current_sink_arg = arg;
}

void
log_set_clock(int64_t (*wall_ms)(void))
{
    current_clock = wall_ms;
}

struct log_context *
log_context_swap(struct log_context *context)
{
    struct log_context *before = current_context;
    current_context = context;
    return before;
}

struct log_context *
log_context_get(void)
{
    return current_context;
}

const char *
log_fault_text(int error)
{
    const char *text = fault_text();
    return text[0] ? text : strerrordesc_np(error < 0 ? -error : error);
}

static void
line_put(struct line *line, const char *text, size_t size)
{
    /* Two bytes are kept for the closing brace and the newline. */
    size_t room = sizeof line->text - 2 - line->size;
    size_t n = MIN(size, room);
    memcpy(line->text + line->size, text, n);
    line->size += n;
}

PRINTF(2, 3) static void line_printf(struct line *line, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    line_put(line, text, MIN((size_t)MAX(n, 0), sizeof text - 1));
}

static bool
needs_quotes(struct bytes text)
{
    if (text.size == 0) {
        return true;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
            return true;
        }
    }
    return false;
}

/* Everything that is not printable ASCII is escaped: a hostile client id must not forge a line. */
static void
line_put_quoted(struct line *line, struct bytes text)
{
    line_put(line, "\"", 1);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') {
            char escaped[2] = { '\\', (char)c };
            line_put(line, escaped, 2);
        } else if (c == '\n') {
            line_put(line, "\\n", 2);
        } else if (c < ' ' || c >= 0x7f) {
            line_printf(line, "\\u%04x", c);
        } else {
            line_put(line, (const char *)&c, 1);
        }
    }
    line_put(line, "\"", 1);
}

static void
line_field(struct line *line, const char *key, struct bytes text, bool raw)
{
    bool json = current_format == LOG_FORMAT_JSON;
    if (json) {
        line_printf(line, "%s\"%s\":", line->size > 1 ? "," : "", key);
    } else {
        line_printf(line, "%s%s=", line->size ? " " : "", key);
    }
    if (raw || (!json && !needs_quotes(text))) {
        line_put(line, (const char *)text.data, text.size);
    } else {
        line_put_quoted(line, text);
    }
}

static void
line_number(struct line *line, const char *key, int64_t number)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)number);
    line_field(line, key, bytes_of(text, (size_t)n), true);
}

static void
line_time(struct line *line)
{
    if (!current_clock) {
        return;
    }
    int64_t ms = current_clock();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char day[32];
    char text[48];
    gmtime_r(&seconds, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    int n = snprintf(text, sizeof text, "%s.%03dZ", day, (int)(ms % 1000));
    line_field(line, "time", bytes_of(text, (size_t)n), false);
}

static void
line_context(struct line *line)
{
    const struct log_context *c = current_context;
    if (!c) {
        return;
    }
    if (c->client) {
        line_field(line, "client", bytes_of_string(c->client), false);
    }
    if (c->api) {
        line_field(line, "api", bytes_of_string(c->api), false);
        line_number(line, "version", c->api_version);
    }
    if (c->fiber) {
        line_field(line, "fiber", bytes_of_string(c->fiber), false);
        line_number(line, "fiber_id", (int64_t)c->fiber_id);
    }
}

void
log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
    struct line line = { .size = 0 };
    bool json = current_format == LOG_FORMAT_JSON;
    if (json) {
        line_put(&line, "{", 1);
    }
    line_time(&line);
    line_field(&line, "level", bytes_of_string(level_names[level]), false);
    line_field(&line, "msg", bytes_of_string(message), false);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind == LOG_FIELD_INT) {
            line_number(&line, fields[i].key, fields[i].number);
        } else {
            line_field(&line, fields[i].key, fields[i].text, false);
        }
    }
    line_context(&line);
    if (json) {
        line.text[line.size++] = '}';
    }
    line.text[line.size++] = '\n';
    if (current_sink) {
        current_sink(current_sink_arg, level, line.text, line.size);
    } else if (write(STDERR_FILENO, line.text, line.size) < 0) {
        return; /* there is nowhere left to say it */
    }
}
