/* Appends: order, splitting, limits, back-pressure. */
#include "base/mark.h"
#include "base/mem.h"
#include "unit/broker/wal/support_wal.h"
#include "unit/test.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <string.h>

FIBER_TEST(what_was_acknowledged_is_replayed_in_order_after_a_crash) /* W1 */
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    for (size_t i = 0; i < 40; i++) {
        ASSERT_OK(wal_test_append(wal, i * 37));
    }
    ASSERT_EQ(wal_next_sequence(wal), 41);
    wal_test_abandon(wal);
    options.incarnation = 2;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT_EQ(seen->count, 40);
    ASSERT(!seen->wrong);
    for (size_t i = 0; i < 40; i++) {
        ASSERT_EQ(seen->records[i].sequence, i + 1);
        ASSERT_EQ(seen->records[i].size, i * 37);
        ASSERT(!seen->records[i].damaged);
    }
    ASSERT_EQ(seen->recovery.records, 40);
    ASSERT_EQ(seen->recovery.first_sequence, 1);
    ASSERT_EQ(seen->recovery.last_sequence, 40);
    ASSERT_EQ(seen->recovery.damaged_records, 0);
    ASSERT_EQ(seen->recovery.torn_bytes, 0);
}

FIBER_TEST(a_record_larger_than_a_segment_is_split_and_comes_back_whole)
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    uint64_t splits = mark_count("wal: record split");
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_OK(wal_test_append(wal, 1000));
    ASSERT_OK(wal_test_append(wal, 2 * TEST_SEGMENT));
    ASSERT_OK(wal_test_append(wal, 10));
    ASSERT(mark_count("wal: record split") > splits);
    ASSERT_OK(wal_close(wal));
    options.incarnation = 2;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT_EQ(seen->count, 3);
    ASSERT_EQ(seen->records[1].size, 2 * TEST_SEGMENT);
    ASSERT(!seen->wrong);
}

FIBER_TEST(a_record_that_can_never_fit_is_refused)
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_ERROR(wal_test_append(wal, 4 * TEST_SEGMENT), -EMSGSIZE);
    size_t largest = (size_t)wal->record_size_max;
    ASSERT_OK(wal_test_append(wal, largest));
    ASSERT_ERROR(wal_test_append(wal, largest + 1), -EMSGSIZE);
    ASSERT_EQ(wal_next_sequence(wal), 2);
    ASSERT_OK(wal_close(wal));
}

struct writer {
    struct wal *wal;
    size_t size;
    int count;
    int result;
    struct fiber *fiber;
};

static void
writer_run(void *arg)
{
    struct writer *writer = arg;
    for (int i = 0; i < writer->count && writer->result == 0; i++) {
        writer->result = wal_test_append(writer->wal, writer->size);
    }
}

FIBER_TEST(appends_of_many_fibers_share_groups)
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    options.capacity = 64 * TEST_SEGMENT;
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    struct writer writers[32];
    for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
        writers[i] = (struct writer){ .wal = wal, .size = 100 + i, .count = 20 };
        ASSERT_OK(fiber_spawn("writer", writer_run, &writers[i], &writers[i].fiber));
    }
    for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
        fiber_join(writers[i].fiber);
        ASSERT_EQ(writers[i].result, 0);
    }
    struct wal_stats stats;
    wal_stats_get(wal, &stats);
    ASSERT_EQ(stats.records, 640);
    ASSERT(stats.groups < 320);
    ASSERT(stats.group_bytes > stats.bytes);
    ASSERT_OK(wal_close(wal));
    options.incarnation = 2;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT_EQ(seen->count, 640);
    ASSERT(!seen->wrong);
}

FIBER_TEST(a_full_wal_makes_appends_wait_until_it_is_trimmed) /* W5 */
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    uint64_t waits = mark_count("wal: full, append waits");
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    struct writer writer = { .wal = wal, .size = 20000, .count = 30 };
    ASSERT_OK(fiber_spawn("writer", writer_run, &writer, &writer.fiber));
    for (int i = 0; i < 500 && mark_count("wal: full, append waits") == waits; i++) {
        ASSERT_OK(fiber_sleep_ns(2000000));
    }
    ASSERT(mark_count("wal: full, append waits") > waits);
    uint64_t stuck_at = wal_next_sequence(wal);
    ASSERT(stuck_at <= 13);
    ASSERT(wal_used(wal) > 2 * TEST_SEGMENT);
    ASSERT(wal_used(wal) <= wal_capacity(wal));
    ASSERT_OK(fiber_sleep_ns(20000000));
    ASSERT_EQ(wal_next_sequence(wal), stuck_at);
    while (wal_next_sequence(wal) < 31) {
        wal_trim(wal, wal_next_sequence(wal));
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    fiber_join(writer.fiber);
    ASSERT_EQ(writer.result, 0);
    struct wal_stats stats;
    wal_stats_get(wal, &stats);
    ASSERT(stats.full_waits > 0);
    ASSERT_EQ(stats.records, 30);
    wal_trim(wal, 31);
    ASSERT_EQ(wal_used(wal), 0);
    ASSERT_OK(wal_close(wal));
}

