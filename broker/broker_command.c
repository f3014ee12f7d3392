/* `freshet broker` and `freshet recover`: settings from file, environment and command line, then
 * the reactors. */
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "commands.h"
#include "machine.h"
#include "process.h"
#include "reactor/crash_point.h"
#include "reactor/disk_fault.h"
#include "reactor/reactor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int
complain(int code)
{
    fprintf(stderr, "freshet broker: %s\n", fault_text());
    return code;
}

/* Reads a whole settings file; NULL and a message when that fails. */
static char *
read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "freshet broker: %s: %s\n", path, strerrordesc_np(errno));
        return NULL;
    }
    char *text = mem_alloc(SETTINGS_YAML_SIZE_MAX + 1);
    *ret_size = fread(text, 1, SETTINGS_YAML_SIZE_MAX + 1, file);
    bool bad = ferror(file) != 0;
    fclose(file);
    if (bad) {
        fprintf(stderr, "freshet broker: %s cannot be read\n", path);
        mem_free(text);
        return NULL;
    }
    return text;
}

static int
load_file(struct settings *settings, const char *path)
{
    size_t size;
    char *text = read_file(path, &size);
    if (!text) {
        return -EIO;
    }
    int r = settings_load_yaml(settings, path, bytes_of(text, size));
    mem_free(text);
    return r < 0 ? complain(r) : 0;
}

static int
set_one(struct settings *settings, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (!equals) {
        fprintf(stderr, "freshet broker: '%s' is not KEY=VALUE\n", assignment);
        return -EINVAL;
    }
    int r = settings_set(settings, bytes_of(assignment, (size_t)(equals - assignment)),
            bytes_of_string(equals + 1), SETTING_FROM_COMMAND_LINE);
    return r < 0 ? complain(r) : 0;
}

static int
set_engine(struct settings *settings, const char *engine)
{
    int r = settings_set(settings, BYTES_LITERAL("io.engine"), bytes_of_string(engine),
            SETTING_FROM_COMMAND_LINE);
    return r < 0 ? complain(r) : 0;
}

static const struct {
    const char *name;
    int (*apply)(struct settings *settings, const char *value);
} arguments[] = {
    { "--config", load_file },
    { "--set", set_one },
    { "--io", set_engine },
};

/* Whether argv[*i] is that option, and its value: as --name=value or in the argument behind it. */
static bool
option_value(const char *name, int argc, char **argv, int *i, const char **ret_value)
{
    const char *argument = argv[*i];
    size_t size = strlen(name);
    if (strncmp(argument, name, size) != 0) {
        return false;
    }
    if (argument[size] == '=') {
        *ret_value = argument + size + 1;
        return true;
    }
    if (argument[size] != 0 || *i + 1 >= argc) {
        return false;
    }
    *ret_value = argv[++*i];
    return true;
}

static int
parse_argument(struct settings *settings, int argc, char **argv, int *i)
{
    for (size_t option = 0; option < ARRAY_SIZE(arguments); option++) {
        const char *value;
        if (option_value(arguments[option].name, argc, argv, i, &value)) {
            return arguments[option].apply(settings, value);
        }
    }
    fprintf(stderr,
            "freshet broker: '%s' is not understood\n"
            "usage: freshet broker [--config FILE] [--set KEY=VALUE]... [--io "
            "auto|uring|threads]\n",
            argv[*i]);
    return -EINVAL;
}

static int
parse_arguments(struct settings *settings, int argc, char **argv)
{
    int r = 0;
    for (int i = 1; i < argc && r == 0; i++) {
        r = parse_argument(settings, argc, argv, &i);
    }
    return r;
}

/* Free space where the data folder is or will be: of its nearest parent that exists. */
static uint64_t
free_bytes(const char *path)
{
    static char parent[PATH_MAX];
    struct statvfs fs;
    snprintf(parent, sizeof parent, "%s", path);
    for (;;) {
        if (statvfs(parent, &fs) == 0) {
            return (uint64_t)fs.f_bavail * fs.f_frsize;
        }
        char *slash = strrchr(parent, '/');
        if (!slash) {
            return statvfs(".", &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
        }
        *slash = 0;
        if (slash == parent) {
            return statvfs("/", &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
        }
    }
}

static int
load(struct settings *settings, int argc, char **argv)
{
    static char directory[PATH_MAX];
    struct settings_machine machine;
    int r = settings_load_environment(settings, environ);
    if (r < 0) {
        return complain(r);
    }
    r = parse_arguments(settings, argc, argv);
    if (r < 0) {
        return r;
    }
    machine_look(&machine, directory);
    machine.volume_free_bytes = free_bytes(settings_string(settings, "data.dir"));
    r = settings_compute(settings, &machine);
    if (r == 0) {
        r = settings_validate(settings);
    }
    if (r == 0) {
        r = crash_point_setup(getenv("FRESHET_CRASH_POINT"));
    }
    if (r == 0) {
        r = disk_faults_setup(getenv("FRESHET_DISK_FAULTS"));
    }
    return r < 0 ? complain(r) : 0;
}

static enum log_level
level_of(const char *name)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return (enum log_level)i;
        }
    }
    return LOG_LEVEL_INFO;
}

/* For whoever waits for the start on our standard output. */
static void
tell_ready(struct process_options *options, const char *host, unsigned port)
{
    (void)options;
    printf("freshet ready on %s:%u\n", host, port);
    fflush(stdout);
}

static int
run(const struct settings *settings, fiber_fn main_fiber)
{
    struct process_options process = { .settings = settings, .ready = tell_ready };
    struct reactors_options options = { .count = (unsigned)settings_int(settings, "reactors") };
    const char *format = settings_string(settings, "log.format");
    log_setup(level_of(settings_string(settings, "log.level")),
            strcmp(format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
    int r = io_engine_parse(
            bytes_of_string(settings_string(settings, "io.engine")), &options.engine);
    if (r == 0) {
        r = reactors_run(&options, main_fiber, &process);
    }
    return r < 0 ? complain(1) : process.exit_code;
}

static int
load_and_run(int argc, char **argv, fiber_fn main_fiber)
{
    struct settings *settings = settings_new();
    int r = load(settings, argc, argv);
    int code = r < 0 ? 2 : run(settings, main_fiber);
    settings_free(settings);
    return code;
}

int
broker_main(int argc, char **argv)
{
    return load_and_run(argc, argv, process_main);
}

int
recover_main(int argc, char **argv)
{
    return load_and_run(argc, argv, process_recover);
}
