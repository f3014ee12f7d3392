/* One coordinator: its groups, and the fiber that loads them and writes their records. */
#include "groups/coordinator.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "groups/kafka_codes.h"
#include "groups/rebalance.h"
#include "reactor/clock.h"
#include "wire/record_builder.h"

#include <errno.h>

#define BATCH_SIZE_WANTED (1 * MIB) /* of records: one more write still fits beyond it */
#define LOAD_RETRY_NS (1ull * NS_PER_S)

struct coordinator_write {
    struct list link;
    struct group_records records;
    bool replay;
    coordinator_done_fn done;
    void *arg;
    int16_t error; /* of its own: it is not in the batch */
};

static bool
group_has_id(const struct map_node *node, const void *key)
{
    return bytes_equal(*(const struct bytes *)key, CONTAINER_OF(node, struct group, node)->id);
}

struct group *
coordinator_group(struct coordinator *c, struct bytes id)
{
    struct map_node *node = map_find(&c->groups, bytes_hash(id, 0), group_has_id, &id);
    return node ? CONTAINER_OF(node, struct group, node) : NULL;
}

struct group *
coordinator_new_group(struct coordinator *c, struct bytes id)
{
    struct group *group = group_new(id, c, &c->home->memory);
    map_insert(&c->groups, &group->node, bytes_hash(id, 0));
    list_push_back(&c->all, &group->link);
    c->home->group_count++;
    return group;
}

void
coordinator_free_group(struct coordinator *c, struct group *group)
{
    deadlines_remove(&c->home->deadlines, &group->deadline);
    map_remove(&c->groups, &group->node);
    list_remove(&group->link);
    c->home->group_count--;
    group_free(group);
}

void
coordinator_arm(struct coordinator *c, struct group *group, uint64_t due_ns)
{
    if (due_ns == DEADLINE_NONE || c->closed ||
            (group->deadline.place && group->deadline.due_ns <= due_ns)) {
        return;
    }
    deadlines_set(&c->home->deadlines, &group->deadline, due_ns);
    if (due_ns < c->home->timer_due_ns) {
        wait_queue_wake_all(&c->home->timer_wanted);
    }
}

static void
write_free(struct coordinator *c, struct coordinator_write *write)
{
    c->home->writes_size -= write->records.bytes.size;
    group_records_done(&write->records);
    mem_free(write);
}

static void
write_end(struct coordinator *c, struct coordinator_write *write, int16_t error)
{
    struct bytes rest = strbuf_bytes(&write->records.bytes);
    struct group_record record;
    while (!error && write->replay && !c->closed && group_records_next(&rest, &record)) {
        int r = coordinator_replay(c, &record);
        CHECK(r == 0); /* we wrote it */
    }
    if (write->done) {
        write->done(c, write->arg, error);
    }
    write_free(c, write);
}

void
coordinator_write(struct coordinator *c, struct group_records *records, bool replay,
        coordinator_done_fn done, void *arg)
{
    struct coordinator_write *write = mem_alloc(sizeof *write);
    write->records = *records;
    write->replay = replay;
    write->done = done;
    write->arg = arg;
    c->home->writes_size += write->records.bytes.size;
    if (group_records_result(records) < 0) {
        write->error = CODE_UNKNOWN_SERVER_ERROR;
    } else if (c->closed) {
        write->error = CODE_NOT_COORDINATOR;
    } else if (c->home->writes_size > GROUP_WRITES_SIZE_MAX) {
        MARK("groups: too much waits for the log");
        write->error = CODE_COORDINATOR_NOT_AVAILABLE;
    }
    if (c->closed) {
        write_end(c, write, write->error);
        return;
    }
    list_push_back(&c->writes, &write->link);
    wait_queue_wake_all(&c->work);
}

struct commit_wait {
    struct wait_queue queue;
    bool done;
    int16_t error;
};

/* The commit's caller may have gone: then nobody is told. */
struct commit_end {
    struct commit_wait *wait;
};

