/* The whole of meta.h over a store in memory and in a folder: founding, proposing from every
 * reactor, restarts, the lease, fencing, snapshots with garbage collection of the log, and removal
 * of objects. */
#include "base/mark.h"
#include "base/mem.h"
#include "meta/log.h"
#include "meta/meta.h"
#include "objectstore/memory.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "store/store.h"
#include "support_records.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

#define LEASE (2 * (uint64_t)NS_PER_S)
/* Whoever waits for its end is told from a busy machine. */
#define LONG_LEASE (40 * (uint64_t)NS_PER_S)

static struct objectstore *
open_memory(void)
{
    struct objectstore *objects = NULL;
    memory_store_forget("meta-test");
    return objectstore_open("memory://meta-test", &objects) ? NULL : objects;
}

static struct meta_options
options_of(struct objectstore *objects)
{
    return (struct meta_options){ .objects = objects,
        .broker_id = 1,
        .endpoints = test_endpoints,
        .endpoint_count = ARRAY_SIZE(test_endpoints),
        .lease_ns = LEASE };
}

static int
create_topic(struct meta *meta, uint32_t n, int32_t partitions)
{
    struct meta_record topic = test_topic(n, partitions);
    return meta_propose_one(meta, &topic, NULL);
}

static int
open_partition(struct meta *meta, uint32_t topic, int32_t index)
{
    struct meta_record open = test_open(topic, index, 1, meta_broker_epoch(meta));
    return meta_propose_one(meta, &open, NULL);
}

FIBER_TEST(an_empty_bucket_becomes_a_cluster)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    struct meta *meta;
    ASSERT_OK(meta_start(&options, &meta));
    struct uuid id = meta_cluster_id(meta);
    ASSERT(!uuid_is_zero(&id));
    ASSERT(uuid_equal(meta_state_cluster_id(meta_state(meta)), &id));
    ASSERT(meta_lease_is_valid(meta));
    ASSERT(!meta_is_fenced(meta));
    ASSERT_EQ(meta_state_controller(meta_state(meta)), 1);
    const struct meta_broker *broker = meta_broker_find(meta_state(meta), 1);
    ASSERT(broker && broker->alive);
    ASSERT_EQ(broker->epoch, meta_broker_epoch(meta));
    ASSERT_STRING(meta_broker_endpoint(broker, "PLAINTEXT")->host, "localhost");
    ASSERT_OK(create_topic(meta, 5, 3));
    ASSERT(meta_topic_by_name(meta_state(meta), BYTES_LITERAL("topic-5")));
    ASSERT_ERROR(create_topic(meta, 5, 3), -EEXIST);
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

FIBER_TEST(a_restart_finds_everything_again)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    struct meta *meta;
    ASSERT_OK(meta_start(&options, &meta));
    ASSERT_OK(create_topic(meta, 5, 3));
    struct uuid id = meta_cluster_id(meta);
    int64_t epoch = meta_broker_epoch(meta);
    ASSERT_OK(meta_stop(meta));
    ASSERT_OK(meta_start(&options, &meta));
    struct uuid again = meta_cluster_id(meta);
    ASSERT(uuid_equal(&id, &again));
    ASSERT(meta_broker_epoch(meta) > epoch);
    ASSERT(meta_topic_by_name(meta_state(meta), BYTES_LITERAL("topic-5")));
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

FIBER_TEST(a_bucket_of_another_cluster_is_refused)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    struct meta *meta;
    options.cluster_id = test_uuid(1);
    ASSERT_OK(meta_start(&options, &meta));
    ASSERT_OK(meta_stop(meta));
    options.cluster_id = test_uuid(2);
    ASSERT_ERROR(meta_start(&options, &meta), -EMEDIUMTYPE);
    options.cluster_id = UUID_ZERO;
    ASSERT_OK(meta_start(&options, &meta));
    struct uuid id = meta_cluster_id(meta);
    struct uuid wanted = test_uuid(1);
    ASSERT(uuid_equal(&id, &wanted));
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

