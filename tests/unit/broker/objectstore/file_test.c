/* The folder behind file:// stores: crashes, other processes, full disks, odd folders. Uses the
 * blocking half directly, so that children can be forked and killed. */
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/file_internal.h"
#include "reactor/clock.h"
#include "reactor/random.h"
#include "unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t
deadline(void)
{
    return clock_mono_ns() + 20 * (uint64_t)NS_PER_S;
}

static int
put(struct folder *folder, const char *key, struct bytes body, enum object_condition condition,
        struct object_etag *etag)
{
    struct iovec part = { (void *)(uintptr_t)body.data, body.size };
    struct object_put what = { key, &part, 1, condition, .deadline_ns = deadline() };
    struct object_etag ret;
    if (etag && condition == OBJECT_REPLACE) {
        what.etag = *etag;
    }
    int r = folder_write(folder, &what, &ret);
    if (r == 0 && etag) {
        *etag = ret;
    }
    return r;
}

static int
put_text(struct folder *folder, const char *key, const char *body, enum object_condition condition)
{
    return put(folder, key, bytes_of_string(body), condition, NULL);
}

static int
count_in(const struct folder *folder, const char *tail)
{
    char path[FOLDER_PATH_SIZE];
    int count = 0;
    if (folder_path(folder, tail, path) < 0) {
        return -1;
    }
    DIR *directory = opendir(path);
    if (!directory) {
        return -1;
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

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
        bool good = put(&folder, "replaced", buf_bytes(body), OBJECT_ALWAYS, NULL) == 0 &&
                    folder_remove(&folder, key, deadline()) == 0 &&
                    put(&folder, key, buf_bytes(body), OBJECT_CREATE, NULL) == 0;
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
        ASSERT_EQ(count_in(&folder, "~tmp"), 2);
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
    ASSERT_EQ(count_in(&one, "~tmp"), 4);
    ASSERT_OK(put_text(&one, "c", "3", OBJECT_CREATE));
    ASSERT_OK(put_text(&two, "a", "4", OBJECT_ALWAYS));
    folder_done(&one);
    ASSERT_EQ(count_in(&two, "~tmp"), 2);
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
        r = put(folder, "counter", bytes_of_string(text), OBJECT_REPLACE, &etag);
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
            r = folder_remove(folder, key, deadline());
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
    ASSERT_EQ(count_in(&folder, "deep"), -1);
    folder_done(&folder);
}

/* F4 */
TEST(equal_bytes_have_different_etags)
{
    struct folder folder;
    struct object_etag etags[50];
    folder_init(&folder, test_directory(), false);
    for (unsigned i = 0; i < 50; i++) {
        ASSERT_OK(put(&folder, "same", BYTES_LITERAL("same"), OBJECT_ALWAYS, &etags[i]));
        for (unsigned j = 0; j < i; j++) {
            ASSERT(strcmp(etags[i].text, etags[j].text) != 0);
        }
    }
    folder_done(&folder);
}

TEST(an_object_cannot_be_below_or_above_another_one)
{
    struct folder folder;
    struct buf *body = NULL;
    struct object_info info;
    folder_init(&folder, test_directory(), true);
    ASSERT_OK(put_text(&folder, "a/b", "x", OBJECT_CREATE));
    static const enum object_condition conditions[] = { OBJECT_ALWAYS, OBJECT_CREATE };
    for (unsigned i = 0; i < 2; i++) {
        ASSERT_ERROR(put_text(&folder, "a", "x", conditions[i]), -EINVAL);
        ASSERT_ERROR(put_text(&folder, "a/b/c", "x", conditions[i]), -EINVAL);
    }
    ASSERT_ERROR(folder_read(&folder, "a", OBJECT_WHOLE, &body, &info), -ENOENT);
    ASSERT_ERROR(folder_read(&folder, "a/b/c", OBJECT_WHOLE, &body, &info), -ENOENT);
    ASSERT_OK(folder_remove(&folder, "a", deadline()));
    ASSERT_OK(folder_remove(&folder, "a/b/c", deadline()));
    ASSERT_OK(folder_read(&folder, "a/b", OBJECT_WHOLE, &body, &info));
    buf_unref(body);
    folder_done(&folder);
}

TEST(a_folder_that_is_not_there_is_an_empty_store)
{
    struct folder folder;
    struct object_list list;
    struct object_info info;
    char root[300];
    snprintf(root, sizeof root, "%s/not/there", test_directory());
    folder_init(&folder, root, true);
    ASSERT_OK(folder_list(&folder, "", "", 10, &list));
    ASSERT_EQ(list.count, 0);
    ASSERT_ERROR(folder_read(&folder, "k", OBJECT_WHOLE, NULL, &info), -ENOENT);
    ASSERT_OK(put_text(&folder, "k", "made with its parents", OBJECT_CREATE));
    ASSERT_OK(folder_read(&folder, "k", OBJECT_WHOLE, NULL, &info));
    folder_done(&folder);
}

TEST(foreign_files_are_not_listed)
{
    struct folder folder;
    struct object_list list;
    char path[FOLDER_PATH_SIZE];
    static const char *const foreign[] = { "lost+found", "a b", "x~" };
    folder_init(&folder, test_directory(), false);
    ASSERT_OK(put_text(&folder, "ours", "x", OBJECT_CREATE));
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
        ASSERT_OK(folder_path(&folder, foreign[i], path));
        ASSERT(mkdir(path, 0755) == 0);
    }
    ASSERT_OK(folder_path(&folder, "link", path));
    ASSERT(symlink("/does/not/exist", path) == 0);
    ASSERT_OK(folder_list(&folder, "", "", 10, &list));
    size_t count = list.count;
    object_list_done(&list);
    ASSERT_EQ(count, 1);
    folder_done(&folder);
}

