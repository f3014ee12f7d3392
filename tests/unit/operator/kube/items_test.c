/* Items out of lists, cut anywhere. */
#include "base/fault.h"
#include "kube/items.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

struct told {
    char text[2048];
    size_t largest; /* of what was held at once */
    struct items *items;
};

static int
on_item(void *arg, struct bytes item)
{
    struct told *told = arg;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof told->text - used, "%.*s;", (int)item.size,
            (const char *)item.data);
    told->largest = MAX(told->largest, told->items->item.capacity);
    return 0;
}

/* In pieces of that size; the items, then "|", then the envelope. */
static int
cut(const char *list, size_t piece, size_t item_max, struct told *ret_told)
{
    struct items items;
    struct bytes left = bytes_of_string(list);
    struct bytes envelope = BYTES_NULL;
    int r = 0;
    memset(ret_told, 0, sizeof *ret_told);
    ret_told->items = &items;
    items_init(&items, item_max, on_item, ret_told);
    while (left.size && r == 0) {
        struct bytes chunk = bytes_of(left.data, MIN(piece, left.size));
        left = bytes_of(left.data + chunk.size, left.size - chunk.size);
        r = items_feed(&items, chunk);
    }
    r = r < 0 ? r : items_end(&items, &envelope);
    size_t used = strlen(ret_told->text);
    snprintf(ret_told->text + used, sizeof ret_told->text - used, "|%.*s", (int)envelope.size,
            (const char *)envelope.data);
    items_done(&items);
    return r;
}

static const struct {
    const char *list;
    const char *told;
} lists[] = {
    { "{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"a\":1},{\"b\":[{}]}]"
      "}",
            "{\"a\":1};{\"b\":[{}]};|{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"7\"},"
            "\"items\":[]}" },
    { "{ \"items\" : [ \n { \"x\" : \"]}\\\"{[\" } , {} ] , \"metadata\" : {} }\n",
            "{ \"x\" : \"]}\\\"{[\" };{};|{ \"items\" : [] , \"metadata\" : {} }\n" },
    /* "items" as a value, as a name further in, and as a name of something else */
    { "{\"kind\":\"items\",\"x\":[1,2],\"metadata\":{\"items\":[{\"y\":1}]},\"items\":[]}",
            "|{\"kind\":\"items\",\"x\":[1,2],\"metadata\":{\"items\":[{\"y\":1}]},\"items\":[]}" },
    { "{\"items\":{\"z\":[{}]}}", "|{\"items\":{\"z\":[{}]}}" },
    { "{\"items\":null,\"other\":[{}]}", "|{\"items\":null,\"other\":[{}]}" },
};

TEST(lists_are_cut_into_items_wherever_their_chunks_are_cut)
{
    struct told told;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        for (size_t piece = 1; piece <= strlen(lists[i].list); piece++) {
            ASSERT_OK(cut(lists[i].list, piece, 1000, &told));
            ASSERT_STRING(told.text, lists[i].told);
        }
    }
}

TEST(what_is_no_list_or_a_part_of_one_is_told)
{
    struct told told;
    const char *whole = lists[0].list;
    char part[200];
    for (size_t size = 0; size < strlen(whole); size++) {
        memcpy(part, whole, size);
        part[size] = 0;
        ASSERT_ERROR(cut(part, 5, 1000, &told), -EBADMSG);
    }
    ASSERT_ERROR(cut("{\"items\":[{},7]}", 3, 1000, &told), -EBADMSG);
    ASSERT_ERROR(cut("{\"items\":[\"a\"]}", 3, 1000, &told), -EBADMSG);
    ASSERT_ERROR(cut("]", 3, 1000, &told), -EBADMSG);
    ASSERT_ERROR(cut("{}{}", 4, 1000, &told), -EBADMSG);
    ASSERT_ERROR(cut("no list", 4, 1000, &told), -EBADMSG);
    struct strbuf deep;
    strbuf_init(&deep, 1000);
    strbuf_append_string(&deep, "{\"items\":[");
    for (int i = 0; i < 70; i++) {
        strbuf_append_string(&deep, "{\"a\":");
    }
    ASSERT_ERROR(cut(strbuf_cstring(&deep), 9, 1000, &told), -EBADMSG);
    strbuf_done(&deep);
}

/* K11 */
TEST(k11_no_more_than_one_item_is_held_and_its_size_is_bounded)
{
    struct told told;
    struct strbuf list;
    strbuf_init(&list, 1 << 20);
    strbuf_append_string(&list, "{\"metadata\":{},\"items\":[");
    for (int i = 0; i < 1000; i++) {
        strbuf_printf(&list, "%s{\"name\":\"%0100d\"}", i ? "," : "", i);
    }
    strbuf_append_string(&list, "]}");
    ASSERT_OK(cut(strbuf_cstring(&list), 4096, 200, &told));
    ASSERT(told.largest <= 256);
    ASSERT_ERROR(cut(strbuf_cstring(&list), 4096, 50, &told), -EMSGSIZE);
    strbuf_done(&list);
    strbuf_init(&list, ITEMS_ENVELOPE_MAX * 2);
    strbuf_append_string(&list, "{\"metadata\":\"");
    while (list.size <= ITEMS_ENVELOPE_MAX) {
        strbuf_append_string(&list, "xxxxxxxxxxxxxxxx");
    }
    ASSERT_ERROR(cut(strbuf_cstring(&list), 4096, 50, &told), -EMSGSIZE);
    strbuf_done(&list);
}