static void
commit_done(struct coordinator *c, void *arg, int16_t error)
{
    struct commit_end *end = arg;
    (void)c;
    if (end->wait) {
        end->wait->done = true;
        end->wait->error = error;
        wait_queue_wake_all(&end->wait->queue);
    }
    mem_free(end);
}

int16_t
coordinator_commit(struct coordinator *c, struct group_records *records)
{
    uint64_t timeout_ms =
            (uint64_t)settings_int(c->home->groups->options.settings, "offsets.commit.timeout.ms");
    struct commit_wait wait = { .done = false };
    if (records->count == 0 && !records->error) {
        group_records_done(records);
        return CODE_NONE;
    }
    wait_queue_init(&wait.queue);
    struct commit_end *end = mem_alloc(sizeof *end);
    end->wait = &wait;
    uint64_t deadline = clock_mono_ns() + timeout_ms * NS_PER_MS;
    c->users++;
    coordinator_write(c, records, true, commit_done, end);
    while (!wait.done) {
        if (wait_queue_wait(&wait.queue, deadline) < 0 && !wait.done) {
            end->wait = NULL; /* it goes on: the outcome is not known to this client */
            wait.error = CODE_COORDINATOR_NOT_AVAILABLE;
            break;
        }
    }
    coordinator_unref(c);
    return wait.error;
}

/* Kafka's code of an append that failed. */
static int16_t
append_code(int error)
{
    return error == APPEND_NOT_LEADER || error == -ENOENT || error == -ESHUTDOWN
                   ? CODE_NOT_COORDINATOR
                   : CODE_COORDINATOR_NOT_AVAILABLE;
}

static int16_t
append_batch(struct coordinator *c, struct buf *batch)
{
    struct partition_append append = {
        .key = c->key,
        .owner = batch,
        .batches = batch->data,
        .size = batch->size,
        .internal = true,
    };
    partition_append_begin(c->home->shard, &append);
    int r = partition_append_wait(c->home->shard, &append);
    if (r < 0) {
        MARK("groups: a write without a known outcome");
        LOG_WARN("group records: the outcome is not known; groups are loaded again",
                LOG_INT("partition", c->key.index), LOG_FAULT(r));
        c->loaded = false;
        return CODE_COORDINATOR_NOT_AVAILABLE;
    }
    if (append.error) {
        LOG_WARN("group records were refused", LOG_INT("partition", c->key.index),
                LOG_INT("reason", append.error), LOG_STR("text", append.error_text));
        return append_code(append.error);
    }
    return CODE_NONE;
}

static void
add_records(struct record_builder *builder, const struct coordinator_write *write, int64_t now_ms)
{
    struct bytes rest = strbuf_bytes(&write->records.bytes);
    struct group_record record;
    while (group_records_next(&rest, &record)) {
        struct record out = {
            .key = record.key,
            .value = record.value,
            .offset = builder->count,
            .timestamp = now_ms,
        };
        record_builder_append(builder, &out);
    }
}

/* Moves writes from the queue to `round`, as many as make a batch, and builds it. */
static int
gather(struct coordinator *c, struct list *round, struct buf **ret_batch)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct record_builder builder;
    int64_t now_ms = clock_wall_ms();
    options.compression = (enum compression)settings_int(
            c->home->groups->options.settings, "offsets.topic.compression.codec");
    record_builder_init(&builder, &options, 2 * (GROUP_RECORDS_SIZE_MAX + BATCH_SIZE_WANTED));
    while (!list_is_empty(&c->writes) && record_builder_size(&builder) < BATCH_SIZE_WANTED) {
        struct list *link = list_pop_front(&c->writes);
        struct coordinator_write *write = CONTAINER_OF(link, struct coordinator_write, link);
        list_push_back(round, link);
        if (!write->error) {
            add_records(&builder, write, now_ms);
        }
    }
    int r = builder.count ? record_builder_finish(&builder, ret_batch) : 0;
    record_builder_done(&builder);
    return r;
}

