/* Reads one schema file line by line. Indentation (4 spaces a level) says which struct a field
 * belongs to. */
#include "base/mem.h"
#include "generate/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_SIZE_MAX 512
#define TOKENS_MAX 16
#define DEPTH_MAX 8
#define COMMENT_SIZE_MAX 8192

struct parser {
    struct schema_file *file;
    struct schema_message *message;
    struct schema_struct
            *structs[DEPTH_MAX]; /* [i]: the struct that fields at depth i + 1 belong to, or NULL */
    struct schema_field *last[DEPTH_MAX]; /* [i]: the last field at depth i + 1 */
    char *tokens[TOKENS_MAX];
    int token_count;
    int depth;
    int line;
};

NORETURN static void
fail(const struct parser *p, const char *what, const char *text)
{
    schema_fail(p->file->path, p->line, "%s: '%s'", what, text);
}

static int
parse_number(const struct parser *p, const char *text, const char *end, const char *whole)
{
    int value = 0;
    if (text == end) {
        fail(p, "a version is missing", whole);
    }
    for (; text < end; text++) {
        if (!isdigit((unsigned char)*text) || value > VERSION_MAX / 10) {
            fail(p, "not a version or range of versions", whole);
        }
        value = value * 10 + (*text - '0');
    }
    return value;
}

/* "3", "3+" or "3-7". */
static struct versions
parse_versions(const struct parser *p, const char *text)
{
    const char *end = text + strlen(text);
    const char *dash = strchr(text, '-');
    if (dash) {
        struct versions v = { parse_number(p, text, dash, text),
            parse_number(p, dash + 1, end, text) };
        if (v.max < v.min) {
            fail(p, "the range ends before it begins", text);
        }
        return v;
    }
    if (end > text && end[-1] == '+') {
        return (struct versions){ parse_number(p, text, end - 1, text), VERSION_MAX };
    }
    int only = parse_number(p, text, end, text);
    return (struct versions){ only, only };
}

static bool
is_name(const char *text)
{
    if (!isalpha((unsigned char)*text)) {
        return false;
    }
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && *text != '_') {
            return false;
        }
    }
    return true;
}

/* The next token after `*i`, which must be there. */
static const char *
argument(const struct parser *p, int *i)
{
    if (*i + 1 >= p->token_count) {
        fail(p, "something must follow", p->tokens[*i]);
    }
    return p->tokens[++*i];
}

/* api KEY NAME listeners broker [controller] */
static void
parse_api(struct parser *p)
{
    struct schema_file *file = p->file;
    if (file->api_name || file->message_count > 0) {
        fail(p, "one api a file, before its messages", p->tokens[0]);
    }
    if (p->token_count < 5 || strcmp(p->tokens[3], "listeners") != 0 || !is_name(p->tokens[2])) {
        fail(p, "expected 'api KEY NAME listeners ...'", p->tokens[0]);
    }
    file->api_key =
            parse_number(p, p->tokens[1], p->tokens[1] + strlen(p->tokens[1]), p->tokens[1]);
    file->api_name = mem_strdup(p->tokens[2]);
    for (int i = 4; i < p->token_count; i++) {
        if (strcmp(p->tokens[i], "broker") == 0) {
            file->for_broker = true;
        } else if (strcmp(p->tokens[i], "controller") == 0) {
            file->for_controller = true;
        } else {
            fail(p, "no such listener", p->tokens[i]);
        }
    }
}

static const char *
message_name(const struct parser *p, int *i)
{
    if (strcmp(p->tokens[0], "message") == 0) {
        return mem_strdup(argument(p, i));
    }
    if (!p->file->api_name) {
        fail(p, "no api line before this", p->tokens[0]);
    }
    bool request = strcmp(p->tokens[0], "request") == 0;
    return text_of("%s%s", p->file->api_name, request ? "Request" : "Response");
}

