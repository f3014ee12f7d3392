/* The small texts of the configuration: URLs of object stores, endpoints, listeners, variables of
 * the environment. The first byte chooses. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "objectstore/url.h"
#include "settings/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_url(const char *text)
{
    struct object_url *url = NULL;
    bool flag = false;
    uint64_t number = 7;
    int r = object_url_parse(text, &url);
    CHECK(r == 0 || r == -EINVAL);
    if (r < 0) {
        CHECK(fault_text()[0]);
        return;
    }
    CHECK(url->scheme[0] && !strchr(url->text, '@'));
    CHECK(url->path[0] == 0 || url->path[0] == '/');
    CHECK(url->parameter_count <= OBJECT_URL_PARAMETERS_MAX);
    size_t left = url->parameter_count;
    left -= object_url_take(url, "endpoint") != NULL;
    if (object_url_take_bool(url, "path_style", true, &flag) == 0 &&
            object_url_take_number(url, "connections", 1, 100, &number) == 0) {
        CHECK(number == 7 || (number >= 1 && number <= 100));
    }
    if (object_url_check_all_taken(url, "endpoint") == 0) {
        CHECK(left <= OBJECT_URL_PARAMETERS_MAX);
    }
    object_url_free(url);
}

static void
try_endpoint(const char *text)
{
    char host[256];
    uint16_t port = 0;
    if (settings_endpoint(text, host, &port) == 0) {
        CHECK(memchr(host, 0, sizeof host));
        CHECK(strlen(host) <= strlen(text));
    }
}

static void
try_listeners(const char *text)
{
    static struct settings_listener listeners[SETTINGS_LISTENERS_MAX];
    struct settings *settings = settings_new();
    size_t count = 0;
    if (settings_set(settings, BYTES_LITERAL("listeners"), bytes_of_string(text),
                SETTING_FROM_COMMAND_LINE) == 0 &&
            settings_listeners(settings, "listeners", listeners, &count) == 0) {
        CHECK(count <= SETTINGS_LISTENERS_MAX);
        for (size_t i = 0; i < count; i++) {
            CHECK(listeners[i].name[0] && memchr(listeners[i].name, 0, sizeof listeners[i].name));
            CHECK(memchr(listeners[i].host, 0, sizeof listeners[i].host));
        }
    }
    settings_free(settings);
}

/* `text` is NAME=VALUE. */
static void
try_environment(char *text)
{
    char *environment[] = { text, NULL };
    struct settings *settings = settings_new();
    int r = settings_load_environment(settings, environment);
    CHECK(r == 0 || fault_text()[0]);
    settings_free(settings);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    char *text = mem_alloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    switch (data[0] % 4) {
    case 0:
        try_url(text);
        break;
    case 1:
        try_endpoint(text);
        break;
    case 2:
        try_listeners(text);
        break;
    default:
        try_environment(text);
        break;
    }
    mem_free(text);
    return 0;
}
