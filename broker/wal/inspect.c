/* Looking at a WAL without changing it, for `freshet inspect wal`. */
#include "base/fault.h"
#include "base/mem.h"
#include "wal/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct inspect {
    struct wal_identity identity;
    struct wal_evidence evidence;
    struct wal_reader reader;
    wal_inspect_fn fn;
    void *arg;
    uint64_t proven;
    uint64_t last_sequence; /* of the live log, so far */
    char name[40];
};

MUST_CHECK MAY_SUSPEND static int
identity_load(const char *folder, struct wal_identity *ret_identity)
{
    char path[FILE_PATH_MAX];
    int r = wal_path(folder, "identity", path);
    if (r < 0) {
        return r;
    }
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    r = disk_read_file(path, WAL_BLOCK, &buf);
    if (r < 0) {
        return r;
    }
    if (buf->size != WAL_BLOCK) {
        return fault(-EBADMSG, "wal: %s: damaged: %zu bytes, not %u", path, buf->size, WAL_BLOCK);
    }
    return wal_identity_decode(buf->data, path, ret_identity);
}

static bool
is_live(const struct inspect *inspect, uint64_t position)
{
    const struct wal_evidence *evidence = &inspect->evidence;
    uint64_t index = position / inspect->identity.segment_size;
    return index >= evidence->first_segment && index <= evidence->last_segment &&
           (evidence->cut == 0 || position < evidence->cut);
}

MUST_CHECK MAY_SUSPEND static int
segment_prove(struct inspect *inspect, uint64_t index)
{
    uint64_t begin = index * inspect->identity.segment_size;
    for (uint64_t at = WAL_BLOCK; at < inspect->identity.segment_size; at += WAL_BLOCK) {
        struct wal_frame frame;
        bool found;
        int r = wal_reader_header(&inspect->reader, begin + at, &frame, &found);
        if (r < 0) {
            return r;
        }
        if (found && is_live(inspect, begin + at)) {
            inspect->proven = MAX(inspect->proven, frame.durable_up_to);
        }
    }
    return 0;
}

MUST_CHECK MAY_SUSPEND static int
header_show(struct inspect *inspect, uint64_t index)
{
    const uint8_t *block;
    int r = wal_reader_bytes(
            &inspect->reader, index * inspect->identity.segment_size, WAL_BLOCK, &block);
    if (r < 0) {
        return r;
    }
    struct wal_segment_header header = { 0 };
    r = wal_segment_header_decode(block, inspect->name, &header);
    bool good = r == 0 && header.index == index &&
                uuid_equal(&header.wal_id, &inspect->identity.wal_id);
    struct wal_inspect_record record = {
        .segment = inspect->name,
        .incarnation = header.incarnation,
        .state = good ? "segment" : "damaged",
    };
    return inspect->fn(inspect->arg, &record);
}

/* Frames are missing between what was shown last and `sequence`. */
MUST_CHECK MAY_SUSPEND static int
gap_show(struct inspect *inspect, uint64_t file_position, uint64_t sequence)
{
    if (inspect->last_sequence == 0 || sequence <= inspect->last_sequence + 1) {
        return 0;
    }
    struct wal_inspect_record record = {
        .segment = inspect->name,
        .file_position = file_position,
        .sequence = inspect->last_sequence + 1,
        .incarnation = inspect->evidence.log_incarnation,
        .state = inspect->last_sequence < inspect->proven ? "damaged" : "torn",
    };
    return inspect->fn(inspect->arg, &record);
}

MUST_CHECK MAY_SUSPEND static int
frame_show(struct inspect *inspect, const struct wal_frame *frame, struct bytes body,
        enum wal_frame_state state)
{
    struct wal_inspect_record record = {
        .segment = inspect->name,
        .file_position = frame->position % inspect->identity.segment_size,
        .sequence = frame->sequence,
        .incarnation = frame->incarnation,
        .durable_up_to = frame->durable_up_to,
        .payload_size = frame->body_size,
        .record_size = frame->total_size,
        .record_offset = frame->body_offset,
        .state = "valid",
        .payload = body,
    };
    bool live = is_live(inspect, frame->position) &&
                frame->incarnation == inspect->evidence.log_incarnation;
    if (live) {
        int r = gap_show(inspect, record.file_position, frame->sequence);
        if (r < 0) {
            return r;
        }
        inspect->last_sequence = frame->sequence;
    } else {
        record.state = "old incarnation";
    }
    if (state != WAL_FRAME_VALID) {
        record.state = !live                                ? record.state
                       : frame->sequence <= inspect->proven ? "damaged"
                                                            : "torn";
        record.payload = BYTES_NULL;
    }
    return inspect->fn(inspect->arg, &record);
}

MUST_CHECK MAY_SUSPEND static int
segment_show(struct inspect *inspect, uint64_t index)
{
    int r = header_show(inspect, index);
    uint64_t begin = index * inspect->identity.segment_size;
    uint64_t at = WAL_BLOCK;
    while (r == 0 && at < inspect->identity.segment_size) {
        struct wal_frame frame;
        struct bytes body = BYTES_NULL;
        enum wal_frame_state state;
        r = wal_reader_frame(&inspect->reader, begin + at, &frame, &body, &state);
        if (r < 0 || state == WAL_FRAME_NONE) {
            at += WAL_FRAME_ALIGNMENT;
            continue;
        }
        r = frame_show(inspect, &frame, body, state);
        at += wal_frame_size(frame.body_size);
    }
    return r;
}

MUST_CHECK MAY_SUSPEND static int
segments_show(struct inspect *inspect, const struct disk_names *names, bool prove)
{
    for (size_t i = 0; i < names->count; i++) {
        uint64_t index;
        if (wal_name_parse(names->names[i], &index) != WAL_NAME_SEGMENT) {
            continue;
        }
        snprintf(inspect->name, sizeof inspect->name, "%s", names->names[i]);
        int r = prove ? segment_prove(inspect, index) : segment_show(inspect, index);
        if (r < 0) {
            return r;
        }
    }
    if (prove) {
        return 0;
    }
    return gap_show(inspect, 0, inspect->proven + 1);
}

MUST_CHECK MAY_SUSPEND static int
folder_show(struct inspect *inspect, const char *folder)
{
    struct wal_inspect_record marker = {
        .segment = "evidence",
        .file_position = inspect->evidence.cut,
        .sequence = inspect->evidence.durable,
        .incarnation = inspect->evidence.log_incarnation,
        .durable_up_to = inspect->evidence.durable,
        .state = "marker",
    };
    int r = inspect->fn(inspect->arg, &marker);
    if (r < 0) {
        return r;
    }
    struct disk_names names;
    r = disk_list(folder, &names);
    if (r < 0) {
        return r;
    }
    r = segments_show(inspect, &names, true);
    if (r == 0) {
        r = segments_show(inspect, &names, false);
    }
    disk_names_free(&names);
    return r;
}

int
wal_inspect(const char *folder, wal_inspect_fn fn, void *arg)
{
    struct inspect inspect = { .fn = fn, .arg = arg };
    int r = identity_load(folder, &inspect.identity);
    if (r < 0) {
        return r;
    }
    r = wal_evidence_read(folder, &inspect.identity.wal_id, &inspect.evidence);
    if (r < 0) {
        return r;
    }
    inspect.proven = inspect.evidence.durable;
    r = wal_reader_init(&inspect.reader, folder, &inspect.identity);
    if (r == 0) {
        r = folder_show(&inspect, folder);
    }
    wal_reader_done(&inspect.reader);
    return r;
}
