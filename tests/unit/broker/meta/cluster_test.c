/* Several brokers over one store, in one process: joining, proposing through the controller,
 * leases, and the controller's end. */
#include "base/mark.h"
#include "base/mem.h"
#include "meta/meta.h"
#include "meta/meta_internal.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "reactor/sim.h"
#include "reactor/tcp.h"
#include "support_cluster.h"
#include "support_records.h"
#include "support_sim.h"
#include "unit/test.h"

#include <errno.h>

static struct objectstore *
open_memory(void)
{
    struct objectstore *objects = NULL;
    memory_store_forget("cluster-test");
    return objectstore_open("memory://cluster-test", &objects) ? NULL : objects;
}

static int
create_topic(struct meta *meta, uint32_t n)
{
    struct meta_record topic = test_topic(n, 3);
    return meta_propose_one(meta, &topic, NULL);
}

static bool
has_topic(const struct meta *meta, uint32_t n)
{
    struct uuid id = test_uuid(n);
    return meta_topic_by_id(meta_state(meta), &id) != NULL;
}

static bool
is_alive(const struct meta *meta, int32_t id)
{
    const struct meta_broker *broker = meta_broker_find(meta_state(meta), id);
    return broker && broker->alive;
}

FIBER_TEST(a_second_broker_joins_follows_and_proposes)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    ASSERT(first && meta_is_controller(first));
    ASSERT_OK(create_topic(first, 5));
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(second && !meta_is_controller(second));
    ASSERT(meta_lease_is_valid(second));
    ASSERT(has_topic(second, 5));
    ASSERT(is_alive(first, 2) && is_alive(second, 1));
    ASSERT(meta_broker_epoch(second) > meta_broker_epoch(first));
    /* Both ways; a proposer reads its own write. */
    ASSERT_OK(create_topic(second, 6));
    ASSERT(has_topic(second, 6) && has_topic(first, 6));
    ASSERT_ERROR(create_topic(second, 6), -EEXIST);
    ASSERT_OK(create_topic(first, 7));
    ASSERT(EVENTUALLY(has_topic(second, 7)));
    struct meta_result result;
    struct meta_record intent = test_intent(2, meta_broker_epoch(second), 10);
    ASSERT_OK(meta_propose_one(second, &intent, &result));
    ASSERT(result.first_id > 0);
    /* A lease lasts as long as it is renewed. */
    ASSERT_OK(fiber_sleep_ns(2 * LEASE));
    ASSERT(meta_lease_is_valid(second) && is_alive(first, 2));
    ASSERT_OK(meta_stop(second));
    ASSERT(!is_alive(first, 2));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

/* C1 */
FIBER_TEST(an_id_in_use_is_refused)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(first && second);
    struct meta_options options = cluster_options(objects, 2);
    struct meta *third;
    ASSERT_ERROR(meta_start(&options, &third), -EBUSY);
    ASSERT(strstr(test_fault(-EBUSY), "broker id 2 is in use"));
    ASSERT(mark_count("server: an id is in use") > 0);
    options.broker_id = 1;
    ASSERT_ERROR(meta_start(&options, &third), -EBUSY);
    ASSERT(strstr(test_fault(-EBUSY), "broker id 1 is in use"));
    ASSERT(meta_lease_is_valid(first) && meta_lease_is_valid(second));
    /* The same volume proves the death of who had the id. */
    options.broker_id = 2;
    options.former_holder = meta_writer(second);
    ASSERT_OK(meta_start(&options, &third));
    ASSERT(meta_broker_epoch(third) > meta_broker_epoch(second));
    meta_free(second);
    ASSERT_OK(meta_stop(third));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

/* M2, M4, C5 */
FIBER_TEST(a_follower_takes_over_when_the_controller_is_gone)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    struct meta *second = cluster_broker(objects, 2);
    struct meta *third = cluster_broker(objects, 3);
    ASSERT(first && second && third);
    ASSERT_OK(create_topic(third, 5));
    int64_t epoch = meta_broker_epoch(third);
    meta_free(first); /* as a kill: says nothing to anybody */
    uint64_t began = clock_mono_ns();
    ASSERT_OK(create_topic(third, 6));
    ASSERT(clock_mono_ns() - began > LEASE / 2);
    ASSERT(meta_is_controller(second) != meta_is_controller(third));
    ASSERT(mark_count("follower: becomes the controller") > 0);
    ASSERT(EVENTUALLY(has_topic(second, 6)));
    ASSERT(EVENTUALLY(meta_lease_is_valid(second) && meta_lease_is_valid(third)));
    ASSERT_EQ(meta_broker_epoch(third), epoch);
    ASSERT(EVENTUALLY(!is_alive(second, 1)));
    ASSERT(is_alive(second, 2) && is_alive(second, 3));
    ASSERT_OK(create_topic(second, 7));
    ASSERT(EVENTUALLY(has_topic(third, 7)));
    ASSERT(!meta_is_fenced(second) && !meta_is_fenced(third));
    ASSERT_OK(meta_stop(second));
    ASSERT_OK(create_topic(third, 8));
    ASSERT_OK(meta_stop(third));
    objectstore_close(objects);
}

