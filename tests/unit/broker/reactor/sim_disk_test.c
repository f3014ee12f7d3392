/* The simulated disk: what survives a power cut, faults, and the speed of an enumeration of
 * crashes. */
#include "base/attr.h"
#include "base/buf.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "reactor/disk.h"
#include "reactor/sim.h"
#include "support_disk.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

struct look {
    char data[16384];
    int64_t size; /* or -errno */
};

static void
look_main(void *arg)
{
    struct look *look = arg;
    struct file *file;
    look->size = file_open("folder/file", FILE_READ, &file);
    if (look->size == 0) {
        look->size = file_read(file, look->data, sizeof look->data, 0);
        file_close(file);
    }
}

static struct look *
look_at(const struct sim_image *image, const struct sim_crash *crash)
{
    static struct look look;
    look = (struct look){ .size = -1 };
    if (run_on(1, image, crash, look_main, &look) < 0) {
        look.size = -1;
    }
    return &look;
}

static const struct sim_crash keep_none = { .keep = SIM_KEEP_NONE };
static const struct sim_crash keep_all = { .keep = SIM_KEEP_ALL };

/* What is done to folder/file of 8 KiB of 'a', all durable, and what came of it. */
struct scene {
    void (*act)(struct scene *scene);
    struct sim_host *host;
    struct file *file;
    struct sim_image *images[4];
    int results[8];
    int result; /* of making the file */
};

static void
scene_main(void *arg)
{
    struct scene *scene = arg;
    scene->host = sim_host(sim_current(), "local");
    scene->result = make_file(&scene->file);
    if (scene->result == 0) {
        scene->act(scene);
        file_close(scene->file);
    }
}

/* In a simulation of its own. scene_free. */
static int
scene_run(struct scene *scene, uint64_t seed, fiber_fn fn)
{
    struct sim *sim = sim_new(seed);
    int r = run_in(sim, fn, scene);
    sim_free(sim);
    return r < 0 ? r : scene->result;
}

static int
scene_play(struct scene *scene, uint64_t seed, void (*act)(struct scene *scene))
{
    *scene = (struct scene){ .act = act };
    return scene_run(scene, seed, scene_main);
}

static void
scene_free(struct scene *scene)
{
    for (size_t i = 0; i < ARRAY_SIZE(scene->images); i++) {
        sim_image_free(scene->images[i]);
    }
}

static void
overwrite(struct scene *scene)
{
    static char data[4096];
    memset(data, 'b', sizeof data);
    scene->results[0] = file_write(scene->file, data, sizeof data, 0);
    scene->images[0] = sim_disk_snapshot(scene->host);
    scene->results[1] = file_sync(scene->file, false);
    scene->images[1] = sim_disk_snapshot(scene->host);
    scene->results[2] = file_write_durable(scene->file, "ccc", 3, 8190);
    scene->images[2] = sim_disk_snapshot(scene->host);
}

static size_t
count_of(const struct look *look, char c)
{
    size_t count = 0;
    for (int64_t i = 0; i < look->size; i++) {
        count += look->data[i] == c;
    }
    return count;
}

/* S3 */
TEST(an_unflushed_write_survives_by_sectors_as_the_test_says)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 1, overwrite));
    ASSERT_OK(scene.results[0]);
    ASSERT_EQ(sim_image_units(scene.images[0]), 8);
    ASSERT_EQ(count_of(look_at(scene.images[0], &keep_none), 'b'), 0);
    ASSERT_EQ(count_of(look_at(scene.images[0], &keep_all), 'b'), 4096);
    for (size_t i = 0; i < 8; i++) {
        struct sim_crash one = { .keep = SIM_KEEP_ONE, .index = i };
        struct sim_crash but = { .keep = SIM_KEEP_ALL_BUT, .index = i };
        struct sim_crash first = { .keep = SIM_KEEP_FIRST, .index = i };
        struct look *look = look_at(scene.images[0], &one);
        ASSERT_EQ(count_of(look, 'b'), 512);
        ASSERT_EQ(look->data[i * 512], 'b');
        ASSERT_EQ(count_of(look_at(scene.images[0], &but), 'b'), 3584);
        ASSERT_EQ(count_of(look_at(scene.images[0], &first), 'b'), 512 * i);
    }
    scene_free(&scene);
}

