/* Lines of `freshet inspect`. */
#include "base/fault.h"
#include "inspect.h"
#include "wire/record_batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool
is_plain(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return text.size > 0;
}

static void
append_quoted(struct strbuf *out, struct bytes text)
{
    strbuf_append_char(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') {
            strbuf_append_char(out, '\\');
            strbuf_append_char(out, (char)c);
        } else if (c < ' ' || c >= 0x7f) {
            strbuf_printf(out, "\\u%04x", c);
        } else {
            strbuf_append_char(out, (char)c);
        }
    }
    strbuf_append_char(out, '"');
}

static void
append_key(struct inspect *inspect, const char *key)
{
    if (inspect->json) {
        strbuf_printf(&inspect->line, ",\"%s\":", key);
    } else {
        strbuf_printf(&inspect->line, " %s=", key);
    }
}

void
inspect_line_begin(struct inspect *inspect, const char *kind)
{
    strbuf_clear(&inspect->line);
    if (inspect->json) {
        strbuf_printf(&inspect->line, "{\"kind\":\"%s\"", kind);
    } else {
        strbuf_append_string(&inspect->line, kind);
    }
}

void
inspect_text(struct inspect *inspect, const char *key, struct bytes text)
{
    append_key(inspect, key);
    if (!inspect->json && is_plain(text)) {
        strbuf_append(&inspect->line, text);
    } else {
        append_quoted(&inspect->line, text);
    }
}

void
inspect_string(struct inspect *inspect, const char *key, const char *text)
{
    inspect_text(inspect, key, bytes_of_string(text));
}

void
inspect_number(struct inspect *inspect, const char *key, int64_t number)
{
    append_key(inspect, key);
    strbuf_printf(&inspect->line, "%" PRId64, number);
}

void
inspect_unsigned(struct inspect *inspect, const char *key, uint64_t number)
{
    append_key(inspect, key);
    strbuf_printf(&inspect->line, "%" PRIu64, number);
}

void
inspect_uuid(struct inspect *inspect, const char *key, const struct uuid *uuid)
{
    char text[UUID_TEXT_SIZE];
    inspect_string(inspect, key, uuid_format(uuid, text));
}

void
inspect_partition(struct inspect *inspect, struct partition_key key)
{
    inspect_uuid(inspect, "topic_id", &key.topic_id);
    inspect_number(inspect, "partition", key.index);
}

int
inspect_line_end(struct inspect *inspect)
{
    inspect->entries++;
    strbuf_append_string(&inspect->line, inspect->json ? "}\n" : "\n");
    if (inspect->line.error) {
        return fault(-ENOBUFS, "inspect: a line is too long");
    }
    if (fwrite(inspect->line.data, 1, inspect->line.size, stdout) != inspect->line.size) {
        return fault(-EPIPE, "inspect: standard output: %s", strerrordesc_np(errno));
    }
    return 0;
}

static const char *
compression_of(const struct record_batch *batch)
{
    static const char *const names[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    size_t i = (size_t)(batch->attributes & RECORD_BATCH_COMPRESSION_MASK);
    return i < sizeof names / sizeof names[0] ? names[i] : "unknown";
}

static int
batch_line(struct inspect *inspect, const struct record_batch *batch)
{
    bool fits = record_batch_check_crc(batch) == 0;
    inspect_line_begin(inspect, "batch");
    inspect_number(inspect, "base_offset", batch->base_offset);
    inspect_number(inspect, "last_offset", record_batch_last_offset(batch));
    inspect_unsigned(inspect, "size", batch->bytes.size);
    inspect_number(inspect, "records", batch->record_count);
    inspect_number(inspect, "leader_epoch", batch->partition_leader_epoch);
    inspect_number(inspect, "max_timestamp", batch->max_timestamp);
    inspect_string(inspect, "compression", compression_of(batch));
    if (record_batch_has_producer(batch)) {
        inspect_number(inspect, "producer_id", batch->producer_id);
        inspect_number(inspect, "producer_epoch", batch->producer_epoch);
        inspect_number(inspect, "base_sequence", batch->base_sequence);
    }
    if (record_batch_is_transactional(batch)) {
        inspect_string(inspect, "transactional", record_batch_is_control(batch) ? "marker" : "yes");
    }
    inspect_string(inspect, "state", fits ? "valid" : "wrong CRC");
    inspect->damaged += fits ? 0 : 1;
    return inspect_line_end(inspect);
}

int
inspect_batches(struct inspect *inspect, struct bytes run, bool whole)
{
    struct record_batch batch;
    int more;
    while ((more = record_batch_next(&run, &batch)) > 0) {
        int r = batch_line(inspect, &batch);
        if (r < 0) {
            return r;
        }
    }
    if (more == 0 || (!whole && more == -ENODATA)) {
        return 0;
    }
    inspect->damaged++;
    inspect_line_begin(inspect, "batch");
    inspect_unsigned(inspect, "size", run.size);
    inspect_string(inspect, "state", more == -ENODATA ? "ends too early" : "not a record batch");
    return inspect_line_end(inspect);
}
