/* Sequence numbers, duplicates and the checkpoint of idempotent producers. */
#include "partition/producer_state.h"
#include "unit/test.h"

#include <errno.h>

static struct producer_claim
claim(int64_t id, int16_t epoch, int32_t first, int32_t last)
{
    return (struct producer_claim){ id, epoch, first, last };
}

/* Appends batches of one record with sequences first to last at offsets of the same number. */
static void
append(struct producer_states *states, int64_t id, int32_t first, int32_t last)
{
    for (int32_t s = first; s <= last; s++) {
        struct producer_claim c = claim(id, 0, s, s);
        producer_states_record(states, &c, s, s, 1000 + s);
    }
}

static enum producer_verdict
judge(const struct producer_states *states, struct producer_claim c)
{
    const struct producer_batch *batch;
    return producer_states_check(states, &c, &batch);
}

TEST(an_unknown_producer_may_start_with_any_sequence)
{
    struct producer_states states;
    producer_states_init(&states);
    ASSERT_EQ(judge(&states, claim(7, 3, 41, 50)), PRODUCER_APPEND);
    producer_states_done(&states);
}

/* P1 */
TEST(each_of_the_last_five_batches_is_recognised_with_its_offset)
{
    struct producer_states states;
    producer_states_init(&states);
    append(&states, 7, 0, 9);
    for (int32_t s = 5; s <= 9; s++) {
        const struct producer_batch *batch = NULL;
        struct producer_claim c = claim(7, 0, s, s);
        ASSERT_EQ(producer_states_check(&states, &c, &batch), PRODUCER_DUPLICATE);
        ASSERT_EQ(batch->base_offset, s);
    }
    ASSERT_EQ(judge(&states, claim(7, 0, 4, 4)), PRODUCER_OUT_OF_ORDER);
    ASSERT_EQ(judge(&states, claim(7, 0, 10, 12)), PRODUCER_APPEND);
    ASSERT_EQ(judge(&states, claim(7, 0, 11, 12)), PRODUCER_OUT_OF_ORDER);
    producer_states_done(&states);
}

TEST(a_new_epoch_starts_at_zero_and_an_old_one_is_refused)
{
    struct producer_states states;
    producer_states_init(&states);
    struct producer_claim c = claim(7, 2, 0, 0);
    producer_states_record(&states, &c, 0, 0, 1);
    ASSERT_EQ(judge(&states, claim(7, 1, 1, 1)), PRODUCER_STALE_EPOCH);
    ASSERT_EQ(judge(&states, claim(7, 3, 1, 1)), PRODUCER_OUT_OF_ORDER);
    ASSERT_EQ(judge(&states, claim(7, 3, 0, 0)), PRODUCER_APPEND);
    producer_states_done(&states);
}

TEST(sequences_wrap_to_zero)
{
    struct producer_states states;
    producer_states_init(&states);
    struct producer_claim c = claim(7, 0, INT32_MAX - 1, INT32_MAX);
    producer_states_record(&states, &c, 0, 1, 1);
    ASSERT_EQ(judge(&states, claim(7, 0, 0, 3)), PRODUCER_APPEND);
    ASSERT_EQ(judge(&states, claim(7, 0, 1, 3)), PRODUCER_OUT_OF_ORDER);
    producer_states_done(&states);
}

/* P1: a batch beyond the object may be lost in a crash; its repetition must be appended then. */
TEST(a_checkpoint_leaves_out_what_lies_beyond_its_end)
{
    struct producer_states states;
    struct producer_states back;
    struct strbuf bytes;
    producer_states_init(&states);
    producer_states_init(&back);
    strbuf_init(&bytes, 1 << 20);
    append(&states, 7, 0, 9);
    producer_states_encode(&states, 8, &bytes);
    ASSERT(states.changed);
    ASSERT_OK(producer_states_decode(&back, strbuf_bytes(&bytes)));
    ASSERT_EQ(judge(&back, claim(7, 0, 7, 7)), PRODUCER_DUPLICATE);
    ASSERT_EQ(judge(&back, claim(7, 0, 8, 8)), PRODUCER_APPEND);
    strbuf_clear(&bytes);
    producer_states_encode(&states, 10, &bytes);
    ASSERT(!states.changed);
    producer_states_done(&states);
    producer_states_done(&back);
    strbuf_done(&bytes);
}

TEST(every_flipped_bit_of_a_checkpoint_is_found)
{
    struct producer_states states;
    struct producer_states back;
    struct strbuf bytes;
    producer_states_init(&states);
    producer_states_init(&back);
    strbuf_init(&bytes, 1 << 20);
    append(&states, 7, 0, 3);
    append(&states, 8, 0, 0);
    producer_states_encode(&states, 100, &bytes);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ASSERT_ERROR(producer_states_decode(&back, strbuf_bytes(&bytes)), -EBADMSG);
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < bytes.size; size++) {
        ASSERT_ERROR(producer_states_decode(&back, bytes_of(bytes.data, size)), -EBADMSG);
    }
    ASSERT_OK(producer_states_decode(&back, strbuf_bytes(&bytes)));
    ASSERT_EQ(back.by_id.count, 2);
    producer_states_done(&states);
    producer_states_done(&back);
    strbuf_done(&bytes);
}

TEST(idle_producers_expire)
{
    struct producer_states states;
    producer_states_init(&states);
    append(&states, 7, 0, 0);
    append(&states, 8, 500, 500);
    producer_states_expire(&states, 1000, 200);
    ASSERT_EQ(states.by_id.count, 2);
    append(&states, 8, 501, 501);
    producer_states_expire(&states, 1199, 200);
    ASSERT_EQ(states.by_id.count, 2);
    producer_states_expire(&states, 1200, 200);
    ASSERT_EQ(states.by_id.count, 1);
    ASSERT_EQ(judge(&states, claim(8, 0, 500, 500)), PRODUCER_DUPLICATE);
    producer_states_done(&states);
}
