/* Recovery: torn tails are cut, damage is reported, nothing is dropped silently (W3). */
#include "base/mark.h"
#include "base/mem.h"
#include "unit/broker/wal/support_wal.h"
#include "unit/test.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RECORDS 10
#define RECORD_SIZE 500

/* A log of RECORDS records, one per group, left as by a crash before the evidence could follow. */
struct crashed {
    const char *folder;
    struct wal_options options;
    uint64_t positions[RECORDS + 1]; /* by sequence */
    struct wal_test_seen *seen;
};

static void
crashed_done(struct crashed *crashed)
{
    mem_free(crashed->seen);
}

MUST_CHECK static int
crashed_make(struct crashed *crashed)
{
    *crashed = (struct crashed){ .folder = test_directory(), .seen = wal_test_seen_new() };
    crashed->options = wal_test_options(crashed->folder, 1);
    struct wal *wal = NULL;
    int r = wal_test_begin(&crashed->options, NULL, &wal);
    if (r < 0) {
        return r;
    }
    struct buf *evidence = wal_test_read(crashed->folder, "evidence");
    for (uint64_t sequence = 1; sequence <= RECORDS && r == 0; sequence++) {
        crashed->positions[sequence] = wal_tail(wal);
        if (crashed->positions[sequence] % TEST_SEGMENT == 0) {
            crashed->positions[sequence] += WAL_BLOCK;
        }
        r = wal_test_append(wal, RECORD_SIZE);
    }
    wal_test_abandon(wal);
    if (r == 0) {
        r = wal_test_write(crashed->folder, "evidence", buf_bytes(evidence));
    }
    buf_unref(evidence);
    crashed->options.incarnation = 2;
    return r;
}

static uint64_t
offset_of(const struct crashed *crashed, uint64_t sequence)
{
    return crashed->positions[sequence] % TEST_SEGMENT;
}

#define SEGMENT_1 "segment-0000000000000001"

FIBER_TEST(a_torn_last_group_is_cut_and_stays_cut_when_its_bytes_come_back) /* W3 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    uint64_t marks = mark_count("wal: torn tail cut");
    uint64_t offset = offset_of(&crashed, RECORDS) + WAL_FRAME_HEADER + 100;
    ASSERT_OK(wal_test_flip(crashed.folder, SEGMENT_1, offset, 0x10));
    ASSERT_OK(wal_test_look(&crashed.options, crashed.seen));
    ASSERT_EQ(crashed.seen->recovery.records, RECORDS - 1);
    ASSERT_EQ(crashed.seen->recovery.damaged_records, 0);
    /* From the end of the record before it, whose group was padded, to the end of this one. */
    ASSERT_EQ(crashed.seen->recovery.torn_bytes, WAL_BLOCK);
    ASSERT_EQ(mark_count("wal: torn tail cut"), marks + 1);
    /* The write lands after all, behind the marker. */
    ASSERT_OK(wal_test_flip(crashed.folder, SEGMENT_1, offset, 0x10));
    crashed.options.incarnation = 3;
    crashed.seen->count = 0;
    ASSERT_OK(wal_test_look(&crashed.options, crashed.seen));
    ASSERT_EQ(crashed.seen->recovery.records, RECORDS - 1);
    ASSERT_EQ(crashed.seen->recovery.damaged_records, 0);
}

