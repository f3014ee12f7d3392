/* Fetch: reads every partition on the reactor that owns it; when there is less than min_bytes,
 * waits on the partitions' high watermarks, not on a timer. */
#include "wire/messages/fetch.h"

#include "base/log.h"
#include "base/mutant.h"
#include "handlers/errors.h"
#include "handlers/fetch_rack.h"
#include "handlers/fetch_readers.h"
#include "handlers/fetch_session.h"
#include "handlers/handlers.h"
#include "handlers/leader_hint.h"
#include "partition/followed.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "reactor/sync.h"

#include <errno.h>

#define WAIT_LOOK_INTERVAL_NS ((uint64_t)NS_PER_S)

struct fetch_wait {
    struct wait_queue queue;
    unsigned reactor;
    bool woken;
};

struct fetch_part {
    struct partition_watch watch; /* first: the watch function finds the part by it */
    struct fetch_wait *wait;
    const struct fetch_asked *asked;
    struct partition_key key;
    unsigned reactor;
    bool refused;
    bool watching;
    bool beyond; /* it asks for more than this broker knows of, and does not lead it */
    int16_t error;
    int32_t preferred; /* broker id that shall be asked instead; -1: none */
    int64_t high_watermark;
    int64_t log_start;
    struct partition *partition; /* held while watching */
    struct store_reader *reader;
    struct slices slices;
};

struct fetch_work {
    struct broker *broker;
    struct fetch_part *parts;
    size_t count;
    unsigned reactor;
    bool watch;        /* this visit adds watches before it reads */
    bool unwatch;      /* this visit ends them */
    size_t budget;     /* bytes left of max_bytes */
    size_t bytes;      /* gathered */
    bool failed;       /* a partition has an error, or is to be asked elsewhere: answer at once */
    struct bytes rack; /* of the consumer (KIP-392); NULL: it wants the leader */
    const char *listener; /* that it came by */
};

static void
wake_waiter(void *arg)
{
    struct fetch_wait *wait = arg;
    wait->woken = true;
    wait_queue_wake_all(&wait->queue);
}

/* On the partition's reactor. */
static void
watch_fired(struct partition_watch *watch)
{
    struct fetch_part *part = CONTAINER_OF(watch, struct fetch_part, watch);
    if (part->wait->reactor == reactor_index()) {
        wake_waiter(part->wait);
    } else {
        reactor_post_inline(part->wait->reactor, wake_waiter, part->wait);
    }
}

static int16_t
check_leader_epoch(const struct fetch_part *part, const struct partition *partition)
{
    int32_t epoch = part->asked->leader_epoch; /* -1: not said */
    if (epoch < 0 || epoch == partition->epoch) {
        return KAFKA_NONE;
    }
    return epoch < partition->epoch ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
}

static void
unwatch_part(struct fetch_part *part)
{
    if (part->watching) {
        partition_watch_remove(&part->watch);
        partition_release(part->partition);
        part->watching = false;
    }
}

/* The partition as this broker may serve it: as its leader, or what is committed, for consumers of
 * this broker's rack while the leader is in another one. */
static struct partition *
find_readable(const struct fetch_work *work, struct shard *shard, const struct fetch_part *part)
{
    struct partition *partition = shard_find_led(shard, part->key);
    if (!partition && fetch_rack_is_served(work->broker, work->rack, part->key)) {
        partition = shard_find_followed(shard, part->key);
    }
    return partition;
}

/* What is known before anything is read; false: it has an error or is to be asked elsewhere. */
static bool
look_at_part(struct fetch_work *work, struct fetch_part *part, struct partition *partition)
{
    part->error =
            partition ? check_leader_epoch(part, partition) : (int16_t)KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (part->error == KAFKA_NONE && partition_check(partition) < 0) {
        part->error = KAFKA_STORAGE_ERROR;
    }
    if (part->error) {
        return false;
    }
    part->preferred = fetch_rack_prefers(
            work->broker, work->rack, work->listener, part->key, part->asked->offset);
    part->high_watermark = partition->high_watermark;
    part->log_start = partition_log_start(partition);
    return part->preferred < 0;
}

static void
watch_part(struct fetch_part *part, struct partition *partition)
{
    part->watching = true;
    part->partition = partition;
    part->watch.fn = watch_fired;
    partition_hold(partition);
    partition_watch_add(partition, &part->watch);
}

