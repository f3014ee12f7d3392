/* The coordinators of one reactor: they come and go with the partitions of __consumer_offsets. */
#include "base/mem.h"
#include "groups/call.h"
#include "groups/kafka_codes.h"
#include "groups/rebalance.h"
#include "reactor/clock.h"

#include <errno.h>

#define GROUPS_AT_ONCE 256 /* then other fibers run */
#define RUN_RETRY_NS (100ull * NS_PER_MS)

static uint64_t
key_hash(struct partition_key key)
{
    return hash_u64(uuid_hash(&key.topic_id) ^ (uint64_t)(uint32_t)key.index);
}

static bool
coordinator_has_key(const struct map_node *node, const void *key)
{
    const struct partition_key *wanted = key;
    const struct coordinator *c = CONTAINER_OF(node, struct coordinator, node);
    return c->key.index == wanted->index && uuid_equal(&c->key.topic_id, &wanted->topic_id);
}

static struct coordinator *
find(const struct coordinators *home, struct partition_key key)
{
    struct map_node *node = map_find(&home->by_partition, key_hash(key), coordinator_has_key, &key);
    return node ? CONTAINER_OF(node, struct coordinator, node) : NULL;
}

struct coordinator *
coordinators_find(struct coordinators *home, struct partition_key key, int16_t *ret_error)
{
    struct coordinator *c = home ? find(home, key) : NULL;
    /* Without a lease somebody else may have taken the partition (M4). */
    *ret_error = !c || !meta_lease_is_valid(home->groups->options.meta) ? CODE_NOT_COORDINATOR
                 : !c->loaded ? CODE_COORDINATOR_LOAD_IN_PROGRESS
                              : CODE_NONE;
    return *ret_error ? NULL : c;
}

bool
coordinators_are_full(const struct coordinators *home)
{
    return home->memory >= GROUPS_MEMORY_MAX || home->group_count >= GROUPS_MAX;
}

static bool
is_offsets_topic(const struct partition *partition)
{
    return strcmp(partition->topic_name, GROUPS_TOPIC) == 0;
}

/* shard_listener */
static void
partition_opened(struct shard_listener *listener, struct partition *partition)
{
    struct coordinators *home = CONTAINER_OF(listener, struct coordinators, listener);
    if (is_offsets_topic(partition)) {
        struct coordinator *c = mem_alloc(sizeof *c);
        coordinator_init(c, home, partition->key);
        map_insert(&home->by_partition, &c->node, key_hash(c->key));
        wait_queue_wake_all(&home->timer_wanted);
    }
}

/* shard_listener */
static void
partition_closed(struct shard_listener *listener, struct partition *partition)
{
    struct coordinators *home = CONTAINER_OF(listener, struct coordinators, listener);
    struct coordinator *c = is_offsets_topic(partition) ? find(home, partition->key) : NULL;
    if (c) {
        map_remove(&home->by_partition, &c->node);
        coordinator_close(c);
    }
}

/* meta_listener_fn */
static void
metadata_changed(void *arg, const struct meta_record *record, const struct meta_result *result,
        uint64_t sequence)
{
    struct coordinators *home = arg;
    (void)sequence;
    if (result->error == 0 && record->type == META_TOPIC_DELETE) {
        home->topics_deleted = true;
        home->deleted[home->deleted_count++ % TOPICS_DELETED_KEPT] = record->topic_delete.topic_id;
        wait_queue_wake_all(&home->janitor_wanted);
    }
}

/* Starts the fibers of coordinators that are new. When is the next look due? */
static uint64_t
run_new(struct coordinators *home)
{
    MAP_FOREACH(node, &home->by_partition)
    {
        struct coordinator *c = CONTAINER_OF(node, struct coordinator, node);
        if (!c->running && coordinator_run(c) < 0) {
            return clock_mono_ns() + RUN_RETRY_NS;
        }
    }
    return DEADLINE_NONE;
}

/* Looks at some groups whose time has come. True: there may be more. */
static bool
look_at_due(struct coordinators *home)
{
    for (int i = 0; i < GROUPS_AT_ONCE; i++) {
        struct deadline *deadline = deadlines_pop(&home->deadlines, clock_mono_ns());
        if (!deadline) {
            return false;
        }
        struct group *group = CONTAINER_OF(deadline, struct group, deadline);
        rebalance_tick(group->coordinator, group, clock_mono_ns());
    }
    return true;
}

static void
timer_main(void *arg)
{
    struct coordinators *home = arg;
    for (;;) {
        uint64_t retry_ns = run_new(home);
        if (look_at_due(home) && fiber_yield() == 0) {
            continue;
        }
        home->timer_due_ns = MIN(retry_ns, deadlines_next_ns(&home->deadlines));
        int r = wait_queue_wait(&home->timer_wanted, home->timer_due_ns);
        if (r < 0 && r != -ETIMEDOUT) {
            return;
        }
    }
}

int
coordinators_open(struct groups *groups)
{
    unsigned here = reactor_index();
    if (!groups->options.shards[here]) {
        return 0;
    }
    struct coordinators *home = mem_alloc(sizeof *home);
    home->groups = groups;
    home->shard = groups->options.shards[here];
    home->listener.opened = partition_opened;
    home->listener.closed = partition_closed;
    list_init(&home->listener.link);
    list_init(&home->all);
    map_init(&home->by_partition);
    wait_queue_init(&home->ended);
    wait_queue_init(&home->timer_wanted);
    wait_queue_init(&home->janitor_wanted);
    groups->by_reactor[here] = home;
    int r = fiber_spawn("group timer", timer_main, home, &home->timer);
    if (r == 0) {
        r = fiber_spawn("group janitor", coordinators_janitor_main, home, &home->janitor);
    }
    if (r == 0) {
        meta_listen(groups->options.meta, metadata_changed, home);
        shard_listen(home->shard, &home->listener);
    }
    return r;
}

static void
end_fiber(struct fiber **fiber)
{
    if (*fiber) {
        fiber_cancel(*fiber);
        fiber_join(TAKE_PTR(*fiber));
    }
}

void
coordinators_close(struct coordinators *home)
{
    shard_unlisten(&home->listener);
    meta_unlisten(home->groups->options.meta, metadata_changed, home);
    MAP_FOREACH_SAFE(node, &home->by_partition)
    {
        map_remove(&home->by_partition, node);
        coordinator_close(CONTAINER_OF(node, struct coordinator, node));
    }
    end_fiber(&home->timer);
    end_fiber(&home->janitor);
    while (!list_is_empty(&home->all)) {
        if (wait_queue_wait(&home->ended, DEADLINE_NONE) < 0) {
            return; /* the process gives up: what is inside still uses the memory */
        }
    }
}

void
coordinators_free(struct coordinators *home)
{
    if (!list_is_empty(&home->all)) {
        return; /* see coordinators_close */
    }
    deadlines_done(&home->deadlines);
    map_done(&home->by_partition);
    mem_free(home);
}
