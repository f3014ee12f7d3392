/* `freshet inspect meta` shows what is there, damaged or not. */
#include "base/mem.h"
#include "meta/inspect.h"
#include "meta/meta.h"
#include "objectstore/memory.h"
#include "support_records.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

struct lines {
    struct strbuf text;
    size_t count;
    size_t stop_after;
};

static int
take_line(void *arg, const char *line)
{
    struct lines *lines = arg;
    strbuf_append_string(&lines->text, line);
    strbuf_append_char(&lines->text, '\n');
    lines->count++;
    return lines->stop_after && lines->count == lines->stop_after ? -EPIPE : 0;
}

static bool
has(struct lines *lines, const char *part)
{
    bool found = strstr(strbuf_cstring(&lines->text), part);
    if (!found) {
        fprintf(stderr, "no \"%s\" in:\n%s", part, strbuf_cstring(&lines->text));
    }
    return found;
}

static int
damage(struct objectstore *objects, const char *key)
{
    char rotten[] = "rotten";
    const struct iovec part = { rotten, sizeof rotten };
    const struct object_put put = {
        .key = key, .parts = &part, .part_count = 1, .deadline_ns = DEADLINE_NONE
    };
    return objectstore_put(objects, &put, NULL);
}

FIBER_TEST(a_living_cluster_is_shown_record_by_record)
{
    struct objectstore *objects;
    struct meta *meta;
    struct lines lines = { 0 };
    memory_store_forget("inspect-test");
    strbuf_init(&lines.text, 1 << 20);
    ASSERT_OK(objectstore_open("memory://inspect-test", &objects));
    const struct meta_options options = {
        .objects = objects, .broker_id = 1, .endpoints = test_endpoints, .endpoint_count = 1
    };
    ASSERT_OK(meta_start(&options, &meta));
    struct meta_record topic = test_topic(5, 3);
    ASSERT_OK(meta_propose_one(meta, &topic, NULL));
    struct meta_record config = { .type = META_CONFIG,
        .config = { META_RESOURCE_TOPIC, BYTES_LITERAL("topic-5"), BYTES_LITERAL("a\n\"b"),
                BYTES_LITERAL("v") } };
    ASSERT_OK(meta_propose_one(meta, &config, NULL));
    ASSERT_OK(meta_inspect(objects, take_line, &lines));
    ASSERT(has(&lines, "meta/lease cluster="));
    ASSERT(has(&lines, "state=held"));
    ASSERT(has(&lines, "meta/floor sequence=0"));
    ASSERT(has(&lines, "meta/log/00000000000000000001 state=valid epoch=1"));
    ASSERT(has(&lines, "  1.0 cluster cluster="));
    ASSERT(has(&lines, "  1.1 controller epoch=1"));
    ASSERT(has(&lines, "  1.2 broker broker=1"));
    ASSERT(has(&lines, "  2.0 topic name=\"topic-5\""));
    ASSERT(has(&lines, "owners=3[1,1,1]"));
    ASSERT(has(&lines, "key=\"a\\x0a\\x22b\" value=\"v\""));
    ASSERT_OK(damage(objects, "meta/log/00000000000000000002"));
    ASSERT_OK(damage(objects, "meta/snapshot/00000000000000000001"));
    strbuf_clear(&lines.text);
    ASSERT_OK(meta_inspect(objects, take_line, &lines));
    ASSERT(has(&lines, "meta/log/00000000000000000002 state=damaged error="));
    ASSERT(has(&lines, "meta/snapshot/00000000000000000001 state=damaged error="));
    ASSERT(has(&lines, "  3.0 config"));
    lines.count = 0;
    lines.stop_after = 2;
    ASSERT_ERROR(meta_inspect(objects, take_line, &lines), -EPIPE);
    ASSERT_EQ(lines.count, 2);
    strbuf_done(&lines.text);
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

FIBER_TEST(an_empty_bucket_is_shown_as_missing)
{
    struct objectstore *objects;
    struct lines lines = { 0 };
    memory_store_forget("inspect-test");
    strbuf_init(&lines.text, 1 << 20);
    ASSERT_OK(objectstore_open("memory://inspect-test", &objects));
    ASSERT_OK(meta_inspect(objects, take_line, &lines));
    ASSERT(has(&lines, "meta/lease state=missing"));
    ASSERT(has(&lines, "meta/floor sequence=0"));
    ASSERT_EQ(lines.count, 2);
    strbuf_done(&lines.text);
    objectstore_close(objects);
}
