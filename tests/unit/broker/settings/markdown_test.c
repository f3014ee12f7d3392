/* docs/configuration.md is what the table says. */
#include "base/strbuf.h"
#include "settings/settings.h"
#include "unit/test.h"

#include <stdio.h>
#include <string.h>

/* The file lies in the tree of which this source is tests/unit/broker/settings/markdown_test.c. */
static FILE *
open_document(void)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/docs/configuration.md", test_source_root());
    return fopen(path, "re");
}

TEST(docs_configuration_md_is_what_freshet_settings_prints)
{
    static char written[256 * 1024];
    struct strbuf expected;
    strbuf_init(&expected, 256 * 1024);
    settings_markdown(&expected);
    ASSERT_EQ(expected.error, 0);
    FILE *file = open_document();
    ASSERT(file);
    size_t size = fread(written, 1, sizeof written, file);
    fclose(file);
    bool equal = bytes_equal(bytes_of(written, size), strbuf_bytes(&expected));
    strbuf_done(&expected);
    if (!equal) {
        test_fail(__FILE__, __LINE__, "run: freshet settings --markdown > docs/configuration.md");
    }
    test_pass();
}
