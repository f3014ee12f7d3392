#pragma once
/* The schemas in memory: what parse.c reads, check.c completes and emit_*.c turns into C. A
 * build-time program: nothing is freed, and the first mistake ends it with file and line. Format:
 * docs/formats/schema.md. */

#include "base/attr.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

#define VERSION_MAX 32767
#define STRUCT_FIELDS_MAX 64
#define MESSAGE_STRUCTS_MAX 64
#define FILE_MESSAGES_MAX 16
#define SCHEMA_FILES_MAX 256

/* Inclusive; none when max < min. */
struct versions {
    int min;
    int max;
};

/* In the order of enum wire_kind (wire/message.h). */
enum kind {
    KIND_BOOL,
    KIND_INT8,
    KIND_INT16,
    KIND_UINT16,
    KIND_INT32,
    KIND_INT64,
    KIND_FLOAT64,
    KIND_UUID,
    KIND_STRING,
    KIND_BYTES,
    KIND_RECORDS,
    KIND_STRUCT,
    KIND_ARRAY,
};

struct schema_struct;

struct schema_field {
    const char *name;
    const char *type_name;      /* without [] */
    struct schema_struct *type; /* set by check.c for structs */
    const char *default_text;   /* NULL: the type's zero */
    enum kind kind;
    enum kind element_kind; /* of arrays */
    struct versions versions;
    struct versions nullable;
    int tag; /* -1: none */
    int line;
    bool has_versions; /* written in the schema */
    bool has_nullable_versions;
    bool nullable_flag;
    bool ignorable;
    bool key;
    bool inflexible;
};

struct schema_extent {
    unsigned minimum;
    bool fixed;
};

struct schema_struct {
    const char *name;   /* as in the schema; the root has the message's */
    const char *c_name; /* produce_request_topic_data */
    const char *default_initializer;
    struct versions versions;
    struct schema_field fields[STRUCT_FIELDS_MAX];
    struct schema_extent *extents; /* one for each version of the message */
    int field_count;
    int line;
    bool has_versions;
    bool is_inline; /* its fields stand below the field that uses it */
    bool ordered;   /* check.c: stands in message.order */
};

struct schema_message {
    const char *name;                                  /* ProduceRequest */
    struct schema_struct structs[MESSAGE_STRUCTS_MAX]; /* [0] is the message itself */
    struct schema_struct *order[MESSAGE_STRUCTS_MAX];  /* what is used stands before what uses it */
    int struct_count;
    int order_count;
    struct versions versions;
    int flexible_min; /* VERSION_MAX: never */
    int line;
    bool latest_unstable;
};

struct schema_file {
    const char *path;
    const char *name;      /* produce */
    const char *api_name;  /* Produce, or NULL */
    struct strbuf comment; /* the comment at the top */
    struct schema_message *messages[FILE_MESSAGES_MAX];
    int message_count;
    int api_key; /* -1: not an API */
    bool for_broker;
    bool for_controller;
};

/* Prints "file:line: error: ..." and exits with 1. */
NORETURN PRINTF(3, 4) void schema_fail(const char *path, int line, const char *format, ...);

/* ProduceRequest -> produce_request. */
const char *snake_case(const char *name);
const char *upper_case(const char *name);
PRINTF(1, 2) const char *text_of(const char *format, ...);
struct schema_file *schema_parse(const char *path);
/* Resolves types and versions, orders the structs, computes sizes and defaults, refuses what makes
 * no sense. */
void schema_check(struct schema_file *file);

void emit_header(const struct schema_file *file, struct strbuf *out);
void emit_source(const struct schema_file *file, struct strbuf *out);
/* The table of all APIs and messages. */
void emit_apis_header(struct schema_file *const *files, int count, struct strbuf *out);
void emit_apis_source(struct schema_file *const *files, int count, struct strbuf *out);

static inline bool
versions_contain(struct versions v, int version)
{
    return version >= v.min && version <= v.max;
}

static inline struct versions
versions_intersect(struct versions a, struct versions b)
{
    return (struct versions){ MAX(a.min, b.min), MIN(a.max, b.max) };
}
