/* The folder behind file:// stores and the processes that use it: killed ones, and several at
 * once. */
#include "base/mark.h"
#include "reactor/clock.h"
#include "reactor/random.h"
#include "support_file.h"
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A body tells its own size and version, and is filled with the version: a mix of two is seen. */
static struct buf *
versioned_body(uint32_t version)
{
    size_t size = 16 + (version * 7919) % 60000;
    struct buf *buf = buf_new(size);
    buf->size = size;
    for (size_t i = 0; i < size; i += 4) {
        memcpy(buf->data + i, &version, MIN((size_t)4, size - i));
    }
    return buf;
}

/* The version of a whole body, or -1. */
static int64_t
version_of(struct bytes body)
{
    uint32_t version;
    if (body.size < 16) {
        return -1;
    }
    memcpy(&version, body.data, 4);
    struct buf *expected = versioned_body(version);
    bool whole = bytes_equal(buf_bytes(expected), body);
    buf_unref(expected);
    return whole ? (int64_t)version : -1;
}

/* What the child that will be killed does: replaces one object, makes and removes others, reports
 * each version. */
static void
write_until_killed(const char *root, uint32_t from, int report)
{
    struct folder folder;
    folder_init(&folder, root, true);
    for (uint32_t version = from;; version++) {
        char key[64];
        struct buf *body = versioned_body(version);
        snprintf(key, sizeof key, "made/%u/object", version % 10);
        bool good = put_bytes(&folder, "replaced", buf_bytes(body), OBJECT_ALWAYS, NULL) == 0 &&
                    folder_remove(&folder, key, soon()) == 0 &&
                    put_bytes(&folder, key, buf_bytes(body), OBJECT_CREATE, NULL) == 0;
        buf_unref(body);
        if (!good || write(report, &version, sizeof version) != sizeof version) {
            _exit(1);
        }
    }
}

/* Runs the child for a moment, kills it, and returns the last version that it reported. */
static uint32_t
run_and_kill(const char *root, uint32_t from)
{
    int pipes[2];
    uint32_t last = from - 1;
    if (pipe2(pipes, O_CLOEXEC) < 0) {
        return 0;
    }
    pid_t child = fork();
    if (child == 0) {
        write_until_killed(root, from, pipes[1]);
    }
    close(pipes[1]);
    nanosleep(&(struct timespec){ 0, (long)(2000000 + random_below(40000000)) }, NULL);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (uint32_t version; read(pipes[0], &version, sizeof version) == sizeof version;) {
        last = version;
    }
    close(pipes[0]);
    return last;
}

static void
check_after_kill(struct folder *folder, uint32_t acknowledged)
{
    struct object_list list;
    struct object_info info;
    CLEANUP(buf_unrefp) struct buf *body = NULL;
    if (acknowledged) {
        ASSERT_OK(folder_read(folder, "replaced", OBJECT_WHOLE, &body, &info));
        int64_t version = version_of(buf_bytes(body));
        ASSERT(version >= (int64_t)acknowledged && version <= (int64_t)acknowledged + 1);
    }
    ASSERT_OK(folder_list(folder, "", "", 1000, &list));
    size_t count = list.count;
    bool all_whole = true;
    for (size_t i = 0; i < count; i++) {
        CLEANUP(buf_unrefp) struct buf *one = NULL;
        all_whole = all_whole &&
                    folder_read(folder, list.entries[i].key, OBJECT_WHOLE, &one, &info) == 0 &&
                    version_of(buf_bytes(one)) >= 0 && !strchr(list.entries[i].key, '~');
    }
    object_list_done(&list);
    ASSERT(all_whole);
    ASSERT(count <= 11 && count + 1 >= MIN(acknowledged, 10u));
}

/* F1 */
TEST(a_process_that_is_killed_leaves_whole_objects_and_all_acknowledged_ones)
{
    char root[300];
    uint32_t acknowledged = 0;
    snprintf(root, sizeof root, "%s/store", test_directory());
    /* A busy disk may not finish one flush within a round: then more rounds are made. */
    uint64_t patience_ns = clock_mono_ns() + 60 * (uint64_t)NS_PER_S;
    for (unsigned round = 0; round < 25 || (acknowledged <= 10 && clock_mono_ns() < patience_ns);
            round++) {
        struct folder folder;
        acknowledged = run_and_kill(root, acknowledged + 1);
        folder_init(&folder, root, true);
        check_after_kill(&folder, acknowledged);
        /* The first write cleans up after the dead. */
        ASSERT_OK(folder_prepare(&folder));
        ASSERT_EQ(names_in(&folder, "~tmp"), 2);
        folder_done(&folder);
    }
    ASSERT(acknowledged > 10);
    ASSERT(mark_count("file store: cleaned up after a dead process") > 0);
}

