/* The tables. */
#include "generate/schema.h"

#include <string.h>

static const char *const kind_names[] = { "WIRE_BOOL", "WIRE_INT8", "WIRE_INT16", "WIRE_UINT16",
    "WIRE_INT32", "WIRE_INT64", "WIRE_FLOAT64", "WIRE_UUID", "WIRE_STRING", "WIRE_BYTES",
    "WIRE_RECORDS", "WIRE_STRUCT", "WIRE_ARRAY" };

/* One field of the default instance, or nothing when zero is right. */
static void
emit_default(const struct schema_field *field, struct strbuf *out)
{
    const char *text = field->default_text;
    bool null = text && strcmp(text, "null") == 0;
    if (field->kind == KIND_STRUCT) {
        if (field->nullable_flag && !null) {
            strbuf_printf(out, "    .has_%s = true,\n", field->name);
        }
        strbuf_printf(out, "    .%s = %s,\n", field->name, field->type->default_initializer);
    } else if (field->kind == KIND_ARRAY && null) {
        strbuf_printf(out, "    .%s = { .count = -1 },\n", field->name);
    } else if ((field->kind == KIND_STRING || field->kind == KIND_BYTES) && !null) {
        strbuf_printf(out, "    .%s = { (const uint8_t *)\"\", 0 },\n", field->name);
    } else if (field->kind == KIND_RECORDS && !null && !field->nullable_flag) {
        strbuf_printf(out, "    .%s = { .bytes = { (const uint8_t *)\"\", 0 } },\n", field->name);
    } else if (text && !null && strcmp(text, "-9223372036854775808") == 0) {
        strbuf_printf(out, "    .%s = INT64_MIN,\n", field->name);
    } else if (text && !null) {
        strbuf_printf(out, "    .%s = %s,\n", field->name, text);
    }
}

static void
compute_initializer(struct schema_struct *s)
{
    struct strbuf text;
    strbuf_init(&text, 65536);
    strbuf_append_string(&text, "{\n");
    for (int i = 0; i < s->field_count; i++) {
        emit_default(&s->fields[i], &text);
    }
    strbuf_append_string(&text, "}");
    s->default_initializer = strbuf_cstring(&text);
}

/* A field of our own that all versions have ends at the last one; the table needs no "forever". */
static void
emit_versions(const char *name, struct versions v, struct strbuf *out)
{
    strbuf_printf(out, " .%s = { %d, %d },", name, v.min, v.max);
}

static bool
is_error_code(const struct schema_field *field)
{
    static const char ending[] = "error_code";
    size_t length = strlen(field->name);
    return field->kind == KIND_INT16 && length >= sizeof ending - 1 &&
           strcmp(field->name + length - (sizeof ending - 1), ending) == 0;
}

static void
emit_field(const struct schema_struct *s, const struct schema_field *field, struct strbuf *out)
{
    strbuf_printf(out, "    { .name = \"%s\", .kind = %s, .offset = offsetof(struct %s, %s),",
            field->name, kind_names[field->kind], s->c_name, field->name);
    if (field->type) {
        strbuf_printf(out, " .type = &%s_type,", field->type->c_name);
    }
    if (field->kind == KIND_STRUCT && field->nullable_flag) {
        strbuf_printf(out, " .has_offset = offsetof(struct %s, has_%s),", s->c_name, field->name);
    }
    strbuf_append_string(out, "\n     ");
    if (field->kind == KIND_ARRAY) {
        strbuf_printf(out, " .element_kind = %s,", kind_names[field->element_kind]);
    }
    bool is_error = is_error_code(field);
    if (field->ignorable || field->inflexible || field->key || is_error) {
        strbuf_printf(out, " .flags = 0%s%s%s%s,", field->ignorable ? " | WIRE_IGNORABLE" : "",
                field->inflexible ? " | WIRE_INFLEXIBLE" : "", field->key ? " | WIRE_KEY" : "",
                is_error ? " | WIRE_ERROR" : "");
    }
    strbuf_printf(out, " .tag = %d,", field->tag);
    emit_versions("versions", field->versions, out);
    emit_versions("nullable", field->nullable, out);
    strbuf_append_string(out, " },\n");
}

