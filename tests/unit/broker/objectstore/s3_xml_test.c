/* S3's XML, good, odd and hostile. */
#include "base/mem.h"
#include "objectstore/s3_xml.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE(inside) "<?xml version=\"1.0\"?><ListBucketResult>" inside "</ListBucketResult>"
#define ENTRY(key, size) "<Contents><Key>" key "</Key><Size>" size "</Size></Contents>"

static int
parse_list(const char *xml, const char *prefix, size_t max, struct s3_list_page **ret_page)
{
    *ret_page = mem_alloc(sizeof **ret_page);
    return s3_list_parse(bytes_of_string(xml), prefix, max, *ret_page);
}

static void
page_free(struct s3_list_page **page)
{
    if (*page) {
        object_list_done(&(*page)->list);
        mem_free(*page);
    }
}

TEST(a_page_of_a_list_is_read)
{
    CLEANUP(page_free) struct s3_list_page *page = NULL;
    ASSERT_OK(parse_list(
            PAGE("<Name>b</Name><IsTruncated>true</IsTruncated>"
                 "<Contents><Key>p/one</Key><LastModified>2015-08-30T12:36:00.000Z</LastModified>"
                 "<ETag>&quot;x&quot;</ETag><Size>123456789012</Size><Owner><ID>k</ID></Owner></"
                 "Contents>" ENTRY("p/two", "0") ENTRY("p/a&amp;b", "3")),
            "p/", 3, &page));
    ASSERT(page->truncated);
    ASSERT_EQ(page->list.count, 2);
    ASSERT_STRING(page->list.entries[0].key, "one");
    ASSERT_EQ(page->list.entries[0].size, 123456789012);
    ASSERT_EQ(page->list.entries[0].modified_ms, 1440938160000);
    ASSERT_STRING(page->list.entries[1].key, "two");
    ASSERT_STRING(page->last, "a&b"); /* not ours, but the page goes on behind it */
}

/* X2 */
TEST(lists_with_missing_or_wrong_parts_are_refused)
{
    static const char *const wrong[] = { "", " ", "x", "<a>", "<a></b>", "<ListBucketResult/>",
        "<Error/>", PAGE("<IsTruncated>false</IsTruncated>" ENTRY("q/x", "1")),
        PAGE("<IsTruncated>false</IsTruncated>" ENTRY("p/x", "")),
        PAGE("<IsTruncated>false</IsTruncated>" ENTRY("p/x", "-1")),
        PAGE("<IsTruncated>false</IsTruncated>" ENTRY("p/x", "1x")),
        PAGE("<IsTruncated>false</IsTruncated>" ENTRY("p/x", "99999999999999999999999")),
        PAGE("<IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents>"),
        PAGE("<IsTruncated>false</IsTruncated><Contents><Key>p/x</Key><Size>1</Size>"
             "<LastModified>yesterday</LastModified></Contents>"),
        PAGE("<IsTruncated>false</IsTruncated>" ENTRY("p/1", "1") ENTRY("p/2", "1")
                        ENTRY("p/3", "1")),
        PAGE(ENTRY("p/x", "1")) };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CLEANUP(page_free) struct s3_list_page *page = NULL;
        int r = parse_list(wrong[i], "p/", 2, &page);
        if (r != -EIO) {
            test_fail(__FILE__, __LINE__, "list %zu gave %d", i, r);
        }
    }
    test_pass();
}

/* X1 */
TEST(xml_that_would_eat_memory_is_refused)
{
    CLEANUP(page_free) struct s3_list_page *page = NULL;
    ASSERT_ERROR(
            parse_list("<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>"
                       "<ListBucketResult><IsTruncated>&b;</IsTruncated></ListBucketResult>",
                    "", 1, &page),
            -EIO);
    size_t size = 100000;
    CLEANUP(mem_freep) char *deep = mem_alloc(3 * size + 1);
    for (size_t i = 0; i < size; i++) {
        memcpy(deep + 3 * i, "<a>", 3);
    }
    page_free(&page);
    ASSERT_ERROR(parse_list(deep, "", 1, &page), -EIO);
    CLEANUP(mem_freep) char *text = mem_alloc(size + 100);
    memset(text, 'k', size);
    memcpy(text, "<a><Key>", 8);
    page_free(&page);
    ASSERT_ERROR(parse_list(text, "", 1, &page), -EIO);
}

TEST(an_error_is_read_as_far_as_it_goes)
{
    struct s3_error error;
    s3_error_parse(
            BYTES_LITERAL(
                    "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>a\nb</Message>"
                    "<Region>eu-west-1</Region><RequestId>R</RequestId></Error>"),
            &error);
    ASSERT_STRING(error.code, "NoSuchKey");
    ASSERT_STRING(error.message, "a?b");
    ASSERT_STRING(error.region, "eu-west-1");
    ASSERT_STRING(error.request_id, "R");
    s3_error_parse(BYTES_LITERAL("<Error><Code>SlowDown</Code><Mess"), &error);
    ASSERT_STRING(error.code, "SlowDown");
    s3_error_parse(BYTES_LITERAL("<html>no"), &error);
    ASSERT_STRING(error.code, "");
    s3_error_parse(BYTES_NULL, &error);
    ASSERT_STRING(error.code, "");
    s3_error_parse(BYTES_LITERAL("<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></"
                                 "ErrorResponse>"),
            &error);
    ASSERT_STRING(error.code, "InvalidIdentityToken");
}

