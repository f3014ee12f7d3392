/* 20 bytes: uuid and CRC-32C; replaced by rename. */
#include "holder.h"

#include "base/buf.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "reactor/disk.h"

#include <errno.h>
#include <stdio.h>

#define HOLDER_SIZE 20

struct uuid
holder_read(const char *data_dir)
{
    char path[FILE_PATH_MAX];
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct uuid writer = UUID_ZERO;
    snprintf(path, sizeof path, "%s/holder", data_dir);
    if (disk_read_file(path, HOLDER_SIZE, &buf) < 0 || buf->size != HOLDER_SIZE ||
            load_be32(buf->data + 16) != crc32c(bytes_of(buf->data, 16))) {
        fault_clear();
        return writer;
    }
    memcpy(writer.bytes, buf->data, 16);
    return writer;
}

int
holder_write(const char *data_dir, const struct uuid *writer)
{
    char path[FILE_PATH_MAX];
    char fresh[FILE_PATH_MAX];
    uint8_t bytes[HOLDER_SIZE];
    struct file *file;
    snprintf(path, sizeof path, "%s/holder", data_dir);
    snprintf(fresh, sizeof fresh, "%s/holder.new", data_dir);
    memcpy(bytes, writer->bytes, 16);
    store_be32(bytes + 16, crc32c(bytes_of(bytes, 16)));
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