FIBER_TEST(a_cut_log_that_loses_one_more_record_is_damaged) /* W3 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    ASSERT_OK(wal_test_zero(crashed.folder, SEGMENT_1, offset_of(&crashed, RECORDS), WAL_BLOCK));
    ASSERT_OK(wal_test_look(&crashed.options, crashed.seen));
    ASSERT_EQ(crashed.seen->recovery.records, RECORDS - 1);
    ASSERT_OK(
            wal_test_zero(crashed.folder, SEGMENT_1, offset_of(&crashed, RECORDS - 1), WAL_BLOCK));
    crashed.options.incarnation = 3;
    crashed.seen->count = 0;
    ASSERT_OK(wal_test_look(&crashed.options, crashed.seen));
    ASSERT_EQ(crashed.seen->recovery.records, RECORDS - 2);
    ASSERT_EQ(crashed.seen->recovery.damaged_records, 1);
    ASSERT_EQ(crashed.seen->recovery.torn_bytes, 0);
}

static void
expect_damage(struct crashed *crashed, uint64_t first, uint64_t last)
{
    ASSERT_OK(wal_test_look(&crashed->options, crashed->seen));
    ASSERT(!crashed->seen->wrong);
    ASSERT_EQ(crashed->seen->recovery.damaged_records, last - first + 1);
    ASSERT_EQ(crashed->seen->recovery.records, RECORDS - (last - first + 1));
    ASSERT_EQ(crashed->seen->count, RECORDS - (last - first));
    ASSERT(crashed->seen->records[first - 1].damaged);
    ASSERT_EQ(crashed->seen->records[first - 1].sequence, first);
    ASSERT_EQ(crashed->seen->recovery.first_sequence, 1);
    ASSERT_EQ(crashed->seen->recovery.last_sequence, RECORDS);
}

FIBER_TEST(a_bad_body_in_the_middle_is_damage_and_the_rest_is_delivered) /* W3 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    ASSERT_OK(
            wal_test_flip(crashed.folder, SEGMENT_1, offset_of(&crashed, 5) + WAL_FRAME_HEADER, 1));
    expect_damage(&crashed, 5, 5);
}

FIBER_TEST(a_bad_header_in_the_middle_is_damage_and_the_rest_is_delivered) /* W3 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    ASSERT_OK(wal_test_flip(crashed.folder, SEGMENT_1, offset_of(&crashed, 5) + 61, 0x80));
    expect_damage(&crashed, 5, 5);
}

FIBER_TEST(a_lost_range_at_the_front_is_damage) /* W3 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    ASSERT_OK(wal_test_zero(crashed.folder, SEGMENT_1, offset_of(&crashed, 1), 3 * WAL_BLOCK));
    expect_damage(&crashed, 1, 3);
}

FIBER_TEST(a_group_that_was_written_to_the_wrong_place_is_damage_there_and_here) /* W3 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    CLEANUP(buf_unrefp) struct buf *segment = wal_test_read(crashed.folder, SEGMENT_1);
    memcpy(segment->data + offset_of(&crashed, 3), segment->data + offset_of(&crashed, 6),
            WAL_BLOCK);
    memset(segment->data + offset_of(&crashed, 6), 0, WAL_BLOCK);
    ASSERT_OK(wal_test_write(crashed.folder, SEGMENT_1, buf_bytes(segment)));
    ASSERT_OK(wal_test_look(&crashed.options, crashed.seen));
    ASSERT(!crashed.seen->wrong);
    ASSERT_EQ(crashed.seen->recovery.damaged_records, 2);
    ASSERT_EQ(crashed.seen->records[2].sequence, 3);
    ASSERT(crashed.seen->records[2].damaged);
    ASSERT_EQ(crashed.seen->records[5].sequence, 6);
    ASSERT(crashed.seen->records[5].damaged);
}

FIBER_TEST(the_last_record_of_a_clean_stop_is_damage_not_a_torn_tail) /* W3 */
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_OK(wal_test_append(wal, 100));
    ASSERT_OK(wal_test_append(wal, 100));
    ASSERT_OK(wal_close(wal));
    ASSERT_OK(wal_test_flip(options.folder, SEGMENT_1, 2 * WAL_BLOCK + 85, 4));
    options.incarnation = 2;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT_EQ(seen->recovery.records, 1);
    ASSERT_EQ(seen->recovery.damaged_records, 1);
    ASSERT_EQ(seen->recovery.torn_bytes, 0);
    ASSERT(seen->records[1].damaged);
}

