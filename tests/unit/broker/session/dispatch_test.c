/* The list of APIs. */
#include "session/dispatch.h"
#include "unit/test.h"

TEST(every_api_of_the_list_is_one_of_kafkas_with_versions_that_it_has)
{
    for (int16_t key = 0; key <= WIRE_API_KEY_MAX; key++) {
        const struct dispatch_entry *entry = dispatch_find(key);
        const struct wire_api *api = wire_api_find(key);
        if (!entry) {
            continue;
        }
        ASSERT(api);
        ASSERT(api->for_broker);
        ASSERT_EQ(entry->version_min, api->version_min);
        ASSERT_EQ(entry->version_max, api->stable_max);
        ASSERT(entry->handler);
    }
}

TEST(what_is_not_in_the_list_is_not_there)
{
    ASSERT(!dispatch_find(-1));
    ASSERT(!dispatch_find(4));
    ASSERT(!dispatch_find(999));
}