/* S3 */
TEST(a_flushed_write_survives_every_crash)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 2, overwrite));
    ASSERT_OK(scene.results[1]);
    ASSERT_OK(scene.results[2]);
    ASSERT_EQ(sim_image_units(scene.images[1]), 0);
    ASSERT_EQ(count_of(look_at(scene.images[1], &keep_none), 'b'), 4096);
    /* And a durable write with its size, without a flush. */
    struct look *look = look_at(scene.images[2], &keep_none);
    ASSERT_EQ(look->size, 8193);
    ASSERT_EQ(count_of(look, 'c'), 3);
    scene_free(&scene);
}

TEST(a_random_crash_is_the_same_for_the_same_seed)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 3, overwrite));
    size_t seen[9] = { 0 };
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct sim_crash crash = { .keep = SIM_KEEP_RANDOM, .seed = seed, .permille = 500 };
        size_t count = count_of(look_at(scene.images[0], &crash), 'b');
        ASSERT_EQ(count_of(look_at(scene.images[0], &crash), 'b'), count);
        ASSERT_EQ(count % 512, 0);
        seen[count / 512]++;
    }
    ASSERT(seen[4] > 0 && seen[2] + seen[3] > 0 && seen[5] + seen[6] > 0);
    scene_free(&scene);
}

static void
grow(struct scene *scene)
{
    scene->results[0] = file_write(scene->file, "dddd", 4, 8192);
    scene->images[0] = sim_disk_snapshot(scene->host);
    scene->results[1] = file_truncate(scene->file, 100);
    scene->images[1] = sim_disk_snapshot(scene->host);
    scene->results[2] = file_sync(scene->file, true);
    scene->images[2] = sim_disk_snapshot(scene->host);
}

/* S4 */
TEST(a_size_and_the_bytes_behind_it_survive_apart)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 4, grow));
    ASSERT_EQ(sim_image_units(scene.images[0]), 2);
    /* The size is noted first, then the sector. */
    struct sim_crash size_only = { .keep = SIM_KEEP_ONE, .index = 0 };
    struct sim_crash data_only = { .keep = SIM_KEEP_ONE, .index = 1 };
    struct look *look = look_at(scene.images[0], &size_only);
    ASSERT_EQ(look->size, 8196);
    ASSERT_EQ(count_of(look, 'd'), 0);
    ASSERT_EQ(look->data[8195], 0);
    ASSERT_EQ(look_at(scene.images[0], &data_only)->size, 8192);
    ASSERT_EQ(count_of(look_at(scene.images[0], &keep_all), 'd'), 4);
    ASSERT_EQ(look_at(scene.images[1], &keep_none)->size, 8192);
    ASSERT_EQ(look_at(scene.images[1], &keep_all)->size, 100);
    ASSERT_EQ(look_at(scene.images[2], &keep_none)->size, 100);
    scene_free(&scene);
}

static void
names_main(void *arg)
{
    struct scene *scene = arg;
    struct sim_host *host = sim_host(sim_current(), "local");
    struct file *file;
    int r = disk_make_folder("folder");
    scene->result = r < 0 ? r : file_open("folder/new", FILE_WRITE | FILE_CREATE, &file);
    if (scene->result == 0) {
        scene->results[0] = file_write(file, "data", 4, 0);
        scene->results[1] = file_sync(file, true);
        scene->images[0] = sim_disk_snapshot(host);
        scene->results[2] = disk_rename("folder/new", "folder/file");
        scene->images[1] = sim_disk_snapshot(host);
        scene->results[3] = disk_sync_folder("folder");
        scene->images[2] = sim_disk_snapshot(host);
        scene->results[4] = disk_remove("folder/file");
        scene->images[3] = sim_disk_snapshot(host);
        file_close(file);
    }
}

