#pragma once
/* Reads the frames of a WAL's segments, for replay and for inspection. Private to this room. */

#include "wal/format.h"
#include "wal/wal_internal.h"

struct wal_reader {
    const char *folder; /* borrowed */
    struct uuid wal_id;
    uint64_t segment_size;
    struct file *file; /* of segment file_index */
    uint64_t file_index;
    uint8_t *window;
    size_t window_capacity;
    uint64_t window_position;
    size_t window_size;
    uint64_t unreadable; /* greatest position of a block that gave EIO; 0: none */
    char unreadable_text[160];
};

enum wal_frame_state {
    WAL_FRAME_NONE, /* nothing that is a frame at this position */
    WAL_FRAME_BODY_BAD,
    WAL_FRAME_VALID,
};

MUST_CHECK int wal_reader_init(
        struct wal_reader *reader, const char *folder, const struct wal_identity *identity);
MAY_SUSPEND void wal_reader_done(struct wal_reader *reader);
/* Lends `size` bytes at `position`, which must lie in one segment, until the next call. Blocks that
 * cannot be read are given as zeros and noted in `unreadable`. */
MUST_CHECK MAY_SUSPEND int wal_reader_bytes(
        struct wal_reader *reader, uint64_t position, size_t size, const uint8_t **ret_data);
/* Looks at `position` for the header of a frame of this WAL with that position in it. Header only.
 */
MUST_CHECK MAY_SUSPEND int wal_reader_header(
        struct wal_reader *reader, uint64_t position, struct wal_frame *ret_frame, bool *ret_found);
/* As wal_reader_header, and checks the body; `ret_body` is lent until the next call. */
MUST_CHECK MAY_SUSPEND int wal_reader_frame(struct wal_reader *reader, uint64_t position,
        struct wal_frame *ret_frame, struct bytes *ret_body, enum wal_frame_state *ret_state);

/* The position itself, or behind the header when it is the start of a segment. */
static inline uint64_t
wal_reader_skip_header(const struct wal_reader *reader, uint64_t position)
{
    return position % reader->segment_size == 0 ? position + WAL_BLOCK : position;
}
