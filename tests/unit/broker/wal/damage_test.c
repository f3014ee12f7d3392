/* What recovery can say of records that it cannot read: their tags (W3). */
#include "base/crc.h"
#include "unit/broker/wal/support_wal.h"
#include "unit/test.h"
#include "wal/wal_internal.h"

#include <string.h>

#define RECORDS 6
#define SEGMENT_1 "segment-0000000000000001"

/* Record i has tag 100 + i; the evidence at the close proves that all were acknowledged. */
struct tagged {
    const char *folder;
    struct wal_options options;
    uint64_t offsets[RECORDS + 1]; /* in the segment, by sequence */
};

static int
tagged_make(struct tagged *tagged)
{
    *tagged = (struct tagged){ .folder = test_directory() };
    tagged->options = wal_test_options(tagged->folder, 1);
    struct wal *wal = NULL;
    int r = wal_test_begin(&tagged->options, NULL, &wal);
    for (uint64_t i = 1; i <= RECORDS && r == 0; i++) {
        uint8_t payload[300] = { (uint8_t)i };
        struct iovec part = { payload, sizeof payload };
        struct wal_known known = { .tag = (uint16_t)(100 + i) };
        struct wal_append append;
        uint64_t tail = wal_tail(wal);
        tagged->offsets[i] = tail % TEST_SEGMENT ? tail % TEST_SEGMENT : WAL_BLOCK;
        r = wal_append_known(wal, &known, &part, 1, &append);
        if (r == 0) {
            r = wal_wait(wal, &append);
        }
    }
    if (r == 0) {
        r = wal_close(wal);
    }
    tagged->options.incarnation = 2;
    return r;
}

struct seen {
    struct wal *wal;
    struct wal_damage damage;
    int damaged;
};

static int
see(void *arg, uint64_t sequence, struct bytes payload, bool damaged)
{
    struct seen *seen = arg;
    (void)sequence;
    (void)payload;
    if (damaged) {
        seen->damage = *wal_damage(seen->wal);
        seen->damaged++;
    }
    return 0;
}

static int
look(const struct tagged *tagged, struct seen *seen)
{
    struct wal_recovery recovery;
    *seen = (struct seen){ 0 };
    int r = wal_open(&tagged->options, &seen->wal);
    if (r < 0) {
        return r;
    }
    r = wal_replay(seen->wal, see, seen, &recovery);
    int closed = wal_close(seen->wal);
    return r < 0 ? r : closed;
}

FIBER_TEST(a_rotten_body_has_its_tag_in_its_own_header)
{
    struct tagged tagged;
    struct seen seen;
    ASSERT_OK(tagged_make(&tagged));
    ASSERT_OK(
            wal_test_flip(tagged.folder, SEGMENT_1, tagged.offsets[3] + WAL_FRAME_HEADER + 50, 4));
    ASSERT_OK(look(&tagged, &seen));
    ASSERT_EQ(seen.damaged, 1);
    ASSERT(seen.damage.complete);
    ASSERT_EQ(seen.damage.first_sequence, 3);
    ASSERT_EQ(seen.damage.end_sequence, 4);
    ASSERT_EQ(seen.damage.tag_count, 1);
    ASSERT_EQ(seen.damage.tags[0].tag, 103);
}

FIBER_TEST(a_rotten_header_has_its_tag_in_the_next_records)
{
    struct tagged tagged;
    struct seen seen;
    ASSERT_OK(tagged_make(&tagged));
    ASSERT_OK(wal_test_flip(tagged.folder, SEGMENT_1, tagged.offsets[3] + 33, 4));
    ASSERT_OK(look(&tagged, &seen));
    ASSERT_EQ(seen.damaged, 1);
    ASSERT(seen.damage.complete);
    ASSERT_EQ(seen.damage.tag_count, 1);
    ASSERT_EQ(seen.damage.tags[0].sequence, 3);
    ASSERT_EQ(seen.damage.tags[0].tag, 103);
}

FIBER_TEST(two_lost_headers_leave_one_record_that_nobody_knows)
{
    struct tagged tagged;
    struct seen seen;
    ASSERT_OK(tagged_make(&tagged));
    ASSERT_OK(wal_test_zero(tagged.folder, SEGMENT_1, tagged.offsets[3], WAL_BLOCK));
    ASSERT_OK(wal_test_zero(tagged.folder, SEGMENT_1, tagged.offsets[4], WAL_BLOCK));
    ASSERT_OK(look(&tagged, &seen));
    ASSERT_EQ(seen.damaged, 1);
    ASSERT(!seen.damage.complete);
    ASSERT_EQ(seen.damage.end_sequence, 5);
    ASSERT_EQ(seen.damage.tag_count, 1);
    ASSERT_EQ(seen.damage.tags[0].tag, 104);
}

/* Two records: of the first the CRC is known, of the second it is said wrongly. */
static int
crcs_append(struct wal *wal)
{
    uint8_t payload[300] = { 7 };
    struct iovec part = { payload, sizeof payload };
    for (uint32_t i = 0; i < 2; i++) {
        struct wal_append append;
        struct wal_known known = { .has_crc = true,
            .crc = crc32c(bytes_of(payload, sizeof payload)) ^ i };
        int r = wal_append_known(wal, &known, &part, 1, &append);
        r = r == 0 ? wal_wait(wal, &append) : r;
        if (r < 0) {
            return r;
        }
    }
    return wal_close(wal);
}

FIBER_TEST(a_crc_that_the_caller_knows_is_taken_as_it_is) /* W3 */
{
    struct tagged tagged = { .folder = test_directory() };
    struct seen seen = { 0 };
    struct wal *wal = NULL;
    tagged.options = wal_test_options(tagged.folder, 1);
    ASSERT_OK(wal_test_begin(&tagged.options, NULL, &wal));
    ASSERT_OK(crcs_append(wal));
    tagged.options.incarnation = 2;
    ASSERT_OK(look(&tagged, &seen));
    ASSERT_EQ(seen.damaged, 1);
    ASSERT_EQ(seen.damage.first_sequence, 2);
    ASSERT_EQ(seen.damage.end_sequence, 3);
}
