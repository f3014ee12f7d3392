/* Tables: lists that begin and end, older states, and whose object a name is. */
#include "base/mark.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "unit/test.h"

#include <stdio.h>

static cJSON *
pod(const char *name, const char *uid, const char *version, bool is_ready)
{
    char text[600];
    cJSON *json = NULL;
    snprintf(text, sizeof text,
            "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"ns\",\"name\":\"%s\",\"uid\":\"%s\","
            "\"resourceVersion\":\"%s\",\"labels\":{\"freshet.dev/cluster\":\"c\"}},"
            "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
            "\"%s\"}]}}",
            name, uid, version, is_ready ? "True" : "False");
    return json_parse(bytes_of_string(text), &json) < 0 ? NULL : json;
}

static void
upsert(struct cache *cache, const char *name, const char *uid, const char *version, bool is_ready)
{
    CLEANUP(json_freep) cJSON *json = pod(name, uid, version, is_ready);
    table_upsert(&cache->pods, json);
}

static const struct pod *
find(const struct cache *cache, const char *name)
{
    const struct table_entry *entry = table_find(&cache->pods, "ns", name);
    return entry ? entry->object : NULL;
}

static bool
take(struct cache *cache, const char *expected)
{
    char key[QUEUE_KEY_SIZE] = "";
    bool took = queue_take(&cache->queue, 0, key);
    if (took) {
        queue_finish(&cache->queue, key, 0, -1, 0);
    }
    return took && strcmp(key, expected) == 0;
}

/* C1 */
TEST(c1_what_a_complete_list_did_not_have_is_gone_at_its_end_and_not_before)
{
    struct cache cache;
    json_setup();
    cache_init(&cache);
    table_restart(&cache.pods);
    upsert(&cache, "a", "1", "10", true);
    upsert(&cache, "b", "2", "11", true);
    table_synced(&cache.pods);
    ASSERT(take(&cache, "ns/c"));
    table_restart(&cache.pods);
    upsert(&cache, "b", "2", "11", true);
    ASSERT(find(&cache, "a"));
    table_restart(&cache.pods); /* the first one broke off */
    upsert(&cache, "b", "2", "11", true);
    ASSERT(find(&cache, "a"));
    ASSERT(!take(&cache, "ns/c")); /* nothing is new */
    table_synced(&cache.pods);
    ASSERT(!find(&cache, "a"));
    ASSERT(find(&cache, "b"));
    ASSERT(take(&cache, "ns/c"));
    cache_done(&cache);
}

/* C2 */
TEST(c2_an_older_state_never_replaces_a_newer_one)
{
    struct cache cache;
    cache_init(&cache);
    uint64_t before = mark_count("table: an older state came later");
    upsert(&cache, "a", "1", "9", true);
    upsert(&cache, "a", "1", "10", false);
    upsert(&cache, "a", "1", "9", true);
    ASSERT(!find(&cache, "a")->is_ready);
    ASSERT_EQ(mark_count("table: an older state came later"), before + 1);
    upsert(&cache, "a", "1", "100", true);
    ASSERT(find(&cache, "a")->is_ready);
    cache_done(&cache);
}

TEST(the_end_of_an_object_is_not_the_end_of_its_successor)
{
    struct cache cache;
    cache_init(&cache);
    upsert(&cache, "a", "1", "9", true);
    upsert(&cache, "a", "2", "12", true);
    CLEANUP(json_freep) cJSON *old = pod("a", "1", "11", true);
    table_remove(&cache.pods, old);
    ASSERT(find(&cache, "a"));
    table_forget(&cache.pods, "ns", "a", "2");
    ASSERT(!find(&cache, "a"));
    cache_done(&cache);
}

/* C2 */
TEST(c2_what_has_gone_stays_gone_although_an_older_answer_still_shows_it)
{
    struct cache cache;
    cache_init(&cache);
    uint64_t before = mark_count("table: what has gone came later");
    upsert(&cache, "a", "1", "9", true);
    CLEANUP(json_freep) cJSON *end = pod("a", "1", "11", true);
    table_remove(&cache.pods, end);
    upsert(&cache, "a", "1", "10", true);
    ASSERT(!find(&cache, "a"));
    ASSERT_EQ(mark_count("table: what has gone came later"), before + 1);
    upsert(&cache, "a", "2", "12", true);
    ASSERT(find(&cache, "a"));
    cache_done(&cache);
}

TEST(the_time_of_a_change_is_of_what_counts_only)
{
    struct cache cache;
    cache_init(&cache);
    upsert(&cache, "a", "1", "9", true);
    struct table_entry *entry = table_find(&cache.pods, "ns", "a");
    entry->flags_ms = 5;
    upsert(&cache, "a", "1", "10", true);
    ASSERT_EQ(entry->flags_ms, 5);
    upsert(&cache, "a", "1", "11", false);
    ASSERT(entry->flags_ms > 5);
    entry->flags_ms = 5;
    upsert(&cache, "a", "2", "12", false); /* another pod */
    ASSERT(entry->flags_ms > 5);
    cache_done(&cache);
}

TEST(nobody_is_synced_before_every_list_was_complete)
{
    struct cache cache;
    cache_init(&cache);
    cache.has_nodes = true;
    struct table *tables[] = { &cache.clusters, &cache.pods, &cache.claims, &cache.children[0],
        &cache.children[1], &cache.children[2], &cache.children[3], &cache.ledgers, &cache.nodes };
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        ASSERT(!cache_is_synced(&cache));
        table_restart(tables[i]);
        table_synced(tables[i]);
    }
    ASSERT(cache_is_synced(&cache));
    cache_done(&cache);
}