FIBER_TEST(the_evidence_follows_when_the_log_is_idle_and_proves_the_last_record) /* W3 */
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    uint64_t marks = mark_count("wal: idle evidence");
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_OK(wal_test_append(wal, 100));
    while (mark_count("wal: idle evidence") == marks || wal->evidence.durable < 1) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    wal_test_abandon(wal);
    ASSERT_OK(wal_test_zero(options.folder, SEGMENT_1, WAL_BLOCK, WAL_BLOCK));
    options.incarnation = 2;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT_EQ(seen->recovery.damaged_records, 1);
}

/* Gives the record's frame another durable-up-to, as if its group had been written while others
 * were under way, and another predecessor. */
static int
frame_reseal(
        struct crashed *crashed, uint64_t sequence, uint64_t durable_up_to, uint32_t chain_change)
{
    CLEANUP(buf_unrefp) struct buf *segment = wal_test_read(crashed->folder, SEGMENT_1);
    uint8_t *header = segment->data + offset_of(crashed, sequence);
    struct uuid wal_id;
    memcpy(wal_id.bytes, header + 8, sizeof wal_id.bytes);
    struct wal_frame frame;
    if (!wal_frame_decode(header, &wal_id, &frame) || frame.sequence != sequence) {
        return -EBADMSG;
    }
    wal_frame_seal(header, durable_up_to, frame.previous_crc ^ chain_change);
    return wal_test_write(crashed->folder, SEGMENT_1, buf_bytes(segment));
}

FIBER_TEST(a_valid_group_behind_a_torn_one_that_was_in_flight_with_it_is_cut_too) /* W3 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    ASSERT_OK(frame_reseal(&crashed, RECORDS, RECORDS - 2, 0));
    ASSERT_OK(
            wal_test_zero(crashed.folder, SEGMENT_1, offset_of(&crashed, RECORDS - 1), WAL_BLOCK));
    ASSERT_OK(wal_test_look(&crashed.options, crashed.seen));
    ASSERT_EQ(crashed.seen->recovery.records, RECORDS - 2);
    ASSERT_EQ(crashed.seen->recovery.damaged_records, 0);
    ASSERT(crashed.seen->recovery.torn_bytes >= WAL_BLOCK);
}

FIBER_TEST(a_frame_with_another_predecessor_does_not_continue_the_log) /* W3 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    ASSERT_OK(frame_reseal(&crashed, RECORDS, RECORDS - 1, 1));
    ASSERT_OK(wal_test_look(&crashed.options, crashed.seen));
    ASSERT_EQ(crashed.seen->recovery.records, RECORDS - 1);
    ASSERT_EQ(crashed.seen->recovery.damaged_records, 0);
}

FIBER_TEST(a_frame_of_another_incarnation_does_not_continue_the_log) /* W4 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    CLEANUP(buf_unrefp) struct buf *segment = wal_test_read(crashed.folder, SEGMENT_1);
    uint8_t *header = segment->data + offset_of(&crashed, RECORDS);
    struct uuid wal_id;
    memcpy(wal_id.bytes, header + 8, sizeof wal_id.bytes);
    struct wal_frame frame;
    ASSERT(wal_frame_decode(header, &wal_id, &frame));
    frame.incarnation = 9;
    wal_frame_encode(&frame, header);
    wal_frame_seal(header, frame.durable_up_to, frame.previous_crc);
    ASSERT_OK(wal_test_write(crashed.folder, SEGMENT_1, buf_bytes(segment)));
    ASSERT_OK(wal_test_look(&crashed.options, crashed.seen));
    ASSERT_EQ(crashed.seen->recovery.records, RECORDS - 1);
}

FIBER_TEST(new_appends_after_a_recovery_never_take_a_sequence_that_was_seen_before)
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    ASSERT_OK(wal_test_flip(
            crashed.folder, SEGMENT_1, offset_of(&crashed, RECORDS) + WAL_FRAME_HEADER, 1));
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&crashed.options, crashed.seen, &wal));
    ASSERT_EQ(crashed.seen->recovery.records, RECORDS - 1);
    ASSERT_EQ(wal_next_sequence(wal), RECORDS + 1);
    ASSERT_OK(wal_test_append(wal, 77));
    wal_test_abandon(wal);
    crashed.options.incarnation = 3;
    crashed.seen->count = 0;
    ASSERT_OK(wal_test_look(&crashed.options, crashed.seen));
    ASSERT_EQ(crashed.seen->count, 1);
    ASSERT_EQ(crashed.seen->records[0].sequence, RECORDS + 1);
    ASSERT(!crashed.seen->wrong);
}

FIBER_TEST(a_record_over_several_groups_whose_end_is_torn_is_not_delivered) /* W3 */
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_OK(wal_test_append(wal, 100));
    CLEANUP(buf_unrefp) struct buf *evidence = wal_test_read(options.folder, "evidence");
    ASSERT_OK(wal_test_append(wal, TEST_SEGMENT));
    wal_test_abandon(wal);
    ASSERT_OK(wal_test_write(options.folder, "evidence", buf_bytes(evidence)));
    ASSERT_OK(wal_test_zero(options.folder, "segment-0000000000000002", WAL_BLOCK, 512));
    options.incarnation = 2;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT_EQ(seen->count, 1);
    ASSERT_EQ(seen->recovery.damaged_records, 0);
    ASSERT(seen->recovery.torn_bytes > TEST_SEGMENT / 2);
}

