/* `freshet purge --cluster-id ID STORE_URL`: removes everything that a cluster has in its bucket,
 * for good. Exit code 0: nothing of it is left; 1: refused or not finished, run it again; 2: usage.
 * X1 to X4 are in meta/purge.h. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "commands.h"
#include "meta/purge.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"
#include "store/range.h"
#include "wal/object_format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_NS ((uint64_t)60 * NS_PER_S)
#define PAGE 1000
#define ROUNDS_MAX 1000 /* a store whose listings lag shows again what is gone */

struct purge {
    const char *url;
    struct uuid cluster_id;
    struct objectstore *objects;
    uint64_t removed;
    uint64_t foreign; /* in the last round */
    int result;
};

static int
usage(void)
{
    fputs("usage: freshet purge --cluster-id ID STORE_URL\n"
          "  Removes all data of a cluster whose brokers are stopped, for good. ID says which "
          "cluster\n"
          "  (clusterId of GET /v1/brokers, `freshet inspect meta`); a bucket of another one is "
          "refused.\n"
          "exit code: 0 nothing of it is left, 1 refused or not finished: run it again\n",
            stderr);
    return 2;
}

/* X4. */
static bool
may_remove(const char *key)
{
    uint64_t number;
    struct wal_object_log log;
    return store_object_id_of_key(key, &number) == 0 ||
           wal_object_key_parse(key, &log, &number) == 0 || meta_purge_may_remove(key);
}

/* One page; *ret_more is false after the last one. */
static int
purge_page(
        struct purge *purge, const char *folder, char last[OBJECT_KEY_SIZE_MAX + 1], bool *ret_more)
{
    struct object_list list;
    int r = objectstore_list(
            purge->objects, folder, last, PAGE, clock_mono_ns() + REQUEST_NS, &list);
    if (r) {
        return r;
    }
    size_t count = 0;
    CLEANUP(mem_freep) const char **keys = mem_alloc_array(list.count + 1, sizeof *keys);
    for (size_t i = 0; i < list.count; i++) {
        const char *key = list.entries[i].key;
        if (may_remove(key)) {
            keys[count++] = key;
        } else {
            purge->foreign += strcmp(key, "meta/lease") != 0;
        }
        snprintf(last, OBJECT_KEY_SIZE_MAX + 1, "%s", key);
    }
    if (count) {
        r = objectstore_delete_many(purge->objects, keys, count, clock_mono_ns() + REQUEST_NS);
        purge->removed += r == 0 ? count : 0;
    }
    *ret_more = list.more && list.count;
    object_list_done(&list);
    return r;
}

/* Everything that a listing shows now. */
static int
purge_round(struct purge *purge)
{
    static const char *const folders[] = { "data/", "wal/", "meta/" };
    purge->foreign = 0;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char last[OBJECT_KEY_SIZE_MAX + 1] = "";
        bool more = true;
        while (more) {
            int r = purge_page(purge, folders[i], last, &more);
            if (r) {
                return r;
            }
        }
    }
    return 0;
}

static int
purge_steps(struct purge *purge)
{
    int r = meta_purge_begin(purge->objects, &purge->cluster_id, may_remove);
    if (r == -ENOENT) {
        return 0;
    }
    uint64_t before = UINT64_MAX;
    for (int i = 0; r == 0 && before != purge->removed; i++) {
        before = purge->removed;
        r = i < ROUNDS_MAX ? purge_round(purge)
                           : fault(-EBUSY, "the store shows objects again and again");
    }
    return r ? r : meta_purge_end(purge->objects); /* X3: a round has found nothing */
}

static void
purge_main_fiber(void *arg)
{
    struct purge *purge = arg;
    int r = objectstore_open(purge->url, &purge->objects);
    if (r == 0) {
        r = purge_steps(purge);
        objectstore_close(purge->objects);
    }
    purge->result = r;
    if (r) {
        fprintf(stderr, "freshet purge: %s\n", log_fault_text(r));
    } else {
        printf("purged removed=%" PRIu64 " foreign=%" PRIu64 "\n", purge->removed, purge->foreign);
    }
}

/* False: not as usage() says. */
static bool
parse(struct purge *purge, int argc, char **argv)
{
    bool has_id = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cluster-id") == 0 && i + 1 < argc && !has_id) {
            has_id = uuid_parse(bytes_of_string(argv[++i]), &purge->cluster_id) == 0 &&
                     !uuid_is_zero(&purge->cluster_id);
            if (!has_id) {
                return false;
            }
        } else if (argv[i][0] == '-' || purge->url) {
            return false;
        } else {
            purge->url = argv[i];
        }
    }
    return has_id && purge->url;
}

int
purge_main(int argc, char **argv)
{
    struct purge purge = { 0 };
    if (!parse(&purge, argc, argv)) {
        return usage();
    }
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    const struct reactors_options options = {
        .count = 1, .engine = IO_THREADS, .stall_warn_ns = UINT64_MAX
    };
    int r = reactors_run(&options, purge_main_fiber, &purge);
    if (r < 0) {
        fprintf(stderr, "freshet purge: %s\n", log_fault_text(r));
    }
    return r < 0 || purge.result < 0 ? 1 : 0;
}
