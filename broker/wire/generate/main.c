/* wire_generate OUTPUT-FOLDER SCHEMA...: turns the schemas into C, one .h and one .c each, plus
 * apis.h and apis.c. Files that would not change are left alone, so that nothing is compiled again
 * for a new comment. */
#include "base/mem.h"
#include "generate/schema.h"

#include <stdio.h>
#include <stdlib.h>

#define OUTPUT_SIZE_MAX ((size_t)1 << 22)

/* Nothing is freed here, which is not worth a report when the tree is built with sanitizers. */
const char *__asan_default_options(void); /* NOLINT(readability-identifier-naming): ASan's */

const char *
__asan_default_options(void)
{
    return "detect_leaks=0";
}

static bool
file_holds(const char *path, struct bytes bytes)
{
    FILE *in = fopen(path, "re");
    if (!in) {
        return false;
    }
    uint8_t *old = mem_alloc(bytes.size + 1);
    size_t size = fread(old, 1, bytes.size + 1, in);
    bool same = bytes_equal(bytes_of(old, size), bytes);
    fclose(in);
    mem_free(old);
    return same;
}

static void
write_file(const char *path, struct strbuf *text)
{
    if (text->error) {
        schema_fail(path, 0, "the output is too long");
    }
    if (!file_holds(path, strbuf_bytes(text))) {
        FILE *out = fopen(path, "we");
        bool written = out && fwrite(text->data, 1, text->size, out) == text->size;
        if (!out || fclose(out) != 0 || !written) {
            schema_fail(path, 0, "cannot be written");
        }
    }
    strbuf_clear(text);
}

static void
check_across(struct schema_file *const *files, int count)
{
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++) {
            if (files[i]->api_name && files[i]->api_key == files[j]->api_key) {
                schema_fail(files[i]->path, 1, "key %d is taken by %s", files[i]->api_key,
                        files[j]->path);
            }
            if (strcmp(files[i]->name, files[j]->name) == 0) {
                schema_fail(files[i]->path, 1, "the name is taken by %s", files[j]->path);
            }
        }
        if (files[i]->api_name && strcmp(snake_case(files[i]->api_name), files[i]->name) != 0) {
            schema_fail(files[i]->path, 1, "the file of %s is called NN_%s.schema",
                    files[i]->api_name, snake_case(files[i]->api_name));
        }
    }
}

int
main(int argc, char **argv)
{
    struct schema_file *files[SCHEMA_FILES_MAX];
    struct strbuf text;
    int count = argc - 2;
    if (argc < 3 || count > SCHEMA_FILES_MAX) {
        fprintf(stderr, "usage: %s OUTPUT-FOLDER SCHEMA...\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        files[i] = schema_parse(argv[i + 2]);
        schema_check(files[i]);
    }
    check_across(files, count);
    strbuf_init(&text, OUTPUT_SIZE_MAX);
    for (int i = 0; i < count; i++) {
        emit_header(files[i], &text);
        write_file(text_of("%s/%s.h", argv[1], files[i]->name), &text);
        emit_source(files[i], &text);
        write_file(text_of("%s/%s.c", argv[1], files[i]->name), &text);
    }
    emit_apis_header(files, count, &text);
    write_file(text_of("%s/apis.h", argv[1]), &text);
    emit_apis_source(files, count, &text);
    write_file(text_of("%s/apis.c", argv[1]), &text);
    return 0;
}
