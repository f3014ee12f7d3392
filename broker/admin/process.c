/* /proc/self. */
#include "admin/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Field `index` (from 1, as in proc(5)) of /proc/self/stat. The command before field 3 may hold
 * anything, also spaces. */
static int
stat_field(unsigned index, uint64_t *ret_value)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file) {
        return -1;
    }
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    const char *place = strrchr(text, ')');
    for (unsigned i = 2; place && i < index; i++) {
        place = strchr(place + 1, ' ');
    }
    /* check-text: allow sscanf: fixed text, result looked at */
    return place && sscanf(place, " %" SCNu64, ret_value) == 1 ? 0 : -1;
}

/* Seconds since 1970 at which the machine started. */
static int
boot_time(double *ret_seconds)
{
    char line[256];
    uint64_t seconds = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (!file) {
        return -1;
    }
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        /* check-text: allow sscanf: fixed text, result looked at */
        found = sscanf(line, "btime %" SCNu64, &seconds) == 1;
    }
    fclose(file);
    *ret_seconds = (double)seconds;
    return found ? 0 : -1;
}

static int
open_files(uint64_t *ret_count)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) {
        return -1;
    }
    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    *ret_count = count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
    return 0;
}

void
process_metrics(struct metrics *metrics)
{
    uint64_t value;
    double booted;
    struct rusage usage;
    struct rlimit files;
    if (stat_field(24, &value) == 0) {
        metrics_gauge(metrics, "process_resident_memory_bytes",
                "Memory of the process that is in RAM.", value * (uint64_t)sysconf(_SC_PAGESIZE));
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
        metrics_counter_real(metrics, "process_cpu_seconds_total", "Processor time used.", seconds);
    }
    if (open_files(&value) == 0) {
        metrics_gauge(metrics, "process_open_fds", "Open files and sockets.", value);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        metrics_gauge(metrics, "process_max_fds", "Most files and sockets that may be open.",
                files.rlim_cur);
    }
    if (stat_field(22, &value) == 0 && boot_time(&booted) == 0) {
        metrics_gauge_real(metrics, "process_start_time_seconds",
                "When the process started, in seconds since 1970.",
                booted + (double)value / (double)sysconf(_SC_CLK_TCK));
    }
}
