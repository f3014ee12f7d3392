/* The uuids and a CRC-32C; replaced by rename. */
#include "holder.h"

#include "base/buf.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/log.h"
#include "reactor/disk.h"

#include <errno.h>
#include <stdio.h>

#define CRC_SIZE 4u
#define HOLDER_SIZE_MAX (sizeof(struct holder) + CRC_SIZE)

static bool
is_whole(const struct buf *buf)
{
    size_t size = buf->size - CRC_SIZE;
    return buf->size > CRC_SIZE && size % sizeof(struct uuid) == 0 &&
           load_be32(buf->data + size) == crc32c(bytes_of(buf->data, size));
}

struct holder
holder_read(const char *data_dir)
{
    char path[FILE_PATH_MAX];
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct holder holder = { 0 };
    snprintf(path, sizeof path, "%s/holder", data_dir);
    if (disk_read_file(path, HOLDER_SIZE_MAX, &buf) < 0 || !is_whole(buf)) {
        fault_clear();
        return holder;
    }
    memcpy(holder.writers, buf->data, buf->size - CRC_SIZE);
    return holder;
}

static size_t
holder_count(const struct holder *holder)
{
    size_t count = 0;
    while (count < HOLDER_WRITERS && !uuid_is_zero(&holder->writers[count])) {
        count++;
    }
    return count;
}

int
holder_write(const char *data_dir, const struct holder *holder)
{
    char path[FILE_PATH_MAX];
    char fresh[FILE_PATH_MAX];
    uint8_t bytes[HOLDER_SIZE_MAX];
    size_t size = holder_count(holder) * sizeof(struct uuid);
    struct file *file;
    snprintf(path, sizeof path, "%s/holder", data_dir);
    snprintf(fresh, sizeof fresh, "%s/holder.new", data_dir);
    memcpy(bytes, holder->writers, size);
    store_be32(bytes + size, crc32c(bytes_of(bytes, size)));
    int r = file_open(fresh, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (r < 0) {
        return r;
    }
    r = file_write(file, bytes, size + CRC_SIZE, 0);
    if (r == 0) {
        r = file_sync(file, true);
    }
    file_close(file);
    if (r == 0) {
        r = disk_rename(fresh, path);
    }
    return r < 0 ? r : disk_sync_folder(data_dir);
}

static bool
holder_has(const struct holder *holder, const struct uuid *writer)
{
    for (size_t i = 0; i < HOLDER_WRITERS; i++) {
        if (uuid_equal(&holder->writers[i], writer)) {
            return true;
        }
    }
    return false;
}

static void
holder_add(struct holder *holder, size_t *count, const struct uuid *writer)
{
    if (*count < HOLDER_WRITERS && !uuid_is_zero(writer) && !holder_has(holder, writer)) {
        holder->writers[(*count)++] = *writer;
    }
}

static struct holder
holder_next(const struct holder *known, const struct uuid *registered, const struct uuid *writer)
{
    struct holder next = { 0 };
    size_t count = 0;
    holder_add(&next, &count, writer);
    holder_add(&next, &count, registered);
    for (size_t i = 0; i < HOLDER_WRITERS; i++) {
        holder_add(&next, &count, &known->writers[i]);
    }
    return next;
}

int
holder_admit(void *arg, const struct uuid *registered, bool has_tail, const struct uuid *writer)
{
    struct holder_admission *admission = arg;
    const struct settings *settings = admission->settings;
    bool ours = uuid_is_zero(registered) || holder_has(&admission->holder, registered);
    if (!ours && has_tail) {
        if (!settings_bool(settings, "wal.recovery.accept.loss")) {
            return fault(-EMEDIUMTYPE,
                    "data.dir %s is not the volume that broker %d used last: acknowledged records "
                    "of its partitions may be on that one. If that broker is another one, give "
                    "this one a node.id of its own; else bring the volume back, or run `freshet "
                    "recover` where it is, or accept their loss with wal.recovery.accept.loss=true",
                    admission->data_dir, (int)settings_int(settings, "node.id"));
        }
        LOG_WARN("another volume than the broker's last one: what was only there is given up");
    }
    if (uuid_equal(&admission->holder.writers[0], writer)) {
        return 0;
    }
    struct holder next = holder_next(&admission->holder, registered, writer);
    int r = holder_write(admission->data_dir, &next);
    if (r == 0) {
        admission->holder = next;
    }
    return r < 0 ? fault_note(r, "data.dir cannot be written") : 0;
}
