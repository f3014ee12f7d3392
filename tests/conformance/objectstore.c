/* What broker/objectstore/objectstore.h promises about single objects, asked of whatever store the
 * URL names: memory, folder, faulty wrapper and real servers must all pass the same questions. */
#include "base/mem.h"
#include "conformance/support.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_SIZE (OBJECT_KEY_SIZE_MAX + 1)
#define WITH_STORE(store)                                                                          \
    CLEANUP(close_store) struct objectstore *store = conformance_open();                           \
    if (!(store)) {                                                                                \
        return;                                                                                    \
    }                                                                                              \
    struct objectstore_semicolon

static void
close_store(struct objectstore **store)
{
    objectstore_close(*store);
}

FIBER_TEST(an_object_is_read_back_as_it_was_written)
{
    static const size_t sizes[] = { 0, 1, 1000, 65537, 1 << 20 };
    WITH_STORE(store);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        char key[KEY_SIZE];
        CLEANUP(buf_unrefp) struct buf *body = conformance_body(sizes[i], i);
        CLEANUP(buf_unrefp) struct buf *read = NULL;
        struct object_etag etag;
        struct object_info info;
        struct object_info head;
        conformance_key(key, "whole/object.bin");
        ASSERT_OK(conformance_put(store, key, buf_bytes(body), &etag));
        ASSERT_OK(objectstore_get(store, key, OBJECT_WHOLE, conformance_deadline(), &read, &info));
        ASSERT_BYTES(buf_bytes(read), buf_bytes(body));
        ASSERT_OK(objectstore_head(store, key, conformance_deadline(), &head));
        ASSERT_EQ(info.size, sizes[i]);
        ASSERT_EQ(head.size, sizes[i]);
        ASSERT_STRING(info.etag.text, etag.text);
        ASSERT_STRING(head.etag.text, etag.text);
        ASSERT(llabs(head.modified_ms - clock_wall_ms()) < 60 * 1000);
    }
}

FIBER_TEST(an_object_is_written_from_many_parts)
{
    WITH_STORE(store);
    char key[KEY_SIZE];
    CLEANUP(buf_unrefp) struct buf *body = conformance_body(150 * 100, 3);
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    struct iovec parts[151];
    for (size_t i = 0; i < 150; i++) {
        parts[i] = (struct iovec){ body->data + i * 100, 100 };
    }
    parts[150] = (struct iovec){ NULL, 0 };
    struct object_put put = { conformance_key(key, "parts"), parts, 151, OBJECT_CREATE,
        .deadline_ns = conformance_deadline() };
    ASSERT_OK(objectstore_put(store, &put, NULL));
    ASSERT_OK(objectstore_get(store, key, OBJECT_WHOLE, conformance_deadline(), &read, NULL));
    ASSERT_BYTES(buf_bytes(read), buf_bytes(body));
}

FIBER_TEST(a_missing_object_is_not_found_and_can_be_deleted)
{
    WITH_STORE(store);
    char key[KEY_SIZE];
    struct buf *read = NULL;
    struct object_info info;
    conformance_key(key, "missing/at/all");
    ASSERT_ERROR(objectstore_get(store, key, OBJECT_WHOLE, conformance_deadline(), &read, NULL),
            -ENOENT);
    ASSERT(read == NULL);
    ASSERT_ERROR(objectstore_get(store, key, (struct object_range){ 5, 5 }, conformance_deadline(),
                         &read, NULL),
            -ENOENT);
    ASSERT_ERROR(objectstore_head(store, key, conformance_deadline(), &info), -ENOENT);
    ASSERT_OK(objectstore_delete(store, key, conformance_deadline()));
}

static void
expect_range(struct objectstore *store, const char *key, struct bytes body,
        struct object_range range, size_t offset, size_t size)
{
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    struct object_info info;
    ASSERT_OK(objectstore_get(store, key, range, conformance_deadline(), &read, &info));
    ASSERT_BYTES(buf_bytes(read), bytes_of(body.data + offset, size));
    ASSERT_EQ(info.size, body.size);
}