FIBER_TEST(a_fiber_that_waits_for_room_can_be_cancelled_and_nothing_was_appended) /* W5 */
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    struct writer writers[2];
    for (size_t i = 0; i < 2; i++) {
        writers[i] = (struct writer){ .wal = wal, .size = 20000, .count = 30 };
        ASSERT_OK(fiber_spawn("writer", writer_run, &writers[i], &writers[i].fiber));
    }
    while (wal->stats.full_waits < 2) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    ASSERT_OK(fiber_sleep_ns(20000000));
    uint64_t next = wal_next_sequence(wal);
    for (size_t i = 0; i < 2; i++) {
        fiber_cancel(writers[i].fiber);
        fiber_join(writers[i].fiber);
        ASSERT_EQ(writers[i].result, -ECANCELED);
    }
    ASSERT_EQ(wal_next_sequence(wal), next);
    ASSERT_OK(wal_close(wal));
}

static void
cancelled_writer_run(void *arg)
{
    struct writer *writer = arg;
    struct wal_append append;
    struct iovec part = { .iov_base = writer, .iov_len = 1 };
    writer->result = wal_append_begin(writer->wal, &part, 1, &append);
    if (writer->result == 0) {
        fiber_cancel(fiber_current());
        writer->result = wal_wait(writer->wal, &append);
        writer->count = append.done;
    }
}

FIBER_TEST(a_cancelled_fiber_still_waits_for_its_record) /* W1 */
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    struct writer writer = { .wal = wal };
    ASSERT_OK(fiber_spawn("writer", cancelled_writer_run, &writer, &writer.fiber));
    fiber_join(writer.fiber);
    ASSERT_EQ(writer.result, 0);
    ASSERT_EQ(writer.count, 1);
    ASSERT(mark_count("wal: cancelled append waits on") > 0);
    ASSERT_OK(wal_close(wal));
}

FIBER_TEST(more_bytes_than_the_queue_holds_wait_their_turn)
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    options.segment_size = 0;
    options.capacity = 3 * WAL_SEGMENT_SIZE;
    struct wal *wal = NULL;
    uint64_t waits = mark_count("wal: queue full, append waits");
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    struct buf *big = buf_new(20 * MIB);
    memset(big->data, 'x', big->capacity);
    struct iovec part = { .iov_base = big->data, .iov_len = 20 * MIB };
    struct wal_append appends[3];
    for (size_t i = 0; i < 3; i++) {
        ASSERT_OK(wal_append_begin(wal, &part, 1, &appends[i]));
        ASSERT_EQ(appends[i].sequence, i + 1);
    }
    ASSERT(mark_count("wal: queue full, append waits") > waits);
    for (size_t i = 0; i < 3; i++) {
        ASSERT_OK(wal_wait(wal, &appends[i]));
    }
    buf_unref(big);
    ASSERT_OK(wal_close(wal));
}

FIBER_TEST(more_appends_than_may_be_under_way_wait_their_turn)
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    options.segment_size = 4 * MIB;
    options.capacity = 4 * options.segment_size;
    struct wal *wal = NULL;
    uint64_t waits = mark_count("wal: too many appends under way");
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    CLEANUP(mem_freep)
    struct wal_append *appends = mem_alloc_array(WAL_WAITERS_MAX + 1, sizeof *appends);
    struct iovec part = { .iov_base = wal, .iov_len = 1 };
    for (size_t i = 0; i < WAL_WAITERS_MAX; i++) {
        ASSERT_OK(wal_append_begin(wal, &part, 1, &appends[i]));
    }
    ASSERT_EQ(mark_count("wal: too many appends under way"), waits);
    ASSERT_OK(wal_append_begin(wal, &part, 1, &appends[WAL_WAITERS_MAX]));
    ASSERT(mark_count("wal: too many appends under way") > waits);
    for (size_t i = 0; i <= WAL_WAITERS_MAX; i++) {
        ASSERT_EQ(appends[i].sequence, i + 1);
        ASSERT_OK(wal_wait(wal, &appends[i]));
    }
    ASSERT_OK(wal_close(wal));
}

FIBER_TEST(trimmed_segments_are_recycled_and_their_old_frames_never_come_back)
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    uint64_t recycled = mark_count("wal: segment recycled");
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    for (int i = 0; i < 60; i++) {
        ASSERT_OK(wal_test_append(wal, 9000));
        wal_trim(wal, wal_next_sequence(wal) - 3);
    }
    ASSERT(mark_count("wal: segment recycled") > recycled + 2);
    wal_test_abandon(wal);
    options.incarnation = 2;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT(seen->count >= 3);
    ASSERT(!seen->wrong);
    ASSERT_EQ(seen->recovery.last_sequence, 60);
    ASSERT_EQ(seen->recovery.damaged_records, 0);
    ASSERT_EQ(seen->recovery.torn_bytes, 0);
}
