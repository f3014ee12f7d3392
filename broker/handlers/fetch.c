/* Fetch: reads every partition on the reactor that owns it; when there is less than min_bytes,
 * waits on the partitions' high watermarks, not on a timer. Sessions (KIP-227) are not kept yet:
 * session id 0 in the answer says so. */
#include "wire/messages/fetch.h"

#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/fetch_readers.h"
#include "handlers/handlers.h"
#include "partition/shard.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "reactor/sync.h"

#include <errno.h>

struct fetch_wait {
    struct wait_queue queue;
    unsigned reactor;
    bool woken;
};

struct fetch_part {
    struct partition_watch watch; /* first: the watch function finds the part by it */
    struct fetch_wait *wait;
    struct partition_key key;
    unsigned reactor;
    bool refused;
    bool watching;
    int16_t error;
    int32_t index;
    int64_t offset;
    int32_t leader_epoch; /* the client's, -1: not said */
    size_t bytes_max;
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
    bool watch;    /* add watches before reading */
    size_t budget; /* bytes left of max_bytes */
    size_t bytes;  /* gathered */
    bool failed;   /* a partition has an error: answer at once */
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
    if (part->leader_epoch < 0 || part->leader_epoch == partition->epoch) {
        return KAFKA_NONE;
    }
    return part->leader_epoch < partition->epoch ? KAFKA_FENCED_LEADER_EPOCH
                                                 : KAFKA_UNKNOWN_LEADER_EPOCH;
}

