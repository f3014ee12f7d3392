/* Messages between reactors, helper threads, foreign threads. */
#include "base/attr.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "reactor/sync.h"
#include "unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static int
where(void *arg)
{
    *(unsigned *)arg = reactor_index();
    return 7;
}

FIBER_TEST(a_call_runs_on_the_target_and_brings_its_result)
{
    for (unsigned target = 0; target < reactor_count(); target++) {
        unsigned index = 99;
        ASSERT_EQ(reactor_call(target, where, &index), 7);
        ASSERT_EQ(index, target);
    }
}

static int
fail_there(void *arg)
{
    (void)arg;
    return fault(-EIO, "what happened there");
}

static int
nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Sleeps, yields and calls to and fro: where does it go on? */
static int
stay(void *arg)
{
    unsigned home = *(unsigned *)arg;
    unsigned elsewhere = 0;
    for (unsigned i = 0; i < 100; i++) {
        unsigned other = 1 - home;
        int r = i % 3 == 0 ? fiber_sleep_ns(1000) : i % 3 == 1 ? fiber_yield() : 0;
        if (r == 0 && i % 3 == 2) {
            r = reactor_call(other, nothing, NULL);
        }
        if (r < 0) {
            return r;
        }
        elsewhere += reactor_index() != home;
    }
    return (int)elsewhere;
}

/* R3 */
FIBER_TEST(a_fiber_goes_on_where_it_was_spawned)
{
    unsigned here = 0;
    unsigned there = 1;
    ASSERT_EQ(stay(&here), 0);
    ASSERT_EQ(reactor_call(1, stay, &there), 0);
}

FIBER_TEST(a_failed_call_brings_its_story)
{
    ASSERT_ERROR(reactor_call(1, fail_there, NULL), -EIO);
    ASSERT(strstr(fault_text(), "what happened there"));
}

static int
call_back(void *arg)
{
    int r = fiber_sleep_ns(NS_PER_US);
    return r < 0 ? r : reactor_call(0, where, arg);
}

static int
call_there(void *arg)
{
    (void)arg;
    unsigned index = 99;
    for (int i = 0; i < 50; i++) {
        int r = reactor_call(1, call_back, &index);
        if (r != 7 || index != 0) {
            return -EBADMSG;
        }
    }
    return 0;
}

FIBER_TEST(calls_go_both_ways_at_once)
{
    struct fiber_group group;
    fiber_group_init(&group);
    for (int i = 0; i < 100; i++) {
        fiber_group_spawn(&group, "caller", call_there, NULL);
    }
    ASSERT_OK(fiber_group_wait(&group));
}

struct mail {
    unsigned expected;
    unsigned wrong;
    _Atomic unsigned arrived;
    unsigned late; /* of the inline ones */
    struct semaphore gate;
};

struct letter {
    struct mail *mail;
    unsigned number;
};

static void
read_letter(void *arg)
{
    struct letter *letter = arg;
    struct mail *mail = letter->mail;
    mail->wrong += mail->expected != letter->number;
    mail->expected = letter->number + 1;
    atomic_fetch_add(&mail->arrived, 1);
}

#define LETTERS (3u * MAILBOX_CAPACITY)

static int
wait_arrived(struct mail *mail, unsigned count)
{
    for (int i = 0; i < 10000 && atomic_load(&mail->arrived) < count; i++) {
        int r = fiber_sleep_ns(NS_PER_MS);
        if (r < 0) {
            return r;
        }
    }
    return atomic_load(&mail->arrived) == count && mail->wrong == 0 ? 0 : -EBADMSG;
}

static struct letter *
letters_new(struct mail *mail)
{
    struct letter *letters = mem_alloc_array(LETTERS, sizeof *letters);
    for (unsigned i = 0; i < LETTERS; i++) {
        letters[i] = (struct letter){ mail, i };
    }
    return letters;
}

static int
hold_loop(void *arg)
{
    (void)arg;
    usleep(20000);
    return 0;
}

static void
hold_loop_fiber(void *arg)
{
    hold_loop(arg);
}

FIBER_TEST(posts_arrive_in_order_also_through_a_full_mailbox)
{
    struct mail mail = { 0 };
    struct letter *letters = letters_new(&mail);
    uint64_t full = mark_count("reactor: mailbox full");
    /* The target is busy, so the mailbox fills. */
    ASSERT_OK(reactor_post(1, "busy", hold_loop_fiber, NULL));
    for (unsigned i = 0; i < LETTERS; i++) {
        ASSERT_OK(reactor_post(1, "letter", read_letter, &letters[i]));
    }
    ASSERT_OK(wait_arrived(&mail, LETTERS));
    ASSERT(mark_count("reactor: mailbox full") > full);
    mem_free(letters);
}