#define CROWD 9000

TEST(a_crowded_folder_is_listed_whole_and_in_order)
{
    struct folder folder;
    char path[FOLDER_PATH_SIZE];
    char start[OBJECT_KEY_SIZE_MAX + 1] = "";
    folder_init(&folder, test_directory(), false);
    ASSERT_OK(put_text(&folder, "crowd/first", "x", OBJECT_CREATE));
    for (unsigned i = 0; i < CROWD - 1; i++) {
        char key[64];
        /* Names in no order. */
        snprintf(key, sizeof key, "crowd/%08x", i * 2654435761u);
        ASSERT_OK(folder_path(&folder, key, path));
        int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        ASSERT(descriptor >= 0);
        close(descriptor);
    }
    unsigned count = 0;
    bool sorted = true;
    for (bool more = true; more;) {
        struct object_list list;
        ASSERT_OK(folder_list(&folder, "crowd/", start, 1000, &list));
        for (size_t i = 0; i < list.count; i++) {
            sorted = sorted && strcmp(list.entries[i].key, start) > 0;
            snprintf(start, sizeof start, "%s", list.entries[i].key);
        }
        count += (unsigned)list.count;
        more = list.more;
        object_list_done(&list);
    }
    ASSERT(sorted);
    ASSERT_EQ(count, CROWD);
    folder_done(&folder);
}

/* The result of fn in a child that may change its user or its mounts; -1 when it died. */
static int
result_in_child(int (*fn)(const char *root))
{
    const char *root = test_directory();
    pid_t child = fork();
    if (child == 0) {
        _exit(-fn(root) & 0xff);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : 1;
}

static int
write_without_permission(const char *root)
{
    struct folder folder;
    if (geteuid() == 0 && (chmod(root, 0555) < 0 || setuid(65534) < 0)) {
        return -ENOTSUP;
    }
    if (geteuid() != 0) {
        chmod(root, 0555);
    }
    folder_init(&folder, root, true);
    int r = put_text(&folder, "k", "x", OBJECT_CREATE);
    return strstr(test_fault(r), root) ? r : -EBADMSG;
}

TEST(a_folder_that_may_not_be_written_says_so_and_names_itself)
{
    ASSERT_EQ(result_in_child(write_without_permission), -EACCES);
}

static int
write_to_full_disk(const char *root)
{
    struct folder folder;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", root, "tmpfs", 0, "size=256k") < 0) {
        return -ENOTSUP;
    }
    folder_init(&folder, root, true);
    size_t size = 100 * 1024;
    char *data = calloc(1, size);
    int r = 0;
    for (unsigned i = 0; data && r == 0 && i < 10; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%u", i);
        r = put(&folder, key, bytes_of(data, size), i % 2 ? OBJECT_CREATE : OBJECT_ALWAYS, NULL);
    }
    free(data);
    /* What did not fit left nothing behind, and what was there is there. */
    struct object_info info;
    char own[64];
    snprintf(own, sizeof own, "%s", strrchr(folder.temporary, '/') - strlen("~tmp"));
    bool clean = count_in(&folder, own) == 0;
    bool kept = folder_read(&folder, "k0", OBJECT_WHOLE, NULL, &info) == 0 && info.size == size;
    return clean && kept && strstr(test_fault(r), "full") ? r : -EBADMSG;
}

