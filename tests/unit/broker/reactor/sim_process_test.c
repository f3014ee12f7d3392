/* Simulated processes and their disk: locks of the killed, crash points, folders. */
#include "base/attr.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"
#include "reactor/disk.h"
#include "reactor/sim.h"
#include "support_disk.h"
#include "unit/test.h"

#include <errno.h>
#include <string.h>

struct scene {
    int result;
    int results[8];
};

struct locker {
    struct sim_host *host;
    int results[4];
};

static void
hold_lock_main(void *arg)
{
    struct locker *locker = arg;
    struct file *file;
    static char data[4096] = { 1 };
    locker->results[0] = file_open("lock", FILE_WRITE | FILE_CREATE, &file);
    locker->results[1] = file_lock(file);
    /* Takes two seconds to land. */
    sim_disk_inject(locker->host, SIM_DISK_STALL, NULL, 1);
    locker->results[2] = file_write(file, data, sizeof data, 0);
    file_close(file);
}

static void
take_lock_main(void *arg)
{
    struct locker *locker = arg;
    struct file *file;
    locker->results[3] = file_open("lock", FILE_WRITE, &file);
    if (locker->results[3] == 0) {
        locker->results[3] = file_lock(file);
        file_close(file);
    }
}

static void
wait_main(void *arg)
{
    (void)arg;
    if (fiber_sleep_ns(3ull * NS_PER_S) < 0) {
        return;
    }
}

/* S1 S2 */
TEST(a_killed_process_holds_its_lock_until_its_last_write_has_landed)
{
    struct sim *sim = sim_new(11);
    struct locker locker = { .host = sim_host(sim, "local") };
    struct sim_process *first = sim_start(locker.host, 1, "first", hold_lock_main, &locker);
    ASSERT_ERROR(sim_run(sim, 100 * NS_PER_MS), -ETIMEDOUT);
    sim_kill(first);
    ASSERT_OK(run_in(sim, take_lock_main, &locker));
    ASSERT_EQ(sim_process_state(first), SIM_KILLED);
    ASSERT_ERROR(locker.results[2], -ECANCELED);
    ASSERT_ERROR(locker.results[3], -EWOULDBLOCK);
    ASSERT_ERROR(
            sim_run_process(sim_start(locker.host, 1, "wait", wait_main, NULL), 10ull * NS_PER_S),
            0);
    ASSERT_OK(run_in(sim, take_lock_main, &locker));
    ASSERT_OK(locker.results[3]);
    sim_free(sim);
}

static void
crash_point_main(void *arg)
{
    struct scene *scene = arg;
    struct file *file;
    scene->result = make_file(&file);
    crash_point("test: first");
    scene->results[0] = file_write(file, "after", 5, 0);
    file_close(file);
    crash_point("test: second");
    scene->results[1] = disk_sync_folder("folder");
}

static void
size_main(void *arg)
{
    struct scene *scene = arg;
    struct file *file;
    static char data[16384];
    scene->results[2] = file_open("folder/file", FILE_READ, &file);
    if (scene->results[2] == 0) {
        scene->results[2] = (int)file_read(file, data, sizeof data, 0);
        file_close(file);
    }
}

TEST(a_crash_point_ends_the_process_there)
{
    struct sim *sim = sim_new(12);
    struct scene scene = { 0 };
    sim_crash_next(sim, "test: first", 1);
    ASSERT_ERROR(run_in(sim, crash_point_main, &scene), -EINTR);
    ASSERT_OK(scene.result);
    ASSERT_ERROR(scene.results[0], -ECANCELED);
    ASSERT_ERROR(scene.results[1], -ECANCELED);
    ASSERT_EQ(sim_abandoned(sim), 0);
    /* The page cache survives a kill. */
    ASSERT_OK(run_in(sim, size_main, &scene));
    ASSERT_EQ(scene.results[2], 8192);
    sim_free(sim);
}

static void
list_main(void *arg)
{
    struct scene *scene = arg;
    struct disk_names names;
    struct file *file;
    scene->result = make_file(&file);
    file_close(file);
    scene->results[0] = file_open("folder//./b", FILE_WRITE | FILE_CREATE, &file);
    if (scene->results[0] == 0) {
        file_close(file);
    }
    scene->results[1] = disk_list("folder/", &names);
    if (scene->results[1] == 0) {
        scene->results[2] = (int)names.count;
        scene->results[3] = strcmp(names.names[names.count - 1], "file");
        disk_names_free(&names);
    }
    scene->results[4] = disk_list(".", &names);
    if (scene->results[4] == 0) {
        scene->results[5] = (int)names.count;
        disk_names_free(&names);
    }
    scene->results[6] = disk_remove("folder");
    struct file *none;
    scene->results[7] = file_open("nowhere/x", FILE_WRITE | FILE_CREATE, &none);
}

TEST(folders_are_listed)
{
    struct sim *sim = sim_new(13);
    struct scene scene = { 0 };
    ASSERT_OK(run_in(sim, list_main, &scene));
    sim_free(sim);
    ASSERT_EQ(scene.results[1], 0);
    ASSERT_EQ(scene.results[3], 0);
    ASSERT_EQ(scene.results[5], 1);
    ASSERT_ERROR(scene.results[6], -ENOTEMPTY);
    ASSERT_ERROR(scene.results[7], -ENOENT);
}
