/* Fetch sessions as KIP-227 has them: full and incremental fetches, epochs, forgotten partitions.
 */
#include "base/mem.h"
#include "handlers/errors.h"
#include "handlers/fetch_session.h"
#include "unit/test.h"

#define VERSION 12 /* the last one with topic names */

/* One connection and its requests. */
struct rig {
    struct settings *settings;
    struct broker broker;
    struct connection_state state;
    struct request request;
    struct fetch_turn turn;
};

static void
rig_init(struct rig *rig, const char *slots)
{
    *rig = (struct rig){ .settings = settings_new() };
    ASSERT_OK(
            settings_set(rig->settings, BYTES_LITERAL("max.incremental.fetch.session.cache.slots"),
                    bytes_of_string(slots), SETTING_FROM_FILE));
    rig->broker.settings = rig->settings;
    rig->request.broker = &rig->broker;
    rig->request.connection = &rig->state;
    rig->request.version = VERSION;
    arena_init(&rig->request.arena, 1 << 20);
}

static void
rig_done(struct rig *rig)
{
    fetch_session_free(rig->state.fetch_session);
    arena_done(&rig->request.arena);
    settings_free(rig->settings);
}

/* A fetch of partitions first .. first + count - 1 of "events". */
static int16_t
fetch(struct rig *rig, int32_t id, int32_t epoch, int32_t first, size_t count)
{
    struct fetch_request_partition partitions[16];
    struct fetch_request_topic topic = fetch_request_topic_default;
    struct fetch_request message = fetch_request_default;
    for (size_t i = 0; i < count; i++) {
        partitions[i] = fetch_request_partition_default;
        partitions[i].partition = first + (int32_t)i;
        partitions[i].fetch_offset = 100 + (int64_t)i;
        partitions[i].partition_max_bytes = 1 << 20;
    }
    if (rig->request.version < 13) {
        topic.topic = BYTES_LITERAL("events");
    } else {
        topic.topic_id.bytes[0] = 7;
    }
    topic.partitions = wire_array_of(partitions, count);
    message.session_id = id;
    message.session_epoch = epoch;
    message.topics = wire_array_of(&topic, count ? 1 : 0);
    return fetch_session_turn(&rig->request, &message, &rig->turn);
}

static int16_t
forget(struct rig *rig, int32_t id, int32_t epoch, const int32_t *indexes, size_t count)
{
    struct fetch_request_forgotten_topic topic = fetch_request_forgotten_topic_default;
    struct fetch_request message = fetch_request_default;
    topic.topic = BYTES_LITERAL("events");
    topic.partitions = wire_array_of(indexes, count);
    message.session_id = id;
    message.session_epoch = epoch;
    message.topics = wire_array_of(NULL, 0);
    message.forgotten_topics_data = wire_array_of(&topic, 1);
    return fetch_session_turn(&rig->request, &message, &rig->turn);
}

static bool
tell(struct rig *rig, size_t i, int16_t error, bool records, int64_t high_watermark)
{
    const struct fetch_news news = { error, records, high_watermark, 0 };
    return fetch_session_tell(&rig->request, rig->turn.asked[i].interest, &news);
}

FIBER_TEST(epoch_0_begins_a_session_and_epoch_1_goes_on_with_it)
{
    struct rig rig;
    rig_init(&rig, "1000");
    ASSERT_EQ(fetch(&rig, 0, 0, 0, 3), KAFKA_NONE);
    int32_t id = rig.turn.session_id;
    ASSERT(id > 0);
    ASSERT(!rig.turn.incremental);
    ASSERT_EQ(rig.turn.count, 3);
    /* Partition 1 moves on, 3 is new, the others are as they were. */
    ASSERT_EQ(fetch(&rig, id, 1, 1, 1), KAFKA_NONE);
    ASSERT(rig.turn.incremental);
    ASSERT_EQ(rig.turn.session_id, id);
    ASSERT_EQ(rig.turn.count, 3);
    ASSERT_EQ(rig.turn.asked[1].index, 1);
    ASSERT_EQ(rig.turn.asked[1].offset, 100);
    ASSERT_EQ(rig.turn.asked[2].offset, 102);
    ASSERT(bytes_equal(rig.turn.asked[2].topic, BYTES_LITERAL("events")));
    ASSERT_EQ(fetch(&rig, id, 2, 3, 1), KAFKA_NONE);
    ASSERT_EQ(rig.turn.count, 4);
    rig_done(&rig);
}

/* E1 */
FIBER_TEST(only_news_are_told_and_each_once)
{
    struct rig rig;
    rig_init(&rig, "1000");
    ASSERT_EQ(fetch(&rig, 0, 0, 0, 2), KAFKA_NONE);
    int32_t id = rig.turn.session_id;
    ASSERT(tell(&rig, 0, KAFKA_NONE, false, 5));
    ASSERT(tell(&rig, 1, KAFKA_NONE, false, 9));
    ASSERT_EQ(fetch(&rig, id, 1, 0, 0), KAFKA_NONE);
    ASSERT(!tell(&rig, 0, KAFKA_NONE, false, 5));
    ASSERT(tell(&rig, 1, KAFKA_NONE, false, 10));
    ASSERT(!tell(&rig, 1, KAFKA_NONE, false, 10));
    ASSERT(tell(&rig, 0, KAFKA_NONE, true, 5));
    /* An error is told each time, and its end is news. */
    ASSERT(tell(&rig, 1, KAFKA_NOT_LEADER_OR_FOLLOWER, false, 10));
    ASSERT(tell(&rig, 1, KAFKA_NOT_LEADER_OR_FOLLOWER, false, 10));
    ASSERT(tell(&rig, 1, KAFKA_NONE, false, 10));
    ASSERT(!tell(&rig, 1, KAFKA_NONE, false, 10));
    rig_done(&rig);
}

