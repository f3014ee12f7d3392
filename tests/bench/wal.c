/* bench_wal [FOLDER]: what the WAL costs over bare flushed writes of the same size, on both
 * engines, in one run. Latency at depth 1, throughput with several writers, CPU seconds per GB. Not
 * a test: prints figures. */
#include "wal/wal.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "reactor/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LATENCY_SAMPLES 4000
#define BYTES_PER_CASE ((uint64_t)384 * 1024 * 1024)
#define SEGMENTS 8

struct load {
    struct wal *wal;
    size_t size;
    uint64_t appends;     /* of each writer */
    uint64_t *samples_ns; /* NULL: not wanted */
    int result;
};

static char folder[400];

static double
cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void
latency_print(const char *what, size_t size, uint64_t *samples_ns, size_t count)
{
    qsort(samples_ns, count, sizeof *samples_ns, compare);
    printf("%-16s %7zu B  depth  1  p50 %6.0f  p99 %6.0f  p99.9 %6.0f us\n", what, size,
            (double)samples_ns[count / 2] / 1e3, (double)samples_ns[count * 99 / 100] / 1e3,
            (double)samples_ns[count * 999 / 1000] / 1e3);
}

static void
throughput_print(
        const char *what, size_t size, unsigned depth, uint64_t count, double seconds, double cpu)
{
    double bytes = (double)size * (double)count;
    printf("%-16s %7zu B  depth %2u  %7.1f MB/s  %8.0f records/s  %6.3f CPU s/GB\n", what, size,
            depth, bytes / seconds / 1e6, (double)count / seconds, cpu / (bytes / 1e9));
}

/* --- the disk alone --- */

static int
bare_open(void)
{
    char path[440];
    snprintf(path, sizeof path, "%s/bare", folder);
    int file = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
    return file < 0 ? -errno : file;
}

static int
bare_run(size_t size, uint64_t count, uint64_t *samples_ns)
{
    static int file = -1;
    uint64_t span = 256 * MIB;
    uint8_t *data = mem_try_alloc_aligned(4096, 1 * MIB);
    if (!data) {
        return -ENOMEM;
    }
    memset(data, 'x', 1 * MIB);
    if (file < 0) {
        file = bare_open();
        for (uint64_t at = 0; file >= 0 && at < span; at += 1 * MIB) {
            if (pwrite(file, data, 1 * MIB, (off_t)at) != (ssize_t)(1 * MIB)) {
                file = -1;
            }
        }
        if (file >= 0 && fsync(file) < 0) {
            file = -1;
        }
    }
    uint64_t at = 0;
    for (uint64_t i = 0; i < count && file >= 0; i++) {
        uint64_t began = clock_mono_ns();
        struct iovec part = { .iov_base = data, .iov_len = size };
        if (pwritev2(file, &part, 1, (off_t)at, RWF_DSYNC) != (ssize_t)size) {
            file = -1;
        }
        at = at + 2 * size <= span ? at + size : 0;
        if (samples_ns) {
            samples_ns[i] = clock_mono_ns() - began;
        }
    }
    mem_free(data);
    return file < 0 ? -EIO : 0;
}

static int
bare(void)
{
    uint64_t *samples = mem_alloc_array(LATENCY_SAMPLES, sizeof *samples);
    int r = bare_run(4096, LATENCY_SAMPLES, samples);
    if (r == 0) {
        latency_print("bare O_DIRECT", 4096, samples, LATENCY_SAMPLES);
    }
    mem_free(samples);
    for (size_t size = 64 * KIB; size <= 1 * MIB && r == 0; size *= 4) {
        uint64_t count = BYTES_PER_CASE / size;
        uint64_t began = clock_mono_ns();
        double cpu = cpu_s();
        r = bare_run(size, count, NULL);
        throughput_print("bare O_DIRECT", size, 1, count, (double)(clock_mono_ns() - began) / 1e9,
                cpu_s() - cpu);
    }
    return r;
}

/* --- the wal --- */

static int
ignore(void *arg, uint64_t sequence, struct bytes payload, bool damaged)
{
    (void)arg;
    (void)sequence;
    (void)payload;
    (void)damaged;
    return 0;
}

