/* Snapshots: a state comes back from its bytes, equal states have equal bytes, damaged bytes are
 * refused; and a random history that goes through snapshots ends where the straight one does. */
#include "base/endian.h"
#include "base/mem.h"
#include "meta/state.h"
#include "support_random.h"
#include "support_records.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

static struct meta_state *
through_bytes(const struct meta_state *state)
{
    struct strbuf bytes = test_bytes(state);
    struct meta_state *copy = NULL;
    int r = meta_state_decode(strbuf_bytes(&bytes), &copy);
    strbuf_done(&bytes);
    return r ? NULL : copy;
}

/* A state with some of everything. */
static struct meta_state *
rich_state(uint64_t seed, int steps)
{
    struct history history;
    history_init(&history, seed);
    for (int i = 0; i < steps; i++) {
        history_step(&history);
    }
    struct meta_state *state = history.state;
    history.state = NULL;
    history_done(&history);
    return state;
}

TEST(an_empty_state_comes_back)
{
    struct meta_state *state = meta_state_new();
    struct meta_state *copy = through_bytes(state);
    ASSERT(copy);
    ASSERT(test_states_equal(state, copy));
    meta_state_free(copy);
    meta_state_free(state);
}

TEST(a_rich_state_comes_back_with_its_references)
{
    struct meta_state *state = rich_state(1, 3000);
    struct meta_state *copy = through_bytes(state);
    ASSERT(copy);
    ASSERT(test_states_equal(state, copy));
    for (uint64_t id = 1; id < meta_state_next_object_id(state); id++) {
        ASSERT_EQ(meta_object_references(copy, id), meta_object_references(state, id));
        ASSERT_EQ(meta_object_manifest_references(copy, id),
                meta_object_manifest_references(state, id));
    }
    ASSERT_EQ(meta_state_sequence(copy), meta_state_sequence(state));
    meta_state_free(copy);
    meta_state_free(state);
}

TEST(a_snapshot_of_version_3_gives_its_brokers_one_plaintext_endpoint)
{
    static const struct meta_endpoint plain = { { (const uint8_t *)"PLAINTEXT", 9 },
        { (const uint8_t *)"old.example", 11 }, 9092 };
    struct meta_state *state = meta_state_new();
    struct meta_state *old;
    struct meta_record broker = test_broker(3, 1);
    broker.broker.endpoints = &plain;
    broker.broker.endpoint_count = 1;
    ASSERT_OK(test_apply(state, &broker).error);
    struct strbuf bytes = test_bytes(state);
    /* Head, number of brokers, id, epoch, incarnation; then the list's count and the name. */
    const size_t name_at = 80 + 4 + 28;
    const size_t name_size = 4 + 4 + 9;
    memmove(bytes.data + name_at, bytes.data + name_at + name_size,
            bytes.size - name_at - name_size);
    bytes.size -= name_size;
    bytes.data[5] = 3;
    ASSERT_OK(meta_state_decode(strbuf_bytes(&bytes), &old));
    ASSERT(test_states_equal(state, old));
    ASSERT_STRING(meta_broker_endpoint(meta_broker_find(old, 3), "PLAINTEXT")->host, "old.example");
    strbuf_done(&bytes);
    meta_state_free(old);
    meta_state_free(state);
}

TEST(a_snapshot_that_is_cut_anywhere_is_damaged)
{
    struct meta_state *state = rich_state(2, 400);
    struct strbuf bytes = test_bytes(state);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        struct meta_state *copy;
        uint8_t *part = mem_dup(bytes.data, cut);
        ASSERT_ERROR(meta_state_decode(bytes_of(part, cut), &copy), -EBADMSG);
        mem_free(part);
    }
    strbuf_done(&bytes);
    meta_state_free(state);
}

TEST(a_snapshot_with_bytes_left_over_is_damaged)
{
    struct meta_state *state = rich_state(3, 100);
    struct strbuf bytes = test_bytes(state);
    struct meta_state *copy;
    strbuf_append_char(&bytes, 0);
    ASSERT_ERROR(meta_state_decode(strbuf_bytes(&bytes), &copy), -EBADMSG);
    strbuf_done(&bytes);
    meta_state_free(state);
}

TEST(a_snapshot_of_a_newer_freshet_is_refused_by_that_name)
{
    struct meta_state *state = meta_state_new();
    struct strbuf bytes = test_bytes(state);
    struct meta_state *copy;
    store_be16(bytes.data + 4, 5);
    ASSERT_ERROR(meta_state_decode(strbuf_bytes(&bytes), &copy), -EMEDIUMTYPE);
    ASSERT(strstr(test_fault(-EMEDIUMTYPE), "newer Freshet"));
    strbuf_done(&bytes);
    meta_state_free(state);
}

TEST(a_flipped_byte_never_breaks_the_decoder)
{
    struct meta_state *state = rich_state(4, 300);
    struct strbuf bytes = test_bytes(state);
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t kept = bytes.data[i];
        for (unsigned flip = 0; flip < 2; flip++) {
            struct meta_state *copy;
            bytes.data[i] = flip ? 0xff : (uint8_t)(kept ^ 1);
            if (meta_state_decode(strbuf_bytes(&bytes), &copy) == 0) {
                meta_state_free(copy);
            }
        }
        bytes.data[i] = kept;
    }
    test_pass();
    strbuf_done(&bytes);
    meta_state_free(state);
}

/* Snapshot + replay == full replay: one replica applies everything, one goes through bytes at
 * random places, and one gets each record through its encoding. All results and all states are the
 * same. */
TEST(snapshot_and_replay_is_full_replay)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct history history;
        history_init(&history, seed);
        struct meta_state *copy = through_bytes(history.state);
        for (int i = 0; i < 1500; i++) {
            struct meta_result result = history_step(&history);
            struct meta_result same = history_replay_last(&history, copy);
            if (result.error != same.error || result.first_id != same.first_id ||
                    result.epoch != same.epoch) {
                test_fail(__FILE__, __LINE__, "seed %llu step %d: %d, not %d",
                        (unsigned long long)seed, i, same.error, result.error);
                return;
            }
            if (history_below(&history, 50) == 0) {
                struct meta_state *next = through_bytes(copy);
                ASSERT(next);
                meta_state_free(copy);
                copy = next;
            }
        }
        if (!test_states_equal(history.state, copy)) {
            test_fail(__FILE__, __LINE__, "seed %llu: the states differ", (unsigned long long)seed);
            return;
        }
        test_pass();
        meta_state_free(copy);
        history_done(&history);
    }
}

/* Against a naive model: sums over lists instead of reference counts. */
TEST(reference_counts_and_garbage_agree_with_a_naive_model)
{
    for (uint64_t seed = 100; seed < 130; seed++) {
        struct history history;
        history_init(&history, seed);
        for (int i = 0; i < 1500; i++) {
            history_step(&history);
            if (i % 100 == 0 && !history_check(&history)) {
                test_fail(__FILE__, __LINE__, "seed %llu step %d: %s", (unsigned long long)seed, i,
                        history.why);
                return;
            }
        }
        test_pass();
        history_done(&history);
    }
}
