/* Named places to die at. The list is complete: a unit test compares it with the calls in the tree.
 */
#include "reactor/crash_point.h"

#include "reactor/internal.h"
#include "reactor/sim_internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

const char *const crash_point_names[] = {
    "append: durable",
    "meta: log object written",
    "recover: all committed",
    "recover: object written",
    "take over: log fenced",
    "test: first",
    "test: second",
    "upload: object committed",
    "upload: object written",
    "upkeep: committed",
    "upkeep: manifest written",
    "upkeep: objects written",
    "wal: group flushed",
    "wal: object settled",
    "wal: trimmed objects removed",
    "wal sweep: objects removed",
    NULL,
};

/* Set once by main before reactors_run; read from all threads. */
static const char *_Atomic armed;
static _Atomic long passes_left;

static const char *
find_name(const char *name, size_t size)
{
    for (size_t i = 0; crash_point_names[i]; i++) {
        if (strlen(crash_point_names[i]) == size && memcmp(crash_point_names[i], name, size) == 0) {
            return crash_point_names[i];
        }
    }
    return NULL;
}

/* Up to nine digits and nothing else, or 0. */
static long
parse_count(const char *digits)
{
    long count = 0;
    size_t size = strspn(digits, "0123456789");
    if (size == 0 || size > 9 || digits[size]) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        count = count * 10 + (digits[i] - '0');
    }
    return count;
}

int
crash_point_setup(const char *setting)
{
    if (!setting || !*setting) {
        atomic_store(&armed, NULL);
        return 0;
    }
    /* Names contain ": ", so only a last colon followed by digits is a count. */
    const char *colon = strrchr(setting, ':');
    long count = 1;
    size_t size = strlen(setting);
    if (colon && colon[1] >= '0' && colon[1] <= '9') {
        count = parse_count(colon + 1);
        if (count < 1) {
            return fault(-EINVAL, "crash point: \"%s\" has no good count", setting);
        }
        size = (size_t)(colon - setting);
    }
    const char *name = find_name(setting, size);
    if (!name) {
        return fault(-EINVAL, "crash point: \"%.*s\" is unknown; crash_point.c has the list",
                (int)size, setting);
    }
    atomic_store(&passes_left, count);
    atomic_store(&armed, name);
    return 0;
}

void
crash_point(const char *name)
{
    if (UNLIKELY(sim_here != NULL)) {
        sim_crash_point(name);
        return;
    }
    const char *wanted = atomic_load_explicit(&armed, memory_order_relaxed);
    if (LIKELY(!wanted) || strcmp(wanted, name) != 0) {
        return;
    }
    if (atomic_fetch_sub(&passes_left, 1) == 1) {
        kill(getpid(), SIGKILL);
    }
}
