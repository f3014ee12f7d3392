/* Reading frames through a window over one segment at a time. */
#include "wal/reader.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
wal_reader_init(struct wal_reader *reader, const char *folder, const struct wal_identity *identity)
{
    uint64_t largest = wal_round_up(wal_frame_size(WAL_FRAME_BODY_MAX), WAL_BLOCK) + WAL_BLOCK;
    *reader = (struct wal_reader){
        .folder = folder,
        .wal_id = identity->wal_id,
        .segment_size = identity->segment_size,
        .window_capacity = (size_t)MIN(largest, identity->segment_size),
    };
    reader->window = mem_try_alloc_aligned(FILE_ALIGNMENT, reader->window_capacity);
    return reader->window ? 0 : fault(-ENOMEM, "wal: no memory to read %s", folder);
}

void
wal_reader_done(struct wal_reader *reader)
{
    file_close(TAKE_PTR(reader->file));
    mem_free(TAKE_PTR(reader->window));
}

MUST_CHECK MAY_SUSPEND static int
segment_turn_to(struct wal_reader *reader, uint64_t index)
{
    if (reader->file && reader->file_index == index) {
        return 0;
    }
    file_close(TAKE_PTR(reader->file));
    reader->window_size = 0;
    char path[FILE_PATH_MAX];
    int r = wal_path_index(reader->folder, "segment", index, path);
    if (r < 0) {
        return r;
    }
    r = file_open(path, FILE_READ, &reader->file);
    reader->file_index = index;
    return r;
}

/* After EIO: block by block, so that one bad sector takes nothing else with it. */
MUST_CHECK MAY_SUSPEND static int
window_fill_by_block(struct wal_reader *reader, uint64_t offset, size_t size)
{
    for (size_t at = 0; at < size; at += WAL_BLOCK) {
        int64_t got = file_read(reader->file, reader->window + at, WAL_BLOCK, offset + at);
        if (got == -EIO) {
            MARK("wal: unreadable block");
            memset(reader->window + at, 0, WAL_BLOCK);
            reader->unreadable = MAX(reader->unreadable, reader->window_position + at);
            snprintf(reader->unreadable_text, sizeof reader->unreadable_text, "%s", fault_text());
            continue;
        }
        if (got < 0) {
            return (int)got;
        }
        memset(reader->window + at + (size_t)got, 0, WAL_BLOCK - (size_t)got);
    }
    return 0;
}

MUST_CHECK MAY_SUSPEND static int
window_fill(struct wal_reader *reader, uint64_t position, size_t size)
{
    int r = segment_turn_to(reader, position / reader->segment_size);
    if (r < 0) {
        return r;
    }
    uint64_t offset = position % reader->segment_size / WAL_BLOCK * WAL_BLOCK;
    size_t want = (size_t)MIN((uint64_t)reader->window_capacity, reader->segment_size - offset);
    CHECK(position % reader->segment_size - offset + size <= want);
    reader->window_position = position - position % reader->segment_size + offset;
    reader->window_size = 0;
    int64_t got = file_read(reader->file, reader->window, want, offset);
    if (got == -EIO) {
        r = window_fill_by_block(reader, offset, want);
        if (r < 0) {
            return r;
        }
        got = (int64_t)want;
    }
    if (got < 0) {
        return (int)got;
    }
    /* A file cut short after it was opened: what is missing reads as nothing. */
    memset(reader->window + (size_t)got, 0, want - (size_t)got);
    reader->window_size = want;
    return 0;
}

int
wal_reader_bytes(
        struct wal_reader *reader, uint64_t position, size_t size, const uint8_t **ret_data)
{
    bool inside = position >= reader->window_position &&
                  position + size <= reader->window_position + reader->window_size;
    if (!inside) {
        int r = window_fill(reader, position, size);
        if (r < 0) {
            return r;
        }
    }
    *ret_data = reader->window + (position - reader->window_position);
    return 0;
}

int
wal_reader_header(
        struct wal_reader *reader, uint64_t position, struct wal_frame *ret_frame, bool *ret_found)
{
    *ret_found = false;
    uint64_t room = reader->segment_size - position % reader->segment_size;
    if (room < WAL_FRAME_HEADER) {
        return 0;
    }
    const uint8_t *header;
    int r = wal_reader_bytes(reader, position, WAL_FRAME_HEADER, &header);
    if (r < 0) {
        return r;
    }
    struct wal_frame frame;
    if (!wal_frame_decode(header, &reader->wal_id, &frame) ||
            wal_frame_size(frame.body_size) > room) {
        return 0;
    }
    if (frame.position != position) {
        return 0;
    }
    *ret_frame = frame;
    *ret_found = true;
    return 0;
}

int
wal_reader_frame(struct wal_reader *reader, uint64_t position, struct wal_frame *ret_frame,
        struct bytes *ret_body, enum wal_frame_state *ret_state)
{
    *ret_state = WAL_FRAME_NONE;
    bool found;
    int r = wal_reader_header(reader, position, ret_frame, &found);
    if (r < 0 || !found) {
        return r;
    }
    const uint8_t *data;
    r = wal_reader_bytes(reader, position, WAL_FRAME_HEADER + (size_t)ret_frame->body_size, &data);
    if (r < 0) {
        return r;
    }
    *ret_body = bytes_of(data + WAL_FRAME_HEADER, ret_frame->body_size);
    *ret_state = crc32c(*ret_body) == ret_frame->body_crc ? WAL_FRAME_VALID : WAL_FRAME_BODY_BAD;
    return 0;
}
