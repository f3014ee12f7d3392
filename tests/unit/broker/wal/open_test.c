/* Opening: whose WAL it is, and whether all of it is there (W4). */
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "unit/broker/wal/support_wal.h"
#include "unit/test.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT(n) "segment-000000000000000" #n

/* A WAL with records in segments 1 to 3, closed in good order. */
MUST_CHECK static int
filled_make(struct wal_options *options)
{
    *options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    int r = wal_test_begin(options, NULL, &wal);
    for (int i = 0; i < 8 && r == 0; i++) {
        r = wal_test_append(wal, 20000);
    }
    options->incarnation = 2;
    int closed = wal_close(wal);
    return r < 0 ? r : closed;
}

static int
open_result(const struct wal_options *options)
{
    struct wal *wal = NULL;
    int r = wal_open(options, &wal);
    int closed = wal_close(wal);
    return r < 0 ? r : closed;
}

static void
path_in(const char *folder, const char *name, char *out)
{
    snprintf(out, FILE_PATH_MAX, "%s/%s", folder, name);
}

FIBER_TEST(a_wal_of_another_cluster_or_broker_is_refused) /* W4 */
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    struct wal_options other = options;
    other.cluster_id.bytes[15] = 9;
    ASSERT_ERROR(open_result(&other), -EMEDIUMTYPE);
    ASSERT(strstr(fault_text(), "identity") && strstr(fault_text(), "cluster"));
    other = options;
    other.broker_id = 8;
    ASSERT_ERROR(open_result(&other), -EMEDIUMTYPE);
    ASSERT(strstr(fault_text(), "belongs to broker 7, this is 8"));
    ASSERT_OK(open_result(&options));
}

FIBER_TEST(an_incarnation_that_is_not_later_is_refused) /* W4 */
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    options.incarnation = 5;
    ASSERT_OK(open_result(&options));
    uint64_t marks = mark_count("wal: later incarnation");
    ASSERT_ERROR(open_result(&options), -EMEDIUMTYPE);
    ASSERT_EQ(mark_count("wal: later incarnation"), marks + 1);
    options.incarnation = 4;
    ASSERT_ERROR(open_result(&options), -EMEDIUMTYPE);
    options.incarnation = 6;
    ASSERT_OK(open_result(&options));
}

FIBER_TEST(a_wal_that_is_open_is_locked_for_others_but_can_be_looked_at) /* W4 */
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options = wal_test_options(test_directory(), 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_OK(wal_test_append(wal, 10));
    struct wal_options other = options;
    other.incarnation = 2;
    ASSERT_ERROR(open_result(&other), -EWOULDBLOCK);
    ASSERT(strstr(fault_text(), "/lock"));
    ASSERT(mark_count("wal: locked by another") > 0);
    other.read_only = true;
    ASSERT_OK(wal_test_look(&other, seen));
    ASSERT_EQ(seen->count, 1);
    ASSERT_OK(wal_test_append(wal, 10));
    ASSERT_OK(wal_close(wal));
    other.read_only = false;
    ASSERT_OK(open_result(&other));
}

FIBER_TEST(reading_only_changes_nothing)
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    CLEANUP(buf_unrefp) struct buf *before = wal_test_read(options.folder, "evidence");
    options.read_only = true;
    options.cluster_id = UUID_ZERO;
    ASSERT_OK(wal_test_look(&options, seen));
    ASSERT_EQ(seen->recovery.records, 8);
    CLEANUP(buf_unrefp) struct buf *after = wal_test_read(options.folder, "evidence");
    ASSERT(bytes_equal(buf_bytes(before), buf_bytes(after)));
    struct wal *wal = NULL;
    ASSERT_OK(wal_open(&options, &wal));
    struct wal_recovery recovery;
    ASSERT_OK(wal_replay(wal, wal_test_replay_fn, NULL, &recovery));
    ASSERT_ERROR(wal_start(wal), -EROFS);
    ASSERT_OK(wal_close(wal));
    options.folder = "/nonexistent/wal";
    ASSERT_ERROR(open_result(&options), -ENOENT);
}

FIBER_TEST(a_flipped_bit_in_the_identity_is_refused)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    options.read_only = true;
    for (uint64_t offset = 0; offset < WAL_BLOCK; offset += offset < 72 ? 1 : 251) {
        ASSERT_OK(wal_test_flip(options.folder, "identity", offset, 0x20));
        ASSERT_ERROR(open_result(&options), -EBADMSG);
        ASSERT(strstr(fault_text(), "/identity at 0: damaged"));
        ASSERT_OK(wal_test_flip(options.folder, "identity", offset, 0x20));
    }
    ASSERT_OK(open_result(&options));
}

