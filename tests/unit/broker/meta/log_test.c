/* The object log against a store that fails as stores do: whose is a slot, when are we fenced, what
 * may be removed. */
#include "base/mark.h"
#include "base/mem.h"
#include "meta/log.h"
#include "meta/log_format.h"
#include "meta/mutants.h"
#include "objectstore/faulty.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "support_records.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

#define STORE "faulty+memory://log-test?faults=log-test"

static struct objectstore *
open_store(void)
{
    struct objectstore *objects = NULL;
    faulty_forget_all();
    memory_store_forget("log-test");
    return objectstore_open(STORE, &objects) ? NULL : objects;
}

static bool
rule(const char *text)
{
    struct faulty_rule parsed;
    return faulty_parse(text, &parsed) == 0 && faulty_add("log-test", &parsed) >= 0;
}

static struct objlog *
open_log(struct objectstore *objects, uint32_t writer, int64_t epoch, unsigned mutants)
{
    struct objlog *log = NULL;
    const struct objlog_options options = { .objects = objects,
        .prefix = "meta",
        .log_id = test_uuid(900),
        .writer = test_uuid(writer),
        .epoch = epoch,
        .mutants = mutants };
    return objlog_new(&options, &log) ? NULL : log;
}

static int
append(struct objlog *log, const char *text)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    const struct iovec part = { copy, strlen(copy) };
    return objlog_append(log, &part, 1);
}

/* Reads the next entry and compares. */
static int
expect(struct objlog *log, const char *text)
{
    struct objlog_entry entry;
    int r = objlog_read_next(log, &entry);
    if (r) {
        return r;
    }
    bool same = bytes_equal(entry.payload, bytes_of_string(text));
    objlog_entry_done(&entry);
    return same ? 0 : -EBADMSG;
}

static size_t
count_keys(struct objectstore *objects, const char *prefix)
{
    struct object_list list;
    if (objectstore_list(objects, prefix, NULL, 1000, DEADLINE_NONE, &list)) {
        return SIZE_MAX;
    }
    size_t count = list.count;
    object_list_done(&list);
    return count;
}

FIBER_TEST(what_is_appended_is_read_in_order)
{
    struct objectstore *objects = open_store();
    struct objlog *writer = open_log(objects, 1, 1, 0);
    struct objlog *reader = open_log(objects, 0, 0, 0);
    ASSERT_ERROR(expect(reader, ""), -ENOENT);
    char text[16];
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "entry %d", i);
        ASSERT_OK(append(writer, text));
    }
    uint64_t tail;
    ASSERT_OK(objlog_find_tail(reader, &tail));
    ASSERT_EQ(tail, 40);
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "entry %d", i);
        ASSERT_OK(expect(reader, text));
    }
    ASSERT_ERROR(expect(reader, ""), -ENOENT);
    ASSERT_OK(append(writer, "one more"));
    ASSERT_OK(expect(reader, "one more"));
    ASSERT_OK(objlog_confirm(reader));
    ASSERT_EQ(objlog_next_sequence(reader), 42);
    ASSERT_BYTES(objlog_previous_hash(reader), objlog_previous_hash(writer));
    ASSERT_EQ(objlog_last_epoch(reader), 1);
    objlog_free(writer);
    objlog_free(reader);
    objectstore_close(objects);
}

/* M1: the answer was lost, the repeated create meets 412, and the object is our own. */
FIBER_TEST(a_lost_answer_is_found_by_reading_back)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    uint64_t before = mark_count("objlog: our own object behind 412");
    ASSERT(rule("put:meta/log*:lost:n=1"));
    ASSERT_OK(append(log, "a"));
    ASSERT_OK(append(log, "b"));
    ASSERT_EQ(mark_count("objlog: our own object behind 412"), before + 1);
    ASSERT_EQ(count_keys(objects, "meta/log/"), 2);
    struct objlog_stats stats;
    objlog_stats_get(log, &stats);
    ASSERT_EQ(stats.undecided, 1);
    ASSERT_EQ(stats.read_backs, 1);
    objlog_free(log);
    objectstore_close(objects);
}