/* M2 */
FIBER_TEST(a_second_broker_is_refused_while_the_first_lives)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    struct meta *first;
    struct meta *second;
    ASSERT_OK(meta_start(&options, &first));
    options.broker_id = 2;
    ASSERT_ERROR(meta_start(&options, &second), -EBUSY);
    ASSERT(meta_lease_is_valid(first));
    ASSERT_OK(create_topic(first, 5, 1));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

/* M2, M4: the former self is proven dead by the lock of its WAL; here it is not dead, and the log
 * fences it. */
FIBER_TEST(a_former_holder_is_replaced_at_once_and_fenced)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    struct meta *first;
    struct meta *second;
    options.lease_ns = LONG_LEASE;
    ASSERT_OK(meta_start(&options, &first));
    ASSERT_OK(create_topic(first, 5, 1));
    options.former_holder = meta_writer(first);
    uint64_t start_ns = clock_mono_ns();
    ASSERT_OK(meta_start(&options, &second));
    ASSERT(clock_mono_ns() - start_ns < LONG_LEASE / 2);
    ASSERT_ERROR(create_topic(first, 6, 1), -ESTALE);
    ASSERT(meta_is_fenced(first));
    ASSERT(!meta_lease_is_valid(first));
    ASSERT_OK(meta_wait_fenced(first));
    ASSERT(strstr(test_fault(-ESTALE), "fenced"));
    ASSERT_OK(create_topic(second, 6, 1));
    ASSERT_ERROR(meta_stop(first), -ESTALE);
    ASSERT(meta_lease_is_valid(second));
    ASSERT_OK(meta_stop(second));
    objectstore_close(objects);
}

struct usurper {
    struct meta_options options;
    struct meta *meta;
    int result;
};

/* The lease is the newcomer's and nothing of its term is in the log yet. */
static int
usurp(void *arg, const struct uuid *registered, bool has_tail, const struct uuid *writer)
{
    struct usurper *usurper = arg;
    (void)registered;
    (void)has_tail;
    usurper->options.former_holder = *writer;
    usurper->result = meta_start(&usurper->options, &usurper->meta);
    return 0;
}

/* M2: the lease alone makes nobody the controller. */
FIBER_TEST(a_start_that_loses_the_lease_before_its_first_record_ends)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct usurper usurper = { .options = options_of(objects) };
    struct meta_options options = options_of(objects);
    struct meta *meta;
    usurper.options.broker_id = 2;
    options.admit = usurp;
    options.admit_arg = &usurper;
    ASSERT_ERROR(meta_start(&options, &meta), -EBUSY);
    ASSERT_OK(usurper.result);
    ASSERT(meta_lease_is_valid(usurper.meta));
    ASSERT(!meta_broker_find(meta_state(usurper.meta), 1));
    const struct meta_record intent = test_intent(2, meta_broker_epoch(usurper.meta), 10);
    ASSERT_OK(meta_propose_one(usurper.meta, &intent, NULL));
    ASSERT_OK(meta_stop(usurper.meta));
    objectstore_close(objects);
}

/* M2: somebody has removed the lease, so its epoch begins at one again; the log's does not. */
FIBER_TEST(a_lost_lease_object_does_not_set_the_epoch_back)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    struct meta *meta;
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(meta_start(&options, &meta));
        ASSERT_OK(meta_stop(meta));
    }
    ASSERT_OK(objectstore_delete(objects, "meta/lease", DEADLINE_NONE));
    uint64_t before = mark_count("meta: the log is ahead of the lease's epoch");
    ASSERT_OK(meta_start(&options, &meta));
    ASSERT_EQ(mark_count("meta: the log is ahead of the lease's epoch"), before + 1);
    ASSERT_EQ(meta_state_controller_epoch(meta_state(meta)), 4);
    struct uuid id = meta_cluster_id(meta);
    ASSERT(uuid_equal(meta_state_cluster_id(meta_state(meta)), &id)); /* told by the log */
    ASSERT_OK(create_topic(meta, 5, 1));
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

struct proposer {
    struct meta *meta;
    uint32_t first;
    int result;
    unsigned reactor;
};

