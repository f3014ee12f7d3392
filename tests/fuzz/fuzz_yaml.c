/* Settings from hostile YAML: never a crash, never a value that does not pass its validator (C3),
 * and bounded time. What was taken must be taken again when it is written out and loaded as flat
 * keys. */
#include "base/check.h"
#include "base/fault.h"
#include "base/strbuf.h"
#include "settings/settings.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that the file set, as it was understood; single quotes keep YAML from reading anything
 * into it. */
static void
write_back(const struct settings *settings, struct strbuf *out)
{
    const struct setting *row;
    for (size_t i = 0; (row = setting_at(SETTING_BROKER, i)); i++) {
        if (settings_origin(settings, row) != SETTING_FROM_FILE) {
            continue;
        }
        const char *text = settings_text(settings, row);
        char error[SETTINGS_ERROR_SIZE];
        CHECK(setting_check(row, bytes_of_string(text), error) == 0);
        strbuf_printf(out, "%s: '", row->name);
        for (; *text; text++) {
            strbuf_append_string(out, *text == '\'' ? "''" : (char[2]){ *text, 0 });
        }
        strbuf_append_string(out, "'\n");
    }
}

/* Bytes that a single-quoted scalar gives back as they are. */
static bool
is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\n' && (text.data[i] < ' ' || text.data[i] >= 0x7f)) {
            return false;
        }
    }
    return true;
}

static void
check_again(const struct settings *settings)
{
    struct strbuf text;
    strbuf_init(&text, SETTINGS_YAML_SIZE_MAX);
    write_back(settings, &text);
    if (text.error == 0 && is_printable(strbuf_bytes(&text))) {
        struct settings *again = settings_new();
        int r = settings_load_yaml(again, "again", strbuf_bytes(&text));
        CHECK(r == 0);
        settings_free(again);
    }
    strbuf_done(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct settings_machine machine = { .processors = 4,
        .memory_bytes = (uint64_t)1 << 33,
        .volume_free_bytes = (uint64_t)1 << 36,
        .working_directory = "/" };
    struct settings *settings = settings_new();
    if (settings_load_yaml(settings, "fuzz", bytes_of(data, size)) == 0) {
        check_again(settings);
        if (settings_compute(settings, &machine) == 0 && settings_validate(settings) < 0) {
            CHECK(fault_text()[0]);
        }
    } else {
        CHECK(strncmp(fault_text(), "fuzz:", 5) == 0);
    }
    settings_free(settings);
    return 0;
}