/* S4 */
TEST(names_survive_in_order_and_only_flushed_ones_surely)
{
    struct scene scene = { 0 };
    ASSERT_OK(scene_run(&scene, 5, names_main));
    for (size_t i = 0; i < 5; i++) {
        ASSERT_OK(scene.results[i]);
    }
    ASSERT_EQ(sim_image_units(scene.images[1]), 3);
    ASSERT_EQ(look_at(scene.images[1], &keep_none)->size, -ENOENT);
    ASSERT_EQ(look_at(scene.images[1], &keep_all)->size, 4);
    struct sim_crash first_two = { .keep = SIM_KEEP_FIRST, .index = 2 };
    struct sim_crash not_first = { .keep = SIM_KEEP_ALL_BUT, .index = 0 };
    ASSERT_EQ(look_at(scene.images[1], &first_two)->size, -ENOENT);
    ASSERT_EQ(look_at(scene.images[1], &not_first)->size, -ENOENT);
    /* The flush of a folder brings the names that were changed before it anywhere. */
    ASSERT_EQ(look_at(scene.images[2], &keep_none)->size, 4);
    ASSERT_EQ(look_at(scene.images[3], &keep_none)->size, 4);
    ASSERT_EQ(look_at(scene.images[3], &keep_all)->size, -ENOENT);
    scene_free(&scene);
}

static void
old_and_zero(struct scene *scene)
{
    char zeros[512] = { 0 };
    char ones[512];
    memset(ones, '1', sizeof ones);
    scene->results[0] = file_write(scene->file, ones, sizeof ones, 1 << 20);
    scene->results[1] = file_write_durable(scene->file, zeros, sizeof zeros, 1 << 20);
    scene->images[0] = sim_disk_snapshot(scene->host);
}

static void
read_far_main(void *arg)
{
    char *out = arg;
    struct file *file;
    if (file_open("folder/file", FILE_READ, &file) == 0) {
        if (file_read(file, out, 1, 1 << 20) != 1) {
            *out = '?';
        }
        file_close(file);
    }
}

/* S3: an older unflushed write never comes back over a newer durable one, also when that is all
 * zeros. */
TEST(an_older_write_does_not_come_back_over_a_newer_durable_one)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 6, old_and_zero));
    char c = 'x';
    ASSERT_OK(run_on(1, scene.images[0], &keep_all, read_far_main, &c));
    ASSERT_EQ(c, 0);
    scene_free(&scene);
}

struct writer {
    struct file *file;
    int result;
};

static void
write_late(void *arg)
{
    struct writer *writer = arg;
    static char data[512];
    memset(data, 'l', sizeof data);
    writer->result = file_write(writer->file, data, sizeof data, 0);
}

static void
flush_early(struct scene *scene)
{
    struct writer writer = { .file = scene->file };
    struct fiber *fiber;
    /* The write takes two seconds, so the flush begins and ends while it is under way. */
    sim_disk_inject(scene->host, SIM_DISK_STALL, NULL, 1);
    scene->results[0] = fiber_spawn("writer", write_late, &writer, &fiber);
    scene->results[1] = fiber_yield();
    scene->results[2] = file_sync(scene->file, false);
    scene->images[0] = sim_disk_snapshot(scene->host);
    fiber_join(fiber);
    scene->results[3] = writer.result;
    scene->images[1] = sim_disk_snapshot(scene->host);
}

/* S3: only what was complete when the flush began. */
TEST(a_flush_does_not_cover_a_write_that_is_under_way)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 14, flush_early));
    for (size_t i = 0; i < 4; i++) {
        ASSERT_OK(scene.results[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        ASSERT_EQ(sim_image_units(scene.images[i]), 1);
        ASSERT_EQ(count_of(look_at(scene.images[i], &keep_none), 'l'), 0);
        ASSERT_EQ(count_of(look_at(scene.images[i], &keep_all), 'l'), 512);
    }
    scene_free(&scene);
}

static void
faults(struct scene *scene)
{
    static char data[8192];
    sim_disk_inject(scene->host, SIM_DISK_READ_ERROR, NULL, 2);
    sim_disk_inject(scene->host, SIM_DISK_WRITE_ERROR, "folder/", 1);
    sim_disk_inject(scene->host, SIM_DISK_WRITE_FULL, "elsewhere", 1);
    scene->results[0] = (int)file_read(scene->file, data, 100, 0);
    scene->results[1] = (int)file_read(scene->file, data, 100, 0);
    scene->results[2] = (int)file_read(scene->file, data, 100, 0);
    scene->results[3] = file_write(scene->file, data, 8192, 0);
    scene->results[4] = file_write(scene->file, data, 8192, 0);
    sim_disk_inject(scene->host, SIM_DISK_READ_SHORT, NULL, 1);
    scene->results[5] = (int)file_read(scene->file, data, 8192, 0);
    uint64_t before = clock_mono_ns();
    sim_disk_inject(scene->host, SIM_DISK_STALL, NULL, 1);
    scene->results[6] = file_sync(scene->file, false);
    scene->results[7] = clock_mono_ns() - before >= 2ull * NS_PER_S;
}

TEST(ordered_faults_strike_the_nth_fitting_operation)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 7, faults));
    ASSERT_EQ(scene.results[0], 100);
    ASSERT_ERROR(scene.results[1], -EIO);
    ASSERT_EQ(scene.results[2], 100);
    ASSERT_ERROR(scene.results[3], -EIO);
    ASSERT_OK(scene.results[4]);
    ASSERT_EQ(scene.results[5], 8192);
    ASSERT_OK(scene.results[6]);
    ASSERT_EQ(scene.results[7], 1);
}

