/* The queue: once each, never lost, later and later. */
#include "cache/queue.h"
#include "unit/test.h"

#include <errno.h>

static bool
takes(struct queue *queue, int64_t now_ms, const char *expected)
{
    char key[QUEUE_KEY_SIZE] = "";
    return queue_take(queue, now_ms, key) ? expected && strcmp(key, expected) == 0 : !expected;
}

TEST(a_key_is_in_the_queue_once_and_in_order)
{
    struct queue queue;
    queue_init(&queue);
    queue_add(&queue, "a");
    queue_add(&queue, "b");
    queue_add(&queue, "a");
    ASSERT(takes(&queue, 0, "a"));
    ASSERT(takes(&queue, 0, "b"));
    ASSERT(takes(&queue, 0, NULL));
    queue_done(&queue);
}

/* C3 */
TEST(c3_a_key_that_is_added_during_its_work_comes_again)
{
    struct queue queue;
    queue_init(&queue);
    queue_add(&queue, "a");
    ASSERT(takes(&queue, 0, "a"));
    queue_add(&queue, "a");
    ASSERT(takes(&queue, 0, NULL));
    queue_finish(&queue, "a", 0, -1, 0);
    ASSERT(takes(&queue, 0, "a"));
    queue_finish(&queue, "a", 0, -1, 0);
    ASSERT(takes(&queue, 0, NULL));
    queue_done(&queue);
}

/* C3 */
TEST(c3_a_key_that_was_added_during_its_last_work_is_not_forgotten)
{
    struct queue queue;
    queue_init(&queue);
    queue_add(&queue, "a");
    ASSERT(takes(&queue, 0, "a"));
    queue_add(&queue, "a");
    queue_finish(&queue, "a", 0, -1, 0);
    queue_forget(&queue, "a");
    ASSERT(takes(&queue, 0, "a"));
    queue_finish(&queue, "a", 0, -1, 0);
    queue_forget(&queue, "a");
    ASSERT(takes(&queue, 0, NULL));
    queue_done(&queue);
}

/* C4 */
TEST(c4_a_key_that_fails_comes_later_and_later_but_at_once_when_something_changed)
{
    struct queue queue;
    int64_t now_ms = 0;
    int64_t pause_ms = QUEUE_PAUSE_MS_MIN;
    queue_init(&queue);
    queue_add(&queue, "a");
    for (int i = 0; i < 12; i++) {
        ASSERT(takes(&queue, now_ms, "a"));
        queue_finish(&queue, "a", -5, -1, now_ms);
        ASSERT_EQ(queue_wait_ms(&queue, now_ms, 1000000), pause_ms);
        ASSERT(takes(&queue, now_ms + pause_ms - 1, NULL));
        now_ms += pause_ms;
        pause_ms = MIN(pause_ms * 2, (int64_t)QUEUE_PAUSE_MS_MAX);
    }
    ASSERT(takes(&queue, now_ms, "a"));
    queue_finish(&queue, "a", -5, -1, now_ms);
    queue_add(&queue, "a");
    ASSERT(takes(&queue, now_ms, "a"));
    queue_finish(&queue, "a", 0, -1, now_ms);
    queue_add(&queue, "a");
    ASSERT(takes(&queue, now_ms, "a"));
    queue_finish(&queue, "a", -5, -1, now_ms);
    ASSERT_EQ(queue_wait_ms(&queue, now_ms, 1000000), QUEUE_PAUSE_MS_MIN);
    ASSERT_EQ(queue.failures, 14);
    queue_done(&queue);
}

/* C4 */
TEST(c4_what_a_failed_key_wished_for_does_not_shorten_its_pause)
{
    struct queue queue;
    queue_init(&queue);
    queue_add(&queue, "a");
    ASSERT(takes(&queue, 0, "a"));
    queue_finish(&queue, "a", -EINVAL, 0, 0);
    ASSERT(takes(&queue, QUEUE_PAUSE_MS_MIN - 1, NULL));
    ASSERT(takes(&queue, QUEUE_PAUSE_MS_MIN, "a"));
    for (int i = 0; i < 20; i++) {
        queue_finish(&queue, "a", -ESTALE, 15000, 0);
        queue_add(&queue, "a");
        ASSERT(takes(&queue, 0, "a"));
    }
    queue_finish(&queue, "a", -ESTALE, 15000, 0);
    ASSERT_EQ(queue_wait_ms(&queue, 0, 100000), QUEUE_STALE_MS_MAX);
    queue_done(&queue);
}

/* C4 */
TEST(c4_a_lasting_refusal_does_not_put_off_steps_that_have_a_time)
{
    static const struct {
        int error;
        int64_t again_ms;
        int64_t pause_ms;
    } rows[] = { { -EEXIST, 15000, 15000 }, { -EINVAL, 0, QUEUE_REFUSED_MS },
        { -EDQUOT, 1000, QUEUE_REFUSED_MS }, { -EACCES, -1, QUEUE_PAUSE_MS_MAX },
        { -ENOTEMPTY, 100000, QUEUE_PAUSE_MS_MAX }, { -EIO, 1000, QUEUE_PAUSE_MS_MAX } };
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
        struct queue queue;
        queue_init(&queue);
        for (int i = 0; i < 12; i++) {
            queue_add(&queue, "a");
            ASSERT(takes(&queue, 0, "a"));
            queue_finish(&queue, "a", rows[row].error, rows[row].again_ms, 0);
        }
        ASSERT_EQ(queue_wait_ms(&queue, 0, 1000000), rows[row].pause_ms);
        queue_done(&queue);
    }
}

TEST(the_earliest_of_several_times_counts_and_a_pass_uses_it_up)
{
    struct queue queue;
    queue_init(&queue);
    queue_add_after(&queue, "a", 100, 0);
    queue_add_after(&queue, "a", 50, 0);
    queue_add_after(&queue, "a", 200, 0);
    ASSERT_EQ(queue_wait_ms(&queue, 0, 1000), 50);
    ASSERT(takes(&queue, 49, NULL));
    ASSERT(takes(&queue, 50, "a"));
    queue_finish(&queue, "a", 0, 30, 60);
    ASSERT_EQ(queue_wait_ms(&queue, 60, 1000), 30);
    queue_forget(&queue, "a");
    ASSERT_EQ(queue_wait_ms(&queue, 60, 1000), 1000);
    queue_done(&queue);
}
