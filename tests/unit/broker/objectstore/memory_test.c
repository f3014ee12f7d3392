/* What tests rely on in memory stores: shared by name, exact, forgettable. The interface itself is
 * tested by tests/conformance. */
#include "objectstore/internal.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "unit/test.h"

#include <errno.h>

static int
put(struct objectstore *store, const char *key, const char *body, enum object_condition condition,
        struct object_etag *etag)
{
    struct iovec part = { (void *)(uintptr_t)body, strlen(body) };
    struct object_put what = { key, &part, 1, condition, .deadline_ns = DEADLINE_NONE };
    return objectstore_put(store, &what, etag);
}

FIBER_TEST(stores_of_one_name_share_their_objects_until_they_are_forgotten)
{
    struct objectstore *one = NULL;
    struct objectstore *two = NULL;
    struct objectstore *other = NULL;
    struct object_info info;
    ASSERT_OK(objectstore_open("memory://shared", &one));
    ASSERT_OK(put(one, "k", "x", OBJECT_CREATE, NULL));
    objectstore_close(one);
    ASSERT_OK(objectstore_open("memory://shared", &two));
    ASSERT_OK(objectstore_open("memory://other", &other));
    ASSERT_OK(objectstore_head(two, "k", DEADLINE_NONE, &info));
    ASSERT_ERROR(objectstore_head(other, "k", DEADLINE_NONE, &info), -ENOENT);
    ASSERT_EQ(memory_store_count("shared"), 1);
    objectstore_close(two);
    objectstore_close(other);
    memory_store_forget("shared");
    memory_store_forget("shared");
    memory_store_forget("other");
    ASSERT_EQ(memory_store_count("shared"), 0);
}

/* As S3's, which are MD5s: who compares and swaps must make bodies differ. */
FIBER_TEST(equal_bytes_have_equal_etags)
{
    struct objectstore *store = NULL;
    struct object_etag first;
    struct object_etag second;
    struct object_etag third;
    ASSERT_OK(objectstore_open("memory://etags", &store));
    ASSERT_OK(put(store, "k", "a", OBJECT_ALWAYS, &first));
    ASSERT_OK(put(store, "k", "b", OBJECT_ALWAYS, &second));
    ASSERT_OK(put(store, "k", "a", OBJECT_ALWAYS, &third));
    ASSERT_STRING(first.text, third.text);
    ASSERT(strcmp(first.text, second.text) != 0);
    objectstore_close(store);
    memory_store_forget("etags");
}

FIBER_TEST(an_object_cannot_be_below_or_above_another_one)
{
    struct objectstore *store = NULL;
    ASSERT_OK(objectstore_open("memory://paths", &store));
    ASSERT_OK(put(store, "a/b", "x", OBJECT_CREATE, NULL));
    ASSERT_OK(put(store, "a-b", "x", OBJECT_CREATE, NULL));
    ASSERT_ERROR(put(store, "a", "x", OBJECT_ALWAYS, NULL), -EINVAL);
    ASSERT_ERROR(put(store, "a/b/c/d", "x", OBJECT_CREATE, NULL), -EINVAL);
    ASSERT_OK(put(store, "a/bc", "x", OBJECT_CREATE, NULL));
    objectstore_close(store);
    memory_store_forget("paths");
}

FIBER_TEST(what_a_reader_does_to_its_bytes_stays_with_the_reader)
{
    struct objectstore *store = NULL;
    ASSERT_OK(objectstore_open("memory://copies", &store));
    ASSERT_OK(put(store, "k", "abc", OBJECT_CREATE, NULL));
    for (unsigned i = 0; i < 2; i++) {
        struct buf *buf = NULL;
        ASSERT_OK(objectstore_get(store, "k", OBJECT_WHOLE, DEADLINE_NONE, &buf, NULL));
        bool same = bytes_equal(buf_bytes(buf), BYTES_LITERAL("abc"));
        buf->data[0] = 'X';
        buf_unref(buf);
        ASSERT(same);
    }
    objectstore_close(store);
    memory_store_forget("copies");
}

static void
create_in_fiber(void *arg)
{
    int r = put(arg, "one", "x", OBJECT_CREATE, NULL);
    (void)r;
}

FIBER_TEST(closing_waits_for_calls_that_are_under_way)
{
    struct objectstore *store = NULL;
    struct fiber *fiber = NULL;
    ASSERT_OK(objectstore_open("memory://closing", &store));
    ASSERT_OK(fiber_spawn("creates", create_in_fiber, store, &fiber));
    ASSERT_OK(fiber_yield()); /* it has begun and not ended */
    objectstore_close(store);
    ASSERT_EQ(memory_store_count("closing"), 1);
    fiber_join(fiber);
    memory_store_forget("closing");
}
