/* What freshet inspect wal gets to see. */
#include "base/mem.h"
#include "unit/broker/wal/support_wal.h"
#include "unit/test.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <string.h>

struct counts {
    int markers;
    int segments;
    int valid;
    int torn;
    int damaged;
    int old;
    uint64_t damaged_sequence;
    bool wrong;
};

static int
count(void *arg, const struct wal_inspect_record *record)
{
    struct counts *counts = arg;
    counts->markers += strcmp(record->state, "marker") == 0;
    counts->segments += strcmp(record->state, "segment") == 0;
    counts->torn += strcmp(record->state, "torn") == 0;
    counts->old += strcmp(record->state, "old incarnation") == 0;
    if (strcmp(record->state, "damaged") == 0) {
        counts->damaged++;
        counts->damaged_sequence = record->sequence;
    }
    if (strcmp(record->state, "valid") == 0) {
        counts->valid++;
        counts->wrong |= record->record_size == record->payload_size &&
                         !wal_test_payload_fits(record->sequence, record->payload);
    }
    return 0;
}

FIBER_TEST(inspect_shows_segments_frames_and_damage)
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    for (int i = 0; i < 6; i++) {
        ASSERT_OK(wal_test_append(wal, 1000));
    }
    struct counts counts = { 0 };
    ASSERT_OK(wal_inspect(options.folder, count, &counts));
    ASSERT_EQ(counts.markers, 1);
    ASSERT_EQ(counts.segments, 2);
    ASSERT_EQ(counts.valid, 6);
    ASSERT_EQ(counts.torn + counts.damaged + counts.old, 0);
    ASSERT(!counts.wrong);
    ASSERT_OK(wal_close(wal));

    ASSERT_OK(wal_test_flip(options.folder, "segment-0000000000000001", 3 * WAL_BLOCK + 100, 1));
    counts = (struct counts){ 0 };
    ASSERT_OK(wal_inspect(options.folder, count, &counts));
    ASSERT_EQ(counts.valid, 5);
    ASSERT_EQ(counts.damaged, 1);
    ASSERT_EQ(counts.damaged_sequence, 3);

    ASSERT_OK(wal_test_zero(options.folder, "segment-0000000000000001", 5 * WAL_BLOCK, WAL_BLOCK));
    counts = (struct counts){ 0 };
    ASSERT_OK(wal_inspect(options.folder, count, &counts));
    ASSERT_EQ(counts.valid, 4);
    ASSERT_EQ(counts.damaged, 2);
    ASSERT_EQ(counts.damaged_sequence, 5);

    ASSERT_OK(wal_test_flip(options.folder, "segment-0000000000000002", 9, 1));
    counts = (struct counts){ 0 };
    ASSERT_OK(wal_inspect(options.folder, count, &counts));
    ASSERT_EQ(counts.segments, 1);
    ASSERT_EQ(counts.damaged, 3);
}

FIBER_TEST(inspect_calls_frames_of_a_forgotten_log_old)
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(wal_test_append(wal, 1000));
    }
    wal_test_abandon(wal);
    /* The log is forgotten, but the power fails before its files are recycled: as if start had got
     * no further. */
    options.incarnation = 2;
    ASSERT_OK(wal_open(&options, &wal));
    struct wal_recovery recovery;
    ASSERT_OK(wal_replay(wal, wal_test_replay_fn, NULL, &recovery));
    struct wal_evidence next = wal->evidence;
    next.log_incarnation = 2;
    next.first_segment = wal->highest_index + 1;
    next.last_segment = wal->highest_index;
    next.trimmed = wal->next_sequence;
    next.cut = 0;
    ASSERT_OK(wal_evidence_write(wal, &next));
    ASSERT_OK(wal_close(wal));
    struct counts counts = { 0 };
    ASSERT_OK(wal_inspect(options.folder, count, &counts));
    ASSERT_EQ(counts.old, 4);
    ASSERT_EQ(counts.valid + counts.torn + counts.damaged, 0);
}

static int
stop_at_once(void *arg, const struct wal_inspect_record *record)
{
    (void)arg;
    (void)record;
    return -ECANCELED;
}

FIBER_TEST(inspect_ends_when_the_function_says_so_and_refuses_what_is_no_wal)
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_ERROR(wal_inspect(options.folder, stop_at_once, NULL), -ENOENT);
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_ERROR(wal_inspect(options.folder, stop_at_once, NULL), -ECANCELED);
    ASSERT_OK(wal_close(wal));
    ASSERT_OK(wal_test_flip(options.folder, "identity", 20, 1));
    ASSERT_ERROR(wal_inspect(options.folder, stop_at_once, NULL), -EBADMSG);
}
