/* What objectstore.h promises about lists and batches. */
#include "base/mem.h"
#include "conformance/support.h"
#include "reactor/sync.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_SIZE (OBJECT_KEY_SIZE_MAX + 1)

static void
close_store(struct objectstore **store)
{
    objectstore_close(*store);
}

static const char *const names[] = { "o/a-b", "o/a.b", "o/a/1", "o/a/2/x", "o/a/2-y", "o/a0", "o/A",
    "o/a_", "o/b/c/d/e", "o/b/c/d0", "o/z" };
/* The same in byte order. */
static const char *const sorted[] = { "o/A", "o/a-b", "o/a.b", "o/a/1", "o/a/2-y", "o/a/2/x",
    "o/a0", "o/a_", "o/b/c/d/e", "o/b/c/d0", "o/z" };

/* Lists page by page and compares with sorted[first] .. sorted[last]. */
static void
expect_pages(struct objectstore *store, const char *prefix, const char *after, size_t page,
        size_t first, size_t last)
{
    char start[KEY_SIZE] = "";
    char full_prefix[KEY_SIZE];
    conformance_key(full_prefix, prefix);
    if (after) {
        conformance_key(start, after);
    }
    for (size_t next = first;;) {
        struct object_list list;
        ASSERT_OK(objectstore_list(store, full_prefix, start, page, conformance_deadline(), &list));
        size_t expected = MIN(page, last + 1 - next);
        bool good = list.count == expected && list.more == (next + expected <= last);
        for (size_t i = 0; good && i < list.count; i++) {
            char key[KEY_SIZE];
            good = strcmp(list.entries[i].key, conformance_key(key, sorted[next + i])) == 0 &&
                   list.entries[i].size == strlen(sorted[next + i]);
        }
        if (!good) {
            test_fail(__FILE__, __LINE__,
                    "list of %s after %s, %zu a page: %zu keys, more %d, first %s", prefix,
                    after ? after : "-", page, list.count, list.more,
                    list.count ? list.entries[0].key : "-");
        }
        if (list.count) {
            snprintf(start, sizeof start, "%s", list.entries[list.count - 1].key);
        }
        next += list.count;
        bool more = list.more;
        object_list_done(&list);
        if (!good || !more) {
            ASSERT(good);
            return;
        }
    }
}

FIBER_TEST(lists_are_complete_in_byte_order_at_any_page_size)
{
    CLEANUP(close_store) struct objectstore *store = conformance_open();
    ASSERT(store);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char key[KEY_SIZE];
        ASSERT_OK(conformance_put(
                store, conformance_key(key, names[i]), bytes_of_string(names[i]), NULL));
    }
    size_t last = ARRAY_SIZE(sorted) - 1;
    for (size_t page = 1; page <= last + 3; page++) {
        expect_pages(store, "o/", NULL, page, 0, last);
    }
    expect_pages(store, "o/a", NULL, 3, 1, 7);
    expect_pages(store, "o/a/", NULL, 2, 3, 5);
    expect_pages(store, "o/a/2", NULL, 1000, 4, 5);
    expect_pages(store, "o/b/c/d", NULL, 1, 8, 9);
    expect_pages(store, "o/", "o/a-b", 4, 2, last);
    expect_pages(store, "o/", "o/a/2", 4, 4, last); /* a key that is not there */
    expect_pages(store, "o/", "o/a/2/x", 4, 6, last);
    expect_pages(store, "o/", "o/a/zzz", 4, 6, last);
    expect_pages(store, "o/", "o/Zzz", 4, 1, last);
    expect_pages(store, "o/a/", "o/A", 4, 3, 5); /* before the prefix */
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char key[KEY_SIZE];
        ASSERT_OK(
                objectstore_delete(store, conformance_key(key, names[i]), conformance_deadline()));
    }
}