FIBER_TEST(ranges_are_exact)
{
    WITH_STORE(store);
    char key[KEY_SIZE];
    CLEANUP(buf_unrefp) struct buf *body = conformance_body(1000, 4);
    struct bytes all = buf_bytes(body);
    struct buf *read = NULL;
    ASSERT_OK(conformance_put(store, conformance_key(key, "range"), all, NULL));
    expect_range(store, key, all, (struct object_range){ 0, 1 }, 0, 1);
    expect_range(store, key, all, (struct object_range){ 0, 1000 }, 0, 1000);
    expect_range(store, key, all, (struct object_range){ 999, 1 }, 999, 1);
    expect_range(store, key, all, (struct object_range){ 10, 20 }, 10, 20);
    expect_range(store, key, all, (struct object_range){ 990, 20 }, 990, 10);
    expect_range(store, key, all, (struct object_range){ 990, UINT64_MAX }, 990, 10);
    expect_range(store, key, all, (struct object_range){ 0, 5000 }, 0, 1000);
    expect_range(store, key, all, (struct object_range){ 5, 0 }, 5, 0);
    expect_range(store, key, all, OBJECT_TAIL(1), 999, 1);
    expect_range(store, key, all, OBJECT_TAIL(1000), 0, 1000);
    expect_range(store, key, all, OBJECT_TAIL(5000), 0, 1000);
    uint64_t deadline_ns = conformance_deadline();
    ASSERT_ERROR(
            objectstore_get(store, key, (struct object_range){ 1000, 1 }, deadline_ns, &read, NULL),
            -ERANGE);
    ASSERT_ERROR(objectstore_get(store, key, (struct object_range){ 5000, UINT64_MAX }, deadline_ns,
                         &read, NULL),
            -ERANGE);
    ASSERT_ERROR(
            objectstore_get(store, key, (struct object_range){ 5000, 0 }, deadline_ns, &read, NULL),
            -ERANGE);
}

FIBER_TEST(an_empty_object_has_an_empty_beginning_and_tail)
{
    WITH_STORE(store);
    char key[KEY_SIZE];
    struct buf *read = NULL;
    ASSERT_OK(conformance_create(store, conformance_key(key, "empty"), BYTES_NULL, NULL));
    expect_range(store, key, BYTES_LITERAL(""), OBJECT_WHOLE, 0, 0);
    expect_range(store, key, BYTES_LITERAL(""), (struct object_range){ 0, 10 }, 0, 0);
    expect_range(store, key, BYTES_LITERAL(""), OBJECT_TAIL(10), 0, 0);
    ASSERT_ERROR(objectstore_get(store, key, (struct object_range){ 1, 1 }, conformance_deadline(),
                         &read, NULL),
            -ERANGE);
    ASSERT_ERROR(conformance_create(store, key, BYTES_NULL, NULL), -EEXIST);
}

/* S1 */
FIBER_TEST(a_key_is_created_once_until_it_is_deleted)
{
    WITH_STORE(store);
    char key[KEY_SIZE];
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    conformance_key(key, "create/once");
    ASSERT_OK(conformance_create(store, key, BYTES_LITERAL("first"), NULL));
    ASSERT_ERROR(conformance_create(store, key, BYTES_LITERAL("second"), NULL), -EEXIST);
    ASSERT_OK(objectstore_get(store, key, OBJECT_WHOLE, conformance_deadline(), &read, NULL));
    ASSERT_BYTES(buf_bytes(read), BYTES_LITERAL("first"));
    ASSERT_OK(objectstore_delete(store, key, conformance_deadline()));
    ASSERT_OK(conformance_create(store, key, BYTES_LITERAL("third"), NULL));
}