/* request|response|message NAME  versions RANGE [flexible N+] [latest-unstable] */
static void
parse_message(struct parser *p)
{
    struct schema_message *message = mem_alloc(sizeof *message);
    int i = 0;
    message->name = message_name(p, &i);
    message->line = p->line;
    message->versions = (struct versions){ 1, 0 };
    message->flexible_min = VERSION_MAX;
    for (i++; i < p->token_count; i++) {
        const char *word = p->tokens[i];
        if (strcmp(word, "versions") == 0) {
            message->versions = parse_versions(p, argument(p, &i));
        } else if (strcmp(word, "flexible") == 0) {
            message->flexible_min = parse_versions(p, argument(p, &i)).min;
        } else if (strcmp(word, "latest-unstable") == 0) {
            message->latest_unstable = true;
        } else {
            fail(p, "not a property of a message", word);
        }
    }
    if (message->versions.max < message->versions.min || message->versions.max == VERSION_MAX) {
        fail(p, "a message needs 'versions FIRST-LAST'", message->name);
    }
    if (p->file->message_count == FILE_MESSAGES_MAX) {
        fail(p, "too many messages in one file", message->name);
    }
    p->file->messages[p->file->message_count++] = message;
    p->message = message;
    message->struct_count = 1;
    message->structs[0] = (struct schema_struct){ .name = message->name, .line = p->line };
    memset(p->structs, 0, sizeof p->structs);
    memset(p->last, 0, sizeof p->last);
    p->structs[0] = &message->structs[0];
}

static struct schema_struct *
add_struct(struct parser *p, const char *name)
{
    struct schema_message *message = p->message;
    for (int i = 1; i < message->struct_count; i++) {
        if (strcmp(message->structs[i].name, name) == 0) {
            fail(p, "two structs of one message have this name", name);
        }
    }
    if (message->struct_count == MESSAGE_STRUCTS_MAX) {
        fail(p, "too many structs in one message", name);
    }
    struct schema_struct *added = &message->structs[message->struct_count++];
    *added = (struct schema_struct){ .name = mem_strdup(name), .line = p->line };
    return added;
}

/* struct NAME [VERSIONS]: used by name from fields of this message. */
static void
parse_struct(struct parser *p)
{
    if (p->token_count < 2 || p->token_count > 3 || !is_name(p->tokens[1])) {
        fail(p, "expected 'struct NAME [VERSIONS]'", p->tokens[0]);
    }
    struct schema_struct *added = add_struct(p, p->tokens[1]);
    if (p->token_count == 3) {
        added->versions = parse_versions(p, p->tokens[2]);
        added->has_versions = true;
    }
    p->structs[1] = added;
    p->last[0] = NULL;
}

/* The words behind name, type and versions. */
static void
parse_options(struct parser *p, struct schema_field *field, int i)
{
    for (; i < p->token_count; i++) {
        const char *word = p->tokens[i];
        if (strcmp(word, "nullable") == 0) {
            field->nullable_flag = true;
            if (i + 1 < p->token_count && isdigit((unsigned char)p->tokens[i + 1][0])) {
                field->nullable = parse_versions(p, p->tokens[++i]);
                field->has_nullable_versions = true;
            }
        } else if (strcmp(word, "tag") == 0) {
            const char *number = argument(p, &i);
            field->tag = parse_number(p, number, number + strlen(number), number);
        } else if (strcmp(word, "=") == 0) {
            field->default_text = mem_strdup(argument(p, &i));
        } else if (strcmp(word, "ignorable") == 0) {
            field->ignorable = true;
        } else if (strcmp(word, "key") == 0) {
            field->key = true;
        } else if (strcmp(word, "inflexible") == 0) {
            field->inflexible = true;
        } else {
            fail(p, "not a property of a field", word);
        }
    }
}

