/* Processors, memory and folder: by sched_getaffinity, sysconf and the cgroup's files. */
#include "machine.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

/* The number in a file of one line; 0 when there is none ("max"). */
static uint64_t
read_number(const char *path)
{
    uint64_t value = 0;
    FILE *file = fopen(path, "re");
    if (!file) {
        return 0;
    }
    /* check-text: allow fscanf: a kernel file of one number */
    if (fscanf(file, "%" SCNu64, &value) != 1) {
        value = 0;
    }
    fclose(file);
    return value;
}

void
machine_look(struct settings_machine *machine, char *directory)
{
    cpu_set_t set;
    *machine = (struct settings_machine){ .processors = 1 };
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) {
        machine->processors = (unsigned)CPU_COUNT(&set);
    }
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_size = sysconf(_SC_PAGESIZE);
    machine->memory_bytes = pages > 0 && page_size > 0 ? (uint64_t)pages * (uint64_t)page_size : 0;
    const char *const limits[] = { "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes" };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        uint64_t limit = read_number(limits[i]);
        if (limit && (machine->memory_bytes == 0 || limit < machine->memory_bytes)) {
            machine->memory_bytes = limit;
        }
    }
    static char host_name[256]; /* HOST_NAME_MAX is 64 */
    machine->host_name =
            gethostname(host_name, sizeof host_name - 1) == 0 && *host_name ? host_name : NULL;
    machine->working_directory = getcwd(directory, PATH_MAX) ? directory : "/";
}