/* S1 */
FIBER_TEST(only_the_right_etag_replaces)
{
    WITH_STORE(store);
    char key[KEY_SIZE];
    struct object_etag first;
    struct object_etag second;
    struct object_etag third;
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    conformance_key(key, "replace");
    struct object_etag made_up = { "\"0123456789abcdef0123456789abcdef\"" };
    ASSERT_ERROR(conformance_replace(store, key, BYTES_LITERAL("x"), &made_up, NULL), -ENOENT);
    ASSERT_OK(conformance_create(store, key, BYTES_LITERAL("one"), &first));
    ASSERT_ERROR(conformance_replace(store, key, BYTES_LITERAL("x"), &made_up, NULL), -EEXIST);
    ASSERT_OK(conformance_replace(store, key, BYTES_LITERAL("two"), &first, &second));
    ASSERT(strcmp(first.text, second.text) != 0);
    ASSERT_ERROR(conformance_replace(store, key, BYTES_LITERAL("x"), &first, NULL), -EEXIST);
    ASSERT_OK(conformance_put(store, key, BYTES_LITERAL("three"), &third));
    ASSERT_ERROR(conformance_replace(store, key, BYTES_LITERAL("x"), &second, NULL), -EEXIST);
    ASSERT_OK(conformance_replace(store, key, BYTES_LITERAL("four"), &third, NULL));
    ASSERT_OK(objectstore_get(store, key, OBJECT_WHOLE, conformance_deadline(), &read, NULL));
    ASSERT_BYTES(buf_bytes(read), BYTES_LITERAL("four"));
    ASSERT_OK(objectstore_delete(store, key, conformance_deadline()));
    ASSERT_ERROR(conformance_replace(store, key, BYTES_LITERAL("x"), &third, NULL), -ENOENT);
}

FIBER_TEST(all_allowed_keys_work)
{
    WITH_STORE(store);
    char longest[300];
    memset(longest, 'L', sizeof longest);
    longest[255] = 0;
    const char *names[] = { "k/A-Z_a.z0-9", "k/.hidden", "k/-dash", "k/..two", "k/a..b", "k/_",
        "k/0/1/2/3/4/5/6/7/8/9", "k/UPPER", "k/upper", "k/x.tmp", "k/a-b", "k/a.b", "k/a/b", "k/a0",
        longest };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char key[KEY_SIZE];
        ASSERT_OK(conformance_create(
                store, conformance_key(key, names[i]), bytes_of_string(names[i]), NULL));
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char key[KEY_SIZE];
        CLEANUP(buf_unrefp) struct buf *read = NULL;
        uint64_t deadline_ns = conformance_deadline();
        ASSERT_OK(objectstore_get(
                store, conformance_key(key, names[i]), OBJECT_WHOLE, deadline_ns, &read, NULL));
        ASSERT_BYTES(buf_bytes(read), bytes_of_string(names[i]));
        ASSERT_OK(objectstore_delete(store, key, deadline_ns));
    }
}

FIBER_TEST(the_longest_key_works)
{
    WITH_STORE(store);
    char key[KEY_SIZE];
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    conformance_key(key, "");
    for (size_t i = strlen(key); i < OBJECT_KEY_SIZE_MAX; i++) {
        key[i] = i % 200 == 0 ? '/' : (char)('a' + i % 26);
    }
    key[OBJECT_KEY_SIZE_MAX] = 0;
    ASSERT_OK(conformance_create(store, key, BYTES_LITERAL("long"), NULL));
    struct object_list list;
    ASSERT_OK(objectstore_list(store, key, NULL, 10, conformance_deadline(), &list));
    bool found = list.count == 1 && strcmp(list.entries[0].key, key) == 0;
    object_list_done(&list);
    ASSERT(found);
    ASSERT_OK(objectstore_get(store, key, OBJECT_WHOLE, conformance_deadline(), &read, NULL));
    ASSERT_BYTES(buf_bytes(read), BYTES_LITERAL("long"));
    ASSERT_OK(objectstore_delete(store, key, conformance_deadline()));
}

FIBER_TEST(keys_that_some_store_refuses_are_refused_by_all)
{
    WITH_STORE(store);
    char segment[300];
    char whole[600];
    memset(segment, 's', sizeof segment);
    segment[256] = 0;
    memset(whole, 'w', sizeof whole);
    for (size_t i = 100; i < sizeof whole; i += 100) {
        whole[i] = '/';
    }
    whole[513] = 0;
    const char *names[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "a b",
        "a\tb", "a+b", "a%b", "a~b", "\xc3\xa4", "a:b", "a\\b", "a*b", segment, whole };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct buf *read = NULL;
        struct object_info info;
        uint64_t deadline_ns = conformance_deadline();
        ASSERT_ERROR(conformance_put(store, names[i], BYTES_LITERAL("x"), NULL), -EINVAL);
        ASSERT_ERROR(
                objectstore_get(store, names[i], OBJECT_WHOLE, deadline_ns, &read, NULL), -EINVAL);
        ASSERT_ERROR(objectstore_head(store, names[i], deadline_ns, &info), -EINVAL);
        ASSERT_ERROR(objectstore_delete(store, names[i], deadline_ns), -EINVAL);
        ASSERT_ERROR(objectstore_delete_many(store, &names[i], 1, deadline_ns), -EINVAL);
    }
}

