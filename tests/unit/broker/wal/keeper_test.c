/* Segments made ahead and recycled, and volumes without room, on the simulator's disk (W5). */
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/sim.h"
#include "unit/broker/wal/support_wal.h"
#include "unit/test.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <string.h>

/* Runs `fn` in a simulated process whose volume has room for `segments` new ones, at least two;
 * four more tries fail, a second apart. */
static void
simulate(fiber_fn fn, unsigned segments)
{
    struct sim *sim = sim_new(1);
    for (unsigned i = 1; i <= 4; i++) {
        /* Each makes one try fail. The first two segments are reserved and get a header; each later
         * one, of this size, is filled by one write before. */
        sim_disk_inject(
                sim_host(sim, "local"), SIM_DISK_WRITE_FULL, "spare-", 2 * (segments - 1) + i);
    }
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    ASSERT_OK(reactors_run(&options, fn, NULL));
    sim_free(sim);
}

static void
start_without_room(void *arg)
{
    (void)arg;
    struct wal_options options = wal_test_options("wal", 1);
    struct wal *wal = NULL;
    ASSERT_ERROR(wal_test_begin(&options, NULL, &wal), -ENOSPC);
    ASSERT(strstr(fault_text(), "wal: making segment 2"));
}

TEST(a_volume_without_room_for_two_segments_is_refused_at_start) /* W5 */
{
    struct sim *sim = sim_new(1);
    sim_disk_set_capacity(sim_host(sim, "local"), TEST_SEGMENT * 3 / 2);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    ASSERT_OK(reactors_run(&options, start_without_room, NULL));
    sim_free(sim);
}

static struct wal *shared_wal;
static int appended;

static int
fill(void *arg)
{
    (void)arg;
    int r = 0;
    for (appended = 0; appended < 20 && r == 0; appended++) {
        r = wal_test_append(shared_wal, 20000);
    }
    return r;
}

static void
full_volume(void *arg)
{
    (void)arg;
    struct wal_options options = wal_test_options("wal", 1);
    options.capacity = 100 * TEST_SEGMENT;
    uint64_t marks = mark_count("wal: no space for a segment");
    ASSERT_OK(wal_test_begin(&options, NULL, &shared_wal));
    struct fiber_group group;
    fiber_group_init(&group);
    fiber_group_spawn(&group, "fill", fill, NULL);
    ASSERT_OK(fiber_sleep_ns(2500000000));
    ASSERT_EQ(mark_count("wal: no space for a segment"), marks + 3);
    ASSERT_EQ(appended, 9);
    ASSERT_EQ(wal_error(shared_wal), 0);
    ASSERT_OK(fiber_group_wait(&group));
    ASSERT_EQ(appended, 20);
    ASSERT_EQ(mark_count("wal: no space for a segment"), marks + 4);
    ASSERT_OK(wal_close(shared_wal));
}

TEST(a_volume_that_fills_up_makes_appends_wait_until_there_is_room_again) /* W5 */
{
    simulate(full_volume, 3);
}

static void
close_on_full_volume(void *arg)
{
    (void)arg;
    struct wal_options options = wal_test_options("wal", 1);
    options.capacity = 100 * TEST_SEGMENT;
    ASSERT_OK(wal_test_begin(&options, NULL, &shared_wal));
    struct wal_append appends[10];
    CLEANUP(buf_unrefp) struct buf *payload = wal_test_payload(1, 30000);
    struct iovec part = { .iov_base = payload->data, .iov_len = payload->size };
    for (size_t i = 0; i < ARRAY_SIZE(appends); i++) {
        ASSERT_OK(wal_append_begin(shared_wal, &part, 1, &appends[i]));
    }
    ASSERT_OK(fiber_sleep_ns(100000000));
    ASSERT(appends[0].done && appends[0].result == 0);
    ASSERT(!appends[9].done);
    /* There is nobody to trim any more: what has no place is refused, not waited for. */
    ASSERT_ERROR(wal_close(shared_wal), -EIO);
    ASSERT(appends[9].done);
    ASSERT_EQ(appends[9].result, -EIO);
}

TEST(closing_on_a_full_volume_ends_and_says_what_was_not_written) /* W1 W5 */
{
    simulate(close_on_full_volume, 3);
}

static void
one_ahead(void *arg)
{
    (void)arg;
    struct wal_options options = wal_test_options("wal", 1);
    struct wal *wal = NULL;
    uint64_t waits = mark_count("wal: commit waits for a segment");
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    for (int i = 0; i < 40; i++) {
        ASSERT_OK(wal_test_append(wal, 9000));
        wal_trim(wal, wal_next_sequence(wal));
        ASSERT_OK(fiber_sleep_ns(1000000000));
        ASSERT_EQ(wal->last_segment, wal_segment_of(wal, wal_tail(wal) - 1) + 1);
        ASSERT_EQ(wal->first_segment + 1, wal->last_segment);
        ASSERT_EQ(wal->evidence.trimmed, wal_next_sequence(wal));
    }
    ASSERT_EQ(mark_count("wal: commit waits for a segment"), waits);
    ASSERT_OK(wal_close(wal));
}

TEST(the_next_segment_is_there_before_it_is_needed)
{
    simulate(one_ahead, 100);
}

static int unreadable_result;

static void
unreadable_tail(void *arg)
{
    struct sim *sim = arg;
    struct wal_options options = wal_test_options("wal", 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_OK(wal_test_append(wal, 100));
    ASSERT_OK(wal_close(wal));
    options.incarnation = 2;
    ASSERT_OK(wal_open(&options, &wal));
    /* The whole window first, then one of its blocks. */
    sim_disk_inject(sim_host(sim, "local"), SIM_DISK_READ_ERROR, "segment-", 1);
    sim_disk_inject(sim_host(sim, "local"), SIM_DISK_READ_ERROR, "segment-", 6);
    struct wal_recovery recovery;
    unreadable_result = wal_replay(wal, wal_test_replay_fn, NULL, &recovery);
    ASSERT(strstr(fault_text(), "cannot be read, and it may hold acknowledged records"));
    ASSERT_OK(wal_close(wal));
}

TEST(a_tail_that_cannot_be_read_is_refused_not_cut) /* W3 */
{
    uint64_t marks = mark_count("wal: unreadable tail refused");
    struct sim *sim = sim_new(1);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    ASSERT_OK(reactors_run(&options, unreadable_tail, sim));
    sim_free(sim);
    ASSERT_EQ(unreadable_result, -EIO);
    ASSERT(mark_count("wal: unreadable block") > 0);
    ASSERT_EQ(mark_count("wal: unreadable tail refused"), marks + 1);
}
