/* `freshet inspect meta URL`: lease, floor, snapshots and the records of the metadata log. Also
 * while a cluster lives. */
#include "base/fault.h"
#include "inspect.h"
#include "meta/inspect.h"
#include "objectstore/objectstore.h"

#include <errno.h>
#include <string.h>

struct meta_walk {
    struct inspect *inspect;
    bool found; /* a snapshot or an object of the log */
};

/* As meta_inspect words it. */
static bool
is_damaged(const char *line)
{
    static const char *const states[] = { "state=damaged", "state=broken-chain", "state=misplaced",
        "state=after-gap" };
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        if (strstr(line, states[i])) {
            return true;
        }
    }
    return false;
}

static int
meta_line(void *arg, const char *line)
{
    struct meta_walk *walk = arg;
    struct inspect *inspect = walk->inspect;
    walk->found = walk->found || strncmp(line, "meta/log/", 9) == 0 ||
                  strncmp(line, "meta/snapshot/", 14) == 0;
    inspect->damaged += is_damaged(line) ? 1 : 0;
    if (inspect->json) {
        inspect_line_begin(inspect, "meta");
        inspect_string(inspect, "line", line);
    } else {
        inspect_line_begin(inspect, line);
    }
    return inspect_line_end(inspect);
}

int
inspect_meta(struct inspect *inspect)
{
    struct meta_walk walk = { .inspect = inspect };
    struct objectstore *objects;
    int r = objectstore_open(inspect->arguments[0], &objects);
    if (r < 0) {
        return r;
    }
    r = meta_inspect(objects, meta_line, &walk);
    if (r == 0 && !walk.found) {
        r = fault(-ENOENT, "inspect: there is no metadata log in %s", objectstore_url(objects));
    }
    objectstore_close(objects);
    return r;
}
