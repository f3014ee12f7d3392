/* Every kind of fault, and how the interface above turns it into the outcomes that it promises. */
#include "base/check.h"
#include "base/mark.h"
#include "objectstore/faulty.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "reactor/sim.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void
close_store(struct objectstore **store)
{
    objectstore_close(*store);
    faulty_forget_all();
    memory_store_forget("f");
}

static uint64_t
in_ms(uint64_t ms)
{
    return clock_mono_ns() + ms * NS_PER_MS;
}

/* Opens faulty+memory://f with one rule. */
static struct objectstore *
open_with(const char *rule)
{
    char url[300];
    struct objectstore *store = NULL;
    snprintf(url, sizeof url, "faulty+memory://f?faults=set%s%s", rule ? "&fault=" : "",
            rule ? rule : "");
    int r = objectstore_open(url, &store);
    if (r < 0) {
        test_fail(__FILE__, __LINE__, "%s: %s", url, test_fault(r));
    }
    return store;
}

static int
put(struct objectstore *store, const char *key, const char *body, enum object_condition condition)
{
    struct iovec part = { (void *)(uintptr_t)body, strlen(body) };
    struct object_put what = { key, &part, 1, condition, .deadline_ns = in_ms(2000) };
    return objectstore_put(store, &what, NULL);
}

/* Whether the object is `body`; NULL: whether there is none. */
static bool
holds(struct objectstore *store, const char *key, const char *body)
{
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    int r = objectstore_get(store, key, OBJECT_WHOLE, in_ms(2000), &buf, NULL);
    return body ? r == 0 && bytes_equal(buf_bytes(buf), bytes_of_string(body)) : r == -ENOENT;
}

/* S1 S2 */
FIBER_TEST(a_lost_answer_leaves_the_write_undecided_and_done)
{
    CLEANUP(close_store) struct objectstore *store = open_with("put:*:lost:n=1");
    ASSERT_ERROR(put(store, "k", "one", OBJECT_CREATE), OBJECT_UNDECIDED);
    ASSERT(holds(store, "k", "one"));
    ASSERT_ERROR(put(store, "k", "one", OBJECT_CREATE), -EEXIST);
    ASSERT_EQ(faulty_hits("set", 0), 1);
    ASSERT_EQ(faulty_hits("set", 1), 0);
}

/* S4 */
FIBER_TEST(an_unconditional_write_is_repeated_after_a_lost_answer)
{
    CLEANUP(close_store) struct objectstore *store = open_with("put:*:lost:n=2");
    ASSERT_OK(put(store, "k", "one", OBJECT_ALWAYS));
    ASSERT_EQ(faulty_hits("set", 0), 2);
    struct object_stats stats;
    objectstore_stats_get(store, &stats);
    ASSERT_EQ(stats.retries[OBJECT_OP_PUT], 2);
    ASSERT_EQ(stats.undecided, 2);
}

/* S1: "not there" after a time-out proves nothing. */
FIBER_TEST(a_late_write_lands_when_its_time_has_come)
{
    CLEANUP(close_store) struct objectstore *store = open_with("put:late/*:late:n=1:ms=100");
    ASSERT_ERROR(put(store, "late/k", "old", OBJECT_CREATE), OBJECT_UNDECIDED);
    ASSERT(holds(store, "late/k", NULL));
    ASSERT_EQ(faulty_late_count(store), 1);
    ASSERT_OK(fiber_sleep_ns(110 * NS_PER_MS));
    ASSERT(holds(store, "late/k", "old"));
    ASSERT_EQ(faulty_late_count(store), 0);
    ASSERT(mark_count("faulty store: a late write landed") > 0);
}

FIBER_TEST(a_late_write_lands_after_its_sender_is_gone_and_after_what_others_wrote)
{
    struct objectstore *sender = open_with("put:*:late:n=2:ms=50");
    CLEANUP(close_store) struct objectstore *other = NULL;
    ASSERT_OK(objectstore_open("faulty+memory://f?faults=others", &other));
    /* An unconditional write of a cancelled fiber's kind: it was sent, and nobody repeats it. */
    ASSERT_ERROR(put(sender, "k", "create", OBJECT_CREATE), OBJECT_UNDECIDED);
    objectstore_close(sender);
    ASSERT_OK(put(other, "k", "theirs", OBJECT_CREATE));
    ASSERT_EQ(faulty_late_count(other), 1);
    ASSERT_OK(fiber_sleep_ns(60 * NS_PER_MS));
    ASSERT(holds(other, "k", "theirs")); /* the late create came to a key that was taken */
    ASSERT_EQ(faulty_late_count(other), 0);
}

FIBER_TEST(a_late_unconditional_write_overwrites_what_came_before_it)
{
    CLEANUP(close_store) struct objectstore *store = open_with("put:*:late:n=1:ms=5000");
    ASSERT_OK(put(store, "k", "old", OBJECT_ALWAYS)); /* sent, undecided, repeated */
    ASSERT_OK(put(store, "k", "new", OBJECT_ALWAYS));
    ASSERT(holds(store, "k", "new"));
    faulty_land_all(store);
    ASSERT(holds(store, "k", "old"));
}

