/* Makes sense of what was parsed: types, versions, order of structs, sizes, defaults. */
#include "base/mem.h"
#include "generate/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct checker {
    const struct schema_file *file;
    struct schema_message *message;
};

static const struct {
    const char *name;
    unsigned width; /* 0: varies */
} scalar_types[] = {
    [KIND_BOOL] = { "bool", 1 },
    [KIND_INT8] = { "int8", 1 },
    [KIND_INT16] = { "int16", 2 },
    [KIND_UINT16] = { "uint16", 2 },
    [KIND_INT32] = { "int32", 4 },
    [KIND_INT64] = { "int64", 8 },
    [KIND_FLOAT64] = { "float64", 8 },
    [KIND_UUID] = { "uuid", 16 },
    [KIND_STRING] = { "string", 0 },
    [KIND_BYTES] = { "bytes", 0 },
    [KIND_RECORDS] = { "records", 0 },
};

static struct schema_struct *
find_struct(struct schema_message *message, const char *name)
{
    for (int i = 1; i < message->struct_count; i++) {
        if (strcmp(message->structs[i].name, name) == 0) {
            return &message->structs[i];
        }
    }
    return NULL;
}

static void
resolve_type(const struct checker *c, struct schema_field *field)
{
    enum kind kind = KIND_STRUCT;
    for (size_t i = 0; i < ARRAY_SIZE(scalar_types); i++) {
        if (strcmp(scalar_types[i].name, field->type_name) == 0) {
            kind = (enum kind)i;
        }
    }
    if (kind == KIND_STRUCT) {
        field->type = find_struct(c->message, field->type_name);
        if (!field->type) {
            schema_fail(c->file->path, field->line, "no such type: '%s'", field->type_name);
        }
    }
    if (field->kind == KIND_ARRAY) {
        field->element_kind = kind;
    } else {
        field->kind = kind;
    }
}

static bool
can_be_null(const struct schema_field *field)
{
    return field->kind >= KIND_STRING;
}

static void
resolve_versions(
        const struct checker *c, const struct schema_struct *owner, struct schema_field *field)
{
    const char *path = c->file->path;
    struct versions whole = owner->versions;
    if (!field->has_versions) {
        field->versions = whole;
    }
    field->versions = versions_intersect(field->versions, whole);
    if (field->versions.max < field->versions.min) {
        schema_fail(path, field->line, "'%s' is in no version of what is around it", field->name);
    }
    if (!field->has_nullable_versions) {
        field->nullable = field->nullable_flag ? field->versions : (struct versions){ 1, 0 };
    } else {
        field->nullable = versions_intersect(field->nullable, field->versions);
    }
    if (field->nullable_flag && !can_be_null(field)) {
        schema_fail(path, field->line, "'%s' cannot be null: it is a %s", field->name,
                field->type_name);
    }
    if (field->tag >= 0 && field->versions.min < c->message->flexible_min) {
        schema_fail(
                path, field->line, "'%s' is tagged in versions that are not flexible", field->name);
    }
}

static bool
default_is_number(const struct schema_field *field)
{
    static const int64_t lowest[] = { [KIND_INT8] = INT8_MIN,
        [KIND_INT16] = INT16_MIN,
        [KIND_UINT16] = 0,
        [KIND_INT32] = INT32_MIN,
        [KIND_INT64] = INT64_MIN };
    static const int64_t highest[] = { [KIND_INT8] = INT8_MAX,
        [KIND_INT16] = INT16_MAX,
        [KIND_UINT16] = UINT16_MAX,
        [KIND_INT32] = INT32_MAX,
        [KIND_INT64] = INT64_MAX };
    char *end;
    errno = 0;
    if (field->kind == KIND_FLOAT64) {
        (void)strtod(field->default_text, &end);
        return errno == 0 && *end == 0;
    }
    long long value = strtoll(field->default_text, &end, 0);
    return errno == 0 && *end == 0 && value >= lowest[field->kind] && value <= highest[field->kind];
}

static void
check_default(const struct checker *c, const struct schema_field *field)
{
    const char *text = field->default_text;
    bool good = true;
    if (!text) {
        return;
    }
    if (strcmp(text, "null") == 0) {
        good = field->nullable_flag;
    } else if (field->kind == KIND_BOOL) {
        good = strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    } else if (field->kind > KIND_BOOL && field->kind <= KIND_FLOAT64) {
        good = default_is_number(field);
    } else {
        good = false;
    }
    if (!good) {
        schema_fail(
                c->file->path, field->line, "'%s' cannot have the default %s", field->name, text);
    }
}

/* Names and tags are unique; plain fields keep their order, tagged ones go behind them by tag. */
static void
check_siblings(const struct checker *c, struct schema_struct *s)
{
    for (int i = 0; i < s->field_count; i++) {
        for (int j = 0; j < i; j++) {
            const struct schema_field *a = &s->fields[j];
            const struct schema_field *b = &s->fields[i];
            if (strcmp(a->name, b->name) == 0) {
                schema_fail(
                        c->file->path, b->line, "'%s' is there twice (line %d)", b->name, a->line);
            }
            if (b->tag >= 0 && a->tag == b->tag) {
                schema_fail(c->file->path, b->line, "tag %d is taken by '%s'", b->tag, a->name);
            }
        }
    }
    for (int i = 1; i < s->field_count; i++) {
        struct schema_field field = s->fields[i];
        int j = i;
        for (; j > 0 && s->fields[j - 1].tag > field.tag; j--) {
            s->fields[j] = s->fields[j - 1];
        }
        s->fields[j] = field;
    }
}