FIBER_TEST(a_flipped_bit_in_a_segment_header_is_refused)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    options.read_only = true;
    for (uint64_t offset = 0; offset < WAL_BLOCK; offset += offset < 56 ? 1 : 251) {
        ASSERT_OK(wal_test_flip(options.folder, SEGMENT(2), offset, 0x01));
        ASSERT_ERROR(open_result(&options), -EBADMSG);
        ASSERT(strstr(fault_text(), SEGMENT(2) " at 0: damaged"));
        ASSERT_OK(wal_test_flip(options.folder, SEGMENT(2), offset, 0x01));
    }
    ASSERT_OK(open_result(&options));
}

FIBER_TEST(a_flipped_bit_in_the_evidence_changes_nothing)
{
    CLEANUP(mem_freep) struct wal_test_seen *seen = wal_test_seen_new();
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    options.read_only = true;
    for (uint64_t block = 0; block < WAL_EVIDENCE_SIZE; block += WAL_BLOCK) {
        for (uint64_t offset = 0; offset < WAL_BLOCK; offset += offset < 104 ? 7 : 1001) {
            ASSERT_OK(wal_test_flip(options.folder, "evidence", block + offset, 0x08));
            seen->count = 0;
            ASSERT_OK(wal_test_look(&options, seen));
            ASSERT_EQ(seen->recovery.records, 8);
            ASSERT_EQ(seen->recovery.damaged_records, 0);
            ASSERT_OK(wal_test_flip(options.folder, "evidence", block + offset, 0x08));
        }
    }
}

FIBER_TEST(evidence_without_a_valid_entry_is_refused)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    ASSERT_OK(wal_test_zero(options.folder, "evidence", 0, WAL_EVIDENCE_SIZE));
    ASSERT_ERROR(open_result(&options), -EBADMSG);
    ASSERT(strstr(fault_text(), "/evidence: damaged: no valid entry"));
    char path[FILE_PATH_MAX];
    path_in(options.folder, "evidence", path);
    ASSERT_EQ(unlink(path), 0);
    ASSERT_ERROR(open_result(&options), -EBADMSG);
    ASSERT(strstr(fault_text(), "missing beside an identity"));
}

/* Writes another version into a block and makes the CRC fit. */
static int
version_set(const char *folder, const char *name, uint8_t version)
{
    CLEANUP(buf_unrefp) struct buf *file = wal_test_read(folder, name);
    struct wal_identity identity;
    int r = wal_identity_decode(file->data, name, &identity);
    if (r < 0) {
        return r;
    }
    /* The block is encoded again and patched: CRC-32C is linear, but this is easier to read. */
    file->data[11] = version;
    uint8_t *crc = file->data + WAL_BLOCK_CRC_OFFSET;
    uint32_t value = crc32c(bytes_of(file->data, WAL_BLOCK_CRC_OFFSET));
    store_be32(crc, value);
    return wal_test_write(folder, name, buf_bytes(file));
}

FIBER_TEST(another_version_of_the_format_is_refused_as_such)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    ASSERT_OK(version_set(options.folder, "identity", 2));
    ASSERT_ERROR(open_result(&options), -EPROTONOSUPPORT);
    ASSERT(strstr(fault_text(), "format version 2; this program knows 1"));
}

FIBER_TEST(an_older_version_of_the_format_is_refused_as_such)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    ASSERT_OK(version_set(options.folder, "identity", 0));
    ASSERT_ERROR(open_result(&options), -EPROTONOSUPPORT);
    ASSERT(strstr(fault_text(), "format version 0"));
}

FIBER_TEST(a_missing_segment_is_refused_wherever_it_was) /* W3 */
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    options.read_only = true;
    const char *names[3] = { SEGMENT(1), SEGMENT(2), SEGMENT(3) };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[FILE_PATH_MAX];
        char hidden[FILE_PATH_MAX];
        path_in(options.folder, names[i], path);
        path_in(options.folder, "hidden", hidden);
        ASSERT_EQ(rename(path, hidden), 0);
        ASSERT_ERROR(open_result(&options), -EBADMSG);
        ASSERT(strstr(fault_text(), names[i]) && strstr(fault_text(), "is missing"));
        ASSERT_EQ(rename(hidden, path), 0);
    }
    ASSERT_OK(open_result(&options));
}

FIBER_TEST(a_segment_that_is_there_twice_is_refused)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    CLEANUP(buf_unrefp) struct buf *first = wal_test_read(options.folder, SEGMENT(1));
    ASSERT_OK(wal_test_write(options.folder, SEGMENT(2), buf_bytes(first)));
    ASSERT_ERROR(open_result(&options), -EBADMSG);
    ASSERT(strstr(fault_text(), SEGMENT(2) " at 32: the header says that this is segment 1"));
}

