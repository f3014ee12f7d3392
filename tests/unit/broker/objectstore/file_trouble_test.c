/* The folder behind file:// stores where the system fails it: no permission, a full disk, a lock
 * that is held, a flush that fails. */
#include "reactor/clock.h"
#include "support_file.h"
#include "unit/test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The result of fn, 0 or -errno, in a process of its own, which may change its user, its mounts and
 * what the kernel does for it. -EINTR: it died. */
static int
result_in_child(int (*fn)(const char *arg), const char *arg)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(-fn(arg) & 0xff);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
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
    ASSERT_EQ(result_in_child(write_without_permission, test_directory()), -EACCES);
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
        r = put_bytes(
                &folder, key, bytes_of(data, size), i % 2 ? OBJECT_CREATE : OBJECT_ALWAYS, NULL);
    }
    free(data);
    /* What did not fit left nothing behind, and what was there is there. */
    struct object_info info;
    char own[64];
    snprintf(own, sizeof own, "%s", strrchr(folder.temporary, '/') - strlen("~tmp"));
    bool clean = names_in(&folder, own) == 0;
    bool kept = folder_read(&folder, "k0", OBJECT_WHOLE, NULL, &info) == 0 && info.size == size;
    return clean && kept && strstr(test_fault(r), "full") ? r : -EBADMSG;
}

TEST(a_full_disk_is_named_and_leaves_nothing_behind)
{
    int r = result_in_child(write_to_full_disk, test_directory());
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
    if (put_bytes(&folder, "k", BYTES_LITERAL("x"), OBJECT_ALWAYS, &etag) < 0 ||
            folder_lock(&folder, "k", soon(), &lock) < 0) {
        return -EBADMSG;
    }
    struct iovec part = { (void *)(uintptr_t)"y", 1 };
    struct object_put what = { "k", &part, 1, OBJECT_REPLACE, etag,
        clock_mono_ns() + 50 * NS_PER_MS };
    struct object_etag ret;
    int held = folder_write(&folder, &what, &ret);
    folder_unlock(lock);
    what.deadline_ns = soon();
    int freed = folder_write(&folder, &what, &ret);
    folder_done(&folder);
    return freed == 0 ? held : -EBADMSG;
}

/* A stopped process that holds a lock must not stop others for ever. */
TEST(waiting_for_a_lock_ends_with_the_deadline)
{
    ASSERT_EQ(result_in_child(replace_while_locked, test_directory()), OBJECT_UNDECIDED);
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

/* What a create of `key` says when no flush succeeds. */
static int
create_without_flush(const char *key)
{
    struct folder folder;
    folder_init(&folder, test_directory(), true);
    return fail_flushes() < 0 ? 0 : put_text(&folder, key, "mine", OBJECT_CREATE);
}

/* F2 */
TEST(neither_success_nor_exists_is_said_without_a_flush)
{
    struct folder folder;
    folder_init(&folder, test_directory(), true);
    ASSERT_OK(put_text(&folder, "f2/there", "x", OBJECT_CREATE));
    folder_done(&folder);
    ASSERT_ERROR(result_in_child(create_without_flush, "f2/new"), -EIO);
    ASSERT_ERROR(result_in_child(create_without_flush, "f2/there"), OBJECT_UNDECIDED);
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
    ASSERT_ERROR(folder_remove(&folder, "k", soon()), -EIO);
    ASSERT_OK(folder_read(&folder, "k", OBJECT_WHOLE, NULL, &info));
    folder_done(&folder);
}
