/* URLs of object stores: what is read, and what the refusals say. */
#include "objectstore/internal.h"
#include "unit/test.h"

#include <errno.h>

TEST(a_url_is_taken_apart)
{
    CLEANUP(object_url_freep) struct object_url *url = NULL;
    ASSERT_OK(object_url_parse(
            "s3://my-bucket/a/b?endpoint=http://127.0.0.1:9000&region=eu%2Dwest&x=1&x=2", &url));
    ASSERT_STRING(url->scheme, "s3");
    ASSERT_STRING(url->authority, "my-bucket");
    ASSERT_STRING(url->path, "/a/b");
    ASSERT_STRING(object_url_take(url, "endpoint"), "http://127.0.0.1:9000");
    ASSERT_STRING(object_url_take(url, "region"), "eu-west");
    ASSERT(object_url_take(url, "region") == NULL);
    ASSERT_STRING(object_url_take(url, "x"), "1");
    ASSERT_STRING(object_url_take(url, "x"), "2");
    ASSERT_OK(object_url_check_all_taken(url, ""));
}

TEST(a_file_url_has_a_path_and_no_authority)
{
    CLEANUP(object_url_freep) struct object_url *url = NULL;
    ASSERT_OK(object_url_parse("file:///var/lib/fre%20shet?sync=false", &url));
    ASSERT_STRING(url->authority, "");
    ASSERT_STRING(url->path, "/var/lib/fre shet");
}

static void
expect_refusal(const char *text, const char *because)
{
    struct objectstore *store = NULL;
    int r = objectstore_open(text, &store);
    if (r == 0) {
        objectstore_close(store);
    }
    if (r != -EINVAL || !strstr(test_fault(r), because)) {
        test_fail(__FILE__, __LINE__, "%s gave %d: %s", text, r, r < 0 ? test_fault(r) : "opened");
        return;
    }
    test_pass();
}

FIBER_TEST(refusals_say_which_part_is_wrong)
{
    expect_refusal("", "does not start with");
    expect_refusal("/var/lib", "does not start with");
    expect_refusal("http://x", "unknown scheme \"http\"");
    expect_refusal("s3:bucket", "does not start with");
    expect_refusal("memory://", "memory://NAME");
    expect_refusal("memory://a/b", "memory://NAME");
    expect_refusal("memory://a?b", "\"b\" is not name=value");
    expect_refusal("memory://a?b=c", "\"b\"");
    expect_refusal("memory://a#b", "'#'");
    expect_refusal("memory://a b", "character 11");
    expect_refusal("memory://a%2", "two hex digits");
    expect_refusal("memory://a%00", "two hex digits");
    expect_refusal("file://relative/path", "file:///ABSOLUTE/FOLDER");
    expect_refusal("file:///", "file:///ABSOLUTE/FOLDER");
    expect_refusal("file:///tmp/x?sync=yes", "sync must be true or false, not \"yes\"");
    expect_refusal("file:///tmp/x?sync=true&sync=false", "\"sync\"");
    expect_refusal("s3://u:p@bucket", "credentials do not belong");
    expect_refusal("s3://B", "\"B\" is no bucket name");
    expect_refusal("s3://bucket/a//b", "prefix");
    expect_refusal("s3://bucket/a%20b", "prefix");
    expect_refusal("s3://bucket?endpoint=127.0.0.1:9000", "endpoint \"127.0.0.1:9000\"");
    expect_refusal("s3://bucket?endpoint=http://h/path", "endpoint");
    expect_refusal("s3://bucket?endpoint=http://", "endpoint");
    expect_refusal("s3://bucket?endpoint=http://u:SECRET@h", "credentials do not belong");
    expect_refusal("s3://bucket?region=EU+west", "region");
    expect_refusal("s3://bucket?path_style=1", "path_style");
    expect_refusal("s3://bucket?checksum=md5", "checksum");
    expect_refusal("s3://bucket?part_size=1000", "part_size must be a number from 5242880");
    expect_refusal("s3://bucket?ca_file=/does/not/exist", "/does/not/exist");
    expect_refusal("s3://bucket?colour=blue", "\"colour\" (known: endpoint, region");
    expect_refusal("faulty+memory://a?fault=put:x", "OPERATIONS:PATTERN:KIND");
    expect_refusal("faulty+memory://a?fault=put:*:nonsense", "unknown kind \"nonsense\"");
    expect_refusal("faulty+memory://a?fault=push:*:lost", "unknown operation \"push\"");
    expect_refusal("faulty+memory://a?fault=put:*:lost:p=2", "\"p=2\"");
    expect_refusal("faulty+memory://a?sync=true", "\"sync\"");
    expect_refusal("faulty+faulty+memory://a", "unknown scheme");
}

TEST(the_password_of_a_url_is_not_repeated)
{
    struct object_url *url = NULL;
    int r = object_url_parse("s3://user:SECRET@bucket", &url);
    ASSERT_ERROR(r, -EINVAL);
    ASSERT(strstr(test_fault(r), "SECRET") == NULL);
}

FIBER_TEST(a_store_shows_its_url)
{
    struct objectstore *store = NULL;
    ASSERT_OK(objectstore_open("memory://shown", &store));
    ASSERT_STRING(objectstore_url(store), "memory://shown");
    objectstore_close(store);
}