FIBER_TEST(a_segment_of_the_wrong_size_or_name_is_refused)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    options.read_only = true;
    char path[FILE_PATH_MAX];
    path_in(options.folder, SEGMENT(2), path);
    ASSERT_EQ(truncate(path, TEST_SEGMENT - WAL_BLOCK), 0);
    ASSERT_ERROR(open_result(&options), -EBADMSG);
    ASSERT(strstr(fault_text(), "61440 bytes, not 65536"));
    ASSERT_EQ(truncate(path, TEST_SEGMENT), 0);
    ASSERT_OK(wal_test_write(options.folder, "segment-7", bytes_of("x", 1)));
    ASSERT_ERROR(open_result(&options), -EBADMSG);
    ASSERT(strstr(fault_text(), "segment-7: not a segment's name"));
}

FIBER_TEST(parts_of_two_wals_do_not_mix) /* W4 */
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    char folder[FILE_PATH_MAX];
    path_in(options.folder, "other", folder);
    struct wal_options other = wal_test_options(folder, 1);
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&other, NULL, &wal));
    ASSERT_OK(wal_close(wal));
    CLEANUP(buf_unrefp) struct buf *segment = wal_test_read(folder, SEGMENT(1));
    CLEANUP(buf_unrefp) struct buf *evidence = wal_test_read(folder, "evidence");
    CLEANUP(buf_unrefp) struct buf *own_evidence = wal_test_read(options.folder, "evidence");
    ASSERT_OK(wal_test_write(options.folder, "evidence", buf_bytes(evidence)));
    ASSERT_ERROR(open_result(&options), -EMEDIUMTYPE);
    ASSERT(strstr(fault_text(), "/evidence at"));
    ASSERT_OK(wal_test_write(options.folder, "evidence", buf_bytes(own_evidence)));
    ASSERT_OK(wal_test_write(options.folder, SEGMENT(1), buf_bytes(segment)));
    ASSERT_ERROR(open_result(&options), -EMEDIUMTYPE);
    ASSERT(strstr(fault_text(), SEGMENT(1) ": belongs to another wal"));
}

FIBER_TEST(segments_without_an_identity_are_refused)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    char path[FILE_PATH_MAX];
    path_in(options.folder, "identity", path);
    ASSERT_EQ(unlink(path), 0);
    ASSERT_ERROR(open_result(&options), -EBADMSG);
    ASSERT(strstr(fault_text(), "identity is missing"));
}

FIBER_TEST(a_creation_that_was_interrupted_is_done_again)
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    ASSERT_OK(open_result(&options));
    char path[FILE_PATH_MAX];
    path_in(options.folder, "identity", path);
    ASSERT_EQ(unlink(path), 0);
    ASSERT_OK(wal_test_write(options.folder, "identity.new", bytes_of("half", 4)));
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT_OK(wal_test_append(wal, 10));
    ASSERT_OK(wal_close(wal));
}

FIBER_TEST(an_unfinished_spare_is_removed)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    uint64_t marks = mark_count("wal: unfinished spare removed");
    ASSERT_OK(wal_test_write(options.folder, "spare-0000000000000009", bytes_of("half", 4)));
    ASSERT_OK(open_result(&options));
    ASSERT_EQ(mark_count("wal: unfinished spare removed"), marks + 1);
    ASSERT(wal_test_read(options.folder, "spare-0000000000000009") == NULL);
}

FIBER_TEST(a_smaller_capacity_gives_files_back)
{
    struct wal_options options;
    ASSERT_OK(filled_make(&options));
    uint64_t marks = mark_count("wal: spare segment removed");
    options.capacity = 2 * TEST_SEGMENT;
    struct wal *wal = NULL;
    ASSERT_OK(wal_test_begin(&options, NULL, &wal));
    ASSERT(mark_count("wal: spare segment removed") > marks);
    ASSERT_OK(wal_test_append(wal, 10));
    struct disk_names names;
    ASSERT_OK(disk_list(options.folder, &names));
    size_t files = 0;
    for (size_t i = 0; i < names.count; i++) {
        uint64_t index;
        enum wal_name_kind kind = wal_name_parse(names.names[i], &index);
        files += kind == WAL_NAME_SEGMENT || kind == WAL_NAME_SPARE;
    }
    disk_names_free(&names);
    ASSERT_EQ(files, 2);
    ASSERT_OK(wal_close(wal));
}

FIBER_TEST(options_that_make_no_sense_are_refused)
{
    struct wal_options options = wal_test_options(test_directory(), 1);
    options.capacity = TEST_SEGMENT;
    ASSERT_ERROR(open_result(&options), -EINVAL);
    options = wal_test_options(test_directory(), 0);
    ASSERT_ERROR(open_result(&options), -EINVAL);
    options = wal_test_options(test_directory(), 1);
    options.segment_size = 10000;
    ASSERT_ERROR(open_result(&options), -EINVAL);
}
