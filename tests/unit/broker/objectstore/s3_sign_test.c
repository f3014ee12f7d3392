/* The signer against AWS's published examples: the S3 ones ("Signature Calculations for the
 * Authorization Header") and cases of the Signature Version 4 test suite; and against keys that
 * other signers get wrong. */
#include "objectstore/s3_sign.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct signed_request {
    struct strbuf target;
    struct strbuf authorization;
};

static void
signed_done(struct signed_request *request)
{
    strbuf_done(&request->target);
    strbuf_done(&request->authorization);
}

static int
sign(const struct s3_signing *signing, struct signed_request *ret_request)
{
    struct s3_signing_key key = { "" };
    strbuf_init(&ret_request->target, 1 << 16);
    strbuf_init(&ret_request->authorization, 1 << 16);
    return s3_sign(signing, &key, &ret_request->target, &ret_request->authorization);
}

static void
expect_signature(const struct s3_signing *signing, const char *signature)
{
    CLEANUP(signed_done) struct signed_request request = { 0 };
    ASSERT_OK(sign(signing, &request));
    const char *found = strstr(strbuf_cstring(&request.authorization), "Signature=");
    ASSERT(found);
    ASSERT_STRING(found + 10, signature);
}

/* The account, bucket and moment of AWS's S3 examples. */
static struct s3_signing
s3_example(const char *method, const char *path, const char *payload_hash)
{
    return (struct s3_signing){ .access_key = "AKIAIOSFODNN7EXAMPLE",
        .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        .region = "us-east-1",
        .service = "s3",
        .method = method,
        .path = path,
        .date = "20130524T000000Z",
        .payload_hash = payload_hash };
}

