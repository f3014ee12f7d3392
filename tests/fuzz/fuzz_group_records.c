/* What a coordinator finds in __consumer_offsets when it loads a partition: the bytes are Kafka's,
 * and any client with the right may have produced them. The first byte chooses key, offset or
 * group. What is read is written again, read again and written again as the same bytes. */
#include "base/check.h"
#include "groups/records.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct group_record
only_record(const struct group_records *records)
{
    struct bytes rest = strbuf_bytes(&records->bytes);
    struct group_record record = { BYTES_NULL, BYTES_NULL };
    CHECK(group_records_result(records) == 0);
    CHECK(group_records_next(&rest, &record) && rest.size == 0);
    return record;
}

static bool
is_inside(struct bytes part, struct bytes whole)
{
    return part.size == 0 || (part.data >= whole.data && part.size <= whole.size &&
                                     (size_t)(part.data - whole.data) <= whole.size - part.size);
}

static void
try_key(struct bytes input)
{
    struct group_record_key key;
    int r = group_record_read_key(input, &key);
    CHECK(r == 0 || r == -EBADMSG);
    if (r == 0) {
        CHECK(is_inside(key.group_id, input) && is_inside(key.topic, input));
    }
}

static void
try_offset(struct bytes input)
{
    struct group_offset offset = { .topic = BYTES_LITERAL("t") };
    struct group_records once;
    struct group_records twice;
    int r = group_record_read_offset(input, &offset);
    CHECK(r == 0 || r == -EBADMSG || r == -ENOTSUP);
    if (r < 0) {
        return;
    }
    struct group_offset again = offset;
    group_records_init(&once);
    group_records_init(&twice);
    group_records_offset(&once, BYTES_LITERAL("g"), &offset);
    CHECK(group_record_read_offset(only_record(&once).value, &again) == 0);
    group_records_offset(&twice, BYTES_LITERAL("g"), &again);
    CHECK(bytes_equal(strbuf_bytes(&once.bytes), strbuf_bytes(&twice.bytes)));
    group_records_done(&once);
    group_records_done(&twice);
}

static void
try_group(struct bytes input)
{
    size_t memory = 0;
    struct group *group = group_new(BYTES_LITERAL("g"), NULL, &memory);
    int r = group_record_read_group(input, group);
    CHECK(r == 0 || r == -EBADMSG || r == -ENOTSUP);
    if (r == 0) {
        struct group *again = group_new(BYTES_LITERAL("g"), NULL, &memory);
        struct group_records once;
        struct group_records twice;
        group_records_init(&once);
        group_records_init(&twice);
        group_records_group(&once, group, false);
        if (group_records_result(&once) == 0) {
            CHECK(group_record_read_group(only_record(&once).value, again) == 0);
            CHECK(again->member_count == group->member_count);
            group_records_group(&twice, again, false);
            CHECK(bytes_equal(strbuf_bytes(&once.bytes), strbuf_bytes(&twice.bytes)));
        }
        group_records_done(&once);
        group_records_done(&twice);
        group_free(again);
    }
    group_free(group);
    CHECK(memory == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct bytes input = bytes_of(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        try_key(input);
        break;
    case 1:
        try_offset(input);
        break;
    default:
        try_group(input);
    }
    return 0;
}