/* A living process's files are not taken for a dead one's. */
TEST(two_open_stores_leave_each_others_files_alone)
{
    struct folder one;
    struct folder two;
    folder_init(&one, test_directory(), true);
    folder_init(&two, test_directory(), true);
    ASSERT_OK(put_text(&one, "a", "1", OBJECT_CREATE));
    ASSERT_OK(put_text(&two, "b", "2", OBJECT_CREATE));
    ASSERT_EQ(names_in(&one, "~tmp"), 4);
    ASSERT_OK(put_text(&one, "c", "3", OBJECT_CREATE));
    ASSERT_OK(put_text(&two, "a", "4", OBJECT_ALWAYS));
    folder_done(&one);
    ASSERT_EQ(names_in(&two, "~tmp"), 2);
    ASSERT_OK(put_text(&two, "d", "5", OBJECT_CREATE));
    folder_done(&two);
}

#define CHILDREN 4

/* Runs fn in CHILDREN processes; the number that exited with 0. */
static int
in_children(const char *root, int (*fn)(struct folder *folder, unsigned child))
{
    pid_t pids[CHILDREN];
    int good = 0;
    for (unsigned i = 0; i < CHILDREN; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct folder folder;
            folder_init(&folder, root, false);
            int r = fn(&folder, i);
            if (r < 0) {
                fprintf(stderr, "child %u: %s\n", i, test_fault(r));
            }
            folder_done(&folder);
            _exit(r < 0);
        }
    }
    for (unsigned i = 0; i < CHILDREN; i++) {
        int status = -1;
        waitpid(pids[i], &status, 0);
        good += status == 0;
    }
    return good;
}

#define STEPS 100

static int
count_up(struct folder *folder, unsigned child)
{
    for (unsigned done = 0; done < STEPS;) {
        CLEANUP(buf_unrefp) struct buf *body = NULL;
        struct object_info info;
        char text[64];
        int r = folder_read(folder, "counter", OBJECT_WHOLE, &body, &info);
        if (r < 0) {
            return r;
        }
        bytes_to_string(buf_bytes(body), text, sizeof text);
        snprintf(text, sizeof text, "%lu by %u", strtoul(text, NULL, 10) + 1, child);
        struct object_etag etag = info.etag;
        r = put_bytes(folder, "counter", bytes_of_string(text), OBJECT_REPLACE, &etag);
        if (r < 0 && r != -EEXIST) {
            return r;
        }
        done += r == 0;
    }
    return 0;
}

/* F3 S1 */
TEST(processes_that_replace_lose_no_update)
{
    struct folder folder;
    CLEANUP(buf_unrefp) struct buf *body = NULL;
    struct object_info info;
    folder_init(&folder, test_directory(), false);
    ASSERT_OK(put_text(&folder, "counter", "0", OBJECT_CREATE));
    ASSERT_EQ(in_children(test_directory(), count_up), CHILDREN);
    ASSERT_OK(folder_read(&folder, "counter", OBJECT_WHOLE, &body, &info));
    char text[64];
    bytes_to_string(buf_bytes(body), text, sizeof text);
    ASSERT_EQ(strtoul(text, NULL, 10), CHILDREN * STEPS);
    folder_done(&folder);
}

/* How often children saw it; shared with them. */
static _Atomic uint64_t *vanished;

static int
make_and_remove(struct folder *folder, unsigned child)
{
    for (unsigned i = 0; i < 5 * STEPS; i++) {
        char key[64];
        snprintf(key, sizeof key, "deep/er/%u", child);
        int r = put_text(folder, key, "x", OBJECT_CREATE);
        if (r == 0) {
            r = folder_remove(folder, key, soon());
        }
        if (r < 0) {
            return r;
        }
    }
    *vanished += mark_count("file store: a folder vanished under a write");
    return 0;
}

TEST(folders_that_come_and_go_under_writers_disturb_nobody)
{
    vanished =
            mmap(NULL, sizeof *vanished, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(vanished != MAP_FAILED);
    for (unsigned tries = 0; tries < 50 && *vanished == 0; tries++) {
        ASSERT_EQ(in_children(test_directory(), make_and_remove), CHILDREN);
    }
    ASSERT(*vanished > 0);
    struct folder folder;
    folder_init(&folder, test_directory(), false);
    ASSERT_EQ(names_in(&folder, "deep"), -1);
    folder_done(&folder);
}