FIBER_TEST(inline_posts_arrive_in_order_and_never_wait)
{
    struct mail mail = { 0 };
    struct letter *letters = letters_new(&mail);
    uint64_t kept = mark_count("reactor: inline message kept for later");
    ASSERT_OK(reactor_post(1, "busy", hold_loop_fiber, NULL));
    for (unsigned i = 0; i < LETTERS; i++) {
        reactor_post_inline(1, read_letter, &letters[i]);
    }
    ASSERT_OK(wait_arrived(&mail, LETTERS));
    ASSERT(mark_count("reactor: inline message kept for later") > kept);
    mem_free(letters);
}

FIBER_TEST(posts_to_oneself_work)
{
    struct mail mail = { 0 };
    struct letter letters[2] = { { &mail, 0 }, { &mail, 1 } };
    ASSERT_OK(reactor_post(0, "letter", read_letter, &letters[0]));
    ASSERT_OK(fiber_sleep_ns(NS_PER_US));
    reactor_post_inline(0, read_letter, &letters[1]);
    ASSERT_OK(wait_arrived(&mail, 2));
}

struct poster {
    struct letter *letters;
    unsigned posted;
    int result;
};

static void
post_many(void *arg)
{
    struct poster *poster = arg;
    while (poster->result == 0 && poster->posted < LETTERS) {
        poster->result = reactor_post(1, "letter", read_letter, &poster->letters[poster->posted]);
        poster->posted += poster->result == 0;
    }
}