TEST(a_full_disk_is_named_and_leaves_nothing_behind)
{
    int r = result_in_child(write_to_full_disk);
    if (r == -ENOTSUP) {
        fprintf(stderr, "(skipped: no right to mount) ");
        return;
    }
    ASSERT_EQ(r, -ENOSPC);
}

static int
replace_while_locked(const char *root)
{
    struct folder folder;
    struct object_etag etag;
    int lock = -1;
    folder_init(&folder, root, false);
    if (put(&folder, "k", BYTES_LITERAL("x"), OBJECT_ALWAYS, &etag) < 0 ||
            folder_lock(&folder, "k", deadline(), &lock) < 0) {
        return -EBADMSG;
    }
    struct iovec part = { (void *)(uintptr_t)"y", 1 };
    struct object_put what = { "k", &part, 1, OBJECT_REPLACE, etag,
        clock_mono_ns() + 50 * NS_PER_MS };
    struct object_etag ret;
    int held = folder_write(&folder, &what, &ret);
    folder_unlock(lock);
    what.deadline_ns = deadline();
    int freed = folder_write(&folder, &what, &ret);
    folder_done(&folder);
    return freed == 0 ? held : -EBADMSG;
}

/* A stopped process that holds a lock must not stop others for ever. */
TEST(waiting_for_a_lock_ends_with_the_deadline)
{
    ASSERT_EQ(result_in_child(replace_while_locked), OBJECT_UNDECIDED);
}

/* From here on this process gets EIO for every flush. */
static int
fail_flushes(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fsync, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fdatasync, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };
    int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return r < 0 ? r : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* What a create of `key` says when no flush succeeds, in a process of its own. */
static int
create_without_flush(const char *key)
{
    pid_t child = fork();
    if (child == 0) {
        struct folder folder;
        folder_init(&folder, test_directory(), true);
        int r = fail_flushes() < 0 ? 0 : put_text(&folder, key, "mine", OBJECT_CREATE);
        _exit(-r);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* F2 */
TEST(neither_success_nor_exists_is_said_without_a_flush)
{
    struct folder folder;
    folder_init(&folder, test_directory(), true);
    ASSERT_OK(put_text(&folder, "f2/there", "x", OBJECT_CREATE));
    folder_done(&folder);
    ASSERT_ERROR(create_without_flush("f2/new"), -EIO);
    ASSERT_ERROR(create_without_flush("f2/there"), OBJECT_UNDECIDED);
}

/* F5 */
TEST(after_a_failed_flush_nothing_more_is_written)
{
    struct folder folder;
    struct object_info info;
    folder_init(&folder, test_directory(), true);
    ASSERT_OK(put_text(&folder, "k", "x", OBJECT_CREATE));
    atomic_store(&folder.broken, true);
    int r = put_text(&folder, "l", "x", OBJECT_CREATE);
    ASSERT_ERROR(r, -EIO);
    ASSERT(strstr(test_fault(r), "earlier flush failed") != NULL);
    ASSERT_ERROR(folder_remove(&folder, "k", deadline()), -EIO);
    ASSERT_OK(folder_read(&folder, "k", OBJECT_WHOLE, NULL, &info));
    folder_done(&folder);
}