/* M2: its kernel goes on taking connections, and it says nothing. */
SIM_TEST(a_controller_that_stands_still_is_replaced)
{
    struct objectstore *objects = open_memory();
    struct meta *first = cluster_broker(objects, 1);
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(first && second);
    uint16_t port = meta_internal_port(first);
    meta_free(first);
    struct listener *listener;
    ASSERT_OK(tcp_listen("127.0.0.1", port, &listener));
    uint64_t began_ns = clock_mono_ns();
    ASSERT(EVENTUALLY(meta_is_controller(second)));
    /* One to miss it, five quarters to be sure, one that was wasted. */
    ASSERT(clock_mono_ns() - began_ns < 4 * LEASE);
    listener_close(listener);
    ASSERT_OK(meta_stop(second));
    objectstore_close(objects);
}

/* C3: all stand still for longer than their leases, the controller too: nobody was silent. */
SIM_TEST(silence_that_the_controller_could_not_hear_does_not_count)
{
    struct objectstore *objects = open_memory();
    struct meta *first = cluster_broker(objects, 1);
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(first && second);
    int64_t epoch = meta_broker_epoch(second);
    uint64_t before = mark_count("members: silence that was not heard does not count");
    sim_host_pause(sim_host(sim_current(), "local"), 3 * LEASE);
    ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    ASSERT(EVENTUALLY(meta_lease_is_valid(first) && meta_lease_is_valid(second)));
    ASSERT_OK(fiber_sleep_ns(2 * LEASE));
    ASSERT(mark_count("members: silence that was not heard does not count") > before);
    ASSERT(is_alive(first, 2) && meta_lease_is_valid(second));
    ASSERT_EQ(meta_broker_epoch(second), epoch);
    ASSERT(meta_is_controller(first));
    ASSERT_OK(meta_stop(second));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

/* C3: the third broker has a lease of the first controller, which had a longer one to give. */
SIM_TEST(a_controller_with_a_shorter_lease_waits_for_those_that_the_former_one_granted)
{
    struct objectstore *objects = open_memory();
    struct meta_options options = cluster_options(objects, 1);
    struct meta *first;
    options.lease_ns = 10 * LEASE;
    ASSERT_OK(meta_start(&options, &first));
    struct meta *second = cluster_broker(objects, 2);
    struct meta *third = cluster_broker(objects, 3);
    ASSERT(second && third && meta_lease_is_valid(third));
    uint64_t granted_ns = clock_boot_ns() + 10 * LEASE - 10 * LEASE / 8;
    meta_free(third); /* as if it were cut off: nobody hears it again */
    ASSERT_OK(meta_stop(first));
    ASSERT(EVENTUALLY(meta_is_controller(second)));
    ASSERT(clock_boot_ns() < granted_ns);
    while (clock_boot_ns() < granted_ns) {
        ASSERT(is_alive(second, 3));
        ASSERT_OK(fiber_sleep_ns(LEASE / 4));
    }
    ASSERT(EVENTUALLY(!is_alive(second, 3)));
    ASSERT_OK(meta_stop(second));
    objectstore_close(objects);
}

/* C2, C3 */
FIBER_TEST(a_silent_broker_is_declared_dead_and_stays_so)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(first && second);
    int64_t epoch = meta_broker_epoch(second);
    meta_free(second);
    ASSERT(is_alive(first, 2));
    ASSERT(EVENTUALLY(!is_alive(first, 2)));
    ASSERT_EQ(meta_broker_find(meta_state(first), 2)->epoch, epoch);
    ASSERT(mark_count("members: a silent broker is declared dead") > 0);
    /* A new incarnation is welcome. */
    second = cluster_broker(objects, 2);
    ASSERT(second);
    ASSERT(is_alive(first, 2));
    ASSERT_OK(meta_stop(second));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

/* C2 */
FIBER_TEST(a_broker_that_hears_of_its_own_death_ends)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(first && second);
    const struct meta_record gone = { .type = META_BROKER_GONE,
        .broker_gone = { 2, meta_broker_epoch(second), false } };
    ASSERT_OK(meta_propose_one(first, &gone, NULL));
    ASSERT(EVENTUALLY(meta_is_fenced(second)));
    ASSERT(!meta_lease_is_valid(second));
    ASSERT(mark_count("follower: hears of its own death") > 0);
    ASSERT_ERROR(create_topic(second, 5), -ESTALE);
    meta_free(second);
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

/* --- the controller's side, spoken to by hand --- */

struct talk {
    struct stream *stream;
    struct buf *frame;
    struct peer_message answer;
};

static int
talk_say(struct talk *talk, const struct peer_message *message)
{
    return peer_write(talk->stream, message, clock_mono_ns() + 5 * (uint64_t)NS_PER_S);
}

/* The next message of that type. */
static int
talk_hear(struct talk *talk, enum peer_type type)
{
    int r = 0;
    do {
        talk->frame = buf_unref(talk->frame);
        r = peer_read(talk->stream, INTERNAL_FRAME_SIZE_MAX,
                clock_mono_ns() + 5 * (uint64_t)NS_PER_S, &talk->frame, &talk->answer);
    } while (r == 0 && talk->answer.type != type);
    return r;
}

static int
talk_hello(struct talk *talk, const struct meta *controller, int64_t epoch, uint64_t next)
{
    struct meta_record record = test_broker(7, 0);
    CLEANUP(strbuf_done) struct strbuf registration;
    record.broker.incarnation = test_uuid(70);
    strbuf_init(&registration, INTERNAL_HELLO_SIZE_MAX);
    int r = meta_record_encode(&record, &registration);
    const struct peer_message hello = { .type = PEER_HELLO,
        .hello = { .cluster_id = meta_cluster_id(controller),
                .broker_epoch = epoch,
                .next_sequence = next,
                .registration = strbuf_bytes(&registration) } };
    *talk = (struct talk){ 0 };
    r = r ? r
          : tcp_connect("127.0.0.1", meta_internal_port(controller),
                    clock_mono_ns() + 5 * (uint64_t)NS_PER_S, &talk->stream);
    return r ? r : talk_say(talk, &hello);
}

static void
talk_end(struct talk *talk)
{
    buf_unref(talk->frame);
    stream_close(talk->stream);
}

/* C5 */
FIBER_TEST(a_proposal_that_is_handed_in_twice_happens_once)
{
    struct objectstore *objects = open_memory();
    struct talk talk;
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    ASSERT(first);
    ASSERT_OK(talk_hello(&talk, first, 0, 1));
    ASSERT_OK(talk_hear(&talk, PEER_WELCOME));
    ASSERT_EQ(talk.answer.welcome.accepted, 0);
    int64_t epoch = talk.answer.welcome.broker_epoch;
    const struct meta_record intent = test_intent(7, epoch, 10);
    struct strbuf records;
    strbuf_init(&records, META_RECORD_SIZE_MAX);
    ASSERT_OK(meta_record_encode(&intent, &records));
    const struct peer_message propose = { .type = PEER_PROPOSE,
        .propose = { 1, 1, strbuf_bytes(&records) } };
    uint64_t before = meta_state_next_object_id(meta_state(first));
    ASSERT_OK(talk_say(&talk, &propose));
    ASSERT_OK(talk_say(&talk, &propose));
    talk_end(&talk);
    ASSERT_OK(talk_hello(&talk, first, epoch, 1));
    ASSERT_OK(talk_hear(&talk, PEER_WELCOME));
    ASSERT_EQ(talk.answer.welcome.accepted, 1);
    ASSERT_OK(talk_say(&talk, &propose));
    const struct peer_message heartbeat = { .type = PEER_HEARTBEAT, .number = 1 };
    ASSERT_OK(talk_say(&talk, &heartbeat));
    ASSERT_OK(talk_hear(&talk, PEER_LEASE));
    ASSERT(EVENTUALLY(meta_state_next_object_id(meta_state(first)) == before + 10));
    ASSERT(mark_count("server: a proposal was handed in before") >= 2);
    /* Nobody else stumbles over what is damaged. */
    const struct peer_message damaged = { .type = PEER_PROPOSE,
        .propose = { 2, 2, strbuf_bytes(&records) } };
    ASSERT_OK(talk_say(&talk, &damaged));
    ASSERT_ERROR(talk_hear(&talk, PEER_WELCOME), -ECONNRESET);
    ASSERT_OK(create_topic(first, 5));
    talk_end(&talk);
    strbuf_done(&records);
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

/* C2, C4 */
FIBER_TEST(the_dead_are_refused_and_those_behind_are_sent_to_the_bucket)
{
    struct objectstore *objects = open_memory();
    struct talk talk;
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    ASSERT(first);
    ASSERT_OK(talk_hello(&talk, first, 0, 1));
    ASSERT_OK(talk_hear(&talk, PEER_WELCOME));
    int64_t epoch = talk.answer.welcome.broker_epoch;
    ASSERT_OK(talk_hear(&talk, PEER_LOG));
    talk_end(&talk);
    ASSERT(EVENTUALLY(!is_alive(first, 7)));
    ASSERT_OK(talk_hello(&talk, first, epoch, 1));
    ASSERT_OK(talk_hear(&talk, PEER_REFUSED));
    ASSERT_EQ(talk.answer.refused.error, ESTALE);
    ASSERT(mark_count("server: a broker that was declared dead comes back") > 0);
    talk_end(&talk);
    ASSERT_OK(meta_stop(first));
    first = cluster_broker(objects, 1);
    ASSERT(first);
    ASSERT_OK(talk_hello(&talk, first, 0, 1));
    ASSERT_OK(talk_hear(&talk, PEER_BEHIND));
    ASSERT(talk.answer.number > 1);
    ASSERT(mark_count("server: a follower is behind what is kept") > 0);
    talk_end(&talk);
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

/* M5: what stopped clean is opened elsewhere; what died is not. */
FIBER_TEST(partitions_of_a_broker_that_stopped_clean_find_a_home)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(first && second);
    ASSERT_OK(create_topic(first, 5));
    for (int32_t i = 0; i < 3; i++) {
        struct meta_record open = test_open(5, i, 1, meta_broker_epoch(first));
        ASSERT_OK(meta_propose_one(first, &open, NULL));
    }
    struct meta_record drain = { .type = META_BROKER_STATE,
        .broker_state = { 1, META_BROKER_DRAINING } };
    ASSERT_OK(meta_propose_one(second, &drain, NULL));
    ASSERT(EVENTUALLY(meta_partition_find(meta_state(second), test_key(5, 2))->target == 2));
    ASSERT_OK(meta_stop(first));
    ASSERT(EVENTUALLY(meta_partition_find(meta_state(second), test_key(5, 2))->owner == 2));
    ASSERT(EVENTUALLY(meta_partition_find(meta_state(second), test_key(5, 0))->owner_broker_epoch ==
                      meta_broker_epoch(second)));
    ASSERT(meta_is_controller(second));
    ASSERT_OK(meta_stop(second));
    objectstore_close(objects);
}

/* M5, C6: a broker that drained and stopped is forgotten, and its id is like new. */
FIBER_TEST(a_broker_that_is_gone_is_unregistered)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(first && second);
    int64_t epoch = meta_broker_epoch(second);
    int refusal = 0;
    ASSERT_OK(meta_unregister(first, 2, -1, &refusal));
    ASSERT_EQ(refusal, -EBUSY);
    ASSERT_OK(meta_unregister(second, 7, -1, &refusal));
    ASSERT_EQ(refusal, -ENOENT);
    ASSERT_OK(meta_stop(second));
    ASSERT_OK(meta_unregister(first, 2, epoch + 1, &refusal));
    ASSERT_EQ(refusal, -ESTALE);
    ASSERT_OK(meta_unregister(first, 2, epoch, &refusal));
    ASSERT_EQ(refusal, 0);
    ASSERT(!meta_broker_find(meta_state(first), 2));
    ASSERT_OK(meta_unregister(first, 2, epoch, &refusal));
    ASSERT_EQ(refusal, -ENOENT);
    second = cluster_broker(objects, 2);
    ASSERT(second);
    ASSERT(meta_broker_epoch(second) > epoch);
    ASSERT_OK(fiber_sleep_ns(2 * LEASE));
    ASSERT(meta_lease_is_valid(second) && is_alive(first, 2));
    ASSERT_OK(meta_stop(second));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

static void
report(struct meta *meta, struct partition_key key, uint64_t bytes)
{
    const struct meta_partition_load partition = { key, bytes, bytes };
    const struct meta_load load = { bytes, bytes, &partition, 1 };
    meta_report_load(meta, &load);
}

static size_t
wishes_for(const struct meta *meta, uint32_t topic, int32_t broker)
{
    size_t count = 0;
    for (int32_t i = 0; i < 3; i++) {
        count += meta_partition_find(meta_state(meta), test_key(topic, i))->target == broker;
    }
    return count;
}

/* B2 to B4 of balance.h, from the reports to the log. */
FIBER_TEST(the_balancer_wishes_partitions_to_a_broker_once_that_reports)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(first && second);
    const struct balancer_options options = { true, 20, 100 };
    meta_balancer_configure(first, &options);
    ASSERT_OK(create_topic(first, 5));
    for (int32_t i = 0; i < 3; i++) {
        struct meta_record open = test_open(5, i, 1, meta_broker_epoch(first));
        ASSERT_OK(meta_propose_one(first, &open, NULL));
    }
    struct balancer_view view;
    report(first, test_key(5, 0), 1000);
    ASSERT_OK(fiber_sleep_ns(LEASE));
    meta_balancer_view(first, &view);
    ASSERT_EQ(view.state, BALANCER_WAITING);
    ASSERT_EQ(wishes_for(first, 5, 2), 0);
    uint64_t in, out, age_ms;
    ASSERT(!meta_broker_load(first, 2, &in, &out, &age_ms));
    meta_balancer_view(second, &view);
    ASSERT_EQ(view.state, BALANCER_ELSEWHERE);
    /* Somebody else's wish counts, and its partition is left alone. */
    uint64_t left = mark_count("balancer: leaves alone what somebody has placed");
    struct meta_record stay = { .type = META_MOVE, .move = { test_key(5, 2), 1 } };
    ASSERT_OK(meta_propose_one(second, &stay, NULL));
    ASSERT_EQ(mark_count("balancer: leaves alone what somebody has placed"), left + 1);
    report(first, test_key(5, 0), 1000);
    report(second, test_key(5, 0), 0);
    ASSERT(EVENTUALLY(wishes_for(first, 5, 2) == 1));
    ASSERT_EQ(meta_partition_find(meta_state(first), test_key(5, 2))->target, -1);
    ASSERT(meta_broker_load(first, 1, &in, &out, &age_ms));
    ASSERT_EQ(in, 1000);
    meta_balancer_view(first, &view);
    ASSERT_EQ(view.state, BALANCER_MOVING);
    ASSERT_EQ(view.moves, 1);
    ASSERT_EQ(view.shown, 1);
    ASSERT_EQ(view.shown_moves[0].to, 2);
    ASSERT_EQ(view.shown_moves[0].reason, BALANCE_COUNT);
    ASSERT_OK(meta_stop(second));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}

static bool
is_waiting_for_news(const struct meta *meta)
{
    struct balancer_view view;
    meta_balancer_view(meta, &view);
    return view.state == BALANCER_WAITING && strstr(view.reason, "3 has registered a moment ago");
}

/* B5: by the balancer and by placement. */
FIBER_TEST(a_broker_that_has_just_registered_gets_nothing_while_others_take_it)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta *first = cluster_broker(objects, 1);
    ASSERT(first);
    const struct balancer_options options = { true, 20, 100, 2 * LEASE };
    meta_balancer_configure(first, &options);
    struct meta *second = cluster_broker(objects, 2);
    ASSERT(second);
    ASSERT_OK(fiber_sleep_ns(2 * LEASE));
    struct meta *third = cluster_broker(objects, 3);
    ASSERT(third);
    ASSERT_OK(create_topic(first, 5));
    for (int32_t i = 0; i < 3; i++) {
        struct meta_record open = test_open(5, i, 1, meta_broker_epoch(first));
        ASSERT_OK(meta_propose_one(first, &open, NULL));
    }
    const struct meta_record stops = { .type = META_BROKER_STATE,
        .broker_state = { 1, META_BROKER_STOPPING } };
    ASSERT_OK(meta_propose_one(first, &stops, NULL));
    ASSERT(EVENTUALLY(wishes_for(first, 5, 2) == 3));
    const struct meta_record serves = { .type = META_BROKER_STATE,
        .broker_state = { 1, META_BROKER_OPEN } };
    ASSERT_OK(meta_propose_one(first, &serves, NULL));
    report(first, test_key(5, 0), 0);
    report(second, test_key(5, 0), 0);
    report(third, test_key(5, 0), 0);
    ASSERT(EVENTUALLY(is_waiting_for_news(first)));
    ASSERT_EQ(wishes_for(first, 5, 3), 0);
    /* Where nobody else is, a young one is better than none. */
    const struct meta_record cordon = { .type = META_BROKER_STATE,
        .broker_state = { 2, META_BROKER_STOPPING } };
    ASSERT_OK(meta_propose_one(first, &cordon, NULL));
    ASSERT_OK(meta_propose_one(first, &stops, NULL));
    ASSERT(EVENTUALLY(wishes_for(first, 5, 3) == 3));
    ASSERT_OK(meta_stop(third));
    ASSERT_OK(meta_stop(second));
    ASSERT_OK(meta_stop(first));
    objectstore_close(objects);
}