static void
read_part(struct fetch_work *work, struct shard *shard, struct fetch_part *part)
{
    struct partition *partition = shard_find(shard, part->key);
    part->error =
            partition ? check_leader_epoch(part, partition) : (int16_t)KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (part->error) {
        work->failed = true;
        return;
    }
    if (work->watch && !part->watching) {
        part->watching = true;
        part->partition = partition;
        part->watch.fn = watch_fired;
        partition_hold(partition);
        partition_watch_add(partition, &part->watch);
    }
    partition_hold(partition);
    size_t bytes_max = MIN(part->bytes_max, work->budget);
    int r = bytes_max || work->bytes == 0 ? partition_read(shard, partition, part->offset,
                                                    bytes_max, part->reader, &part->slices)
                                          : 0;
    if (part->slices.bytes > work->budget && work->bytes > 0) {
        /* Only the first batch of an answer may exceed max_bytes. */
        slices_done(&part->slices);
        slices_init(&part->slices);
    }
    part->high_watermark = partition->high_watermark;
    part->log_start = partition_log_start(partition);
    partition_release(partition);
    if (r < 0) {
        part->error = kafka_error_of(r);
        work->failed = true;
        if (r != -ERANGE && r != -ENOENT) {
            LOG_WARN("fetch failed", LOG_INT("partition", part->index),
                    LOG_INT("offset", part->offset), LOG_FAULT(r));
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
        if (!part->refused && part->reactor == work->reactor && part->slices.count == 0) {
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
        if (part->watching && part->reactor == work->reactor) {
            partition_watch_remove(&part->watch);
            partition_release(part->partition);
            part->watching = false;
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

/* Reads until there are min_bytes, an error, or the deadline. */
static int
gather(struct fetch_work *work, const struct fetch_request *message, struct fetch_wait *wait)
{
    uint64_t deadline = clock_mono_ns() + (uint64_t)MAX(message->max_wait_ms, 0) * NS_PER_MS;
    int r = on_each_reactor(work, read_here);
    while (r == 0 && !work->failed && work->bytes < (size_t)MAX(message->min_bytes, 0) &&
            work->budget > 0) {
        if (!work->watch) {
            if (message->max_wait_ms <= 0) {
                break;
            }
            work->watch =
                    true; /* and read again: something may have come before the watch was there */
            r = on_each_reactor(work, read_here);
            continue;
        }
        if (!wait->woken) {
            r = wait_queue_wait(&wait->queue, deadline);
            if (r < 0) {
                r = r == -ETIMEDOUT ? 0 : r;
                break;
            }
        }
        wait->woken = false;
        r = on_each_reactor(work, read_here);
    }
    if (work->watch) {
        int unwatched = on_each_reactor(work, unwatch_here);
        r = r < 0 ? r : unwatched;
    }
    return r;
}

static void
route(struct request *request, const struct fetch_request_topic *topic,
        const struct fetch_request_partition *asked, struct fetch_part *part)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    const struct meta_topic *found = request->version >= 13
                                             ? meta_topic_by_id(state, &topic->topic_id)
                                             : meta_topic_by_name(state, topic->topic);
    *part = (struct fetch_part){
        .index = asked->partition,
        .offset = asked->fetch_offset,
        .leader_epoch = asked->current_leader_epoch,
        .bytes_max = (size_t)MAX(asked->partition_max_bytes, 0),
        .high_watermark = -1,
        .log_start = -1,
    };
    slices_init(&part->slices);
    list_init(&part->watch.link);
    if (!found || asked->partition < 0 || asked->partition >= found->partition_count) {
        part->refused = true;
        part->error =
                request->version >= 13 ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    part->key = (struct partition_key){ found->id, asked->partition };
    part->reactor = partition_reactor(part->key);
    part->reader = fetch_readers_get(request->connection, part->key);
}

static void
route_all(struct request *request, const struct fetch_request *message, struct fetch_work *work,
        struct fetch_wait *wait)
{
    struct wire_iterator topics = wire_iterate(&message->topics);
    struct fetch_request_topic topic;
    while (fetch_request_topic_next(&topics, &topic)) {
        work->count += (size_t)MAX(topic.partitions.count, 0);
    }
    work->parts = request_alloc(request, work->count, sizeof *work->parts);
    size_t n = 0;
    topics = wire_iterate(&message->topics);
    while (fetch_request_topic_next(&topics, &topic)) {
        struct wire_iterator it = wire_iterate(&topic.partitions);
        struct fetch_request_partition asked;
        while (fetch_request_partition_next(&it, &asked)) {
            route(request, &topic, &asked, &work->parts[n]);
            work->parts[n].wait = wait;
            work->failed |= work->parts[n].refused;
            n++;
        }
    }
}

static void
fill_partition(const struct fetch_part *part, struct fetch_response_partition_data *out)
{
    *out = fetch_response_partition_data_default;
    out->partition_index = part->index;
    out->error_code = part->error;
    out->high_watermark = part->high_watermark;
    out->last_stable_offset = part->high_watermark;
    out->log_start_offset = part->log_start;
    out->aborted_transactions = WIRE_ARRAY_NULL;
    out->records.slices = part->slices.items;
    out->records.slice_count = (int32_t)part->slices.count;
    if (part->slices.count == 0) {
        out->records.bytes = BYTES_LITERAL("");
    }
}

static void
reply(struct request *request, const struct fetch_request *message, const struct fetch_work *work)
{
    struct fetch_response response = fetch_response_default;
    size_t topic_count = (size_t)MAX(message->topics.count, 0);
    struct fetch_response_fetchable_topic *topics =
            request_alloc(request, topic_count, sizeof *topics);
    size_t t = 0;
    size_t n = 0;
    struct wire_iterator it = wire_iterate(&message->topics);
    struct fetch_request_topic topic;
    while (fetch_request_topic_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partitions.count, 0);
        struct fetch_response_partition_data *out = request_alloc(request, count, sizeof *out);
        for (size_t i = 0; i < count; i++) {
            fill_partition(&work->parts[n++], &out[i]);
        }
        topics[t++] = (struct fetch_response_fetchable_topic){ topic.topic, topic.topic_id,
            wire_array_of(out, count) };
    }
    response.responses = wire_array_of(topics, t);
    request_reply(request, &response);
}

void
handle_fetch(struct request *request)
{
    struct fetch_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    if (message.session_id != 0 && message.session_epoch > 0) {
        struct fetch_response response = fetch_response_default;
        response.error_code = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
        request_reply(request, &response);
        return;
    }
    struct fetch_wait wait = { .reactor = reactor_index() };
    struct fetch_work work = { .broker = request->broker };
    size_t fetch_max = (size_t)settings_int(request->broker->settings, "fetch.max.bytes");
    work.budget = MIN((size_t)MAX(message.max_bytes, 0), fetch_max);
    wait_queue_init(&wait.queue);
    route_all(request, &message, &work, &wait);
    int r = gather(&work, &message, &wait);
    if (r < 0) {
        request->close = true; /* the broker is stopping */
    } else {
        reply(request, &message, &work);
    }
    for (size_t i = 0; i < work.count; i++) {
        slices_done(&work.parts[i].slices);
    }
}