static int
propose_many(void *arg)
{
    struct proposer *proposer = arg;
    for (uint32_t i = 0; i < 20; i++) {
        int r = create_topic(proposer->meta, proposer->first + i, 2);
        if (r) {
            return r;
        }
        /* Our own write is there when the call returns, on our reactor. */
        struct uuid id = test_uuid(proposer->first + i);
        if (!meta_topic_by_id(meta_state(proposer->meta), &id)) {
            return -ENOENT;
        }
    }
    return 0;
}

static int
propose_on_reactor(void *arg)
{
    struct proposer *proposer = arg;
    return reactor_call(proposer->reactor, propose_many, proposer);
}

static void
count_record(void *arg, const struct meta_record *record, const struct meta_result *result,
        uint64_t sequence)
{
    size_t *count = arg;
    *count += record->type == META_TOPIC && result->error == 0 && sequence > 0;
}

FIBER_TEST(every_reactor_proposes_and_reads_its_own_writes)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    struct meta *meta;
    ASSERT_OK(meta_start(&options, &meta));
    ASSERT_OK(meta_share(meta));
    size_t heard = 0;
    meta_listen(meta, count_record, &heard);
    struct proposer proposers[6];
    struct fiber_group group;
    fiber_group_init(&group);
    for (unsigned i = 0; i < 6; i++) {
        proposers[i] =
                (struct proposer){ .meta = meta, .first = 20 * i, .reactor = i % reactor_count() };
        fiber_group_spawn(&group, "proposer", propose_on_reactor, &proposers[i]);
    }
    ASSERT_OK(fiber_group_wait(&group));
    ASSERT_EQ(heard, 120);
    ASSERT_EQ(meta_topic_count(meta_state(meta)), 120);
    struct meta_stats stats;
    meta_stats_get(meta, &stats);
    ASSERT_EQ(stats.log_records, 123);
    ASSERT(stats.log_objects < 120); /* group commit */
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

FIBER_TEST(a_proposal_of_many_records_is_one_object_with_a_result_each)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    struct meta *meta;
    ASSERT_OK(meta_start(&options, &meta));
    struct meta_record records[3] = { test_topic(5, 1), test_topic(5, 1), test_topic(6, 1) };
    struct meta_result results[3];
    struct meta_stats before;
    struct meta_stats after;
    meta_stats_get(meta, &before);
    ASSERT_OK(meta_propose(meta, records, 3, results));
    meta_stats_get(meta, &after);
    ASSERT_EQ(after.log_objects - before.log_objects, 1);
    ASSERT_EQ(results[0].error, 0);
    ASSERT_EQ(results[1].error, -EEXIST);
    ASSERT_EQ(results[2].error, 0);
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

/* M3 */
FIBER_TEST(snapshots_let_the_log_be_removed_and_restarts_start_from_them)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    options.snapshot_interval = 10;
    struct meta *meta;
    ASSERT_OK(meta_start(&options, &meta));
    for (uint32_t i = 0; i < 60; i++) {
        ASSERT_OK(create_topic(meta, i, 1));
        ASSERT_OK(fiber_yield());
    }
    struct meta_stats stats;
    meta_stats_get(meta, &stats);
    ASSERT(stats.last_snapshot >= 40);
    for (int i = 0; i < 200; i++) {
        ASSERT_OK(fiber_sleep_ns(5 * (uint64_t)NS_PER_MS));
        struct object_list list;
        ASSERT_OK(objectstore_list(objects, "meta/log/", NULL, 1000, DEADLINE_NONE, &list));
        size_t count = list.count;
        object_list_done(&list);
        if (count <= 30) {
            break;
        }
    }
    ASSERT(memory_store_count("meta-test") < 45);
    ASSERT_OK(meta_stop(meta));
    ASSERT_OK(meta_start(&options, &meta));
    ASSERT_EQ(meta_topic_count(meta_state(meta)), 60);
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

static int
put_object(struct objectstore *objects, uint64_t id)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    char bytes[] = "an object";
    const struct iovec part = { bytes, sizeof bytes };
    const struct object_put put = { .key = store_object_key(id, key),
        .parts = &part,
        .part_count = 1,
        .deadline_ns = DEADLINE_NONE };
    return objectstore_put(objects, &put, NULL);
}

