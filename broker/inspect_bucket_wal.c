/* `freshet inspect bucket-wal URL`: the objects under wal/ (wal.type: s3), of all brokers and
 * incarnations. Changes nothing, so it may run beside a cluster (which then moves on under it). */
#include "inspect.h"
#include "objectstore/objectstore.h"
#include "wal/objects.h"

#include <string.h>

static int
record_line(struct inspect *inspect, uint64_t sequence, const struct wal_object_record *record)
{
    inspect_line_begin(inspect, "record");
    inspect_unsigned(inspect, "sequence", sequence);
    inspect_unsigned(inspect, "size", record->payload.size);
    return inspect_wal_payload(inspect, record->payload, true);
}

static int
records_lines(struct inspect *inspect, const struct wal_objects_seen *seen)
{
    size_t at = 0;
    int r = 0;
    for (uint32_t i = 0; i < seen->header.record_count && r >= 0; i++) {
        struct wal_object_record record;
        if (wal_object_record_next(seen->body, &at, &record) < 0) {
            inspect->damaged++;
            return 0;
        }
        r = record_line(inspect, seen->header.first_sequence + i, &record);
    }
    return r;
}

/* wal_objects_fn */
static int
object_line(void *arg, const struct wal_objects_seen *seen)
{
    struct inspect *inspect = arg;
    bool valid = strcmp(seen->state, "valid") == 0;
    bool proven = strcmp(seen->state, "header damaged") == 0;
    inspect->damaged += strcmp(seen->state, "damaged") == 0 || proven ? 1 : 0;
    inspect_line_begin(inspect, "wal-object");
    inspect_string(inspect, "key", seen->key);
    inspect_unsigned(inspect, "size", seen->size);
    inspect_string(inspect, "state", seen->state);
    if (valid) {
        inspect_unsigned(inspect, "logs", seen->header.log_count);
        inspect_unsigned(inspect, "records", seen->header.record_count);
        inspect_unsigned(inspect, "first_sequence", seen->header.first_sequence);
        inspect_unsigned(inspect, "trimmed", seen->header.trimmed);
        inspect_unsigned(inspect, "acknowledged", seen->header.acknowledged);
    }
    int r = inspect_line_end(inspect);
    return r < 0 || !(valid || proven) ? r : records_lines(inspect, seen);
}

int
inspect_bucket_wal(struct inspect *inspect)
{
    struct objectstore *store;
    int r = objectstore_open(inspect->arguments[0], &store);
    if (r < 0) {
        return r;
    }
    r = wal_objects_inspect(store, object_line, inspect);
    objectstore_close(store);
    return r;
}