static void
write_round(struct coordinator *c)
{
    CLEANUP(buf_unrefp) struct buf *batch = NULL;
    struct list round;
    int16_t error = CODE_NONE;
    list_init(&round);
    int r = gather(c, &round, &batch);
    if (r < 0) {
        LOG_ERROR("group records could not be built", LOG_INT("partition", c->key.index),
                LOG_FAULT(r));
        error = CODE_UNKNOWN_SERVER_ERROR;
    } else if (batch) {
        error = append_batch(c, batch);
    }
    struct list *link;
    while ((link = list_pop_front(&round)) != NULL) {
        struct coordinator_write *write = CONTAINER_OF(link, struct coordinator_write, link);
        write_end(c, write, write->error ? write->error : error);
    }
}

static void
fail_writes(struct coordinator *c)
{
    struct list *link;
    while ((link = list_pop_front(&c->writes)) != NULL) {
        write_end(c, CONTAINER_OF(link, struct coordinator_write, link), CODE_NOT_COORDINATOR);
    }
}

/* Memory is made anew from the log: at the start, and when it may not say what the log says. */
static void
forget(struct coordinator *c)
{
    fail_writes(c);
    LIST_FOREACH_SAFE (link, &c->all) {
        struct group *group = CONTAINER_OF(link, struct group, link);
        rebalance_end_calls(group, CODE_NOT_COORDINATOR);
        coordinator_free_group(c, group);
    }
}

static void
load(struct coordinator *c)
{
    while (!c->closed && !c->loaded) {
        forget(c);
        int r = coordinator_load(c);
        if (r == 0) {
            c->loaded = true;
            rebalance_loaded(c);
            LOG_DEBUG("groups are loaded", LOG_INT("partition", c->key.index),
                    LOG_INT("groups", c->groups.count));
        } else if (!c->closed) {
            MARK("groups: loading failed");
            LOG_WARN("groups could not be loaded; trying again", LOG_INT("partition", c->key.index),
                    LOG_FAULT(r));
            if (wait_queue_wait(&c->work, clock_mono_ns() + LOAD_RETRY_NS) == -ECANCELED) {
                c->closed = true; /* the process ends */
            }
        }
    }
}

static void
coordinator_main(void *arg)
{
    struct coordinator *c = arg;
    while (!c->closed) {
        if (!c->loaded) {
            load(c);
        } else if (!list_is_empty(&c->writes)) {
            write_round(c);
        } else if (wait_queue_wait(&c->work, DEADLINE_NONE) < 0) {
            c->closed = true;
        }
    }
    fail_writes(c);
    coordinator_unref(c);
}

void
coordinator_init(struct coordinator *c, struct coordinators *home, struct partition_key key)
{
    c->home = home;
    c->key = key;
    c->users = 1;
    map_init(&c->groups);
    list_init(&c->all);
    list_init(&c->writes);
    wait_queue_init(&c->work);
    list_push_back(&home->all, &c->link);
}

int
coordinator_run(struct coordinator *c)
{
    int r = fiber_spawn("group coordinator", coordinator_main, c, NULL);
    if (r == 0) {
        c->running = true;
        c->users++;
    }
    return r;
}

void
coordinator_close(struct coordinator *c)
{
    c->closed = true;
    LIST_FOREACH (link, &c->all) {
        struct group *group = CONTAINER_OF(link, struct group, link);
        deadlines_remove(&c->home->deadlines, &group->deadline);
        rebalance_end_calls(group, CODE_NOT_COORDINATOR);
    }
    wait_queue_wake_all(&c->work);
    coordinator_unref(c);
}

void
coordinator_unref(struct coordinator *c)
{
    CHECK(c->users > 0);
    if (--c->users) {
        return;
    }
    CHECK(c->closed && list_is_empty(&c->writes));
    LIST_FOREACH_SAFE (link, &c->all) {
        coordinator_free_group(c, CONTAINER_OF(link, struct group, link));
    }
    map_done(&c->groups);
    list_remove(&c->link);
    wait_queue_wake_all(&c->home->ended);
    mem_free(c);
}