FIBER_TEST(a_name_can_be_a_folder_first_and_an_object_later)
{
    WITH_STORE(store);
    char below[KEY_SIZE];
    char at[KEY_SIZE];
    conformance_key(below, "reused/name/below");
    conformance_key(at, "reused/name");
    ASSERT_OK(conformance_create(store, below, BYTES_LITERAL("1"), NULL));
    ASSERT_OK(objectstore_delete(store, below, conformance_deadline()));
    ASSERT_OK(conformance_create(store, at, BYTES_LITERAL("2"), NULL));
    ASSERT_OK(objectstore_delete(store, at, conformance_deadline()));
    ASSERT_OK(conformance_create(store, below, BYTES_LITERAL("3"), NULL));
    ASSERT_OK(objectstore_delete(store, below, conformance_deadline()));
}

FIBER_TEST(large_objects_are_whole_and_their_ranges_cross_parts)
{
    WITH_STORE(store);
    char key[KEY_SIZE];
    size_t size = 12 * MIB + 345;
    CLEANUP(buf_unrefp) struct buf *body = conformance_body(size, 7);
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    struct object_etag etag;
    struct object_etag second;
    struct object_info info;
    struct bytes all = buf_bytes(body);
    conformance_key(key, "large");
    ASSERT_OK(conformance_create(store, key, all, &etag));
    ASSERT_ERROR(conformance_create(store, key, all, NULL), -EEXIST);
    ASSERT_OK(objectstore_get(store, key, OBJECT_WHOLE, conformance_deadline(), &read, &info));
    ASSERT_BYTES(buf_bytes(read), all);
    ASSERT_STRING(info.etag.text, etag.text);
    expect_range(store, key, all, (struct object_range){ 5 * MIB - 100, 200 }, 5 * MIB - 100, 200);
    expect_range(store, key, all, (struct object_range){ 8 * MIB - 1, 2 }, 8 * MIB - 1, 2);
    expect_range(store, key, all, (struct object_range){ 8 * MIB - 1000, 3 * MIB }, 8 * MIB - 1000,
            3 * MIB);
    expect_range(
            store, key, all, OBJECT_TAIL(4 * MIB + 500), size - (4 * MIB + 500), 4 * MIB + 500);
    body->data[0] ^= 1;
    ASSERT_OK(conformance_replace(store, key, all, &etag, &second));
    ASSERT_ERROR(conformance_replace(store, key, all, &etag, NULL), -EEXIST);
    ASSERT_OK(conformance_put(store, key, all, NULL));
    ASSERT_OK(objectstore_delete(store, key, conformance_deadline()));
}

static int
put_from_here(void *arg)
{
    return conformance_create(arg, "c-reactor/one", BYTES_LITERAL("from another reactor"), NULL);
}

FIBER_TEST(a_store_serves_all_reactors)
{
    WITH_STORE(store);
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    ASSERT_OK(objectstore_delete(store, "c-reactor/one", conformance_deadline()));
    ASSERT_OK(reactor_call(1, put_from_here, store));
    ASSERT_OK(objectstore_get(
            store, "c-reactor/one", OBJECT_WHOLE, conformance_deadline(), &read, NULL));
    ASSERT_BYTES(buf_bytes(read), BYTES_LITERAL("from another reactor"));
    ASSERT_OK(objectstore_delete(store, "c-reactor/one", conformance_deadline()));
}