/* M1: the transport sent our create twice and hands us the second answer. */
FIBER_TEST(the_echo_of_our_own_write_is_ours)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    ASSERT(rule("put:meta/log*:echo:n=1"));
    ASSERT_OK(append(log, "a"));
    objlog_free(log);
    objectstore_close(objects);
}

/* M1: a mutant that trusts 412 reports a loss that is none; the same switch is off in the test
 * above. */
FIBER_TEST(a_mutant_that_trusts_412_is_wrong_about_its_own_write)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, META_MUTANT_TRUST_412);
    ASSERT(rule("put:meta/log*:echo:n=1"));
    ASSERT_ERROR(append(log, "a"), -EAGAIN);
    objlog_free(log);
    objectstore_close(objects);
}

/* M1: nothing but an object in the slot settles it: 409, 500, 503 and time-outs are repeated with
 * the same bytes. */
FIBER_TEST(undecided_answers_are_repeated_until_the_slot_is_settled)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    ASSERT(rule("put:meta/log*:409:n=2"));
    ASSERT(rule("put:meta/log*:500:n=2"));
    ASSERT(rule("put:meta/log*:late:n=2:ms=30"));
    ASSERT_OK(append(log, "a"));
    ASSERT_OK(append(log, "b"));
    ASSERT_OK(append(log, "c"));
    ASSERT_OK(fiber_sleep_ns(40 * (uint64_t)NS_PER_MS));
    struct objlog *reader = open_log(objects, 0, 0, 0);
    ASSERT_OK(expect(reader, "a"));
    ASSERT_OK(expect(reader, "b"));
    ASSERT_OK(expect(reader, "c"));
    ASSERT_ERROR(expect(reader, ""), -ENOENT);
    objlog_free(reader);
    objlog_free(log);
    objectstore_close(objects);
}

/* M2 */
FIBER_TEST(a_higher_epoch_in_the_slot_fences_for_good)
{
    struct objectstore *objects = open_store();
    struct objlog *old = open_log(objects, 1, 1, 0);
    struct objlog *new = open_log(objects, 2, 2, 0);
    ASSERT_OK(append(old, "a"));
    ASSERT_OK(expect(new, "a"));
    ASSERT_OK(append(new, "fence"));
    ASSERT_ERROR(append(old, "b"), -ESTALE);
    /* Reading on does not help: it knows now. */
    ASSERT_OK(expect(old, "fence"));
    ASSERT_ERROR(append(old, "b"), -ESTALE);
    ASSERT_OK(append(new, "c"));
    objlog_free(old);
    objlog_free(new);
    objectstore_close(objects);
}

FIBER_TEST(a_lower_epoch_in_the_slot_is_read_and_the_next_slot_tried)
{
    struct objectstore *objects = open_store();
    struct objlog *old = open_log(objects, 1, 1, 0);
    struct objlog *new = open_log(objects, 2, 2, 0);
    ASSERT_OK(append(old, "late"));
    ASSERT_ERROR(append(new, "fence"), -EAGAIN);
    ASSERT_OK(expect(new, "late"));
    ASSERT_OK(append(new, "fence"));
    ASSERT_EQ(objlog_next_sequence(new), 3);
    objlog_free(old);
    objlog_free(new);
    objectstore_close(objects);
}

static int
snapshot(struct objlog *log, const char *state)
{
    return objlog_write_snapshot(log, objlog_next_sequence(log) - 1, bytes_of_string(state));
}

/* M3, the scenario of meta.h: a writer sleeps while others write on, take a snapshot and remove the
 * log below it. The slot that it then creates is free, the create succeeds, and it must not believe
 * it. */
static int
sleep_through_history(struct objectstore *objects, unsigned mutants)
{
    struct objlog *sleeper = open_log(objects, 1, 1, mutants);
    struct objlog *other = open_log(objects, 2, 2, 0);
    int r = append(sleeper, "a");
    r = r ? r : expect(other, "a");
    for (int i = 0; i < 5 && r == 0; i++) {
        r = append(other, "b");
    }
    r = r ? r : snapshot(other, "state");
    r = r ? r : append(other, "c");
    r = r ? r : objlog_set_floor(other, 6);
    r = r ? r : append(sleeper, "who am I");
    objlog_free(sleeper);
    objlog_free(other);
    return r;
}