FIBER_TEST(a_list_that_finds_nothing_is_empty)
{
    CLEANUP(close_store) struct objectstore *store = conformance_open();
    ASSERT(store);
    char prefix[KEY_SIZE];
    struct object_list list;
    ASSERT_OK(objectstore_list(store, conformance_key(prefix, "nothing/here/"), NULL, 10,
            conformance_deadline(), &list));
    ASSERT_EQ(list.count, 0);
    ASSERT(!list.more);
    ASSERT(list.entries == NULL || list.count == 0);
    object_list_done(&list);
    ASSERT_ERROR(objectstore_list(store, prefix, NULL, 0, conformance_deadline(), &list), -EINVAL);
    ASSERT_ERROR(
            objectstore_list(store, prefix, NULL, 1001, conformance_deadline(), &list), -EINVAL);
    ASSERT_ERROR(objectstore_list(store, "a//", NULL, 1, conformance_deadline(), &list), -EINVAL);
    ASSERT_ERROR(objectstore_list(store, "a b", NULL, 1, conformance_deadline(), &list), -EINVAL);
}

FIBER_TEST(a_list_shows_each_write_and_removal_at_once)
{
    CLEANUP(close_store) struct objectstore *store = conformance_open();
    ASSERT(store);
    for (unsigned i = 0; i < 40; i++) {
        char name[64];
        char key[KEY_SIZE];
        struct object_list list;
        snprintf(name, sizeof name, "fresh/%u", i);
        conformance_key(key, name);
        ASSERT_OK(conformance_create(store, key, BYTES_LITERAL("x"), NULL));
        ASSERT_OK(objectstore_list(store, key, NULL, 10, conformance_deadline(), &list));
        size_t count = list.count;
        object_list_done(&list);
        ASSERT_EQ(count, 1);
        ASSERT_OK(objectstore_delete(store, key, conformance_deadline()));
        ASSERT_OK(objectstore_list(store, key, NULL, 10, conformance_deadline(), &list));
        count = list.count;
        object_list_done(&list);
        ASSERT_EQ(count, 0);
    }
}

#define MANY 1050
#define WRITERS 8

struct many {
    struct objectstore *store;
    unsigned writer;
};

static void
many_name(char *key, unsigned i)
{
    char name[64];
    snprintf(name, sizeof name, "many/%02u/object-%04u", i % 50, i);
    conformance_key(key, name);
}

static int
write_many(void *arg)
{
    const struct many *many = arg;
    for (unsigned i = many->writer; i < MANY; i += WRITERS) {
        char key[KEY_SIZE];
        many_name(key, i);
        int r = conformance_create(many->store, key, BYTES_LITERAL("x"), NULL);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Pages through everything; returns the number of keys, or -1 when two are out of order. */
static int
count_many(struct objectstore *store)
{
    char prefix[KEY_SIZE];
    char start[KEY_SIZE] = "";
    int count = 0;
    conformance_key(prefix, "many/");
    for (bool more = true; more;) {
        struct object_list list;
        if (objectstore_list(store, prefix, start, 1000, conformance_deadline(), &list) < 0) {
            return -1;
        }
        for (size_t i = 0; i < list.count; i++) {
            if (strcmp(list.entries[i].key, start) <= 0) {
                count = -1000000;
            }
            snprintf(start, sizeof start, "%s", list.entries[i].key);
            count++;
        }
        more = list.more;
        object_list_done(&list);
    }
    return count;
}

FIBER_TEST(more_than_a_thousand_objects_are_listed_and_removed_in_batches)
{
    CLEANUP(close_store) struct objectstore *store = conformance_open();
    ASSERT(store);
    struct fiber_group group;
    struct many many[WRITERS];
    fiber_group_init(&group);
    for (unsigned i = 0; i < WRITERS; i++) {
        many[i] = (struct many){ store, i };
        fiber_group_spawn(&group, "writer", write_many, &many[i]);
    }
    ASSERT_OK(fiber_group_wait(&group));
    ASSERT_EQ(count_many(store), MANY);
    CLEANUP(mem_freep) const char **keys = mem_alloc_array(MANY + 1, sizeof *keys);
    CLEANUP(mem_freep) char *text = mem_alloc_array(MANY + 1, KEY_SIZE);
    for (unsigned i = 0; i <= MANY; i++) {
        char *key = text + (size_t)i * KEY_SIZE;
        many_name(key, i); /* the last was never there */
        keys[i] = key;
    }
    ASSERT_OK(objectstore_delete_many(store, keys, MANY + 1, conformance_deadline()));
    ASSERT_EQ(count_many(store), 0);
    ASSERT_OK(objectstore_delete_many(store, keys, 0, conformance_deadline()));
}
