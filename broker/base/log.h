#pragma once
/* Messages for people and log collectors: one line each on standard error, logfmt or JSON. Only who
 * handles an event logs it. Data logs are never called log here: they are partitions, WALs and
 * objects.
 *
 *   LOG_INFO("topic created", LOG_STR("topic", name), LOG_INT("partitions", n)); */

#include "base/attr.h"
#include "base/bytes.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
enum log_field_kind { LOG_FIELD_INT, LOG_FIELD_STRING };

struct log_field {
    const char *key;
    enum log_field_kind kind;
    int64_t number;
    struct bytes text;
};

/* What every line says of where it comes from; the reactor swaps it with the fiber. */
struct log_context {
    const char *fiber; /* name, or NULL */
    uint64_t fiber_id;
    const char *client; /* address of the peer, or NULL */
    const char *api;    /* Kafka API name, or NULL */
    int api_version;
};

#define LOG_INT(k, v)                                                                              \
    ((struct log_field){ .key = (k), .kind = LOG_FIELD_INT, .number = (int64_t)(v) })
#define LOG_STR(k, v)                                                                              \
    ((struct log_field){ .key = (k), .kind = LOG_FIELD_STRING, .text = bytes_of_string(v) })
#define LOG_BYTES(k, v) ((struct log_field){ .key = (k), .kind = LOG_FIELD_STRING, .text = (v) })
/* The story of the error being handled: error=text. Text is "" when fault was not set. */
#define LOG_FAULT(r) LOG_INT("errno", -(r)), LOG_STR("error", log_fault_text(r))

#define LOG_AT(level, message, ...)                                                                \
    do {                                                                                           \
        if ((level) >= log_level_get()) {                                                          \
            const struct log_field log_fields_[] = { { 0 }, ##__VA_ARGS__ };                       \
            log_write(level, message, log_fields_ + 1, ARRAY_SIZE(log_fields_) - 1);               \
        }                                                                                          \
    } while (0)
#define LOG_DEBUG(message, ...) LOG_AT(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)
#define LOG_INFO(message, ...) LOG_AT(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define LOG_WARN(message, ...) LOG_AT(LOG_LEVEL_WARN, message, ##__VA_ARGS__)
#define LOG_ERROR(message, ...) LOG_AT(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)

void log_setup(enum log_level level, enum log_format format);
enum log_level log_level_get(void);
void log_write(
        enum log_level level, const char *message, const struct log_field *fields, size_t count);
/* fault_text(), or the text of the errno when there is none. */
const char *log_fault_text(int error);
struct log_context *log_context_swap(struct log_context *context);
struct log_context *log_context_get(void);

/* Lines go to standard error with the wall clock unless a sink is set (tests, the simulator).
 * `line` ends in '\n'. */
typedef void (*log_sink_fn)(void *arg, enum log_level level, const char *line, size_t size);
void log_set_sink(log_sink_fn sink, void *arg);
/* Milliseconds since 1970 for the time field; set by the reactor so that the simulator owns time.
 * NULL: no time. */
void log_set_clock(int64_t (*wall_ms)(void));