FIBER_TEST(a_writer_that_slept_through_history_knows_by_the_floor)
{
    struct objectstore *objects = open_store();
    uint64_t before = mark_count("objlog: slot below the floor");
    ASSERT_ERROR(sleep_through_history(objects, 0), -ESTALE);
    ASSERT_EQ(mark_count("objlog: slot below the floor"), before + 1);
    objectstore_close(objects);
    objects = open_store();
    /* The mutant believes it: this test can tell. */
    ASSERT_OK(sleep_through_history(objects, META_MUTANT_SKIP_FLOOR));
    objectstore_close(objects);
}

/* M3 for readers: the sleeper's object has the right hash of the object before it. */
FIBER_TEST(a_reader_below_the_floor_is_told_to_start_again)
{
    struct objectstore *objects = open_store();
    struct objlog *reader = open_log(objects, 0, 0, 0);
    struct objlog *sleeper = open_log(objects, 1, 1, META_MUTANT_SKIP_FLOOR);
    struct objlog *other = open_log(objects, 2, 2, 0);
    ASSERT_OK(append(sleeper, "a"));
    ASSERT_OK(expect(reader, "a"));
    ASSERT_OK(expect(other, "a"));
    ASSERT_OK(append(other, "b"));
    ASSERT_OK(append(other, "c"));
    ASSERT_OK(snapshot(other, "state"));
    ASSERT_OK(append(other, "d"));
    ASSERT_OK(objlog_set_floor(other, 3));
    ASSERT_OK(append(sleeper, "never happened"));
    ASSERT_OK(expect(reader, "never happened"));
    uint64_t before = mark_count("objlog: read below the floor");
    ASSERT_ERROR(objlog_confirm(reader), -ESTALE);
    ASSERT_EQ(mark_count("objlog: read below the floor"), before + 1);
    /* From the snapshot it is the one history. */
    CLEANUP(buf_unrefp) struct buf *state = NULL;
    struct objlog_position position;
    ASSERT_OK(objlog_read_snapshot(reader, UINT64_MAX, &position, &state));
    ASSERT_EQ(position.next_sequence, 4);
    ASSERT_BYTES(buf_bytes(state), BYTES_LITERAL("state"));
    objlog_seek(reader, &position);
    ASSERT_OK(expect(reader, "d"));
    ASSERT_OK(objlog_confirm(reader));
    /* The next removal takes the stray object too. */
    ASSERT_OK(objlog_set_floor(other, 3));
    ASSERT_EQ(count_keys(objects, "meta/log/"), 1);
    objlog_free(reader);
    objlog_free(sleeper);
    objlog_free(other);
    objectstore_close(objects);
}

/* M3 for readers: a follower would look for a former controller for ever. */
FIBER_TEST(an_end_below_the_floor_is_none)
{
    struct objectstore *objects = open_store();
    struct objlog *reader = open_log(objects, 0, 0, 0);
    struct objlog *other = open_log(objects, 2, 2, 0);
    ASSERT_OK(append(other, "a"));
    ASSERT_OK(expect(reader, "a"));
    ASSERT_OK(append(other, "b"));
    ASSERT_OK(snapshot(other, "state"));
    ASSERT_OK(objlog_confirm(reader));
    ASSERT_OK(objlog_set_floor(other, 2));
    ASSERT_ERROR(objlog_read_next(reader, &(struct objlog_entry){ 0 }), -ENOENT);
    ASSERT_ERROR(objlog_confirm(reader), -ESTALE);
    ASSERT(mark_count("objlog: the end is below the floor") > 0);
    objlog_free(reader);
    objlog_free(other);
    objectstore_close(objects);
}