static void
topic_take(struct cache *cache, const char *version, int generation)
{
    char text[300];
    snprintf(text, sizeof text,
            "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"t\",\"uid\":\"u\","
            "\"resourceVersion\":\"%s\",\"generation\":%d},\"spec\":{\"clusterRef\":{\"name\":"
            "\"c\"}}}",
            version, generation);
    CLEANUP(json_freep) cJSON *json = NULL;
    ASSERT_OK(json_parse(bytes_of_string(text), &json));
    table_upsert(&cache->topics, json);
}

/* C5 */
TEST(c5_a_status_of_our_own_brings_nothing_back)
{
    struct cache cache;
    char key[QUEUE_KEY_SIZE];
    json_setup();
    cache_init(&cache);
    topic_take(&cache, "1", 1);
    ASSERT(queue_take(&cache.queue, 1000, key));
    ASSERT_STRING(key, CACHE_KEY_TOPIC "ns/t");
    topic_take(&cache, "2", 1);
    queue_finish(&cache.queue, key, -5, -1, 1000);
    ASSERT(!queue_take(&cache.queue, 1001, key));
    topic_take(&cache, "3", 2); /* somebody changed the wish meanwhile */
    ASSERT(queue_take(&cache.queue, 1001, key));
    queue_finish(&cache.queue, key, 0, -1, 1001);
    cache_done(&cache);
}

static void
cluster_take(struct cache *cache, const char *version, const char *more, const char *spec)
{
    char text[700];
    snprintf(text, sizeof text,
            "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"c\",\"uid\":\"u\","
            "\"resourceVersion\":\"%s\"%s},\"spec\":%s}",
            version, more, spec);
    CLEANUP(json_freep) cJSON *json = NULL;
    ASSERT_OK(json_parse(bytes_of_string(text), &json));
    table_upsert(&cache->clusters, json);
}

#define CLUSTER_SPEC                                                                               \
    "{\"objectStore\":{\"bucket\":\"b\"},\"wal\":{\"size\":\"1Gi\"},"                              \
    "\"listeners\":[{\"name\":\"kafka\",\"port\":9092}]}"

static bool
is_queued(struct cache *cache)
{
    char key[QUEUE_KEY_SIZE];
    bool is_it = queue_take(&cache->queue, 1000, key);
    if (is_it) {
        queue_finish(&cache->queue, key, 0, -1, 1000);
    }
    return is_it;
}

/* C5 */
TEST(c5_of_a_cluster_all_but_the_status_is_news)
{
    struct cache cache;
    json_setup();
    cache_init(&cache);
    cluster_take(&cache, "1", "", CLUSTER_SPEC);
    ASSERT(is_queued(&cache));
    cluster_take(&cache, "2", "", CLUSTER_SPEC);
    ASSERT(!is_queued(&cache));
    cluster_take(&cache, "3", ",\"generation\":2", CLUSTER_SPEC);
    ASSERT(is_queued(&cache));
    cluster_take(&cache, "4", ",\"generation\":2,\"finalizers\":[\"freshet.dev/teardown\"]",
            CLUSTER_SPEC);
    ASSERT(is_queued(&cache));
    cluster_take(
            &cache, "5", ",\"annotations\":{\"freshet.dev/accept-wal-loss\":\"2\"}", CLUSTER_SPEC);
    ASSERT(is_queued(&cache));
    cluster_take(&cache, "6", ",\"annotations\":{\"freshet.dev/paused\":\"true\"}", CLUSTER_SPEC);
    ASSERT(is_queued(&cache));
    cache_done(&cache);
}

#define NAMES_2                                                                                    \
    ",\"annotations\":{\"freshet.dev/accept-wal-loss\":\"2\"}},\"status\":{\"acceptedLosses\":[2]"

/* What was taken away and set anew between two passes was set anew. */
TEST(an_annotation_that_was_away_in_between_counts_again)
{
    struct cache cache;
    json_setup();
    cache_init(&cache);
    cluster_take(&cache, "1", NAMES_2, CLUSTER_SPEC);
    cluster_take(&cache, "2", NAMES_2, CLUSTER_SPEC);
    struct table_entry *entry = table_find(&cache.clusters, "ns", "c");
    ASSERT(!cluster_accepts_loss(entry->object, 2));
    cluster_take(&cache, "3", "},\"status\":{\"acceptedLosses\":[2]", CLUSTER_SPEC);
    cluster_take(&cache, "4", NAMES_2, CLUSTER_SPEC);
    entry = table_find(&cache.clusters, "ns", "c");
    ASSERT(cluster_accepts_loss(entry->object, 2));
    cache_done(&cache);
}

/* C6 */
TEST(c6_what_cannot_be_read_any_more_stays_as_it_was)
{
    struct cache cache;
    json_setup();
    cache_init(&cache);
    cluster_take(&cache, "1", "", CLUSTER_SPEC);
    uint64_t before = mark_count("table: what cannot be read stays as it was");
    table_restart(&cache.clusters);
    cluster_take(&cache, "2", "", "{}");
    table_synced(&cache.clusters);
    ASSERT(table_find(&cache.clusters, "ns", "c"));
    ASSERT_EQ(mark_count("table: what cannot be read stays as it was"), before + 1);
    table_restart(&cache.clusters);
    table_synced(&cache.clusters);
    ASSERT(!table_find(&cache.clusters, "ns", "c"));
    cache_done(&cache);
}
