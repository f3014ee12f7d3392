#pragma once
/* Shared by the files of `freshet inspect`: one line per entry, logfmt or JSON. */

#include "base/bytes.h"
#include "base/strbuf.h"
#include "store/range.h"

struct inspect {
    bool json;
    bool batches;     /* a line for each record batch too */
    char **arguments; /* behind the subject */
    int argument_count;
    uint64_t entries;
    uint64_t damaged; /* entries that are not what they should be */
    struct strbuf line;
};

/* A line: begin, fields, end. Text from files is escaped. inspect_line_end gives -EPIPE when nobody
 * reads any more. */
void inspect_line_begin(struct inspect *inspect, const char *kind);
void inspect_text(struct inspect *inspect, const char *key, struct bytes text);
void inspect_string(struct inspect *inspect, const char *key, const char *text);
void inspect_number(struct inspect *inspect, const char *key, int64_t number);
void inspect_unsigned(struct inspect *inspect, const char *key, uint64_t number);
void inspect_uuid(struct inspect *inspect, const char *key, const struct uuid *uuid);
void inspect_partition(struct inspect *inspect, struct partition_key key);
MUST_CHECK int inspect_line_end(struct inspect *inspect);
/* A line for each record batch of a run. `whole`: the run must end with a batch. A batch that does
 * not fit its CRC, or is none, counts as damaged. */
MUST_CHECK int inspect_batches(struct inspect *inspect, struct bytes run, bool whole);

/* The subjects. 0, or an error with a fault; damage is counted, not returned. On a fiber. */
MUST_CHECK MAY_SUSPEND int inspect_wal(struct inspect *inspect);
MUST_CHECK MAY_SUSPEND int inspect_bucket_wal(struct inspect *inspect);
MUST_CHECK MAY_SUSPEND int inspect_object(struct inspect *inspect);
MUST_CHECK MAY_SUSPEND int inspect_manifest(struct inspect *inspect);
MUST_CHECK MAY_SUSPEND int inspect_meta(struct inspect *inspect);
/* Ends a record's line with what a broker put into it, and tells its batches where they are wanted.
 * What is no such payload (tests') is left out. */
MUST_CHECK int inspect_wal_payload(struct inspect *inspect, struct bytes bytes, bool whole);