struct hosts {
    struct sim *sim;
    int sent;
    bool early; /* seen before its time */
    bool seen;
};

/* Its machine has slept for longer than the write is late. */
static void
sleeper_main(void *arg)
{
    struct hosts *hosts = arg;
    struct objectstore *store = open_with(NULL);
    hosts->early = !holds(store, "k", NULL);
    CHECK(fiber_sleep_ns(5 * (uint64_t)NS_PER_S) == 0);
    hosts->seen = holds(store, "k", "late");
    objectstore_close(store);
}

static void
sender_main(void *arg)
{
    struct hosts *hosts = arg;
    struct sim_host *sleeper = sim_host(hosts->sim, "sleeper");
    struct objectstore *store = open_with("put:*:late:n=1:ms=5000");
    sim_host_suspend(sleeper, 600 * (uint64_t)NS_PER_S);
    CHECK(fiber_sleep_ns(600 * (uint64_t)NS_PER_S) == 0);
    hosts->sent = put(store, "k", "late", OBJECT_CREATE);
    CHECK(sim_wait(sim_start(sleeper, 1, "sleeper", sleeper_main, hosts)) == 0);
    objectstore_close(store);
}

/* Else "five seconds late" is ten minutes for one whose machine has slept for so long. */
TEST(a_late_write_lands_by_the_time_of_the_world_whoever_looks)
{
    struct hosts hosts = { .sim = sim_new(1) };
    struct sim_process *sender =
            sim_start(sim_host(hosts.sim, "sender"), 1, "sender", sender_main, &hosts);
    ASSERT_OK(sim_run_process(sender, 3600 * (uint64_t)NS_PER_S));
    ASSERT_ERROR(hosts.sent, OBJECT_UNDECIDED);
    ASSERT(!hosts.early);
    ASSERT(hosts.seen);
    sim_free(hosts.sim);
    faulty_forget_all();
    memory_store_forget("f");
}

FIBER_TEST(a_late_removal_lands_too)
{
    CLEANUP(close_store) struct objectstore *store = open_with("delete:*:late:n=1:ms=5000");
    ASSERT_OK(put(store, "k", "one", OBJECT_ALWAYS));
    ASSERT_OK(objectstore_delete(store, "k", in_ms(2000)));
    ASSERT_OK(put(store, "k", "two", OBJECT_CREATE));
    faulty_land_all(store);
    ASSERT(holds(store, "k", NULL));
}

/* S2 */
FIBER_TEST(an_echo_says_exists_of_our_own_write)
{
    CLEANUP(close_store) struct objectstore *store = open_with("put:*:echo:n=1");
    ASSERT_ERROR(put(store, "k", "mine", OBJECT_CREATE), -EEXIST);
    ASSERT(holds(store, "k", "mine"));
}

FIBER_TEST(refusals_without_execution)
{
    static const struct {
        const char *rule;
        int create;
    } cases[] = { { "put:*:409", OBJECT_UNDECIDED }, { "put:*:412", -EEXIST },
        { "put:*:503", OBJECT_UNDECIDED }, { "put:*:denied", -EACCES }, { "put:*:full", -ENOSPC } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(close_store) struct objectstore *store = open_with(cases[i].rule);
        ASSERT_ERROR(put(store, "k", "x", OBJECT_CREATE), cases[i].create);
        ASSERT(holds(store, "k", NULL));
    }
}

FIBER_TEST(a_500_may_or_may_not_have_executed)
{
    CLEANUP(close_store) struct objectstore *store = open_with("put:*:500");
    unsigned executed = 0;
    for (unsigned i = 0; i < 64; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%u", i);
        ASSERT_ERROR(put(store, key, "x", OBJECT_CREATE), OBJECT_UNDECIDED);
        executed += holds(store, key, "x");
    }
    ASSERT(executed > 8 && executed < 56);
}

FIBER_TEST(bodies_are_truncated_loudly_and_changed_silently)
{
    CLEANUP(close_store) struct objectstore *store = open_with("get:short*:truncated");
    struct faulty_rule wrong;
    struct buf *buf = NULL;
    ASSERT_OK(faulty_parse("get:wrong*:wrong", &wrong));
    ASSERT_EQ(faulty_add("set", &wrong), 1);
    ASSERT_OK(put(store, "short1", "some bytes", OBJECT_ALWAYS));
    ASSERT_OK(put(store, "wrong1", "some bytes", OBJECT_ALWAYS));
    ASSERT_ERROR(objectstore_get(store, "short1", OBJECT_WHOLE, in_ms(5000), &buf, NULL), -EIO);
    ASSERT_EQ(faulty_hits("set", 0), 3); /* S4: read again, but not for ever */
    ASSERT_OK(objectstore_get(store, "wrong1", OBJECT_WHOLE, in_ms(2000), &buf, NULL));
    bool differs = buf->size == 10 && memcmp(buf->data, "some bytes", 10) != 0;
    buf_unref(buf);
    ASSERT(differs);
    faulty_clear("set");
    ASSERT(holds(store, "wrong1", "some bytes"));
}

