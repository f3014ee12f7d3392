/* freshet: one program with subcommands. */
#include "base/pages.h"
#include "commands.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    { "broker", broker_main,
            "run a broker: freshet broker [--config FILE] [--set KEY=VALUE]... [--io ENGINE]" },
    { "audit", audit_main,
            "compare a bucket with its metadata: is every acknowledged record there?" },
    { "crash-points", crash_points_main, "list the places where a test can kill a broker" },
    { "inspect", inspect_main, "look into a WAL, an object, a manifest or the metadata log" },
    { "purge", purge_main, "remove everything that a stopped cluster has in its bucket, for good" },
    { "recover", recover_main,
            "bring what a dead broker's volume holds into the bucket: options as for broker" },
    { "settings", settings_main, "list all settings" },
    { "version", version_main, "say which version this is" },
};

static int
usage(FILE *out, int code)
{
    fputs("usage: freshet COMMAND [ARGUMENTS]\n\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
    }
    return code;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        return usage(stderr, 2);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        return usage(stdout, 0);
    }
    pages_keep();
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "freshet: there is no command '%s'\n", argv[1]);
    return usage(stderr, 2);
}
