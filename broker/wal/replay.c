/* Recovery: reads the live log, tells a torn tail from damage, and makes the verdict durable. The
 * decision table is in docs/formats/wal.md; its rows are cited here. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "wal/objects_internal.h"
#include "wal/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct replay {
    struct wal *wal;
    struct wal_reader reader;
    wal_replay_fn fn;
    void *arg;
    struct wal_recovery result;
    uint64_t end;            /* nothing at or behind it counts */
    uint64_t position;       /* behind the last frame that counted */
    uint64_t whole_position; /* behind the last whole record */
    uint64_t next;           /* first sequence not delivered */
    /* The frame that counted last; what must follow it. */
    bool any; /* false: at the log's start, or behind damage */
    uint32_t chain_crc;
    uint64_t sequence;
    uint32_t total;
    uint32_t got; /* of `total`; equal when the record is whole */
    /* A record of several frames. */
    uint8_t *parts;
    size_t parts_size;
    size_t parts_capacity;
    /* What lies behind `position`, found by one look ahead. */
    bool looked_ahead;
    uint64_t proven;        /* greatest durable-up-to of the evidence and of all frames ahead */
    uint64_t seen_sequence; /* greatest sequence in any header */
    uint64_t seen_end;      /* end of the last frame header seen */
};

/* --- the record under way --- */

MUST_CHECK static int
parts_add(struct replay *replay, struct bytes body)
{
    size_t need = replay->parts_size + body.size;
    if (need > replay->parts_capacity) {
        /* Grows with the bytes that are really there, whatever a header says of the whole. */
        size_t capacity = MAX(need, MIN(2 * replay->parts_capacity, (size_t)WAL_RECORD_SIZE_MAX));
        uint8_t *grown = mem_try_alloc(capacity);
        if (!grown) {
            return fault(-ENOMEM, "wal: no memory for a record of %zu bytes", need);
        }
        if (replay->parts_size > 0) {
            memcpy(grown, replay->parts, replay->parts_size);
        }
        mem_free(replay->parts);
        replay->parts = grown;
        replay->parts_capacity = capacity;
    }
    memcpy(replay->parts + replay->parts_size, body.data, body.size);
    replay->parts_size = need;
    return 0;
}

MUST_CHECK MAY_SUSPEND static int
record_deliver(struct replay *replay, struct bytes payload)
{
    struct wal_recovery *result = &replay->result;
    int r = replay->fn(replay->arg, replay->sequence, payload, false);
    if (r < 0) {
        return r;
    }
    if (result->records == 0 && result->damaged_records == 0) {
        result->first_sequence = replay->sequence;
    }
    result->last_sequence = replay->sequence;
    result->records++;
    result->bytes += payload.size;
    replay->next = replay->sequence + 1;
    return 0;
}

/* Remembers whose a record is that may turn out to be unreadable. */
static void
tag_learn(struct replay *replay, uint64_t sequence, uint16_t tag)
{
    struct wal_damage *damage = &replay->wal->damage;
    bool known = tag == 0 || sequence < replay->next || damage->tag_count == WAL_DAMAGE_TAGS_MAX;
    for (size_t i = 0; i < damage->tag_count && !known; i++) {
        known = damage->tags[i].sequence == sequence;
    }
    if (!known) {
        damage->tags[damage->tag_count].sequence = sequence;
        damage->tags[damage->tag_count++].tag = tag;
    }
}

static void
tags_learn(struct replay *replay, const struct wal_frame *frame)
{
    tag_learn(replay, frame->sequence, frame->tag);
    tag_learn(replay, frame->sequence - 1, frame->previous_tag);
}

/* Leaves the tags of [first, end) only. */
static void
damage_describe(struct wal_damage *damage, uint64_t first, uint64_t end)
{
    size_t kept = 0;
    for (size_t i = 0; i < damage->tag_count; i++) {
        if (damage->tags[i].sequence >= first && damage->tags[i].sequence < end) {
            damage->tags[kept++] = damage->tags[i];
        }
    }
    damage->tag_count = kept;
    damage->first_sequence = first;
    damage->end_sequence = end;
    damage->complete = kept == end - first;
}

const struct wal_damage *
wal_damage(const struct wal *wal)
{
    return &wal->damage;
}

/* W3: says that [next, to) was acknowledged and cannot be read. */
MUST_CHECK MAY_SUSPEND static int
damage_report(struct replay *replay, uint64_t to)
{
    struct wal_recovery *result = &replay->result;
    if (to <= replay->next) {
        return 0;
    }
    MARK("wal: damaged range");
    damage_describe(&replay->wal->damage, replay->next, to);
    int r = replay->fn(replay->arg, replay->next, BYTES_NULL, true);
    replay->wal->damage.tag_count = 0;
    if (r < 0) {
        return r;
    }
    if (result->records == 0 && result->damaged_records == 0) {
        result->first_sequence = replay->next;
    }
    result->last_sequence = to - 1;
    result->damaged_records += to - replay->next;
    replay->next = to;
    return 0;
}

