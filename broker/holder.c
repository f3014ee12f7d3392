/* Two uuids and a CRC-32C; replaced by rename. */
#include "holder.h"

#include "base/buf.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/log.h"
#include "reactor/disk.h"

#include <errno.h>
#include <stdio.h>

#define UUIDS_SIZE (HOLDER_WRITERS * 16u)
#define HOLDER_SIZE (UUIDS_SIZE + 4u)

struct holder
holder_read(const char *data_dir)
{
    char path[FILE_PATH_MAX];
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct holder holder = { 0 };
    snprintf(path, sizeof path, "%s/holder", data_dir);
    if (disk_read_file(path, HOLDER_SIZE, &buf) < 0 || buf->size != HOLDER_SIZE ||
            load_be32(buf->data + UUIDS_SIZE) != crc32c(bytes_of(buf->data, UUIDS_SIZE))) {
        fault_clear();
        return holder;
    }
    memcpy(holder.writers, buf->data, UUIDS_SIZE);
    return holder;
}

int
holder_write(const char *data_dir, const struct holder *holder)
{
    char path[FILE_PATH_MAX];
    char fresh[FILE_PATH_MAX];
    uint8_t bytes[HOLDER_SIZE];
    struct file *file;
    snprintf(path, sizeof path, "%s/holder", data_dir);
    snprintf(fresh, sizeof fresh, "%s/holder.new", data_dir);
    memcpy(bytes, holder->writers, UUIDS_SIZE);
    store_be32(bytes + UUIDS_SIZE, crc32c(bytes_of(bytes, UUIDS_SIZE)));
    int r = file_open(fresh, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (r < 0) {
        return r;
    }
    r = file_write(file, bytes, sizeof bytes, 0);
    if (r == 0) {
        r = file_sync(file, true);
    }
    file_close(file);
    if (r == 0) {
        r = disk_rename(fresh, path);
    }
    return r < 0 ? r : disk_sync_folder(data_dir);
}

int
holder_admit(void *arg, const struct uuid *registered, bool has_tail, const struct uuid *writer)
{
    struct holder_admission *admission = arg;
    const struct settings *settings = admission->settings;
    const struct uuid *known = admission->holder.writers;
    bool ours = uuid_is_zero(registered) || uuid_equal(registered, &known[0]) ||
                uuid_equal(registered, &known[1]);
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
    if (uuid_equal(&known[0], writer)) {
        return 0;
    }
    struct holder next = { { *writer, uuid_is_zero(registered) ? known[0] : *registered } };
    int r = holder_write(admission->data_dir, &next);
    if (r == 0) {
        admission->holder = next;
    }
    return r < 0 ? fault_note(r, "data.dir cannot be written") : 0;
}