FIBER_TEST(every_flipped_bit_of_an_acknowledged_record_is_found) /* W3 */
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    crashed.options.read_only = true;
    uint64_t offset = offset_of(&crashed, 4);
    for (uint64_t bit = 0; bit < 8 * (WAL_FRAME_HEADER + RECORD_SIZE); bit += 11) {
        uint8_t mask = (uint8_t)(1u << bit % 8);
        ASSERT_OK(wal_test_flip(crashed.folder, SEGMENT_1, offset + bit / 8, mask));
        crashed.seen->count = 0;
        expect_damage(&crashed, 4, 4);
        ASSERT_OK(wal_test_flip(crashed.folder, SEGMENT_1, offset + bit / 8, mask));
    }
}

static int
refuse(void *arg, uint64_t sequence, struct bytes payload, bool damaged)
{
    (void)payload;
    (void)damaged;
    *(uint64_t *)arg = sequence;
    return sequence == 3 ? -ENOSPC : 0;
}

FIBER_TEST(a_replay_ends_when_the_function_refuses_and_may_be_repeated)
{
    CLEANUP(crashed_done) struct crashed crashed;
    ASSERT_OK(crashed_make(&crashed));
    struct wal *wal = NULL;
    ASSERT_OK(wal_open(&crashed.options, &wal));
    struct wal_recovery recovery;
    uint64_t last = 0;
    ASSERT_ERROR(wal_start(wal), -EINVAL);
    ASSERT_ERROR(wal_replay(wal, refuse, &last, &recovery), -ENOSPC);
    ASSERT_EQ(last, 3);
    ASSERT_ERROR(wal_start(wal), -EINVAL);
    ASSERT_OK(wal_replay(wal, wal_test_replay_fn, crashed.seen, &recovery));
    ASSERT_EQ(recovery.records, RECORDS);
    ASSERT_ERROR(wal_replay(wal, wal_test_replay_fn, crashed.seen, &recovery), -EINVAL);
    ASSERT_OK(wal_start(wal));
    ASSERT_OK(wal_close(wal));
}

FIBER_TEST(a_clean_stop_with_everything_trimmed_leaves_an_empty_log)
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    for (int i = 0; i < 5; i++) {
        ASSERT_OK(wal_test_append(wal, 3000));
    }
    wal_trim(wal, wal_next_sequence(wal));
    ASSERT_OK(wal_close(wal));
    options.incarnation = 2;
    ASSERT_OK(wal_test_begin(&options, seen, &wal));
    ASSERT_EQ(seen->count, 0);
    ASSERT_EQ(wal_next_sequence(wal), 6);
    ASSERT_OK(wal_close(wal));
}