FIBER_TEST(who_had_records_is_asked_last_the_next_time)
{
    struct rig rig;
    rig_init(&rig, "1000");
    ASSERT_EQ(fetch(&rig, 0, 0, 0, 3), KAFKA_NONE);
    ASSERT(tell(&rig, 0, KAFKA_NONE, true, 5));
    ASSERT_EQ(fetch(&rig, rig.turn.session_id, 1, 0, 0), KAFKA_NONE);
    ASSERT_EQ(rig.turn.asked[0].index, 1);
    ASSERT_EQ(rig.turn.asked[1].index, 2);
    ASSERT_EQ(rig.turn.asked[2].index, 0);
    rig_done(&rig);
}

FIBER_TEST(wrong_ids_and_epochs_are_refused_and_change_nothing)
{
    struct rig rig;
    rig_init(&rig, "1000");
    ASSERT_EQ(fetch(&rig, 77, 1, 0, 1), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    ASSERT_EQ(fetch(&rig, 0, 0, 0, 2), KAFKA_NONE);
    int32_t id = rig.turn.session_id;
    ASSERT_EQ(fetch(&rig, id ^ 1, 1, 0, 0), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    ASSERT_EQ(fetch(&rig, id, 2, 0, 0), KAFKA_INVALID_FETCH_SESSION_EPOCH);
    rig.request.version = 13;
    ASSERT_EQ(fetch(&rig, id, 1, 0, 0), KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    rig.request.version = VERSION;
    ASSERT_EQ(fetch(&rig, id, 1, 0, 0), KAFKA_NONE);
    /* A repeated request. */
    ASSERT_EQ(fetch(&rig, id, 1, 0, 0), KAFKA_INVALID_FETCH_SESSION_EPOCH);
    rig_done(&rig);
}

FIBER_TEST(forgotten_partitions_go_and_an_empty_session_ends)
{
    struct rig rig;
    const int32_t one[] = { 1, 99 };
    const int32_t rest[] = { 0, 2 };
    rig_init(&rig, "1000");
    ASSERT_EQ(fetch(&rig, 0, 0, 0, 3), KAFKA_NONE);
    int32_t id = rig.turn.session_id;
    ASSERT_EQ(forget(&rig, id, 1, one, 2), KAFKA_NONE);
    ASSERT_EQ(rig.turn.count, 2);
    ASSERT_EQ(rig.turn.asked[1].index, 2);
    ASSERT_EQ(forget(&rig, id, 2, rest, 2), KAFKA_NONE);
    ASSERT_EQ(rig.turn.count, 0);
    ASSERT_EQ(rig.turn.session_id, 0);
    ASSERT_EQ(fetch(&rig, id, 3, 0, 1), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    rig_done(&rig);
}

FIBER_TEST(epoch_minus_1_ends_the_session_and_wants_none)
{
    struct rig rig;
    rig_init(&rig, "1000");
    ASSERT_EQ(fetch(&rig, 0, 0, 0, 1), KAFKA_NONE);
    int32_t id = rig.turn.session_id;
    ASSERT_EQ(fetch(&rig, id, -1, 0, 2), KAFKA_NONE);
    ASSERT_EQ(rig.turn.session_id, 0);
    ASSERT_EQ(rig.turn.count, 2);
    ASSERT(rig.turn.asked[0].interest == NULL);
    ASSERT_EQ(fetch(&rig, id, 1, 0, 1), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    /* librdkafka: no session at all. */
    ASSERT_EQ(fetch(&rig, 0, -1, 0, 2), KAFKA_NONE);
    ASSERT_EQ(rig.turn.session_id, 0);
    rig_done(&rig);
}

FIBER_TEST(where_there_is_no_room_fetches_go_without_a_session)
{
    struct rig full;
    struct rig other;
    rig_init(&full, "0");
    ASSERT_EQ(fetch(&full, 0, 0, 0, 1), KAFKA_NONE);
    ASSERT_EQ(full.turn.session_id, 0);
    ASSERT_EQ(full.turn.count, 1);
    rig_done(&full);
    rig_init(&full, "2");
    rig_init(&other, "2");                 /* one for each of two reactors */
    full.broker.settings = other.settings; /* two connections of one broker */
    other.request.broker = &full.broker;
    ASSERT_EQ(fetch(&full, 0, 0, 0, 1), KAFKA_NONE);
    ASSERT(full.turn.session_id > 0);
    ASSERT_EQ(fetch(&other, 0, 0, 0, 1), KAFKA_NONE);
    ASSERT_EQ(other.turn.session_id, 0);
    rig_done(&full);
    ASSERT_EQ(fetch(&other, 0, 0, 0, 1), KAFKA_NONE);
    ASSERT(other.turn.session_id > 0);
    /* Beginning anew on the same connection takes no further room. */
    ASSERT_EQ(fetch(&other, other.turn.session_id, 0, 0, 1), KAFKA_NONE);
    ASSERT(other.turn.session_id > 0);
    rig_done(&other);
}