/* M3 for readers: what follows the sleeper's object in the real history does not fit behind it. */
FIBER_TEST(a_chain_that_breaks_below_the_floor_is_no_damage)
{
    struct objectstore *objects = open_store();
    struct objlog *reader = open_log(objects, 0, 0, 0);
    struct objlog *sleeper = open_log(objects, 1, 1, META_MUTANT_SKIP_FLOOR);
    struct objlog *other = open_log(objects, 2, 2, 0);
    ASSERT_OK(append(sleeper, "a"));
    ASSERT_OK(expect(reader, "a"));
    ASSERT_OK(expect(other, "a"));
    ASSERT_OK(append(other, "b"));
    ASSERT_OK(snapshot(other, "state"));
    ASSERT_OK(append(other, "c"));
    ASSERT_OK(objlog_set_floor(other, 2));
    ASSERT_OK(append(sleeper, "never happened"));
    ASSERT_OK(expect(reader, "never happened"));
    uint64_t before = mark_count("objlog: a chain that breaks below the floor");
    ASSERT_ERROR(expect(reader, "c"), -ESTALE);
    ASSERT_EQ(mark_count("objlog: a chain that breaks below the floor"), before + 1);
    objlog_free(reader);
    objlog_free(sleeper);
    objlog_free(other);
    objectstore_close(objects);
}

/* M3 */
FIBER_TEST(the_floor_never_falls)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    uint64_t floor;
    for (int i = 0; i < 10; i++) {
        ASSERT_OK(append(log, "x"));
    }
    ASSERT_OK(objlog_get_floor(log, &floor));
    ASSERT_EQ(floor, 0);
    ASSERT_OK(objlog_set_floor(log, 7));
    ASSERT_OK(objlog_set_floor(log, 4));
    ASSERT_OK(objlog_get_floor(log, &floor));
    ASSERT_EQ(floor, 7);
    ASSERT_EQ(count_keys(objects, "meta/log/"), 3);
    ASSERT(rule("put:meta/floor:lost:n=1"));
    ASSERT(rule("put:meta/floor:409:n=1"));
    ASSERT_OK(objlog_set_floor(log, 9));
    ASSERT_OK(objlog_get_floor(log, &floor));
    ASSERT_EQ(floor, 9);
    objlog_free(log);
    objectstore_close(objects);
}

/* M3: when the floor cannot be moved nothing is removed. */
FIBER_TEST(nothing_is_removed_before_the_floor_is_durable)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(append(log, "x"));
    }
    struct objlog_floor broken = { test_uuid(901), 1, test_uuid(3) };
    uint8_t bytes[OBJLOG_FLOOR_SIZE];
    objlog_floor_encode(&broken, bytes);
    const struct iovec part = { bytes, sizeof bytes };
    const struct object_put put = {
        .key = "meta/floor", .parts = &part, .part_count = 1, .deadline_ns = DEADLINE_NONE
    };
    ASSERT_OK(objectstore_put(objects, &put, NULL));
    ASSERT_ERROR(objlog_set_floor(log, 3), -EMEDIUMTYPE);
    ASSERT_EQ(count_keys(objects, "meta/log/"), 4);
    objlog_free(log);
    objectstore_close(objects);
}

/* Nothing below a floor is made up: without snapshots the log itself must be whole. */
FIBER_TEST(without_a_readable_snapshot_the_whole_log_is_read_while_it_is_there) /* M3 */
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    ASSERT_OK(append(log, "a"));
    ASSERT_OK(append(log, "b"));
    char rotten[] = "rotten";
    const struct iovec part = { rotten, sizeof rotten };
    const struct object_put put = { .key = "meta/snapshot/00000000000000000002",
        .parts = &part,
        .part_count = 1,
        .deadline_ns = DEADLINE_NONE };
    ASSERT_OK(objectstore_put(objects, &put, NULL));
    CLEANUP(buf_unrefp) struct buf *state = NULL;
    struct objlog_position position;
    uint64_t before = mark_count("objlog: the whole log in the place of its snapshots");
    ASSERT_ERROR(objlog_read_snapshot(log, UINT64_MAX, &position, &state), -ENOENT);
    ASSERT_EQ(mark_count("objlog: the whole log in the place of its snapshots"), before + 1);
    ASSERT_OK(objlog_set_floor(log, 1));
    ASSERT_ERROR(objlog_read_snapshot(log, UINT64_MAX, &position, &state), -EBADMSG);
    objlog_free(log);
    objectstore_close(objects);
}