TEST(the_s3_example_of_a_ranged_get_has_its_signature)
{
    struct s3_signing signing = s3_example("GET", "/test.txt", EMPTY_SHA256);
    struct s3_field headers[] = { { "host", "examplebucket.s3.amazonaws.com" },
        { "range", "bytes=0-9" }, { "x-amz-content-sha256", EMPTY_SHA256 },
        { "x-amz-date", "20130524T000000Z" } };
    signing.headers = headers;
    signing.header_count = 4;
    expect_signature(&signing, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(the_s3_example_of_a_put_with_a_dollar_in_its_key_has_its_signature)
{
    static const char hash[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    struct s3_signing signing = s3_example("PUT", "/test$file.text", hash);
    struct s3_field headers[] = { { "date", "Fri, 24 May 2013 00:00:00 GMT" },
        { "host", "examplebucket.s3.amazonaws.com" }, { "x-amz-content-sha256", hash },
        { "x-amz-date", "20130524T000000Z" }, { "x-amz-storage-class", "REDUCED_REDUNDANCY" } };
    signing.headers = headers;
    signing.header_count = 5;
    expect_signature(&signing, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(the_s3_example_of_a_parameter_without_value_has_its_signature)
{
    struct s3_signing signing = s3_example("GET", "/", EMPTY_SHA256);
    struct s3_field query[] = { { "lifecycle", "" } };
    struct s3_field headers[] = { { "host", "examplebucket.s3.amazonaws.com" },
        { "x-amz-content-sha256", EMPTY_SHA256 }, { "x-amz-date", "20130524T000000Z" } };
    signing.query = query;
    signing.query_count = 1;
    signing.headers = headers;
    signing.header_count = 3;
    expect_signature(&signing, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(the_s3_example_of_a_list_has_its_signature_whatever_the_order_of_parameters)
{
    struct s3_signing signing = s3_example("GET", "/", EMPTY_SHA256);
    struct s3_field query[] = { { "prefix", "J" }, { "max-keys", "2" } };
    struct s3_field headers[] = { { "x-amz-date", "20130524T000000Z" },
        { "host", "examplebucket.s3.amazonaws.com" }, { "x-amz-content-sha256", EMPTY_SHA256 } };
    signing.query = query;
    signing.query_count = 2;
    signing.headers = headers;
    signing.header_count = 3;
    expect_signature(&signing, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* The account and moment of the test suite, where the service is called "service". */
static void
expect_suite(const char *method, const char *path, const struct s3_field *query, size_t query_count,
        const struct s3_field *more, size_t more_count, const char *signature)
{
    struct s3_field headers[8] = { { "host", "example.amazonaws.com" },
        { "x-amz-date", "20150830T123600Z" } };
    struct s3_signing signing = { .access_key = "AKIDEXAMPLE",
        .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .region = "us-east-1",
        .service = "service",
        .method = method,
        .path = path,
        .query = query,
        .query_count = query_count,
        .headers = headers,
        .header_count = 2 + more_count,
        .date = "20150830T123600Z",
        .payload_hash = EMPTY_SHA256 };
    memcpy(headers + 2, more, more_count * sizeof *more);
    expect_signature(&signing, signature);
}

TEST(the_test_suite_signatures_are_reproduced)
{
    static const struct s3_field none[1] = { { "", "" } };
    expect_suite("GET", "/", none, 0, none, 0,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    expect_suite("POST", "/", none, 0, none, 0,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    expect_suite("GET", "/\xe1\x88\xb4", none, 0, none, 0,
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
    static const struct s3_field cased[] = { { "Param2", "value2" }, { "Param1", "value1" } };
    expect_suite("GET", "/", cased, 2, none, 0,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
    static const char all[] = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const struct s3_field unreserved[] = { { all, all } };
    expect_suite("GET", "/", unreserved, 1, none, 0,
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197");
    static const struct s3_field blanks[] = { { "my-header1", " value1" },
        { "my-header2", " \"a   b   c\"" } };
    expect_suite("GET", "/", none, 0, blanks, 2,
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

TEST(targets_are_sent_as_they_were_signed)
{
    static const struct {
        const char *path;
        const char *target;
    } cases[] = {
        { "/b/plain-_.~", "/b/plain-_.~" },
        { "/b/a b+c", "/b/a%20b%2Bc" },
        { "/b/a=b:c*d", "/b/a%3Db%3Ac%2Ad" },
        { "/b/%41", "/b/%2541" },
        { "/b/\xc3\xa4/(x),#?$@&", "/b/%C3%A4/%28x%29%2C%23%3F%24%40%26" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEANUP(signed_done) struct signed_request request = { 0 };
        struct s3_signing signing = s3_example("GET", cases[i].path, EMPTY_SHA256);
        struct s3_field query[] = { { "start-after", "a/b c" }, { "a", "1" }, { "a-b", "=" },
            { "uploads", "" } };
        struct s3_field headers[] = { { "host", "h" } };
        char expected[256];
        signing.query = query;
        signing.query_count = 4;
        signing.headers = headers;
        signing.header_count = 1;
        ASSERT_OK(sign(&signing, &request));
        snprintf(expected, sizeof expected,
                "%s?a=1&a-b=%%3D&start-after=a%%2Fb%%20c&uploads=", cases[i].target);
        ASSERT_STRING(strbuf_cstring(&request.target), expected);
    }
}

TEST(a_cached_signing_key_is_replaced_with_the_day_and_the_secret)
{
    struct s3_signing_key key = { "" };
    struct s3_signing signing = s3_example("GET", "/", EMPTY_SHA256);
    struct s3_field headers[] = { { "host", "h" } };
    struct strbuf target;
    struct strbuf authorization[3];
    signing.headers = headers;
    signing.header_count = 1;
    strbuf_init(&target, 1 << 12);
    for (unsigned i = 0; i < 3; i++) {
        strbuf_init(&authorization[i], 1 << 12);
        signing.date = i == 1 ? "20130525T000000Z" : "20130524T000000Z";
        signing.secret_key = i == 2 ? "another secret" : "one secret";
        struct s3_signing_key fresh = { "" };
        struct strbuf expected;
        strbuf_init(&expected, 1 << 12);
        ASSERT_OK(s3_sign(&signing, &key, &target, &authorization[i]));
        ASSERT_OK(s3_sign(&signing, &fresh, &target, &expected));
        ASSERT_BYTES(strbuf_bytes(&authorization[i]), strbuf_bytes(&expected));
        strbuf_done(&expected);
        strbuf_done(&authorization[i]);
    }
    strbuf_done(&target);
}

TEST(what_is_too_large_to_sign_is_refused)
{
    CLEANUP(signed_done) struct signed_request request = { 0 };
    struct s3_signing signing = s3_example("GET", "/", EMPTY_SHA256);
    struct s3_field headers[S3_SIGN_FIELDS_MAX + 1] = { { "host", "h" } };
    signing.headers = headers;
    signing.header_count = S3_SIGN_FIELDS_MAX + 1;
    ASSERT_ERROR(sign(&signing, &request), -EINVAL);
}

TEST(dates_are_formatted_in_utc)
{
    char text[S3_DATE_SIZE];
    s3_date(1440938160000, text);
    ASSERT_STRING(text, "20150830T123600Z");
    s3_date(1440938160999, text);
    ASSERT_STRING(text, "20150830T123600Z");
}
