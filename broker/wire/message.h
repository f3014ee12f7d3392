#pragma once
/* Messages: one C struct for all versions of a Kafka message, and a table that says how each
 * version lies on the wire. The structs and the tables are generated from wire/schemas; handlers
 * use the typed wrappers (produce_request_read) in the generated headers wire/messages/NAME.h.
 * Format of the schemas: docs/formats/schema.md.
 *
 * V2  Reading allocates nothing and validates everything: after wire_read succeeds, walking the
 *     message cannot fail. (A handler that finds half a request broken has already changed things.)
 * V3  What a version cannot carry is never dropped silently: a field that the version lacks, that
 *     has a value and that the schema does not call ignorable makes the write fail, as in Kafka.
 * V4  Nesting is bounded by the schemas (WIRE_NESTING_MAX), never by the input. */

#include "wire/array.h"
#include "wire/reader.h"
#include "wire/writer.h"

struct arena;

#define WIRE_NESTING_MAX 8

enum wire_kind {
    WIRE_BOOL,
    WIRE_INT8,
    WIRE_INT16,
    WIRE_UINT16,
    WIRE_INT32,
    WIRE_INT64,
    WIRE_FLOAT64,
    WIRE_UUID,
    WIRE_STRING,
    WIRE_BYTES,
    WIRE_RECORDS,
    WIRE_STRUCT,
    WIRE_ARRAY,
};

/* Inclusive; none when max < min. */
struct wire_versions {
    int16_t min;
    int16_t max;
};

static inline bool
wire_versions_contain(struct wire_versions versions, int16_t version)
{
    return version >= versions.min && version <= versions.max;
}

#define WIRE_IGNORABLE 1u  /* may be dropped by versions that lack it */
#define WIRE_INFLEXIBLE 2u /* keeps its old length prefix in flexible versions */
#define WIRE_KEY 4u        /* Kafka keeps the array as a set by this field */
#define WIRE_ERROR 8u      /* an error code: the writer tells whoever counts them */

struct wire_field {
    const char *name;
    const struct wire_type *type; /* of a struct, or of the elements of an array of structs */
    uint16_t offset;              /* in the C struct */
    uint16_t has_offset;          /* nullable structs: of the bool has_NAME */
    uint8_t kind;                 /* enum wire_kind */
    uint8_t element_kind;         /* arrays */
    uint8_t flags;
    int8_t tag; /* -1: a plain field */
    struct wire_versions versions;
    struct wire_versions nullable;
};

/* How many bytes an element takes in one version. */
struct wire_extent {
    uint16_t minimum;
    bool fixed; /* never more than the minimum: such arrays are skipped at once */
};

struct wire_type {
    const char *name;
    const struct wire_field *fields;   /* plain ones in wire order, then tagged ones by tag */
    const struct wire_extent *extents; /* one for each version of the message, from versions.min */
    const void *default_value;
    uint16_t plain_count;
    uint16_t field_count;
    uint16_t size;                 /* of the C struct */
    struct wire_versions versions; /* of the message */
    int16_t flexible_min;          /* INT16_MAX: never flexible */
};

static inline bool
wire_is_flexible(const struct wire_type *type, int16_t version)
{
    return version >= type->flexible_min;
}

/* Reads and validates one message at the cursor; `ret` holds views into its bytes. Fields that the
 * version lacks get their default. Bytes behind the message are left in the reader. -EBADMSG: not
 * that message. -ENOTSUP: no such version. */
MUST_CHECK int wire_read(
        struct wire_reader *r, const struct wire_type *type, int16_t version, void *ret);
/* Appends the message. Borrows what it points to until return, except slices of records (see struct
 * wire_records). -EINVAL: a null where none may be, a value that the version cannot carry (V3), or
 * a view read at another version. -ENOTSUP: no such version. -ENOBUFS: longer than the writer's
 * maximum. The writer is then of no use. */
MUST_CHECK int wire_write(
        struct wire_writer *w, const struct wire_type *type, int16_t version, const void *message);
/* Bytes that wire_write would append. Errors as wire_write. */
MUST_CHECK int wire_size(
        const struct wire_type *type, int16_t version, const void *message, size_t *ret_size);
/* Replaces every view into a frame, at all depths, by C arrays from `arena`: to change or write a
 * received message at another version, and for tests and tools. Strings and records still point
 * into the frame. -ENOBUFS: the arena's budget is spent. */
MUST_CHECK int wire_unfold(const struct wire_type *type, struct arena *arena, void *message);