FIBER_TEST(slow_and_hanging_stores_keep_to_deadlines)
{
    CLEANUP(close_store) struct objectstore *store = open_with("get:*:hang");
    struct buf *buf = NULL;
    uint64_t before = clock_mono_ns();
    ASSERT_ERROR(objectstore_get(store, "k", OBJECT_WHOLE, in_ms(100), &buf, NULL), -ETIMEDOUT);
    uint64_t took_ms = (clock_mono_ns() - before) / NS_PER_MS;
    ASSERT(took_ms >= 99 && took_ms < 1000);
    struct faulty_rule slow;
    ASSERT_OK(faulty_parse("put:*:slow:ms=20", &slow));
    ASSERT_EQ(faulty_add("set", &slow), 1);
    ASSERT_OK(put(store, "k", "x", OBJECT_CREATE));
    ASSERT_EQ(faulty_hits("set", 1), 1);
    struct faulty_rule patience;
    struct object_info info;
    ASSERT_OK(faulty_parse("head:*:hang:ms=10:n=3", &patience));
    ASSERT_EQ(faulty_add("set", &patience), 2);
    ASSERT_OK(objectstore_head(store, "k", DEADLINE_NONE, &info));
    ASSERT_EQ(faulty_hits("set", 2), 3);
}

FIBER_TEST(a_stale_list_hides_what_was_just_written)
{
    CLEANUP(close_store) struct objectstore *store = open_with("list:*:stale:n=1:ms=10000");
    struct object_list list;
    ASSERT_OK(put(store, "k", "x", OBJECT_CREATE));
    ASSERT_OK(objectstore_list(store, "", NULL, 10, in_ms(2000), &list));
    ASSERT_EQ(list.count, 0);
    object_list_done(&list);
    ASSERT_OK(objectstore_list(store, "", NULL, 10, in_ms(2000), &list));
    ASSERT_EQ(list.count, 1);
    object_list_done(&list);
}

FIBER_TEST(rules_count_skip_and_throw_dice)
{
    CLEANUP(close_store) struct objectstore *store = open_with("put:*:denied:skip=2:n=2");
    for (int i = 0; i < 6; i++) {
        ASSERT_EQ(put(store, "k", "x", OBJECT_ALWAYS), i == 2 || i == 3 ? -EACCES : 0);
    }
    faulty_clear("set");
    struct faulty_rule rule;
    ASSERT_OK(faulty_parse("put+get:a*b*c:denied:p=0.5", &rule));
    ASSERT_EQ(rule.operations, (1u << OBJECT_OP_PUT | 1u << OBJECT_OP_GET));
    ASSERT_EQ(faulty_add("set", &rule), 0);
    unsigned denied = 0;
    for (int i = 0; i < 200; i++) {
        denied += put(store, "axx/bxc", "x", OBJECT_ALWAYS) == -EACCES;
    }
    ASSERT(denied > 50 && denied < 150);
    ASSERT_OK(put(store, "axx/bx", "x", OBJECT_ALWAYS));
    ASSERT_OK(objectstore_delete(store, "axx/bxc", in_ms(1000)));
}

FIBER_TEST(rules_come_from_the_environment_too)
{
    setenv("FRESHET_FAULTS", "put:e*:denied;get:e*:denied", 1);
    CLEANUP(close_store) struct objectstore *store = open_with(NULL);
    unsetenv("FRESHET_FAULTS");
    ASSERT_ERROR(put(store, "env", "x", OBJECT_CREATE), -EACCES);
    ASSERT_OK(put(store, "other", "x", OBJECT_CREATE));
    struct objectstore *broken = NULL;
    setenv("FRESHET_FAULTS", "nonsense", 1);
    int r = objectstore_open("faulty+memory://f", &broken);
    unsetenv("FRESHET_FAULTS");
    ASSERT_ERROR(r, -EINVAL);
    ASSERT(strstr(test_fault(r), "FRESHET_FAULTS") != NULL);
}

FIBER_TEST(the_probe_finds_a_store_that_breaks_its_promises)
{
    static const struct {
        const char *rule;
        const char *promise;
    } cases[] = { { "list:*:stale:ms=60000", "a list shows what was just written" },
        { "get:*:wrong", "read back" }, { "put:*:412", "a missing object cannot be replaced" } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(close_store) struct objectstore *store = open_with(cases[i].rule);
        int r = objectstore_probe(store, "probe/", in_ms(5000));
        ASSERT_ERROR(r, -ENOTSUP);
        if (!strstr(test_fault(r), cases[i].promise)) {
            test_fail(__FILE__, __LINE__, "%s: %s", cases[i].rule, test_fault(r));
        }
    }
}

FIBER_TEST(the_probe_gives_an_unsure_store_another_chance)
{
    CLEANUP(close_store) struct objectstore *store = open_with("put:*:lost:n=2");
    ASSERT_OK(objectstore_probe(store, "probe/", in_ms(5000)));
    ASSERT(mark_count("objectstore: probe tried again") > 0);
}
