/* The C structs and their typed wrappers. */
#include "generate/schema.h"

#include <stdio.h>

static const char *const c_types[] = { [KIND_BOOL] = "bool",
    [KIND_INT8] = "int8_t",
    [KIND_INT16] = "int16_t",
    [KIND_UINT16] = "uint16_t",
    [KIND_INT32] = "int32_t",
    [KIND_INT64] = "int64_t",
    [KIND_FLOAT64] = "double",
    [KIND_UUID] = "struct uuid",
    [KIND_STRING] = "struct bytes",
    [KIND_BYTES] = "struct bytes",
    [KIND_RECORDS] = "struct wire_records",
    [KIND_ARRAY] = "struct wire_array" };

/* "of struct x, 3-7, null 4+, tag 0": what the C type does not say. */
static void
emit_field_comment(const struct schema_message *message, const struct schema_struct *s,
        const struct schema_field *field, struct strbuf *out)
{
    const char *separator = "";
    strbuf_append_string(out, " /* ");
    if (field->kind == KIND_ARRAY && field->type) {
        strbuf_printf(out, "of struct %s", field->type->c_name);
        separator = ", ";
    } else if (field->kind == KIND_ARRAY) {
        strbuf_printf(out, "of %s", field->type_name);
        separator = ", ";
    }
    if (field->versions.min > s->versions.min || field->versions.max < s->versions.max) {
        if (field->versions.max == message->versions.max) {
            strbuf_printf(out, "%sversions %d+", separator, field->versions.min);
        } else {
            strbuf_printf(
                    out, "%sversions %d-%d", separator, field->versions.min, field->versions.max);
        }
        separator = ", ";
    }
    if (field->nullable_flag) {
        strbuf_printf(out, "%smay be null", separator);
        if (field->nullable.min > field->versions.min) {
            strbuf_printf(out, " in %d+", field->nullable.min);
        }
        separator = ", ";
    }
    if (field->default_text && strcmp(field->default_text, "null") != 0) {
        strbuf_printf(out, "%sdefault %s", separator, field->default_text);
        separator = ", ";
    }
    if (!*separator) {
        /* Nothing to say: take the comment back. */
        out->size -= strlen(" /* ");
        return;
    }
    strbuf_append_string(out, " */");
}

static void
emit_struct(const struct schema_message *message, const struct schema_struct *s, struct strbuf *out)
{
    strbuf_printf(out, "struct %s {\n", s->c_name);
    for (int i = 0; i < s->field_count; i++) {
        const struct schema_field *field = &s->fields[i];
        if (field->kind == KIND_STRUCT && field->nullable_flag) {
            strbuf_printf(
                    out, "    bool has_%s; /* false: %s is null */\n", field->name, field->name);
        }
        if (field->kind == KIND_STRUCT) {
            strbuf_printf(out, "    struct %s %s;", field->type->c_name, field->name);
        } else {
            strbuf_printf(out, "    %s %s;", c_types[field->kind], field->name);
        }
        emit_field_comment(message, s, field, out);
        strbuf_append_char(out, '\n');
    }
    if (s->field_count == 0) {
        strbuf_append_string(out, "    char nothing; /* the message has no fields */\n");
    }
    strbuf_append_string(out, "};\n\n");
}

static void
emit_wrappers(const struct schema_message *message, struct strbuf *out)
{
    const char *name = message->structs[0].c_name;
    strbuf_printf(out, "/* wire_read, for versions %d to %d. */\n", message->versions.min,
            message->versions.max);
    strbuf_printf(out,
            "MUST_CHECK static inline int\n%s_read(struct wire_reader *r, int16_t version, struct "
            "%s *ret)\n{\n"
            "    return wire_read(r, &%s_type, version, ret);\n}\n\n",
            name, name, name);
    strbuf_printf(out,
            "/* wire_write */\n"
            "MUST_CHECK static inline int\n%s_write(struct wire_writer *w, int16_t version, const "
            "struct %s *message)\n"
            "{\n    return wire_write(w, &%s_type, version, message);\n}\n\n",
            name, name, name);
}

static bool
is_element(const struct schema_message *message, const struct schema_struct *s)
{
    for (int i = 0; i < message->struct_count; i++) {
        for (int j = 0; j < message->structs[i].field_count; j++) {
            const struct schema_field *field = &message->structs[i].fields[j];
            if (field->kind == KIND_ARRAY && field->type == s) {
                return true;
            }
        }
    }
    return false;
}

static void
emit_message(const struct schema_message *message, struct strbuf *out)
{
    for (int i = 0; i < message->order_count; i++) {
        emit_struct(message, message->order[i], out);
    }
    for (int i = 0; i < message->order_count; i++) {
        const char *name = message->order[i]->c_name;
        strbuf_printf(out, "extern const struct wire_type %s_type;\n", name);
        strbuf_printf(out, "extern const struct %s %s_default;\n", name, name);
    }
    strbuf_append_char(out, '\n');
    emit_wrappers(message, out);
    for (int i = 0; i < message->order_count; i++) {
        const char *name = message->order[i]->c_name;
        if (is_element(message, message->order[i])) {
            strbuf_printf(out,
                    "static inline bool\n%s_next(struct wire_iterator *it, struct %s *ret)\n{\n"
                    "    return wire_struct_next(it, &%s_type, ret);\n}\n\n",
                    name, name, name);
        }
    }
}

void
emit_header(const struct schema_file *file, struct strbuf *out)
{
    const char *slash = strrchr(file->path, '/');
    strbuf_printf(out, "#pragma once\n/* Made from wire/schemas/%s; do not edit.\n",
            slash ? slash + 1 : file->path);
    const char *text = strbuf_cstring((struct strbuf *)(uintptr_t)&file->comment);
    for (bool begin = true; *text; text++) {
        if (begin) {
            strbuf_append_string(out, *text == '\n' ? " *" : " * ");
        }
        strbuf_append_char(out, *text);
        begin = *text == '\n';
    }
    strbuf_append_string(out, " */\n\n#include \"wire/message.h\"\n\n");
    for (int i = 0; i < file->message_count; i++) {
        emit_message(file->messages[i], out);
    }
}

void
emit_apis_header(struct schema_file *const *files, int count, struct strbuf *out)
{
    strbuf_append_string(out,
            "#pragma once\n/* Made from wire/schemas: the keys of all APIs. */\n\n"
            "#include \"wire/api.h\"\n\nenum wire_api_key {\n");
    for (int i = 0; i < count; i++) {
        if (files[i]->api_name) {
            strbuf_printf(
                    out, "    WIRE_API_%s = %d,\n", upper_case(files[i]->name), files[i]->api_key);
        }
    }
    strbuf_append_string(out,
            "};\n\n/* By key; unused keys have no name. */\n"
            "extern const struct wire_api wire_apis[WIRE_API_KEY_MAX + 1];\n"
            "/* Every message there is, for tools and tests; NULL at the end. */\n"
            "extern const struct wire_type *const wire_message_types[];\n");
}
