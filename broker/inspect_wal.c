/* `freshet inspect wal DIR`: what lies in the folder of one write-ahead log. Takes no lock and
 * changes nothing, so it may run beside a broker (which then moves on under it). */
#include "inspect.h"
#include "partition/wal_payload.h"
#include "wal/wal.h"

#include <string.h>

int
inspect_wal_payload(struct inspect *inspect, struct bytes bytes, bool whole)
{
    struct wal_payload payload;
    if (!bytes.size || wal_payload_decode(bytes, &payload) < 0) {
        return inspect_line_end(inspect);
    }
    inspect_partition(inspect, payload.key);
    inspect_number(inspect, "leader_epoch", payload.leader_epoch);
    inspect_number(inspect, "base_offset", payload.base_offset);
    inspect_number(inspect, "end_offset", payload.end_offset);
    int r = inspect_line_end(inspect);
    return r < 0 || !inspect->batches ? r : inspect_batches(inspect, payload.batches, whole);
}

/* A payload begins in the first of its frames; its batches go on in the others. */
static int
payload_lines(struct inspect *inspect, const struct wal_inspect_record *record)
{
    return inspect_wal_payload(inspect, record->record_offset == 0 ? record->payload : BYTES_NULL,
            record->record_size == record->payload_size);
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