FIBER_TEST(a_post_that_waits_for_room_can_be_cancelled_and_was_then_not_posted)
{
    struct mail mail = { 0 };
    struct poster poster = { .letters = letters_new(&mail) };
    struct fiber *fiber;
    ASSERT_OK(reactor_post(1, "busy", hold_loop_fiber, NULL));
    ASSERT_OK(fiber_spawn("poster", post_many, &poster, &fiber));
    ASSERT_OK(fiber_yield());
    fiber_cancel(fiber);
    fiber_join(fiber);
    ASSERT_ERROR(poster.result, -ECANCELED);
    ASSERT(poster.posted < LETTERS);
    ASSERT_OK(wait_arrived(&mail, poster.posted));
    mem_free(poster.letters);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
static void
wait_at_gate(void *arg)
{
    struct mail *mail = arg;
    atomic_fetch_add(&mail->arrived, 1);
    if (semaphore_acquire(&mail->gate, 1, DEADLINE_NONE) < 0) {
        return;
    }
}

static void
open_gate(void *arg)
{
    struct mail *mail = arg;
    semaphore_release(&mail->gate, 2 * FIBERS_MAX);
}

static int
init_gate(void *arg)
{
    struct mail *mail = arg;
    semaphore_init(&mail->gate, 0);
    return 0;
}

FIBER_TEST(a_reactor_without_free_fibers_pushes_back_and_still_takes_inline_messages)
{
    struct mail mail = { 0 };
    unsigned total = FIBERS_MAX + MAILBOX_CAPACITY / 2;
    uint64_t marks = mark_count("reactor: no fiber for a message");
    ASSERT_OK(reactor_call(1, init_gate, &mail));
    for (unsigned i = 0; i < total; i++) {
        ASSERT_OK(reactor_post(1, "gate", wait_at_gate, &mail));
    }
    for (int i = 0; i < 5000 && atomic_load(&mail.arrived) < FIBERS_MAX; i++) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    ASSERT_EQ(mail.arrived, FIBERS_MAX);
    for (int i = 0; i < 5000 && mark_count("reactor: no fiber for a message") == marks; i++) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    ASSERT(mark_count("reactor: no fiber for a message") > marks);
    reactor_post_inline(1, open_gate, &mail);
    ASSERT_OK(wait_arrived(&mail, total));
    unsigned index;
    ASSERT_EQ(reactor_call(1, where, &index), 7);
}
#endif

struct work {
    _Atomic int running;
    _Atomic int most;
};

static int
work_slowly(void *arg)
{
    struct work *work = arg;
    int running = atomic_fetch_add(&work->running, 1) + 1;
    int most = atomic_load(&work->most);
    while (running > most && !atomic_compare_exchange_weak(&work->most, &most, running)) {
    }
    usleep(2000);
    atomic_fetch_sub(&work->running, 1);
    return reactor_is_here() ? -EINVAL : 0;
}

static int
offload_one(void *arg)
{
    return offload_run(work_slowly, arg);
}

FIBER_TEST(helper_threads_are_bounded_and_more_work_waits_in_line)
{
    struct work work = { 0 };
    struct fiber_group group;
    fiber_group_init(&group);
    for (int i = 0; i < 100; i++) {
        fiber_group_spawn(&group, "work", offload_one, &work);
    }
    ASSERT_OK(fiber_group_wait(&group));
    ASSERT(work.most > 1 && work.most <= OFFLOAD_THREADS_MAX);
}

FIBER_TEST(helper_work_brings_its_story)
{
    ASSERT_ERROR(offload_run(fail_there, NULL), -EIO);
    ASSERT(strstr(fault_text(), "what happened there"));
}

struct canceller {
    atomic_bool has_begun;
    int result;
    uint64_t passed_ns;
};

static void
offload_and_measure(void *arg)
{
    struct canceller *canceller = arg;
    uint64_t start = clock_mono_ns();
    canceller->result = offload_run(hold_loop, NULL);
    canceller->passed_ns = clock_mono_ns() - start;
}

/* R1 */
FIBER_TEST(cancelling_does_not_end_helper_work_early)
{
    struct canceller canceller = { 0 };
    struct fiber *fiber;
    ASSERT_OK(fiber_spawn("offload", offload_and_measure, &canceller, &fiber));
    ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    fiber_cancel(fiber);
    fiber_join(fiber);
    ASSERT_EQ(canceller.result, 0);
    ASSERT(canceller.passed_ns >= 19 * NS_PER_MS);
}

static void *
complete_later(void *arg)
{
    usleep(2000);
    foreign_wait_complete(arg, 42);
    return NULL;
}

FIBER_TEST(a_foreign_thread_hands_over_a_result)
{
    for (int i = 0; i < 5; i++) {
        struct foreign_wait wait;
        pthread_t thread;
        foreign_wait_init(&wait);
        ASSERT_EQ(pthread_create(&thread, NULL, complete_later, &wait), 0);
        ASSERT_EQ(foreign_wait_for(&wait), 42);
        pthread_join(thread, NULL);
    }
}

FIBER_TEST(a_foreign_result_may_be_there_before_the_wait)
{
    struct foreign_wait wait;
    foreign_wait_init(&wait);
    foreign_wait_complete(&wait, 43);
    ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    ASSERT_EQ(foreign_wait_for(&wait), 43);
}

static void
offload_there(void *arg)
{
    struct canceller *canceller = arg;
    atomic_store(&canceller->has_begun, true);
    offload_and_measure(canceller);
}

static void
leave_others_behind(void *arg)
{
    struct canceller *cancellers = arg;
    for (unsigned i = 0; i < reactor_count(); i++) {
        if (reactor_post(i, "offload", offload_there, &cancellers[i]) < 0) {
            return;
        }
    }
    for (unsigned i = 0; i < reactor_count(); i++) {
        while (!atomic_load(&cancellers[i].has_begun)) {
            if (fiber_sleep_ns(NS_PER_MS) < 0) {
                return;
            }
        }
    }
}

/* R2: also at the end of a run. */
TEST(a_run_ends_only_when_all_fibers_have_ended)
{
    static const enum io_engine engines[] = { IO_THREADS, IO_AUTO };
    for (unsigned i = 0; i < 2; i++) {
        struct canceller cancellers[3] = { 0 };
        struct reactors_options options = { .count = 3, .engine = engines[i] };
        ASSERT_OK(reactors_run(&options, leave_others_behind, cancellers));
        for (unsigned k = 0; k < 3; k++) {
            ASSERT(cancellers[k].passed_ns >= 19 * NS_PER_MS);
        }
    }
}

static void
many_main(void *arg)
{
    int *result = arg;
    int r = 0;
    for (unsigned i = 0; i < 200 && r == 0; i++) {
        unsigned index;
        r = reactor_call(i % reactor_count(), where, &index) == 7 && index == i % reactor_count()
                    ? 0
                    : -1;
    }
    *result = r == 0;
}

TEST(eight_reactors_start_and_stop)
{
    static const enum io_engine engines[] = { IO_THREADS, IO_AUTO };
    for (unsigned i = 0; i < 20; i++) {
        int result = 0;
        struct reactors_options options = { .count = 8, .engine = engines[i % 2] };
        ASSERT_OK(reactors_run(&options, many_main, &result));
        ASSERT_EQ(result, 1);
    }
}
