/* Group commit: acknowledgement and failure. */
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "unit/broker/wal/support_wal.h"
#include "unit/test.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <string.h>

FIBER_TEST(after_one_failed_write_nothing_is_acknowledged_any_more) /* W2 */
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_OK(wal_test_append(wal, 100));
    /* From here on writes to the segment fail: the device /dev/full refuses all. */
    struct wal_segment *segment = wal_segment_at(wal, 1);
    struct file *good = segment->file;
    ASSERT_OK(file_open("/dev/full", FILE_WRITE, &segment->file));
    uint64_t marks = mark_count("wal: broken");
    struct wal_append appends[5];
    struct iovec part = { .iov_base = seen, .iov_len = 100 };
    for (size_t i = 0; i < ARRAY_SIZE(appends); i++) {
        ASSERT_OK(wal_append_begin(wal, &part, 1, &appends[i]));
        if (i == 1) {
            ASSERT_OK(fiber_yield());
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(appends); i++) {
        ASSERT_ERROR(wal_wait(wal, &appends[i]), -EIO);
        ASSERT(strstr(fault_text(), "is broken"));
    }
    ASSERT_EQ(mark_count("wal: broken"), marks + 1);
    ASSERT_EQ(wal_error(wal), -EIO);
    /* The device works again: too late. The second committer may still write to the full one. */
    struct file *full = segment->file;
    segment->file = good;
    ASSERT_ERROR(wal_test_append(wal, 100), -EIO);
    ASSERT_ERROR(wal_close(wal), -EIO);
    file_close(full);
    options.incarnation = 2;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT_EQ(seen->recovery.records, 1);
    ASSERT_EQ(seen->recovery.damaged_records, 0);
}

FIBER_TEST(a_failed_write_of_the_evidence_breaks_the_wal_too) /* W2 */
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    file_close(wal->evidence_file);
    ASSERT_OK(file_open("/dev/full", FILE_WRITE, &wal->evidence_file));
    ASSERT_OK(wal_test_append(wal, 100));
    for (int i = 0; i < 1000 && wal_error(wal) == 0; i++) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    ASSERT_EQ(wal_error(wal), -EIO);
    ASSERT_ERROR(wal_test_append(wal, 100), -EIO);
    ASSERT_ERROR(wal_close(wal), -EIO);
}

FIBER_TEST(a_fiber_that_waits_for_room_is_told_when_the_wal_breaks) /* W2 */
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    CLEANUP(buf_unrefp) struct buf *big = wal_test_payload(1, (size_t)wal->record_size_max);
    struct iovec part = { .iov_base = big->data, .iov_len = big->size };
    struct file *full = NULL;
    ASSERT_OK(file_open("/dev/full", FILE_WRITE, &full));
    file_close(wal_segment_at(wal, 2)->file);
    wal_segment_at(wal, 2)->file = full;
    struct wal_append first;
    ASSERT_OK(wal_append_begin(wal, &part, 1, &first));
    struct wal_append second;
    ASSERT_ERROR(wal_append_begin(wal, &part, 1, &second), -EIO);
    ASSERT_ERROR(wal_wait(wal, &first), -EIO);
    ASSERT_ERROR(wal_close(wal), -EIO);
}

FIBER_TEST(acknowledged_means_on_the_disk_at_that_moment) /* W1 */
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        ASSERT_OK(wal_test_append(wal, 300));
        CLEANUP(buf_unrefp)
        struct buf *segment = wal_test_read(options.folder, "segment-0000000000000001");
        struct wal_frame frame;
        ASSERT(wal_frame_decode(
                segment->data + sequence * WAL_BLOCK, &wal->identity.wal_id, &frame));
        ASSERT_EQ(frame.sequence, sequence);
        ASSERT_EQ(frame.durable_up_to, sequence - 1);
        struct bytes body =
                bytes_of(segment->data + sequence * WAL_BLOCK + WAL_FRAME_HEADER, frame.body_size);
        ASSERT(wal_test_payload_fits(sequence, body));
    }
    struct wal_stats stats;
    wal_stats_get(wal, &stats);
    ASSERT_EQ(stats.records, 5);
    ASSERT_EQ(stats.bytes, 1500);
    ASSERT_EQ(stats.groups, 5);
    ASSERT_EQ(stats.group_bytes, 5 * WAL_BLOCK);
    uint64_t counted = 0;
    for (size_t i = 0; i < ARRAY_SIZE(stats.commit_us_buckets); i++) {
        counted += stats.commit_us_buckets[i];
    }
    ASSERT_EQ(counted, 5);
    ASSERT_OK(wal_close(wal));
}

FIBER_TEST(closing_waits_for_what_was_begun) /* W1 */
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    struct wal_append appends[3];
    for (uint64_t i = 0; i < 3; i++) {
        CLEANUP(buf_unrefp) struct buf *payload = wal_test_payload(i + 1, 30000);
        struct iovec part = { .iov_base = payload->data, .iov_len = payload->size };
        ASSERT_OK(wal_append_begin(wal, &part, 1, &appends[i]));
    }
    ASSERT_OK(wal_close(wal));
    for (size_t i = 0; i < 3; i++) {
        ASSERT(appends[i].done);
        ASSERT_EQ(appends[i].result, 0);
    }
    options.incarnation = 2;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT_EQ(seen->count, 3);
    ASSERT(!seen->wrong);
}
