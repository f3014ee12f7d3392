/* `freshet audit STORE_URL`: is everything that was acknowledged in the bucket (or in a WAL), and
 * is nothing in the bucket that nobody knows? Exit code 0: yes; 1: no, and the lines say what; 2:
 * could not look. */
#include "audit.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "commands.h"
#include "meta/inspect.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE_MAX (1 * MIB)
#define STORE_TIMEOUT_NS ((uint64_t)60 * NS_PER_S)
#define STORE_CACHE_SIZE (64 * MIB)
#define PROGRESS_NS ((uint64_t)2 * NS_PER_S)

static int
usage(void)
{
    fputs("usage: freshet audit [--json] [--read] [--wal DIR]... STORE_URL\n"
          "  --read: reads every live object and checks every byte\n"
          "  --wal DIR: a write-ahead log of a stopped broker (data/wal/0): what it holds must go "
          "on\n"
          "             where the objects end\n"
          "exit code: 0 all is there, 1 something is missing, damaged or known to nobody, 2 could "
          "not look\n",
            stderr);
    return 2;
}

void
audit_progress(struct audit *audit, const char *what, uint64_t done, uint64_t total)
{
    uint64_t now = clock_mono_ns();
    if (audit->quiet || now - audit->said_ns < PROGRESS_NS) {
        return;
    }
    audit->said_ns = now;
    if (total) {
        fprintf(stderr, "audit: %" PRIu64 " of %" PRIu64 " %s\n", done, total, what);
    } else {
        fprintf(stderr, "audit: %" PRIu64 " %s\n", done, what);
    }
}

void
audit_finding(struct audit *audit, const char *kind, const char *state)
{
    audit->out.damaged++;
    inspect_line_begin(&audit->out, kind);
    inspect_string(&audit->out, "state", state);
}

static int
say_summary(struct audit *audit)
{
    struct inspect *out = &audit->out;
    inspect_line_begin(out, "summary");
    inspect_string(out, "store", objectstore_url(audit->objects));
    inspect_uuid(out, "cluster_id", meta_state_cluster_id(audit->after));
    inspect_unsigned(out, "topics", meta_topic_count(audit->after));
    inspect_unsigned(out, "partitions", audit->partitions);
    inspect_unsigned(out, "ranges", audit->ranges);
    inspect_unsigned(out, "live_objects", audit->claims[AUDIT_LIVE]);
    inspect_unsigned(out, "live_bytes", audit->live_bytes);
    inspect_unsigned(out, "pending_objects", audit->claims[AUDIT_PENDING]);
    inspect_unsigned(out, "garbage_objects", audit->claims[AUDIT_GARBAGE]);
    inspect_unsigned(out, "orphans", audit->claims[AUDIT_ORPHAN]);
    inspect_unsigned(out, "unreferenced_objects", audit->claims[AUDIT_UNKNOWN]);
    inspect_unsigned(out, "wal_records", audit->run_count);
    inspect_unsigned(out, "findings", audit->out.damaged);
    return inspect_line_end(out);
}

static int
audit_steps(struct audit *audit)
{
    int r = audit_read_wals(audit);
    if (r == 0) {
        r = meta_read(audit->objects, &audit->before);
    }
    if (r == 0) {
        r = audit_list(audit);
    }
    if (r == 0) {
        r = meta_read(audit->objects, &audit->after);
    }
    if (r == 0) {
        r = audit_claim_all(audit);
    }
    if (r == 0) {
        r = audit_report_objects(audit);
    }
    if (r == 0) {
        r = audit_offsets(audit);
    }
    return r < 0 || audit->quiet ? r : say_summary(audit);
}

int
audit_look(struct audit *audit)
{
    map_init(&audit->by_id);
    strbuf_init(&audit->out.line, LINE_SIZE_MAX);
    int r = objectstore_open(audit->url, &audit->objects);
    if (r < 0) {
        strbuf_done(&audit->out.line);
        return r;
    }
    const struct store_options options = { .objects = audit->objects,
        .block_cache_bytes = STORE_CACHE_SIZE,
        .fetch_timeout_ns = STORE_TIMEOUT_NS };
    r = store_new(&options, &audit->store);
    if (r == 0) {
        r = audit_steps(audit);
        audit_objects_done(audit);
        mem_free(audit->runs);
        meta_state_free(audit->before);
        meta_state_free(audit->after);
        store_free(audit->store);
    }
    objectstore_close(audit->objects);
    strbuf_done(&audit->out.line);
    return r;
}

struct run {
    struct audit *audit;
    int result;
};

static void
run_main(void *arg)
{
    struct run *run = arg;
    run->result = audit_look(run->audit);
    if (run->result == 0 && fflush(stdout) != 0) {
        run->result = fault(-EPIPE, "standard output: %s", strerrordesc_np(errno));
    }
    if (run->result < 0) {
        fprintf(stderr, "freshet audit: %s\n", log_fault_text(run->result));
    }
}

/* False: not as usage() says. */
static bool
parse(struct audit *audit, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            audit->out.json = true;
        } else if (strcmp(argv[i], "--read") == 0) {
            audit->read_objects = true;
        } else if (strcmp(argv[i], "--wal") == 0) {
            if (i + 1 == argc || audit->wal_count == AUDIT_WAL_FOLDERS_MAX) {
                return false;
            }
            audit->wal_folders[audit->wal_count++] = argv[++i];
        } else if (argv[i][0] == '-' || audit->url) {
            return false;
        } else {
            audit->url = argv[i];
        }
    }
    return audit->url;
}

int
audit_main(int argc, char **argv)
{
    struct audit audit = { 0 };
    struct run run = { &audit, 0 };
    if (!parse(&audit, argc, argv)) {
        return usage();
    }
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    const struct reactors_options options = {
        .count = 1, .engine = IO_THREADS, .stall_warn_ns = UINT64_MAX
    };
    int r = reactors_run(&options, run_main, &run);
    if (r < 0) {
        fprintf(stderr, "freshet audit: %s\n", log_fault_text(r));
        return 2;
    }
    return run.result < 0 ? 2 : audit.out.damaged ? 1 : 0;
}
