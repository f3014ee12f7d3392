/* The folder behind file:// stores: names, etags, lists. */
#include "support_file.h"
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* F4 */
TEST(equal_bytes_have_different_etags)
{
    struct folder folder;
    struct object_etag etags[50];
    folder_init(&folder, test_directory(), false);
    for (unsigned i = 0; i < 50; i++) {
        ASSERT_OK(put_bytes(&folder, "same", BYTES_LITERAL("same"), OBJECT_ALWAYS, &etags[i]));
        for (unsigned j = 0; j < i; j++) {
            ASSERT(strcmp(etags[i].text, etags[j].text) != 0);
        }
    }
    folder_done(&folder);
}

TEST(an_object_cannot_be_below_or_above_another_one)
{
    struct folder folder;
    struct buf *body = NULL;
    struct object_info info;
    folder_init(&folder, test_directory(), true);
    ASSERT_OK(put_text(&folder, "a/b", "x", OBJECT_CREATE));
    static const enum object_condition conditions[] = { OBJECT_ALWAYS, OBJECT_CREATE };
    for (unsigned i = 0; i < 2; i++) {
        ASSERT_ERROR(put_text(&folder, "a", "x", conditions[i]), -EINVAL);
        ASSERT_ERROR(put_text(&folder, "a/b/c", "x", conditions[i]), -EINVAL);
    }
    ASSERT_ERROR(folder_read(&folder, "a", OBJECT_WHOLE, &body, &info), -ENOENT);
    ASSERT_ERROR(folder_read(&folder, "a/b/c", OBJECT_WHOLE, &body, &info), -ENOENT);
    ASSERT_OK(folder_remove(&folder, "a", soon()));
    ASSERT_OK(folder_remove(&folder, "a/b/c", soon()));
    ASSERT_OK(folder_read(&folder, "a/b", OBJECT_WHOLE, &body, &info));
    buf_unref(body);
    folder_done(&folder);
}

TEST(a_folder_that_is_not_there_is_an_empty_store)
{
    struct folder folder;
    struct object_list list;
    struct object_info info;
    char root[300];
    snprintf(root, sizeof root, "%s/not/there", test_directory());
    folder_init(&folder, root, true);
    ASSERT_OK(folder_list(&folder, "", "", 10, &list));
    ASSERT_EQ(list.count, 0);
    ASSERT_ERROR(folder_read(&folder, "k", OBJECT_WHOLE, NULL, &info), -ENOENT);
    ASSERT_OK(put_text(&folder, "k", "made with its parents", OBJECT_CREATE));
    ASSERT_OK(folder_read(&folder, "k", OBJECT_WHOLE, NULL, &info));
    folder_done(&folder);
}

TEST(foreign_files_are_not_listed)
{
    struct folder folder;
    struct object_list list;
    char path[FOLDER_PATH_SIZE];
    static const char *const foreign[] = { "lost+found", "a b", "x~" };
    folder_init(&folder, test_directory(), false);
    ASSERT_OK(put_text(&folder, "ours", "x", OBJECT_CREATE));
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
        ASSERT_OK(folder_path(&folder, foreign[i], path));
        ASSERT(mkdir(path, 0755) == 0);
    }
    ASSERT_OK(folder_path(&folder, "link", path));
    ASSERT(symlink("/does/not/exist", path) == 0);
    ASSERT_OK(folder_list(&folder, "", "", 10, &list));
    size_t count = list.count;
    object_list_done(&list);
    ASSERT_EQ(count, 1);
    folder_done(&folder);
}

#define CROWD 9000

TEST(a_crowded_folder_is_listed_whole_and_in_order)
{
    struct folder folder;
    char path[FOLDER_PATH_SIZE];
    char start[OBJECT_KEY_SIZE_MAX + 1] = "";
    folder_init(&folder, test_directory(), false);
    ASSERT_OK(put_text(&folder, "crowd/first", "x", OBJECT_CREATE));
    for (unsigned i = 0; i < CROWD - 1; i++) {
        char key[64];
        /* Names in no order. */
        snprintf(key, sizeof key, "crowd/%08x", i * 2654435761u);
        ASSERT_OK(folder_path(&folder, key, path));
        int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        ASSERT(descriptor >= 0);
        close(descriptor);
    }
    unsigned count = 0;
    bool sorted = true;
    for (bool more = true; more;) {
        struct object_list list;
        ASSERT_OK(folder_list(&folder, "crowd/", start, 1000, &list));
        for (size_t i = 0; i < list.count; i++) {
            sorted = sorted && strcmp(list.entries[i].key, start) > 0;
            snprintf(start, sizeof start, "%s", list.entries[i].key);
        }
        count += (unsigned)list.count;
        more = list.more;
        object_list_done(&list);
    }
    ASSERT(sorted);
    ASSERT_EQ(count, CROWD);
    folder_done(&folder);
}