/* The batches that fit into the budget; the first one of an answer may exceed it. */
static int
gather_part(struct fetch_work *work, struct shard *shard, struct fetch_part *part,
        struct partition *partition)
{
    size_t bytes_max = MIN((size_t)MAX(part->asked->bytes_max, 0), work->budget);
    /* F1: what the leader has told of may be news to us in a moment. */
    part->beyond = partition->followed && part->asked->offset > partition->high_watermark;
    if (part->beyond || (bytes_max == 0 && work->bytes > 0)) {
        return 0;
    }
    int r = partition_read(
            shard, partition, part->asked->offset, bytes_max, part->reader, &part->slices);
    if (part->slices.bytes > work->budget && work->bytes > 0) {
        slices_done(&part->slices);
        slices_init(&part->slices);
    }
    return r;
}

static void
read_part(struct fetch_work *work, struct shard *shard, struct fetch_part *part)
{
    struct partition *partition = find_readable(work, shard, part);
    if (!look_at_part(work, part, partition)) {
        work->failed = true;
        return;
    }
    if (part->watching && part->partition != partition) {
        unwatch_part(part); /* closed, and opened anew */
    }
    if (work->watch && !part->watching) {
        watch_part(part, partition);
    }
    partition_hold(partition);
    int r = gather_part(work, shard, part, partition);
    part->high_watermark = partition->high_watermark;
    part->log_start = partition_log_start(partition);
    partition_release(partition);
    if (r < 0) {
        part->error = kafka_error_of(r);
        work->failed = true;
        if (r != -ERANGE && r != -ENOENT) {
            LOG_WARN("fetch failed", LOG_INT("partition", part->asked->index),
                    LOG_INT("offset", part->asked->offset), LOG_FAULT(r));
        }
    }
    work->bytes += part->slices.bytes;
    work->budget -= MIN(work->budget, part->slices.bytes);
}

static int
read_here(void *arg)
{
    struct fetch_work *work = arg;
    for (size_t i = 0; i < work->count; i++) {
        struct fetch_part *part = &work->parts[i];
        if (part->refused || part->reactor != work->reactor) {
            continue;
        }
        if (work->unwatch) {
            unwatch_part(part);
        }
        if (part->slices.count == 0) {
            read_part(work, work->broker->shards[work->reactor], part);
        }
    }
    return 0;
}

static int
unwatch_here(void *arg)
{
    struct fetch_work *work = arg;
    for (size_t i = 0; i < work->count; i++) {
        struct fetch_part *part = &work->parts[i];
        if (part->reactor == work->reactor) {
            unwatch_part(part);
        }
    }
    return 0;
}