/* Bytes change on their way too: one wrong answer fences nobody. */
FIBER_TEST(a_damaged_answer_is_read_again_before_it_ends_the_writer) /* M1, M3 */
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    ASSERT_OK(append(log, "a"));
    ASSERT_OK(append(log, "b"));
    ASSERT_OK(objlog_set_floor(log, 1));
    uint64_t before = mark_count("objlog: a damaged answer is read again");
    ASSERT(rule("get:meta/floor:wrong:n=2"));
    ASSERT_OK(append(log, "c"));
    ASSERT_EQ(mark_count("objlog: a damaged answer is read again"), before + 2);
    ASSERT(rule("put:meta/log/*:lost:n=1"));
    ASSERT(rule("get:meta/log/*:wrong:n=1"));
    ASSERT_OK(append(log, "d"));
    ASSERT_EQ(mark_count("objlog: a damaged answer is read again"), before + 3);
    ASSERT(rule("get:meta/floor:wrong"));
    int r = append(log, "e");
    ASSERT(r == -EBADMSG || r == -EMEDIUMTYPE); /* by the byte that changed */
    faulty_clear("log-test");
    objlog_free(log);
    objectstore_close(objects);
}

FIBER_TEST(a_damaged_newest_snapshot_leaves_the_one_before)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    ASSERT_OK(append(log, "a"));
    ASSERT_OK(snapshot(log, "first"));
    ASSERT_OK(append(log, "b"));
    ASSERT_OK(snapshot(log, "second"));
    char key[64];
    snprintf(key, sizeof key, "meta/snapshot/%020d", 2);
    char rotten[] = "rotten";
    const struct iovec part = { rotten, sizeof rotten };
    const struct object_put put = {
        .key = key, .parts = &part, .part_count = 1, .deadline_ns = DEADLINE_NONE
    };
    ASSERT_OK(objectstore_put(objects, &put, NULL));
    CLEANUP(buf_unrefp) struct buf *state = NULL;
    struct objlog_position position;
    uint64_t before = mark_count("objlog: a snapshot could not be read");
    ASSERT_OK(objlog_read_snapshot(log, UINT64_MAX, &position, &state));
    ASSERT_EQ(position.next_sequence, 2);
    ASSERT_BYTES(buf_bytes(state), BYTES_LITERAL("first"));
    ASSERT_EQ(mark_count("objlog: a snapshot could not be read"), before + 1);
    objlog_free(log);
    objectstore_close(objects);
}

/* M2: a writer whose epoch was overtaken before the newest snapshot reads no entry that would tell
 * it. The model test found this. */
FIBER_TEST(a_snapshot_tells_the_epoch_that_it_has_reached)
{
    struct objectstore *objects = open_store();
    struct objlog *new = open_log(objects, 2, 2, 0);
    ASSERT_OK(append(new, "fence"));
    ASSERT_OK(snapshot(new, "state"));
    struct objlog *old = open_log(objects, 1, 1, 0);
    CLEANUP(buf_unrefp) struct buf *state = NULL;
    struct objlog_position position;
    ASSERT_OK(objlog_read_snapshot(old, UINT64_MAX, &position, &state));
    ASSERT_EQ(position.last_epoch, 2);
    objlog_seek(old, &position);
    ASSERT_ERROR(append(old, "behind it"), -ESTALE);
    objlog_free(old);
    objlog_free(new);
    objectstore_close(objects);
}

static int
overwrite(struct objectstore *objects, int sequence, struct bytes bytes)
{
    char key[64];
    snprintf(key, sizeof key, "meta/log/%020d", sequence);
    uint8_t *copy = mem_dup(bytes.data, bytes.size);
    const struct iovec part = { copy, bytes.size };
    const struct object_put put = {
        .key = key, .parts = &part, .part_count = 1, .deadline_ns = DEADLINE_NONE
    };
    int r = objectstore_put(objects, &put, NULL);
    mem_free(copy);
    return r;
}

static struct buf *
fetch(struct objectstore *objects, int sequence)
{
    char key[64];
    struct buf *object = NULL;
    snprintf(key, sizeof key, "meta/log/%020d", sequence);
    return objectstore_get(objects, key, OBJECT_WHOLE, DEADLINE_NONE, &object, NULL) ? NULL
                                                                                     : object;
}