/* The writer compares a struct with its default without looking into structs inside it. */
static void
check_struct_fields(const struct checker *c, const struct schema_struct *s)
{
    for (int i = 0; i < s->field_count; i++) {
        const struct schema_field *field = &s->fields[i];
        bool compared = field->kind == KIND_STRUCT && !field->nullable_flag &&
                        (field->tag >= 0 || field->versions.min > s->versions.min ||
                                field->versions.max < s->versions.max);
        for (int j = 0; compared && field->type && j < field->type->field_count; j++) {
            if (field->type->fields[j].kind == KIND_STRUCT) {
                schema_fail(c->file->path, field->line,
                        "'%s' may be absent, so it cannot hold a struct", field->name);
            }
        }
        if (field->kind == KIND_STRUCT && field->nullable_flag && field->tag >= 0) {
            schema_fail(c->file->path, field->line, "'%s' cannot be both tagged and nullable",
                    field->name);
        }
    }
}

static bool
is_ready(const struct schema_struct *s)
{
    for (int i = 0; i < s->field_count; i++) {
        if (s->fields[i].type && !s->fields[i].type->ordered) {
            return false;
        }
    }
    return true;
}

static void
order_structs(const struct checker *c)
{
    struct schema_message *message = c->message;
    bool moved = true;
    while (moved) {
        moved = false;
        for (int i = 0; i < message->struct_count; i++) {
            struct schema_struct *s = &message->structs[i];
            if (!s->ordered && is_ready(s)) {
                message->order[message->order_count++] = s;
                s->ordered = true;
                moved = true;
            }
        }
    }
    if (message->order_count < message->struct_count) {
        schema_fail(c->file->path, message->line, "the structs of %s hold each other in a circle",
                message->name);
    }
}

static struct schema_extent
field_extent(const struct checker *c, const struct schema_field *field, int version)
{
    bool flexible = version >= c->message->flexible_min && !field->inflexible;
    if (field->kind == KIND_STRUCT) {
        if (versions_contain(field->nullable, version)) {
            return (struct schema_extent){ 1, false };
        }
        return field->type->extents[version - c->message->versions.min];
    }
    if (field->kind == KIND_ARRAY || scalar_types[field->kind].width == 0) {
        unsigned prefix = flexible ? 1 : field->kind == KIND_STRING ? 2 : 4;
        return (struct schema_extent){ prefix, false };
    }
    return (struct schema_extent){ scalar_types[field->kind].width, true };
}

static void
compute_extents(const struct checker *c, struct schema_struct *s)
{
    struct versions all = c->message->versions;
    s->extents = mem_alloc_array((size_t)all.max - (size_t)all.min + 1, sizeof *s->extents);
    for (int version = all.min; version <= all.max; version++) {
        bool flexible = version >= c->message->flexible_min;
        struct schema_extent sum = { flexible ? 1 : 0, !flexible };
        for (int i = 0; i < s->field_count; i++) {
            const struct schema_field *field = &s->fields[i];
            if (field->tag >= 0 || !versions_contain(field->versions, version)) {
                continue;
            }
            struct schema_extent one = field_extent(c, field, version);
            sum.minimum += one.minimum;
            sum.fixed &= one.fixed;
        }
        s->extents[version - all.min] = sum;
    }
}

/* A struct lives as long as its message unless it says less; one that stands inline gets the
 * versions of its field when that is resolved, which is before its own fields are. */
static void
spread_versions(const struct checker *c)
{
    struct schema_message *message = c->message;
    message->structs[0].versions = message->versions;
    for (int i = 0; i < message->struct_count; i++) {
        struct schema_struct *s = &message->structs[i];
        if (s->has_versions) {
            s->versions = versions_intersect(s->versions, message->versions);
        } else if (i > 0) {
            s->versions = message->versions;
        }
    }
}

void
schema_check(struct schema_file *file)
{
    for (int m = 0; m < file->message_count; m++) {
        struct checker c = { file, file->messages[m] };
        const char *prefix = snake_case(c.message->name);
        spread_versions(&c);
        for (int i = 0; i < c.message->struct_count; i++) {
            struct schema_struct *s = &c.message->structs[i];
            s->c_name = i == 0 ? prefix : text_of("%s_%s", prefix, s->name);
            for (int j = 0; j < s->field_count; j++) {
                resolve_type(&c, &s->fields[j]);
                resolve_versions(&c, s, &s->fields[j]);
                check_default(&c, &s->fields[j]);
                if (s->fields[j].type && s->fields[j].type->is_inline) {
                    s->fields[j].type->versions = s->fields[j].versions;
                }
            }
            check_siblings(&c, s);
        }
        for (int i = 0; i < c.message->struct_count; i++) {
            check_struct_fields(&c, &c.message->structs[i]);
        }
        order_structs(&c);
        for (int i = 0; i < c.message->order_count; i++) {
            compute_extents(&c, c.message->order[i]);
        }
    }
    if (file->api_name && file->message_count != 2) {
        schema_fail(file->path, 1, "an api has one request and one response");
    }
}