static bool
is_there(struct objectstore *objects, uint64_t id)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    struct object_info info;
    return objectstore_head(objects, store_object_key(id, key), DEADLINE_NONE, &info) == 0;
}

/* O2 */
FIBER_TEST(marked_objects_go_after_the_delay_and_named_ones_stay)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    options.garbage_delay_ns = 200 * (uint64_t)NS_PER_MS;
    struct meta *meta;
    ASSERT_OK(meta_start(&options, &meta));
    ASSERT_OK(create_topic(meta, 5, 1));
    ASSERT_OK(open_partition(meta, 5, 0));
    struct meta_record intent = test_intent(1, meta_broker_epoch(meta), 8);
    struct meta_result result;
    ASSERT_OK(meta_propose_one(meta, &intent, &result));
    uint64_t id = result.first_id;
    for (uint64_t i = 0; i < 2; i++) {
        ASSERT_OK(put_object(objects, id + i));
        struct meta_commit_range range =
                test_range(5, 0, id + i, (int64_t)i * 10, (int64_t)i * 10 + 10, 1);
        struct meta_record commit = test_commit(1, meta_broker_epoch(meta), id + i, &range, 1);
        ASSERT_OK(meta_propose_one(meta, &commit, NULL));
    }
    struct meta_record start = { .type = META_LOG_START, .log_start = { test_key(5, 0), 1, 10 } };
    uint64_t marked_ns = clock_mono_ns();
    ASSERT_OK(meta_propose_one(meta, &start, NULL));
    ASSERT_EQ(meta_garbage_list(meta_state(meta), NULL, 0), 1);
    while (meta_garbage_list(meta_state(meta), NULL, 0) &&
            clock_mono_ns() - marked_ns < 5 * (uint64_t)NS_PER_S) {
        ASSERT(is_there(objects, id) || clock_mono_ns() - marked_ns >= options.garbage_delay_ns);
        ASSERT_OK(fiber_sleep_ns(10 * (uint64_t)NS_PER_MS));
    }
    ASSERT_EQ(meta_garbage_list(meta_state(meta), NULL, 0), 0);
    ASSERT(!is_there(objects, id));
    ASSERT(is_there(objects, id + 1));
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

/* O1, O2 */
FIBER_TEST(what_a_dead_epoch_wrote_and_never_committed_goes)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    options.garbage_delay_ns = 50 * (uint64_t)NS_PER_MS;
    struct meta *meta;
    ASSERT_OK(meta_start(&options, &meta));
    ASSERT_OK(create_topic(meta, 5, 1));
    ASSERT_OK(open_partition(meta, 5, 0));
    struct meta_record intent = test_intent(1, meta_broker_epoch(meta), 1000);
    struct meta_result result;
    ASSERT_OK(meta_propose_one(meta, &intent, &result));
    uint64_t id = result.first_id;
    ASSERT_OK(put_object(objects, id));
    ASSERT_OK(put_object(objects, id + 700));
    struct meta_commit_range range = test_range(5, 0, id, 0, 10, 1);
    struct meta_record commit = test_commit(1, meta_broker_epoch(meta), id, &range, 1);
    ASSERT_OK(meta_propose_one(meta, &commit, NULL));
    ASSERT_OK(fiber_sleep_ns(300 * (uint64_t)NS_PER_MS));
    ASSERT(is_there(objects, id + 700)); /* our own epoch lives: it may still be committed */
    ASSERT_OK(meta_stop(meta));
    ASSERT_OK(meta_start(&options, &meta));
    for (int i = 0; i < 500 && meta_intent_next(meta_state(meta), 0); i++) {
        ASSERT_OK(fiber_sleep_ns(10 * (uint64_t)NS_PER_MS));
    }
    ASSERT(!meta_intent_next(meta_state(meta), 0));
    ASSERT(!is_there(objects, id + 700));
    ASSERT(is_there(objects, id));
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

