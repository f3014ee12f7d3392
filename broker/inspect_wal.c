/* `freshet inspect wal DIR`: what lies in the folder of one write-ahead log. Takes no lock and
 * changes nothing, so it may run beside a broker (which then moves on under it). */
#include "inspect.h"
#include "partition/wal_payload.h"
#include "wal/wal.h"

#include <string.h>

/* What a broker puts into a record; other payloads (tests') are not decoded. */
static int
payload_lines(struct inspect *inspect, const struct wal_inspect_record *record)
{
    struct wal_payload payload;
    if (!record->payload.size || record->record_offset != 0 ||
            wal_payload_decode(record->payload, &payload) < 0) {
        return inspect_line_end(inspect);
    }
    inspect_partition(inspect, payload.key);
    inspect_number(inspect, "leader_epoch", payload.leader_epoch);
    inspect_number(inspect, "base_offset", payload.base_offset);
    inspect_number(inspect, "end_offset", payload.end_offset);
    int r = inspect_line_end(inspect);
    if (r < 0 || !inspect->batches) {
        return r;
    }
    /* A record may have several frames: then its batches go on in the next one. */
    return inspect_batches(inspect, payload.batches, record->record_size == record->payload_size);
}

static int
record_line(void *arg, const struct wal_inspect_record *record)
{
    struct inspect *inspect = arg;
    bool marker = strcmp(record->state, "marker") == 0;
    bool segment = strcmp(record->state, "segment") == 0;
    /* A torn tail is what a crash leaves; only damage behind acknowledged records is a loss (W3).
     */
    inspect->damaged += strcmp(record->state, "damaged") == 0 ? 1 : 0;
    inspect_line_begin(inspect, marker ? "evidence" : segment ? "segment" : "frame");
    inspect_string(inspect, "segment", record->segment ? record->segment : "");
    inspect_unsigned(inspect, "position", record->file_position);
    inspect_unsigned(inspect, "sequence", record->sequence);
    inspect_unsigned(inspect, "incarnation", record->incarnation);
    if (!marker && !segment) {
        inspect_unsigned(inspect, "durable_up_to", record->durable_up_to);
        inspect_unsigned(inspect, "payload_size", record->payload_size);
        inspect_unsigned(inspect, "record_size", record->record_size);
        inspect_unsigned(inspect, "record_offset", record->record_offset);
    }
    inspect_string(inspect, "state", record->state);
    return payload_lines(inspect, record);
}

int
inspect_wal(struct inspect *inspect)
{
    return wal_inspect(inspect->arguments[0], record_line, inspect);
}