/* --- following the log --- */

static bool
frame_follows(const struct replay *replay, const struct wal_frame *frame)
{
    if (frame->incarnation != replay->wal->evidence.log_incarnation) {
        return false;
    }
    if (!replay->any) {
        /* The log's first frame may belong to a record that was trimmed; it may not be later than
         * what is wanted. */
        return frame->sequence <= replay->next &&
               (frame->sequence < replay->next || frame->body_offset == 0);
    }
    if (frame->previous_crc != replay->chain_crc) {
        return false;
    }
    if (replay->got < replay->total) {
        return frame->sequence == replay->sequence && frame->body_offset == replay->got &&
               frame->total_size == replay->total;
    }
    return frame->sequence == replay->sequence + 1 && frame->body_offset == 0;
}

MUST_CHECK MAY_SUSPEND static int
frame_take(struct replay *replay, const struct wal_frame *frame, struct bytes body)
{
    replay->any = true;
    replay->chain_crc = frame->header_crc;
    replay->sequence = frame->sequence;
    replay->total = frame->total_size;
    replay->got = frame->body_offset + frame->body_size;
    replay->seen_sequence = MAX(replay->seen_sequence, frame->sequence);
    replay->position = frame->position + wal_frame_size(frame->body_size);
    bool whole = replay->got == replay->total;
    bool wanted = frame->sequence >= replay->next;
    int r = 0;
    if (wanted && (!whole || frame->body_offset > 0)) {
        if (frame->body_offset == 0) {
            replay->parts_size = 0;
        }
        r = parts_add(replay, body);
        body = bytes_of(replay->parts, replay->parts_size);
    }
    if (r < 0 || !whole) {
        return r;
    }
    replay->whole_position = replay->position;
    return wanted ? record_deliver(replay, body) : 0;
}

/* 1: a frame follows and was taken; 0: none does. */
MUST_CHECK MAY_SUSPEND static int
follow(struct replay *replay)
{
    /* Right behind the last frame, or where the next group begins, maybe in the next segment. */
    uint64_t candidates[2] = { replay->position, wal_round_up(replay->position, WAL_BLOCK) };
    size_t first = candidates[0] == candidates[1] ? 1 : 0;
    for (size_t i = first; i < ARRAY_SIZE(candidates); i++) {
        uint64_t position = wal_reader_skip_header(&replay->reader, candidates[i]);
        if (position >= replay->end) {
            continue;
        }
        struct wal_frame frame;
        struct bytes body;
        enum wal_frame_state state;
        int r = wal_reader_frame(&replay->reader, position, &frame, &body, &state);
        if (r < 0) {
            return r;
        }
        if (state == WAL_FRAME_VALID && frame_follows(replay, &frame)) {
            r = frame_take(replay, &frame, body);
            return r < 0 ? r : 1;
        }
        if (state != WAL_FRAME_NONE && frame.incarnation == replay->wal->evidence.log_incarnation) {
            tags_learn(replay, &frame);
            replay->seen_sequence = MAX(replay->seen_sequence, frame.sequence);
            replay->seen_end = MAX(replay->seen_end, position + wal_frame_size(frame.body_size));
        }
    }
    return 0;
}

/* --- doubt --- */

/* Looks at the start of every block ahead, where groups begin, for what their headers prove. Once
 * per replay: the greatest durable-up-to ahead of a later position is the same. */
MUST_CHECK MAY_SUSPEND static int
look_ahead(struct replay *replay)
{
    if (replay->looked_ahead) {
        return 0;
    }
    replay->looked_ahead = true;
    for (uint64_t at = wal_round_up(replay->position, WAL_BLOCK); at < replay->end;
            at += WAL_BLOCK) {
        struct wal_frame frame;
        bool found;
        int r = wal_reader_header(&replay->reader, at, &frame, &found);
        if (r < 0) {
            return r;
        }
        if (found && frame.incarnation == replay->wal->evidence.log_incarnation) {
            replay->proven = MAX(replay->proven, frame.durable_up_to);
            replay->seen_sequence = MAX(replay->seen_sequence, frame.sequence);
            replay->seen_end = MAX(replay->seen_end, at + wal_frame_size(frame.body_size));
        }
    }
    return 0;
}

/* Finds the next readable start of a wanted record at or behind `position`, at any multiple of 8
 * bytes. 1: replay goes on there. */