TEST(an_error_with_status_200_is_recognised)
{
    ASSERT(s3_is_error(BYTES_LITERAL(" \n<Error><Code>InternalError</Code></Error>")) == true);
    ASSERT(s3_is_error(BYTES_LITERAL("<CompleteMultipartUploadResult><Error>x</Error></"
                                     "CompleteMultipartUploadResult>")) == false);
    ASSERT(s3_is_error(BYTES_LITERAL("")) == false);
}

TEST(uploads_have_ids_and_etags)
{
    struct object_etag etag;
    CLEANUP(mem_freep) char *id = NULL;
    char *none = NULL;
    ASSERT_OK(s3_upload_id_parse(BYTES_LITERAL("<InitiateMultipartUploadResult><UploadId>a/b</"
                                               "UploadId></InitiateMultipartUploadResult>"),
            &id));
    ASSERT_STRING(id, "a/b");
    ASSERT_ERROR(
            s3_upload_id_parse(BYTES_LITERAL("<InitiateMultipartUploadResult/>"), &none), -EIO);
    ASSERT_ERROR(s3_upload_id_parse(BYTES_LITERAL("<InitiateMultipartUploadResult><UploadId/></"
                                                  "InitiateMultipartUploadResult>"),
                         &none),
            -EIO);
    ASSERT_OK(s3_complete_parse(BYTES_LITERAL("<CompleteMultipartUploadResult><ETag>\"m-2\"</"
                                              "ETag></CompleteMultipartUploadResult>"),
            &etag));
    ASSERT_STRING(etag.text, "\"m-2\"");
    char longer[400];
    snprintf(longer, sizeof longer,
            "<CompleteMultipartUploadResult><ETag>%0200d</ETag></CompleteMultipartUploadResult>",
            1);
    ASSERT_ERROR(s3_complete_parse(bytes_of_string(longer), &etag), -EIO);
}

TEST(the_first_failure_of_a_batch_is_found)
{
    CLEANUP(mem_freep) char *key = mem_alloc(OBJECT_KEY_SIZE_MAX * 2);
    struct s3_error error;
    ASSERT_OK(s3_delete_parse(
            BYTES_LITERAL("<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>"), key,
            &error));
    ASSERT_STRING(error.code, "");
    ASSERT_OK(s3_delete_parse(
            BYTES_LITERAL("<DeleteResult><Error><Key>a</Key><Code>NoSuchKey</Code></Error>"
                          "<Error><Key>b</Key><Code>AccessDenied</Code><Message>m</Message></Error>"
                          "<Error><Key>c</Key><Code>InternalError</Code></Error></DeleteResult>"),
            key, &error));
    ASSERT_STRING(key, "b");
    ASSERT_STRING(error.code, "AccessDenied");
    ASSERT_ERROR(s3_delete_parse(
                         BYTES_LITERAL("<DeleteResult><Error><Key>a</Key></Error></DeleteResult>"),
                         key, &error),
            -EIO);
    ASSERT_ERROR(s3_delete_parse(BYTES_LITERAL("<Other/>"), key, &error), -EIO);
}

TEST(sts_credentials_are_read_whole_or_not_at_all)
{
    struct s3_sts sts;
#define STS(inside)                                                                                \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"      \
    "<AssumeRoleWithWebIdentityResult><Credentials>" inside                                        \
    "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    ASSERT_OK(s3_sts_parse(
            BYTES_LITERAL(STS(
                    "<AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey>"
                    "<SessionToken>T</SessionToken><Expiration>2015-08-30T12:36:00Z</Expiration>")),
            &sts));
    ASSERT_STRING(sts.access_key, "A");
    ASSERT_STRING(sts.secret_key, "S");
    ASSERT_STRING(sts.token, "T");
    ASSERT_EQ(sts.expires_ms, 1440938160000);
    s3_sts_done(&sts);
    ASSERT_ERROR(s3_sts_parse(BYTES_LITERAL(STS("<AccessKeyId>A</AccessKeyId>")), &sts), -EIO);
    ASSERT_ERROR(s3_sts_parse(BYTES_LITERAL(STS("")), &sts), -EIO);
    ASSERT_ERROR(s3_sts_parse(BYTES_LITERAL("<a/>"), &sts), -EIO);
}

TEST(times_are_exact_or_refused)
{
    int64_t ms = 0;
    ASSERT_OK(s3_time_parse("1970-01-01T00:00:00Z", &ms));
    ASSERT_EQ(ms, 0);
    ASSERT_OK(s3_time_parse("2024-02-29T23:59:59.9999999Z", &ms));
    ASSERT_EQ(ms, 1709251199999);
    static const char *const wrong[] = { "", "2024", "2024-02-29", "2024-02-29T23:59:59",
        "2024-13-01T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:00Zx",
        "1969-01-01T00:00:00Z", "2024-01-01 00:00:00Z" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ASSERT_ERROR(s3_time_parse(wrong[i], &ms), -EIO);
    }
}
