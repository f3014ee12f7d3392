/* A small log, crashed at every boundary in every way: what a room with durable state does with the
 * simulator, and how fast that is. */
#include "base/attr.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "reactor/disk.h"
#include "reactor/sim.h"
#include "support_disk.h"
#include "unit/test.h"

#include <stdio.h>

#define IMAGES_MAX 4096

#define RECORD_SIZE 4096u
#if defined(__SANITIZE_THREAD__)
#define RECORDS 3u
#define RECOVERIES_MIN 500u
#else
#define RECORDS 24u
#define RECOVERIES_MIN 5000u
#endif

struct log_run {
    unsigned acknowledged; /* at the boundary that was passed last */
    struct sim_image *images[IMAGES_MAX];
    unsigned acknowledged_at[IMAGES_MAX];
    size_t image_count;
    bool flushes;
    unsigned recovered;
    int result;
};

static void
record_make(uint8_t *record, unsigned number)
{
    memset(record, (int)number + 1, RECORD_SIZE);
    store_be32(record, number);
    store_be32(record + 4, crc32c(bytes_of(record + 8, RECORD_SIZE - 8)));
}

static void
log_main(void *arg)
{
    struct log_run *run = arg;
    static uint8_t record[RECORD_SIZE];
    struct file *file;
    run->result = file_open("log", FILE_WRITE | FILE_CREATE, &file);
    if (run->result < 0) {
        return;
    }
    run->result = disk_sync_folder(".");
    for (unsigned i = 0; i < RECORDS && run->result == 0; i++) {
        record_make(record, i);
        run->result = file_write(file, record, sizeof record, (uint64_t)i * RECORD_SIZE);
        if (run->result == 0 && run->flushes) {
            run->result = file_sync(file, false);
        }
        run->acknowledged = run->result == 0 ? i + 1 : run->acknowledged;
    }
    file_close(file);
}

static void
take_image(void *arg, struct sim_host *host, const struct sim_boundary *boundary)
{
    struct log_run *run = arg;
    (void)boundary;
    if (run->image_count < IMAGES_MAX) {
        run->acknowledged_at[run->image_count] = run->acknowledged;
        run->images[run->image_count++] = sim_disk_snapshot(host);
    }
}

static void
recover_main(void *arg)
{
    struct log_run *run = arg;
    static uint8_t record[RECORD_SIZE];
    struct file *file;
    run->recovered = 0;
    run->result = file_open("log", FILE_READ, &file);
    if (run->result < 0) {
        return;
    }
    while (file_read(file, record, sizeof record, (uint64_t)run->recovered * RECORD_SIZE) ==
                    RECORD_SIZE &&
            load_be32(record) == run->recovered &&
            load_be32(record + 4) == crc32c(bytes_of(record + 8, RECORD_SIZE - 8))) {
        run->recovered++;
    }
    file_close(file);
}

/* Crashes everywhere; how many recoveries found less than was acknowledged. */
static unsigned
crash_everywhere(struct log_run *run, unsigned random_rounds, uint64_t *ret_runs)
{
    unsigned lost = 0;
    *ret_runs = 0;
    for (size_t i = 0; i < run->image_count; i++) {
        size_t units = sim_image_units(run->images[i]);
        for (size_t k = 0; k < units * 2 + 2 + random_rounds; k++) {
            struct sim_crash crash = {
                .keep = SIM_KEEP_NONE, .index = k / 2, .seed = k * 77 + i, .permille = 500
            };
            crash.keep = k < units * 2        ? (k % 2 ? SIM_KEEP_ONE : SIM_KEEP_ALL_BUT)
                         : k == units * 2     ? SIM_KEEP_NONE
                         : k == units * 2 + 1 ? SIM_KEEP_ALL
                                              : SIM_KEEP_RANDOM;
            if (run_on(k, run->images[i], &crash, recover_main, run) < 0) {
                return 1000000;
            }
            lost += run->recovered < run->acknowledged_at[i];
            ++*ret_runs;
        }
        sim_image_free(run->images[i]);
    }
    return lost;
}

static unsigned
crash_log(bool flushes, unsigned random_rounds, uint64_t *ret_runs)
{
    struct log_run *run = mem_alloc(sizeof *run);
    run->flushes = flushes;
    struct sim *sim = sim_new(42);
    sim_disk_watch(sim_host(sim, "local"), take_image, run);
    unsigned lost = 1000000;
    if (run_in(sim, log_main, run) == 0 && run->acknowledged == RECORDS) {
        lost = crash_everywhere(run, random_rounds, ret_runs);
    }
    sim_free(sim);
    mem_free(run);
    return lost;
}

TEST(a_log_that_flushes_loses_nothing_in_any_crash)
{
    uint64_t runs;
    uint64_t start = clock_mono_ns();
    ASSERT_EQ(crash_log(true, 50, &runs), 0);
    uint64_t passed = clock_mono_ns() - start;
    printf("(%llu recoveries, %llu us each) ", (unsigned long long)runs,
            (unsigned long long)(passed / NS_PER_US / runs));
    ASSERT(runs > RECOVERIES_MIN);
}

/* The test above can fail. */
TEST(a_log_that_does_not_flush_is_caught)
{
    uint64_t runs;
    ASSERT(crash_log(false, 2, &runs) > 20);
}