static void
cancelled_get(void *arg)
{
    struct objectstore *store = arg;
    struct buf *read = NULL;
    fiber_cancel(fiber_current());
    ASSERT_ERROR(objectstore_get(
                         store, "c-cancel/one", OBJECT_WHOLE, conformance_deadline(), &read, NULL),
            -ECANCELED);
    ASSERT_ERROR(conformance_create(store, "c-cancel/one", BYTES_LITERAL("x"), NULL), -ECANCELED);
}

FIBER_TEST(a_cancelled_fiber_asks_nothing)
{
    WITH_STORE(store);
    struct fiber *fiber = NULL;
    struct object_info info;
    ASSERT_OK(fiber_spawn("cancelled", cancelled_get, store, &fiber));
    fiber_join(fiber);
    ASSERT_ERROR(objectstore_head(store, "c-cancel/one", conformance_deadline(), &info), -ENOENT);
}

FIBER_TEST(requests_and_bytes_are_counted)
{
    WITH_STORE(store);
    char key[KEY_SIZE];
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    struct object_stats stats;
    ASSERT_OK(
            conformance_put(store, conformance_key(key, "counted"), BYTES_LITERAL("12345"), NULL));
    ASSERT_OK(objectstore_get(
            store, key, (struct object_range){ 1, 3 }, conformance_deadline(), &read, NULL));
    objectstore_stats_get(store, &stats);
    ASSERT_EQ(stats.requests[OBJECT_OP_PUT], 1);
    ASSERT_EQ(stats.requests[OBJECT_OP_GET], 1);
    ASSERT_EQ(stats.bytes_out, 5);
    ASSERT_EQ(stats.bytes_in, 3);
    ASSERT_EQ(stats.errors[OBJECT_OP_GET], 0);
    uint64_t measured = 0;
    for (unsigned i = 0; i < OBJECT_LATENCY_BUCKETS; i++) {
        measured += stats.latency_ms_buckets[OBJECT_OP_PUT][i];
    }
    ASSERT_EQ(measured, 1);
}

FIBER_TEST(the_store_passes_its_own_probe)
{
    WITH_STORE(store);
    char prefix[KEY_SIZE];
    ASSERT_OK(objectstore_probe(store, conformance_key(prefix, "probe/"), conformance_deadline()));
}

FIBER_TEST(wrong_credentials_are_refused_and_named_without_the_secret)
{
    if (!conformance_is_s3()) {
        return;
    }
    CLEANUP(mem_freep) char *right = mem_strdup(getenv("AWS_SECRET_ACCESS_KEY"));
    setenv("AWS_SECRET_ACCESS_KEY", "WrongSecretThatNobodySees", 1);
    struct objectstore *store = conformance_open();
    struct buf *read = NULL;
    struct object_list list;
    int get = -1;
    int listed = -1;
    char story[500] = "";
    if (store) {
        get = objectstore_get(
                store, "c-secret/x", OBJECT_WHOLE, conformance_deadline(), &read, NULL);
        listed = objectstore_list(store, "", NULL, 1, conformance_deadline(), &list);
        snprintf(story, sizeof story, "%s", test_fault(listed));
        objectstore_close(store);
    }
    setenv("AWS_SECRET_ACCESS_KEY", right, 1);
    ASSERT_ERROR(get, -EACCES);
    ASSERT_ERROR(listed, -EACCES);
    ASSERT(strstr(story, "SignatureDoesNotMatch") != NULL);
    ASSERT(strstr(story, "WrongSecret") == NULL);
}

FIBER_TEST(a_server_whose_authority_is_unknown_is_refused)
{
    const char *ca_file = getenv("S3_CA_FILE");
    if (!conformance_is_s3() || !ca_file || !*ca_file) {
        return;
    }
    struct objectstore *store = NULL;
    struct buf *read = NULL;
    ASSERT_OK(objectstore_open(getenv("S3_STORE_URL"), &store));
    int get = objectstore_get(store, "c-tls/x", OBJECT_WHOLE, conformance_deadline(), &read, NULL);
    int created = conformance_create(store, "c-tls/x", BYTES_LITERAL("x"), NULL);
    bool named = strstr(test_fault(created), "certificate") != NULL;
    objectstore_close(store);
    ASSERT_ERROR(get, -EACCES);
    ASSERT_ERROR(created, -EACCES); /* nothing was sent: that much is known */
    ASSERT(named);
}
