/* See support_disk.h. */
#include "support_disk.h"

#include <string.h>

int
run_in(struct sim *sim, fiber_fn fn, void *arg)
{
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    return reactors_run(&options, fn, arg);
}

int
run_on(uint64_t seed, const struct sim_image *image, const struct sim_crash *crash, fiber_fn fn,
        void *arg)
{
    struct sim *sim = sim_new(seed);
    sim_disk_load(sim_host(sim, "local"), image, crash);
    int r = run_in(sim, fn, arg);
    sim_free(sim);
    return r;
}

int
make_file(struct file **ret_file)
{
    static char data[8192];
    memset(data, 'a', sizeof data);
    int r = disk_make_folder("folder");
    r = r < 0 ? r : file_open("folder/file", FILE_READ | FILE_WRITE | FILE_CREATE, ret_file);
    r = r < 0 ? r : file_write(*ret_file, data, sizeof data, 0);
    r = r < 0 ? r : file_sync(*ret_file, true);
    r = r < 0 ? r : disk_sync_folder("folder");
    return r < 0 ? r : disk_sync_folder(".");
}
