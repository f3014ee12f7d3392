/* `freshet settings`: lists the table, writes docs/configuration.md, checks a file and the
 * environment. */
#include "base/fault.h"
#include "base/mem.h"
#include "commands.h"
#include "machine.h"
#include "settings/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MARKDOWN_SIZE_MAX ((size_t)1 << 20)

static int
usage(void)
{
    fprintf(stderr,
            "usage: freshet settings                 list all settings with their defaults\n"
            "       freshet settings --config FILE   check FILE and the environment, print what is "
            "not a default\n"
            "       freshet settings --markdown      print docs/configuration.md\n");
    return 2;
}

static int
print_markdown(void)
{
    struct strbuf text;
    strbuf_init(&text, MARKDOWN_SIZE_MAX);
    settings_markdown(&text);
    int code = text.error == 0 && fwrite(text.data, 1, text.size, stdout) == text.size ? 0 : 1;
    strbuf_done(&text);
    return code;
}

static int
print_table(void)
{
    const struct setting *row;
    for (size_t i = 0; (row = setting_at(SETTING_BROKER, i)); i++) {
        if (!row->inert) {
            printf("%s: %s\n    %s\n", row->name, row->fallback ? row->fallback : "~", row->about);
        }
    }
    printf("\nSettings of Kafka that are accepted without effect are listed in "
           "docs/configuration.md.\n");
    return 0;
}

static int
complain(const char *path)
{
    fprintf(stderr, "freshet settings: %s%s%s\n", path ? path : "", path ? ": " : "",
            path ? strerrordesc_np(errno) : fault_text());
    return 1;
}

static int
load_file(struct settings *settings, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return complain(path);
    }
    char *text = mem_alloc(SETTINGS_YAML_SIZE_MAX + 1);
    size_t size = fread(text, 1, SETTINGS_YAML_SIZE_MAX + 1, file);
    int code = ferror(file) ? complain(path) : 0;
    fclose(file);
    if (code == 0 && settings_load_yaml(settings, path, bytes_of(text, size)) < 0) {
        code = complain(NULL);
    }
    mem_free(text);
    return code;
}

static void
print_row(const struct settings *settings, const struct setting *row)
{
    if (settings_origin(settings, row) == SETTING_FROM_DEFAULT) {
        return;
    }
    const char *text = settings_text(settings, row);
    printf("%s: %s  # %s%s%s\n", row->name, text ? text : "~", settings_origin_text(settings, row),
            row->inert ? "; no effect: " : "", row->inert ? row->inert : "");
}

static void
print_effective(const struct settings *settings)
{
    const struct setting *row;
    for (size_t i = 0; (row = setting_at(SETTING_BROKER, i)); i++) {
        print_row(settings, row);
    }
    for (size_t i = 0; (row = settings_override_at(settings, i)); i++) {
        print_row(settings, row);
    }
}

static int
check_file(struct settings *settings, const char *path)
{
    static char directory[PATH_MAX];
    struct settings_machine machine;
    int code = load_file(settings, path);
    if (code != 0) {
        return code;
    }
    if (settings_load_environment(settings, environ) < 0) {
        return complain(NULL);
    }
    machine_look(&machine, directory);
    if (settings_compute(settings, &machine) < 0 || settings_validate(settings) < 0) {
        return complain(NULL);
    }
    print_effective(settings);
    return 0;
}

int
settings_main(int argc, char **argv)
{
    int code;
    if (argc == 1) {
        code = print_table();
    } else if (argc == 2 && strcmp(argv[1], "--markdown") == 0) {
        code = print_markdown();
    } else if (argc == 3 && strcmp(argv[1], "--config") == 0) {
        struct settings *settings = settings_new();
        code = check_file(settings, argv[2]);
        settings_free(settings);
    } else {
        return usage();
    }
    return fflush(stdout) == 0 ? code : 1;
}