static int
wal_begin(struct wal **ret_wal)
{
    static uint64_t incarnation;
    char path[440];
    snprintf(path, sizeof path, "%s/wal", folder);
    struct wal_options options = {
        .folder = path,
        .cluster_id = { { 1 } },
        .broker_id = 1,
        .incarnation = ++incarnation,
        .capacity = SEGMENTS * WAL_SEGMENT_SIZE,
    };
    struct wal *wal = NULL;
    int r = wal_open(&options, &wal);
    if (r < 0) {
        return r;
    }
    struct wal_recovery recovery;
    r = wal_replay(wal, ignore, NULL, &recovery);
    if (r == 0) {
        r = wal_start(wal);
    }
    *ret_wal = wal;
    return r;
}

static int
writer(void *arg)
{
    struct load *load = arg;
    uint8_t *data = mem_alloc(load->size);
    memset(data, 'x', load->size);
    int r = 0;
    for (uint64_t i = 0; i < load->appends && r == 0; i++) {
        uint64_t began = clock_mono_ns();
        struct iovec part = { .iov_base = data, .iov_len = load->size };
        struct wal_append append;
        r = wal_append_begin(load->wal, &part, 1, &append);
        if (r == 0) {
            r = wal_wait(load->wal, &append);
        }
        if (load->samples_ns) {
            load->samples_ns[i] = clock_mono_ns() - began;
        }
        wal_trim(load->wal, append.sequence);
    }
    mem_free(data);
    return r;
}

static int
writers_run(struct load *load, unsigned writers)
{
    struct fiber_group group;
    fiber_group_init(&group);
    for (unsigned i = 0; i < writers; i++) {
        fiber_group_spawn(&group, "writer", writer, load);
    }
    return fiber_group_wait(&group);
}

static int
throughput(struct wal *wal, const char *engine, size_t size, unsigned writers, uint64_t bytes)
{
    struct load load = { .wal = wal, .size = size, .appends = bytes / size / writers };
    uint64_t began = clock_mono_ns();
    double cpu = cpu_s();
    int r = writers_run(&load, writers);
    throughput_print(engine, size, writers, load.appends * writers,
            (double)(clock_mono_ns() - began) / 1e9, cpu_s() - cpu);
    return r;
}

static int
latency(struct wal *wal, const char *engine, size_t size)
{
    struct load load = { .wal = wal, .size = size, .appends = LATENCY_SAMPLES };
    load.samples_ns = mem_alloc_array(LATENCY_SAMPLES, sizeof *load.samples_ns);
    int r = writer(&load);
    latency_print(engine, size, load.samples_ns, LATENCY_SAMPLES);
    mem_free(load.samples_ns);
    return r;
}

static void
wal_main(void *arg)
{
    int *result = arg;
    const char *name = reactor_engine() == IO_URING ? "wal uring" : "wal threads";
    struct wal *wal = NULL;
    int r = wal_begin(&wal);
    /* Once around, so that all segments are written blocks, as after a while of use. */
    struct load warm = { .wal = wal, .size = 1 * MIB, .appends = SEGMENTS * 64 };
    r = r == 0 ? writers_run(&warm, 1) : r;
    r = r == 0 ? latency(wal, name, 1024) : r;
    r = r == 0 ? latency(wal, name, 4000) : r;
    r = r == 0 ? throughput(wal, name, 1024, 64, BYTES_PER_CASE / 8) : r;
    for (size_t size = 64 * KIB; size <= 1 * MIB && r == 0; size *= 4) {
        r = throughput(wal, name, size, 1, BYTES_PER_CASE);
        r = r == 0 ? throughput(wal, name, size, 8, BYTES_PER_CASE) : r;
    }
    struct wal_stats stats;
    if (wal) {
        wal_stats_get(wal, &stats);
        printf("%-16s padding and headers: %.1f %% over the payload in this run\n", name,
                100.0 * ((double)stats.group_bytes / (double)stats.bytes - 1));
    }
    int closed = wal_close(wal);
    *result = r < 0 ? r : closed;
}

static int
remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

int
main(int count, char **texts)
{
    snprintf(folder, sizeof folder, "%s/bench_wal.%d", count > 1 ? texts[1] : "/var/tmp",
            (int)getpid());
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    if (mkdir(folder, 0755) < 0) {
        perror(folder);
        return 1;
    }
    int r = bare();
    for (enum io_engine engine = IO_URING; engine <= IO_THREADS && r == 0; engine++) {
        struct reactors_options options = { .count = 1, .engine = engine };
        int ran = reactors_run(&options, wal_main, &r);
        if (ran == -ENOSYS) {
            printf("no io_uring here\n");
            continue;
        }
        r = ran < 0 ? ran : r;
    }
    r = r == 0 ? bare() : r;
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (r < 0) {
        printf("failed: %d %s\n", r, log_fault_text(r));
    }
    return r < 0;
}