/* NAME TYPE [VERSIONS] [options] */
static void
parse_field(struct parser *p)
{
    struct schema_struct *owner = p->structs[p->depth - 1];
    if (!owner) {
        /* Deeper than the field above: the fields of that field's own struct. */
        struct schema_field *above = p->depth >= 2 ? p->last[p->depth - 2] : NULL;
        if (!above) {
            fail(p, "indented too far", p->tokens[0]);
        }
        owner = add_struct(p, above->type_name);
        owner->is_inline = true;
        p->structs[p->depth - 1] = owner;
    }
    if (p->token_count < 2 || !is_name(p->tokens[0])) {
        fail(p, "expected 'NAME TYPE [VERSIONS] ...'", p->tokens[0]);
    }
    if (owner->field_count == STRUCT_FIELDS_MAX) {
        fail(p, "too many fields in one struct", p->tokens[0]);
    }
    bool is_array = strncmp(p->tokens[1], "[]", 2) == 0;
    const char *type_name = p->tokens[1] + (is_array ? 2 : 0);
    if (!is_name(type_name)) {
        fail(p, "not a type", p->tokens[1]);
    }
    struct schema_field *field = &owner->fields[owner->field_count++];
    *field = (struct schema_field){ .name = mem_strdup(p->tokens[0]),
        .type_name = mem_strdup(type_name),
        .kind = is_array ? KIND_ARRAY : KIND_STRUCT,
        .tag = -1,
        .line = p->line };
    int i = 2;
    if (i < p->token_count && isdigit((unsigned char)p->tokens[i][0])) {
        field->versions = parse_versions(p, p->tokens[i++]);
        field->has_versions = true;
    }
    parse_options(p, field, i);
    p->last[p->depth - 1] = field;
}

static void
split(struct parser *p, char *line)
{
    p->token_count = 0;
    for (char *token = strtok(line, " "); token; token = strtok(NULL, " ")) {
        if (p->token_count == TOKENS_MAX) {
            fail(p, "too many words", token);
        }
        p->tokens[p->token_count++] = token;
    }
}

/* Forgets structs that this line's indentation closes. */
static void
close_deeper(struct parser *p)
{
    for (int i = MAX(p->depth, 1); i < DEPTH_MAX; i++) {
        p->structs[i] = NULL;
        p->last[i] = NULL;
    }
}

static void
parse_line(struct parser *p, char *line)
{
    size_t indent = strspn(line, " ");
    char *comment = strstr(line, "//");
    if (comment) {
        if (comment == line && !p->file->api_name && p->file->message_count == 0) {
            strbuf_printf(&p->file->comment, "%s\n", comment[2] == ' ' ? comment + 3 : comment + 2);
        }
        *comment = 0;
    }
    line += MIN(indent, strlen(line));
    split(p, line);
    if (p->token_count == 0) {
        return;
    }
    if (indent % 4 != 0 || indent / 4 >= DEPTH_MAX || strchr(line, '\t')) {
        fail(p, "indent by 4 spaces a level, at most 7 levels", p->tokens[0]);
    }
    p->depth = (int)(indent / 4);
    const char *word = p->tokens[0];
    if (p->depth == 0) {
        if (strcmp(word, "api") == 0) {
            parse_api(p);
        } else if (strcmp(word, "request") == 0 || strcmp(word, "response") == 0 ||
                   strcmp(word, "message") == 0) {
            parse_message(p);
        } else {
            fail(p, "expected api, request, response or message", word);
        }
        return;
    }
    if (!p->message) {
        fail(p, "a field outside of a message", word);
    }
    close_deeper(p);
    if (p->depth == 1 && strcmp(word, "struct") == 0) {
        parse_struct(p);
    } else {
        parse_field(p);
    }
}

/* "schemas/00_produce.schema" -> "produce" */
static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = mem_strdup(slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot) {
        *dot = 0;
    }
    return name + strspn(name, "0123456789_");
}

struct schema_file *
schema_parse(const char *path)
{
    struct schema_file *file = mem_alloc(sizeof *file);
    struct parser p = { .file = file };
    char line[LINE_SIZE_MAX];
    file->path = path;
    file->name = base_name(path);
    file->api_key = -1;
    strbuf_init(&file->comment, COMMENT_SIZE_MAX);
    FILE *in = fopen(path, "re");
    if (!in) {
        schema_fail(path, 0, "cannot be read");
    }
    while (fgets(line, sizeof line, in)) {
        p.line++;
        size_t size = strlen(line);
        if (size == 0 || line[size - 1] != '\n') {
            schema_fail(path, p.line, "line too long, or no newline at its end");
        }
        line[size - 1] = 0;
        parse_line(&p, line);
    }
    if (ferror(in)) {
        schema_fail(path, p.line, "cannot be read");
    }
    fclose(in);
    return file;
}
