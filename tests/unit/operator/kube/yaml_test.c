/* YAML as JSON, and what is refused. */
#include "base/mem.h"
#include "kube/yaml.h"
#include "unit/test.h"

#include <errno.h>

static const struct {
    const char *yaml;
    const char *json; /* NULL: refused */
} cases[] = {
    { "a: 1\nb: [x, 'y', \"2\", true, ~]\n", "{\"a\":1,\"b\":[\"x\",\"y\",\"2\",true,null]}" },
    { "{\"server\": \"https://a:1\"}", "{\"server\":\"https://a:1\"}" },
    { "a:\n  - b: {c: -7}\n  - d\n", "{\"a\":[{\"b\":{\"c\":-7}},\"d\"]}" },
    { "a: 1.5\n", "{\"a\":\"1.5\"}" },
    { "a: 123456789012345678901234567890\n", "{\"a\":\"123456789012345678901234567890\"}" },
    { "a: 1\na: 2\n", "{\"a\":2}" },
    { "", NULL },
    { "a: [1\n", NULL },
    { "a: &x [1]\nb: *x\n", NULL },
    { "? [1, 2]\n: 3\n", NULL },
    { "a: b: c\n", NULL },
};

TEST(documents_become_json_or_are_refused)
{
    json_setup();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(json_freep) cJSON *json = NULL;
        int r = yaml_parse(bytes_of_string(cases[i].yaml), &json);
        if (!cases[i].json) {
            ASSERT_ERROR(r, -EBADMSG);
            continue;
        }
        ASSERT_OK(r);
        CLEANUP(mem_freep) char *text = json_print(json);
        ASSERT_STRING(text, cases[i].json);
    }
}

TEST(depth_is_bounded)
{
    char deep[2 * JSON_DEPTH_MAX + 4];
    memset(deep, '[', sizeof deep);
    cJSON *json = NULL;
    ASSERT_ERROR(yaml_parse(bytes_of(deep, JSON_DEPTH_MAX + 1), &json), -EBADMSG);
    ASSERT_ERROR(json_parse(bytes_of(deep, JSON_DEPTH_MAX + 1), &json), -EBADMSG);
}