/* O2 */
FIBER_TEST(a_deleted_topics_manifest_is_read_and_its_objects_go)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    options.garbage_delay_ns = 50 * (uint64_t)NS_PER_MS;
    struct meta *meta;
    ASSERT_OK(meta_start(&options, &meta));
    ASSERT_OK(create_topic(meta, 5, 1));
    ASSERT_OK(open_partition(meta, 5, 0));
    struct meta_record intent = test_intent(1, meta_broker_epoch(meta), 8);
    struct meta_result result;
    ASSERT_OK(meta_propose_one(meta, &intent, &result));
    uint64_t id = result.first_id;
    struct meta_commit_range range = test_range(5, 0, id, 0, 10, 1);
    struct meta_record commit = test_commit(1, meta_broker_epoch(meta), id, &range, 1);
    ASSERT_OK(meta_propose_one(meta, &commit, NULL));
    ASSERT_OK(put_object(objects, id + 1));
    struct store *store;
    const struct store_options store_options = {
        .objects = objects, .block_cache_bytes = 1 << 20, .fetch_timeout_ns = NS_PER_S
    };
    ASSERT_OK(store_new(&store_options, &store));
    struct store_range merged = range.range;
    merged.object_id = id + 1;
    const struct manifest manifest = {
        .key = test_key(5, 0), .manifest_id = id + 2, .ranges = &merged, .count = 1
    };
    ASSERT_OK(store_write_manifest(store, &manifest, DEADLINE_NONE));
    uint64_t added[] = { id + 1 };
    struct meta_record merge = { .type = META_MERGE,
        .merge = { .key = test_key(5, 0),
                .leader_epoch = 1,
                .manifest_id = id + 2,
                .manifest_end_offset = 10,
                .added = added,
                .added_count = 1 } };
    ASSERT_OK(meta_propose_one(meta, &merge, NULL));
    struct meta_record gone = { .type = META_TOPIC_DELETE, .topic_delete = { test_uuid(5) } };
    ASSERT_OK(meta_propose_one(meta, &gone, NULL));
    ASSERT_EQ(meta_dead_manifest_list(meta_state(meta), NULL, 0), 1);
    for (int i = 0; i < 500 && (is_there(objects, id + 1) || is_there(objects, id + 2)); i++) {
        ASSERT_OK(fiber_sleep_ns(10 * (uint64_t)NS_PER_MS));
    }
    ASSERT_EQ(meta_dead_manifest_list(meta_state(meta), NULL, 0), 0);
    ASSERT(!is_there(objects, id + 1));
    ASSERT(!is_there(objects, id + 2));
    store_free(store);
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

/* The embedded default: a folder, flushed. */
FIBER_TEST(a_folder_is_founded_and_started_again_in_a_blink)
{
    char url[512];
    struct objectstore *objects;
    struct meta *meta;
    snprintf(url, sizeof url, "file://%s/objects", test_directory());
    ASSERT_OK(objectstore_open(url, &objects));
    struct meta_options options = options_of(objects);
    options.lease_ns = LONG_LEASE;
    uint64_t start_ns = clock_mono_ns();
    ASSERT_OK(meta_start(&options, &meta));
    uint64_t founded_ns = clock_mono_ns() - start_ns;
    ASSERT_OK(create_topic(meta, 5, 3));
    options.former_holder = meta_writer(meta);
    struct meta *killed = meta; /* as after SIGKILL: nothing was released */
    start_ns = clock_mono_ns();
    ASSERT_OK(meta_start(&options, &meta));
    uint64_t restarted_ns = clock_mono_ns() - start_ns;
    ASSERT(meta_topic_by_name(meta_state(meta), BYTES_LITERAL("topic-5")));
    /* 100 ms on an idle machine; the bound here is for a busy one. */
    fprintf(stderr, "founded in %llu ms, started again in %llu ms ",
            (unsigned long long)founded_ns / NS_PER_MS,
            (unsigned long long)restarted_ns / NS_PER_MS);
    ASSERT(founded_ns < LONG_LEASE / 2);
    ASSERT(restarted_ns < LONG_LEASE / 2);
    ASSERT_ERROR(meta_stop(killed), -ESTALE);
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}