static void
emit_extents(
        const struct schema_message *message, const struct schema_struct *s, struct strbuf *out)
{
    strbuf_printf(out, "static const struct wire_extent %s_extents[] = {", s->c_name);
    for (int v = message->versions.min; v <= message->versions.max; v++) {
        const struct schema_extent *extent = &s->extents[v - message->versions.min];
        strbuf_printf(out, " { %u, %s },", extent->minimum, extent->fixed ? "true" : "false");
    }
    strbuf_append_string(out, " };\n\n");
}

static void
emit_type(const struct schema_message *message, struct schema_struct *s, struct strbuf *out)
{
    int plain_count = 0;
    compute_initializer(s);
    strbuf_printf(out, "const struct %s %s_default = %s;\n\n", s->c_name, s->c_name,
            s->default_initializer);
    if (s->field_count > 0) {
        strbuf_printf(out, "static const struct wire_field %s_fields[] = {\n", s->c_name);
        for (int i = 0; i < s->field_count; i++) {
            emit_field(s, &s->fields[i], out);
            plain_count += s->fields[i].tag < 0;
        }
        strbuf_append_string(out, "};\n\n");
    }
    emit_extents(message, s, out);
    strbuf_printf(out,
            "const struct wire_type %s_type = {\n    .name = \"%s\",\n    .fields = %s%s,\n"
            "    .extents = %s_extents,\n    .default_value = &%s_default,\n    .plain_count = "
            "%d,\n"
            "    .field_count = %d,\n    .size = sizeof(struct %s),\n   ",
            s->c_name, s->name, s->field_count ? s->c_name : "NULL",
            s->field_count ? "_fields" : "", s->c_name, s->c_name, plain_count, s->field_count,
            s->c_name);
    emit_versions("versions", message->versions, out);
    strbuf_printf(out, "\n    .flexible_min = %d,\n};\n\n", message->flexible_min);
}

void
emit_source(const struct schema_file *file, struct strbuf *out)
{
    const char *slash = strrchr(file->path, '/');
    strbuf_printf(out,
            "/* Made from wire/schemas/%s; do not edit. */\n#include \"wire/messages/%s.h\"\n\n",
            slash ? slash + 1 : file->path, file->name);
    for (int i = 0; i < file->message_count; i++) {
        for (int j = 0; j < file->messages[i]->order_count; j++) {
            emit_type(file->messages[i], file->messages[i]->order[j], out);
        }
    }
}

static void
emit_api(const struct schema_file *file, struct strbuf *out)
{
    const struct schema_message *request = file->messages[0];
    int stable_max = request->versions.max - (request->latest_unstable ? 1 : 0);
    strbuf_printf(out,
            "    [%d] = { .key = %d, .version_min = %d, .version_max = %d, .flexible_min = %d, "
            ".stable_max = %d,\n"
            "        .for_broker = %s, .for_controller = %s, .name = \"%s\",\n"
            "        .request = &%s_request_type, .response = &%s_response_type },\n",
            file->api_key, file->api_key, request->versions.min, request->versions.max,
            request->flexible_min, stable_max, file->for_broker ? "true" : "false",
            file->for_controller ? "true" : "false", file->api_name, file->name, file->name);
}

void
emit_apis_source(struct schema_file *const *files, int count, struct strbuf *out)
{
    strbuf_append_string(out,
            "/* Made from wire/schemas; do not edit. */\n#include \"wire/messages/apis.h\"\n\n");
    for (int i = 0; i < count; i++) {
        strbuf_printf(out, "#include \"wire/messages/%s.h\"\n", files[i]->name);
    }
    strbuf_append_string(out, "\nconst struct wire_api wire_apis[WIRE_API_KEY_MAX + 1] = {\n");
    for (int i = 0; i < count; i++) {
        if (files[i]->api_name) {
            emit_api(files[i], out);
        }
    }
    strbuf_append_string(out, "};\n\nconst struct wire_type *const wire_message_types[] = {\n");
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < files[i]->message_count; j++) {
            strbuf_printf(out, "    &%s_type,\n", files[i]->messages[j]->structs[0].c_name);
        }
    }
    strbuf_append_string(out, "    NULL,\n};\n");
}