MUST_CHECK MAY_SUSPEND static int
resync(struct replay *replay)
{
    uint64_t at = wal_reader_skip_header(&replay->reader, replay->position);
    while (at < replay->end) {
        struct wal_frame frame;
        struct bytes body;
        enum wal_frame_state state;
        int r = wal_reader_frame(&replay->reader, at, &frame, &body, &state);
        if (r < 0) {
            return r;
        }
        bool ours = state != WAL_FRAME_NONE &&
                    frame.incarnation == replay->wal->evidence.log_incarnation;
        if (ours) {
            tags_learn(replay, &frame);
        }
        if (ours && state == WAL_FRAME_VALID && frame.body_offset == 0 &&
                frame.sequence >= replay->next) {
            replay->position = at;
            replay->any = false;
            MARK("wal: found the log again behind damage");
            r = damage_report(replay, frame.sequence);
            return r < 0 ? r : 1;
        }
        /* Inside a body whose header is right there are no frames of ours, but there may be a
         * client's forgery. */
        at += ours ? wal_frame_size(frame.body_size) : WAL_FRAME_ALIGNMENT;
        at = wal_reader_skip_header(&replay->reader, at);
    }
    return 0;
}

/* The log does not go on at `position`. 1: it does behind damage; 0: this is its end. */
MUST_CHECK MAY_SUSPEND static int
doubt(struct replay *replay)
{
    if (replay->position >= replay->end && replay->proven < replay->next) {
        return 0;
    }
    int r = look_ahead(replay);
    if (r < 0) {
        return r;
    }
    if (replay->proven < replay->next) {
        /* Rows 3 to 6. */
        return 0;
    }
    /* Rows 1 and 2. */
    r = resync(replay);
    if (r != 0) {
        return r;
    }
    /* All that is left is damage: none of it is a torn tail. */
    replay->whole_position = MAX(MAX(replay->whole_position, replay->position), replay->seen_end);
    return damage_report(replay, replay->proven + 1);
}

/* Cuts what is behind the last whole record: durably, so that no later recovery judges otherwise.
 */
MUST_CHECK MAY_SUSPEND static int
finish(struct replay *replay)
{
    struct wal *wal = replay->wal;
    uint64_t cut = replay->whole_position;
    if (replay->reader.unreadable >= cut && replay->reader.unreadable > 0) {
        MARK("wal: unreadable tail refused");
        return fault(-EIO,
                "wal: %s: position %" PRIu64
                " cannot be read, and it may hold acknowledged records: %s",
                wal->folder, replay->reader.unreadable, replay->reader.unreadable_text);
    }
    uint64_t seen = MAX(replay->seen_end, replay->position);
    if (seen > cut) {
        MARK("wal: torn tail cut");
        replay->result.torn_bytes = seen - cut;
    }
    wal->next_sequence =
            MAX(MAX(replay->next, replay->seen_sequence + 1), wal->evidence.durable + 1);
    if (wal->read_only) {
        return 0;
    }
    struct wal_evidence next = wal->evidence;
    next.cut = cut;
    next.durable = MAX(next.durable, replay->next - 1);
    return wal_evidence_write(wal, &next);
}

MUST_CHECK MAY_SUSPEND static int
replay_run(struct replay *replay)
{
    int r;
    do {
        r = follow(replay);
        if (r == 0) {
            r = doubt(replay);
        }
    } while (r > 0);
    return r < 0 ? r : finish(replay);
}

int
wal_replay(struct wal *wal, wal_replay_fn fn, void *arg, struct wal_recovery *ret_recovery)
{
    if (wal->objects) {
        return wal_objects_replay(wal, fn, arg, ret_recovery);
    }
    if (wal->phase != WAL_OPENED || wal->next_sequence != 0) {
        return fault(-EINVAL, "wal: %s was replayed already", wal->folder);
    }
    const struct wal_evidence *evidence = &wal->evidence;
    uint64_t begin = evidence->first_segment * wal->segment_size;
    uint64_t end = (evidence->last_segment + 1) * wal->segment_size;
    struct replay replay = {
        .wal = wal,
        .fn = fn,
        .arg = arg,
        .end = evidence->cut ? MIN(evidence->cut, end) : end,
        .position = begin,
        .whole_position = begin,
        .next = evidence->trimmed,
        .proven = evidence->durable,
    };
    int r = wal_reader_init(&replay.reader, wal->folder, &wal->identity);
    if (r == 0) {
        r = replay_run(&replay);
    }
    wal_reader_done(&replay.reader);
    mem_free(replay.parts);
    if (r < 0) {
        return r;
    }
    wal->phase = WAL_REPLAYED;
    *ret_recovery = replay.result;
    return 0;
}
