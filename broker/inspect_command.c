/* `freshet inspect`: looks at what lies on a volume or in a bucket, without a broker. Exit code 0:
 * everything is as it should be; 1: something is damaged (the lines say what); 2: could not look.
 */
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "commands.h"
#include "inspect.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE_MAX (1 * MIB)

struct subject {
    const char *name;
    int argument_count;
    const char *usage;
    int (*run)(struct inspect *inspect);
};

static const struct subject subjects[] = {
    { "wal", 1, "wal DIR                                    a write-ahead log (data/wal/0)",
            inspect_wal },
    { "bucket-wal", 1,
            "bucket-wal STORE_URL                       the write-ahead logs in a bucket",
            inspect_bucket_wal },
    { "object", 2, "object STORE_URL ID                        an object of data, or a manifest",
            inspect_object },
    { "manifest", 4, "manifest STORE_URL TOPIC_ID PARTITION ID   the older objects of a partition",
            inspect_manifest },
    { "meta", 1, "meta STORE_URL                             the metadata log", inspect_meta },
};

static int
usage(void)
{
    fprintf(stderr, "usage: freshet inspect [--json] [--batches] SUBJECT ARGUMENTS\n");
    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
        fprintf(stderr, "  %s\n", subjects[i].usage);
    }
    fprintf(stderr, "  --json: one JSON object per line; --batches: a line for each record batch\n"
                    "exit code: 0 valid, 1 damaged, 2 could not look\n");
    return 2;
}

struct run {
    struct inspect inspect;
    const struct subject *subject;
    int result;
};

static void
run_main(void *arg)
{
    struct run *run = arg;
    run->result = run->subject->run(&run->inspect);
    if (run->result == 0 && fflush(stdout) != 0) {
        run->result = fault(-EPIPE, "inspect: standard output: %s", strerrordesc_np(errno));
    }
    if (run->result < 0) {
        fprintf(stderr, "freshet inspect %s: %s\n", run->subject->name,
                log_fault_text(run->result));
    }
}

static const struct subject *
find_subject(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
        if (strcmp(subjects[i].name, name) == 0) {
            return &subjects[i];
        }
    }
    return NULL;
}

static int
exit_code(const struct run *run)
{
    if (run->inspect.damaged || run->result == -EBADMSG) {
        return 1;
    }
    return run->result < 0 ? 2 : 0;
}

int
inspect_main(int argc, char **argv)
{
    struct run run = { 0 };
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            run.inspect.json = true;
        } else if (strcmp(argv[i], "--batches") == 0) {
            run.inspect.batches = true;
        } else {
            return usage();
        }
    }
    run.subject = i < argc ? find_subject(argv[i]) : NULL;
    if (!run.subject || argc - i - 1 != run.subject->argument_count) {
        return usage();
    }
    run.inspect.arguments = argv + i + 1;
    run.inspect.argument_count = argc - i - 1;
    strbuf_init(&run.inspect.line, LINE_SIZE_MAX);
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    const struct reactors_options options = {
        .count = 1, .engine = IO_THREADS, .stall_warn_ns = UINT64_MAX
    };
    int r = reactors_run(&options, run_main, &run);
    strbuf_done(&run.inspect.line);
    if (r < 0) {
        fprintf(stderr, "freshet inspect: %s\n", log_fault_text(r));
        return 2;
    }
    return exit_code(&run);
}