FIBER_TEST(every_flipped_byte_of_an_object_is_noticed_and_named)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    ASSERT_OK(append(log, "a payload"));
    CLEANUP(buf_unrefp) struct buf *object = fetch(objects, 1);
    ASSERT(object);
    for (size_t i = 0; i < object->size; i++) {
        object->data[i] ^= 0x10;
        ASSERT_OK(overwrite(objects, 1, buf_bytes(object)));
        object->data[i] ^= 0x10;
        struct objlog *reader = open_log(objects, 0, 0, 0);
        int r = expect(reader, "a payload");
        ASSERT(r == -EBADMSG || r == -EMEDIUMTYPE);
        ASSERT(strstr(test_fault(r), "meta/log/00000000000000000001"));
        objlog_free(reader);
    }
    objlog_free(log);
    objectstore_close(objects);
}

FIBER_TEST(a_broken_chain_a_missing_object_and_a_foreign_one_are_refused)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    ASSERT_OK(append(log, "a"));
    ASSERT_OK(append(log, "b"));
    ASSERT_OK(append(log, "c"));
    CLEANUP(buf_unrefp) struct buf *second = fetch(objects, 2);
    CLEANUP(buf_unrefp) struct buf *third = fetch(objects, 3);
    ASSERT_OK(overwrite(objects, 2, buf_bytes(third))); /* misplaced */
    struct objlog *reader = open_log(objects, 0, 0, 0);
    ASSERT_OK(expect(reader, "a"));
    ASSERT_ERROR(expect(reader, "b"), -EBADMSG);
    ASSERT(strstr(test_fault(-EBADMSG), "says that it is object 3"));
    struct objlog_header header;
    struct bytes payload;
    ASSERT_OK(objlog_object_decode(buf_bytes(second), "key", &header, &payload));
    header.previous_hash[5] ^= 1;
    CLEANUP(buf_unrefp) struct buf *forged = NULL;
    char text[] = "b";
    const struct iovec part = { text, 1 };
    ASSERT_OK(objlog_object_encode(&header, &part, 1, &forged));
    ASSERT_OK(overwrite(objects, 2, buf_bytes(forged)));
    ASSERT_ERROR(expect(reader, "b"), -EBADMSG);
    ASSERT(strstr(test_fault(-EBADMSG), "does not follow"));
    ASSERT_OK(overwrite(objects, 2, buf_bytes(second)));
    ASSERT_OK(expect(reader, "b"));
    objlog_free(reader);
    reader = open_log(objects, 0, 0, 0);
    ASSERT_OK(objectstore_delete(objects, "meta/log/00000000000000000002", DEADLINE_NONE));
    uint64_t tail;
    ASSERT_OK(objlog_find_tail(reader, &tail));
    ASSERT_OK(expect(reader, "a"));
    ASSERT_ERROR(expect(reader, "b"), -EBADMSG);
    ASSERT(strstr(test_fault(-EBADMSG), "object 2 is missing"));
    objlog_free(reader);
    const struct objlog_options foreign = {
        .objects = objects, .prefix = "meta", .log_id = test_uuid(901)
    };
    ASSERT_OK(objlog_new(&foreign, &reader));
    ASSERT_ERROR(expect(reader, "a"), -EMEDIUMTYPE);
    objlog_free(reader);
    objlog_free(log);
    objectstore_close(objects);
}

struct cancelled_append {
    struct objlog *log;
    int first;
    int second;
};

static void
append_main(void *arg)
{
    struct cancelled_append *cancelled = arg;
    cancelled->first = append(cancelled->log, "a");
}

FIBER_TEST(a_cancelled_append_leaves_a_writer_that_writes_no_more)
{
    struct objectstore *objects = open_store();
    struct objlog *log = open_log(objects, 1, 1, 0);
    struct cancelled_append cancelled = { .log = log };
    struct fiber *fiber;
    ASSERT(rule("put:meta/log*:409"));
    ASSERT_OK(fiber_spawn("append", append_main, &cancelled, &fiber));
    ASSERT_OK(fiber_sleep_ns(50 * (uint64_t)NS_PER_MS));
    fiber_cancel(fiber);
    fiber_join(fiber);
    ASSERT_EQ(cancelled.first, -ECANCELED);
    faulty_clear("log-test");
    ASSERT_ERROR(append(log, "b"), -ECANCELED);
    objlog_free(log);
    objectstore_close(objects);
}