static void
silent(struct scene *scene)
{
    static char data[4096];
    static char back[8192];
    memset(data, 'z', sizeof data);
    static const enum sim_disk_fault_kind kinds[] = { SIM_DISK_WRITE_LOST, SIM_DISK_WRITE_FLIP };
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        sim_disk_inject(scene->host, kinds[i], NULL, 1);
        scene->results[0] |= file_write(scene->file, data, sizeof data, 0);
        scene->results[1] |= file_read(scene->file, back, sizeof back, 0) != 8192;
        for (size_t k = 0; k < 4096; k++) {
            scene->results[2 + i] += back[k] != 'z';
        }
    }
    sim_disk_inject(scene->host, SIM_DISK_READ_FLIP, NULL, 1);
    scene->results[0] |= file_write(scene->file, data, sizeof data, 0);
    scene->results[1] |= file_read(scene->file, back, 4096, 0) != 4096;
    scene->results[4] = memcmp(back, data, 4096) != 0;
    scene->results[1] |= file_read(scene->file, back, 4096, 0) != 4096;
    scene->results[5] = memcmp(back, data, 4096) == 0;
}

TEST(lost_and_flipped_writes_say_success)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 8, silent));
    ASSERT_EQ(scene.results[0], 0);
    ASSERT_EQ(scene.results[1], 0);
    ASSERT_EQ(scene.results[2], 4096);
    ASSERT_EQ(scene.results[3], 1);
    ASSERT_EQ(scene.results[4], 1);
    ASSERT_EQ(scene.results[5], 1);
}

static void
failed_flush(struct scene *scene)
{
    static char data[4096];
    memset(data, 'b', sizeof data);
    for (size_t i = 0; i < 16; i++) {
        scene->results[0] |= file_write(scene->file, data, 512, i * 512);
    }
    sim_disk_inject(scene->host, SIM_DISK_FLUSH_ERROR, NULL, 1);
    scene->results[1] = file_sync(scene->file, false);
    scene->results[2] = file_sync(scene->file, false);
    scene->images[0] = sim_disk_snapshot(scene->host);
}

/* S5 */
TEST(a_flush_after_a_failed_flush_succeeds_and_proves_nothing)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 9, failed_flush));
    ASSERT_OK(scene.results[0]);
    ASSERT_ERROR(scene.results[1], -EIO);
    ASSERT_OK(scene.results[2]);
    size_t survived = count_of(look_at(scene.images[0], &keep_all), 'b');
    ASSERT(survived > 0 && survived < 8192);
    scene_free(&scene);
}

static void
full(struct scene *scene)
{
    static char data[8192];
    uint64_t left = 0;
    memset(data, 'f', sizeof data);
    sim_disk_set_capacity(scene->host, 64 * 1024);
    for (size_t i = 0; i < 20 && scene->results[0] == 0; i++) {
        scene->results[0] = file_write(scene->file, data, sizeof data, i * sizeof data);
    }
    scene->results[1] = disk_free_bytes("folder", &left);
    scene->results[2] = left < 8192;
    scene->results[3] = file_allocate(scene->file, 0, 1 << 20);
}

TEST(a_full_disk_says_so)
{
    struct scene scene;
    ASSERT_OK(scene_play(&scene, 10, full));
    ASSERT_ERROR(scene.results[0], -ENOSPC);
    ASSERT_OK(scene.results[1]);
    ASSERT_EQ(scene.results[2], 1);
    ASSERT_ERROR(scene.results[3], -ENOSPC);
}
