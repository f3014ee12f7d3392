/* Printing JSON for servers that read it as YAML. */
#include "base/mem.h"
#include "kube/json.h"
#include "unit/test.h"

static const struct {
    const char *text;
    const char *printed;
} strings[] = {
    { "plain \"quoted\"\n", "\"plain \\\"quoted\\\"\\n\"" },
    { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
    /* cut in the middle of a character */
    { "caf\xc3", "\"caf\\ufffd\"" },
    { "\xe2\x82", "\"\\ufffd\\ufffd\"" },
    { "\xf0\x9f\x98", "\"\\ufffd\\ufffd\\ufffd\"" },
    /* no character at all: too long a form, a surrogate, beyond the last one, a lone tail */
    { "\xc0\xaf", "\"\\ufffd\\ufffd\"" },
    { "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
    { "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
    { "\xff\xfe\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
    { "\xef\xbf\xbd", "\"\xef\xbf\xbd\"" },
    /* what YAML refuses, or takes for the end of a line */
    { "a\x7f", "\"a\\u007f\"" },
    { "\xc2\x85\xc2\x9f\xc2\xa0", "\"\\u0085\\u009f\xc2\xa0\"" },
    { "\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\"" },
    { "\xef\xbb\xbf\xef\xbf\xbe\xef\xbf\xbf", "\"\\ufeff\\ufffe\\uffff\"" },
};

TEST(what_is_printed_is_utf8_and_yaml_whatever_the_strings_are)
{
    json_setup();
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        CLEANUP(json_freep) cJSON *json = cJSON_CreateString(strings[i].text);
        CLEANUP(mem_freep) char *printed = json_print(json);
        ASSERT_STRING(printed, strings[i].printed);
    }
}

TEST(scalars_are_texts_and_whole_numbers_and_never_another_number)
{
    static const struct {
        const char *json;
        const char *text;
    } scalars[] = { { "\"a b\"", "a b" }, { "0", "0" }, { "-1", "-1" }, { "86400000", "86400000" },
        { "9007199254740991", "9007199254740991" }, { "-9007199254740991", "-9007199254740991" },
        /* refused by whoever wants a number of 64 bits, which 0 would not be */
        { "9223372036854775807", "9223372036854775808" }, { "true", "" }, { "null", "" },
        { "{}", "" } };
    json_setup();
    for (size_t i = 0; i < ARRAY_SIZE(scalars); i++) {
        CLEANUP(json_freep) cJSON *json = NULL;
        char number[JSON_SCALAR_SIZE];
        ASSERT_OK(json_parse(bytes_of_string(scalars[i].json), &json));
        ASSERT_STRING(json_scalar(json, number), scalars[i].text);
    }
}
