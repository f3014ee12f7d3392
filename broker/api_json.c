/* Texts, errors and bodies of /v1. */
#include "api_json.h"

#include <errno.h>
#include <string.h>

void
api_put_bytes(struct strbuf *out, struct bytes text)
{
    strbuf_append_char(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < ' ' || c == '"' || c == '\\') {
            strbuf_printf(out, "\\u%04x", (unsigned)c);
        } else {
            strbuf_append_char(out, (char)c);
        }
    }
    strbuf_append_char(out, '"');
}

void
api_put_text(struct strbuf *out, const char *text)
{
    api_put_bytes(out, bytes_of_string(text));
}

unsigned
api_error(struct strbuf *out, unsigned status, const char *word, const char *message)
{
    strbuf_clear(out);
    strbuf_printf(out, "{\"error\": \"%s\", \"message\": ", word);
    api_put_text(out, message);
    strbuf_append_string(out, "}");
    return status;
}

static bool
is_nested_deeply(struct bytes json)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.size && depth <= API_NESTING_MAX; i++) {
        uint8_t c = json.data[i];
        if (in_string) {
            i += c == '\\'; /* what it escapes */
            in_string = c != '"';
        } else {
            in_string = c == '"';
            depth += c == '[' || c == '{';
            depth -= depth && (c == ']' || c == '}');
        }
    }
    return depth > API_NESTING_MAX;
}

int
api_body(struct bytes body, cJSON **ret_json)
{
    if (is_nested_deeply(body)) {
        return -EBADMSG;
    }
    cJSON *json = cJSON_ParseWithLength((const char *)body.data, body.size);
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        return -EBADMSG;
    }
    *ret_json = json;
    return 0;
}

bool
api_query(const char *query, const char *name, char *out, size_t out_size)
{
    size_t name_size = strlen(name);
    for (const char *p = query; *p; p += *p == '&') {
        size_t size = strcspn(p, "&");
        if (size > name_size && strncmp(p, name, name_size) == 0 && p[name_size] == '=') {
            size_t value_size = size - name_size - 1;
            if (value_size >= out_size) {
                return false;
            }
            memcpy(out, p + name_size + 1, value_size);
            out[value_size] = 0;
            return true;
        }
        p += size;
    }
    return false;
}
