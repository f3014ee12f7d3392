/* data.dir/holder: which registrations are this volume's own (C6). */
#include "holder.h"
#include "reactor/disk.h"
#include "reactor/random.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct settings *settings;

/* A start on that folder. What it may register under is in *ret_writer. */
static int
begin(const char *folder, const struct uuid *registered, struct uuid *ret_writer)
{
    struct holder_admission admission = { folder, settings, holder_read(folder) };
    struct uuid before = *registered;
    *ret_writer = random_uuid();
    return holder_admit(&admission, &before, true, ret_writer);
}

static const char *
new_folder(void)
{
    static char path[512];
    static int number;
    snprintf(path, sizeof path, "%s/%d", test_directory(), number++);
    settings = settings ? settings : settings_new();
    return disk_make_folder(path) == 0 ? path : "";
}

FIBER_TEST(the_volume_of_the_last_registration_is_admitted_and_another_is_not)
{
    const char *folder = new_folder();
    struct uuid first;
    struct uuid second;
    struct uuid foreign = random_uuid();
    ASSERT_OK(begin(folder, &UUID_ZERO, &first));
    ASSERT_OK(begin(folder, &first, &second));
    ASSERT_OK(begin(folder, &first, &second)); /* the one before was not logged */
    ASSERT_ERROR(begin(folder, &foreign, &second), -EMEDIUMTYPE);
}

/* The controller was paused when the first of several starts asked it. */
FIBER_TEST(a_registration_that_is_logged_long_after_its_start_is_still_ours)
{
    const char *folder = new_folder();
    struct uuid before;
    struct uuid late;
    struct uuid other;
    ASSERT_OK(begin(folder, &UUID_ZERO, &before));
    ASSERT_OK(begin(folder, &before, &late));
    for (int i = 0; i < HOLDER_WRITERS - 4; i++) {
        ASSERT_OK(begin(folder, &before, &other));
    }
    ASSERT_OK(begin(folder, &late, &other));
    ASSERT_OK(begin(folder, &other, &other));
}

FIBER_TEST(the_registered_one_is_kept_however_many_starts_come_to_nothing)
{
    const char *folder = new_folder();
    struct uuid registered;
    struct uuid other;
    ASSERT_OK(begin(folder, &UUID_ZERO, &registered));
    for (int i = 0; i < 3 * HOLDER_WRITERS; i++) {
        ASSERT_OK(begin(folder, &registered, &other));
    }
    struct holder holder = holder_read(folder);
    ASSERT(uuid_equal(&holder.writers[0], &other));
    ASSERT(uuid_equal(&holder.writers[1], &registered));
}

/* As it was written when there were two. */
FIBER_TEST(a_file_of_two_writers_is_read_and_a_damaged_one_says_nothing)
{
    const char *folder = new_folder();
    struct holder holder = { { random_uuid(), random_uuid() } };
    struct uuid writer;
    char path[600];
    struct file *file;
    ASSERT_OK(holder_write(folder, &holder));
    ASSERT_OK(begin(folder, &holder.writers[1], &writer));
    snprintf(path, sizeof path, "%s/holder", folder);
    ASSERT_OK(file_open(path, FILE_WRITE, &file));
    ASSERT_OK(file_write(file, "x", 1, 3));
    file_close(file);
    holder = holder_read(folder);
    ASSERT(uuid_is_zero(&holder.writers[0]));
    ASSERT_ERROR(begin(folder, &writer, &writer), -EMEDIUMTYPE);
}