static int
on_each_reactor(struct fetch_work *work, int (*fn)(void *arg))
{
    for (unsigned reactor = 0; reactor < reactor_count(); reactor++) {
        bool used = false;
        for (size_t i = 0; i < work->count && !used; i++) {
            used = !work->parts[i].refused && work->parts[i].reactor == reactor;
        }
        if (used) {
            work->reactor = reactor;
            int r = reactor_call(reactor, fn, work);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

/* Waits until something may have come or the deadline, which may be days away. A client that leaves
 * in the middle of it is noticed, for it holds a descriptor and two fibers; so is the broker's
 * stop. */
static int
wait_for_more(struct request *request, struct fetch_wait *wait, uint64_t deadline_ns)
{
    while (!wait->woken) {
        uint64_t look_ns = clock_mono_ns() + WAIT_LOOK_INTERVAL_NS;
        int r = wait_queue_wait(&wait->queue, MIN(deadline_ns, look_ns));
        if (r != -ETIMEDOUT) {
            return r;
        }
        if (look_ns >= deadline_ns) {
            return -ETIMEDOUT;
        }
        if (request->is_gone(request)) {
            return -EPIPE;
        }
        if (request->broker->stopping) {
            return -ESHUTDOWN;
        }
    }
    return 0;
}

static bool
is_enough(const struct fetch_work *work, const struct fetch_request *message)
{
    return work->failed || work->bytes >= (size_t)MAX(message->min_bytes, 0) || work->budget == 0;
}

static bool
is_watching(const struct fetch_work *work)
{
    bool watching = false;
    for (size_t i = 0; i < work->count && !watching; i++) {
        watching = work->parts[i].watching;
    }
    return watching;
}

/* Waits for news with the watches in place and reads again. 1: the deadline came. */
static int
gather_more(struct request *request, struct fetch_work *work, const struct fetch_request *message,
        struct fetch_wait *wait, uint64_t deadline_ns)
{
    int r = wait_for_more(request, wait, deadline_ns);
    if (r < 0) {
        return r == -ETIMEDOUT ? 1 : r;
    }
    wait->woken = false;
    /* The usual reader is content with whatever woke it: then one visit of each reactor is enough
     * to read that and to end the watches. */
    work->unwatch = message->min_bytes <= 1;
    work->watch = !work->unwatch;
    return on_each_reactor(work, read_here);
}

/* It has waited, and still we know of no such offset: clients then go back to the leader, who knows
 * whether there is one. */
static void
refuse_beyond(struct fetch_work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        struct fetch_part *part = &work->parts[i];
        if (part->beyond && part->error == KAFKA_NONE) {
            part->error = KAFKA_OFFSET_OUT_OF_RANGE;
        }
    }
}

/* Reads until there are min_bytes, an error, or the deadline. */
static int
gather(struct request *request, struct fetch_work *work, const struct fetch_request *message,
        struct fetch_wait *wait)
{
    uint64_t deadline = clock_mono_ns() + (uint64_t)MAX(message->max_wait_ms, 0) * NS_PER_MS;
    bool may_wait = message->max_wait_ms > 0 && work->count > 0;
    int r = on_each_reactor(work, read_here);
    while (r == 0 && may_wait && !is_enough(work, message)) {
        if (!work->watch) {
            /* And read again: something may have come before the watch was there. */
            work->watch = true;
            work->unwatch = false;
            r = on_each_reactor(work, read_here);
        } else {
            r = gather_more(request, work, message, wait, deadline);
        }
    }
    if (is_watching(work)) {
        int unwatched = on_each_reactor(work, unwatch_here);
        r = r < 0 ? r : unwatched;
    }
    refuse_beyond(work);
    return MIN(r, 0);
}

static void
route(struct request *request, const struct fetch_asked *asked, struct fetch_part *part)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    const struct meta_topic *found = request->version >= 13
                                             ? meta_topic_by_id(state, &asked->topic_id)
                                             : meta_topic_by_name(state, asked->topic);
    *part = (struct fetch_part){
        .asked = asked, .high_watermark = -1, .log_start = -1, .preferred = -1
    };
    slices_init(&part->slices);
    list_init(&part->watch.link);
    if (!found || asked->index < 0 || asked->index >= found->partition_count) {
        part->refused = true;
        part->error = !found && request->version >= 13 ? KAFKA_UNKNOWN_TOPIC_ID
                                                       : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    part->key = (struct partition_key){ found->id, asked->index };
    part->reactor = partition_reactor(part->key);
    part->reader = fetch_readers_get(request->connection, part->key);
}

static void
route_all(struct request *request, const struct fetch_turn *turn, struct fetch_work *work,
        struct fetch_wait *wait)
{
    work->count = turn->count;
    work->parts = request_alloc(request, work->count, sizeof *work->parts);
    for (size_t i = 0; i < work->count; i++) {
        route(request, &turn->asked[i], &work->parts[i]);
        work->parts[i].wait = wait;
        work->failed |= work->parts[i].refused;
    }
}

/* KIP-951 */
static struct wire_array
fill_endpoints(struct request *request, const struct leader_hints *hints)
{
    struct fetch_response_node_endpoint *out = request_alloc(request, hints->count, sizeof *out);
    size_t count = 0;
    for (size_t i = 0; i < hints->count; i++) {
        const struct meta_broker *broker;
        const struct meta_broker_endpoint *endpoint = leader_hint_endpoint(hints, i, &broker);
        if (endpoint) {
            out[count++] = (struct fetch_response_node_endpoint){ broker->id,
                arena_dup(&request->arena, bytes_of_string(endpoint->host)), endpoint->port,
                broker->rack ? arena_dup(&request->arena, bytes_of_string(broker->rack))
                             : BYTES_NULL };
        }
    }
    return wire_array_of(out, count);
}

static void
fill_partition(const struct fetch_part *part, struct leader_hints *hints,
        struct fetch_response_partition_data *out)
{
    *out = fetch_response_partition_data_default;
    out->partition_index = part->asked->index;
    out->error_code = part->error;
    out->high_watermark = part->high_watermark - (MUTANT(MUTANT_HIGH_TOO_LOW) ? 5 : 0);
    out->last_stable_offset = part->high_watermark;
    out->log_start_offset = part->log_start;
    out->preferred_read_replica = part->preferred;
    out->aborted_transactions = WIRE_ARRAY_NULL;
    out->records.slices = part->slices.items;
    out->records.slice_count = (int32_t)part->slices.count;
    if (part->slices.count == 0) {
        out->records.bytes = BYTES_LITERAL("");
    }
    bool moved =
            part->error == KAFKA_NOT_LEADER_OR_FOLLOWER || part->error == KAFKA_FENCED_LEADER_EPOCH;
    if (moved && !part->refused && hints->request->version >= 16) {
        leader_hint_find(hints, part->key, &out->current_leader.leader_id,
                &out->current_leader.leader_epoch);
    }
}

/* Sessions hear only of what has news. */
static bool
has_to_be_told(struct request *request, const struct fetch_turn *turn, struct fetch_part *part)
{
    if (!part->asked->interest) {
        return true;
    }
    const struct fetch_news news = { part->error, part->slices.count > 0, part->high_watermark,
        part->log_start };
    bool tell = fetch_session_tell(request, part->asked->interest, &news);
    return tell || !turn->incremental || part->preferred >= 0;
}

static bool
same_topic(const struct fetch_asked *a, const struct fetch_asked *b)
{
    return uuid_equal(&a->topic_id, &b->topic_id) && bytes_equal(a->topic, b->topic);
}

/* Neighbours of one topic share an entry. */
static struct wire_array
fill_topics(struct request *request, const struct fetch_turn *turn, const struct fetch_work *work,
        struct leader_hints *hints)
{
    struct fetch_response_fetchable_topic *topics =
            request_alloc(request, work->count, sizeof *topics);
    struct fetch_response_partition_data *out = request_alloc(request, work->count, sizeof *out);
    const struct fetch_asked *last = NULL;
    size_t topic_count = 0;
    for (size_t i = 0; i < work->count; i++) {
        struct fetch_part *part = &work->parts[i];
        if (!has_to_be_told(request, turn, part)) {
            continue;
        }
        if (!last || !same_topic(last, part->asked)) {
            last = part->asked;
            topics[topic_count++] = (struct fetch_response_fetchable_topic){ last->topic,
                last->topic_id, wire_array_of(out, 0) };
        }
        fill_partition(part, hints, out++);
        topics[topic_count - 1].partitions.count++;
    }
    return wire_array_of(topics, topic_count);
}

static void
refuse(struct request *request, int16_t error)
{
    struct fetch_response response = fetch_response_default;
    response.error_code = error;
    request_reply(request, &response);
}

void
handle_fetch(struct request *request)
{
    struct fetch_request message;
    struct fetch_turn turn;
    if (request_read(request, &message) < 0) {
        return;
    }
    int16_t error = fetch_session_turn(request, &message, &turn);
    if (error) {
        refuse(request, error);
        return;
    }
    struct fetch_wait wait = { .reactor = reactor_index() };
    struct fetch_work work = { .broker = request->broker };
    size_t fetch_max = (size_t)settings_int(request->broker->settings, "fetch.max.bytes");
    work.budget = MIN((size_t)MAX(message.max_bytes, 0), fetch_max);
    work.rack = fetch_rack_of(request, &message);
    work.listener = request->listener;
    wait_queue_init(&wait.queue);
    route_all(request, &turn, &work, &wait);
    int r = gather(request, &work, &message, &wait);
    if (r < 0) {
        request->close = true; /* the broker is stopping, or nobody is there */
    } else {
        struct fetch_response response = fetch_response_default;
        response.session_id = turn.session_id;
        struct leader_hints hints = { .request = request };
        response.responses = fill_topics(request, &turn, &work, &hints);
        response.node_endpoints = fill_endpoints(request, &hints);
        request_reply(request, &response);
    }
    for (size_t i = 0; i < work.count; i++) {
        slices_done(&work.parts[i].slices);
    }
}
