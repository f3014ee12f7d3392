/* Recovery of a WAL with damaged records: who is quarantined and who is not (Q14). */
#include "base/endian.h"
#include "base/mark.h"
#include "support_rig.h"
#include "unit/test.h"
#include "wal/format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SEGMENT_SIZE ((size_t)1 << 20)

/* Flips a bit of the Nth WAL record of the partition: in its batch, or in its header. */
static bool
flip(const struct rig *rig, struct partition_key key, int n, bool header)
{
    char path[300];
    snprintf(path, sizeof path, "%s/segment-0000000000000001", rig->folder);
    FILE *file = fopen(path, "r+be");
    uint8_t *data = malloc(SEGMENT_SIZE);
    bool done = false;
    if (file && data && fread(data, 1, SEGMENT_SIZE, file) == SEGMENT_SIZE) {
        for (size_t at = WAL_BLOCK; at + 256 < SEGMENT_SIZE && !done; at += 8) {
            bool frame = load_be32(data + at) == WAL_FRAME_MAGIC &&
                         (int32_t)load_be32(data + at + 100) == key.index;
            if (frame && n-- == 0) {
                size_t place = at + (header ? 33 : 150);
                fseek(file, (long)place, SEEK_SET);
                done = fputc(data[place] ^ 8, file) != EOF;
            }
        }
    }
    free(data);
    return file && fclose(file) == 0 && done;
}

/* Six records, by turns of both partitions; then a crash. */
static int
fill(struct rig *rig, const char *name)
{
    int r = rig_new(rig, name);
    for (int i = 0; i < 6 && r == 0; i++) {
        struct buf *batch = rig_batch(-1, -1, 1);
        r = rig_append(rig, i % 2 ? rig->second : rig->key, batch, NULL);
    }
    rig->quarantine = quarantine_new();
    return r < 0 ? r : rig_crash(rig);
}

static int
append(struct rig *rig, struct partition_key key)
{
    struct buf *batch = rig_batch(-1, -1, 1);
    return rig_append(rig, key, batch, NULL);
}

FIBER_TEST(a_hole_quarantines_its_partition_and_no_other) /* Q14 */
{
    for (int header = 0; header < 2; header++) {
        struct rig rig;
        uint64_t marks = mark_count("recovery: a partition is quarantined");
        ASSERT_OK(fill(&rig, header ? "hole-header" : "hole-body"));
        ASSERT(flip(&rig, rig.key, 1, header));
        ASSERT_OK(rig_start(&rig));
        ASSERT_EQ(rig.recovered.quarantined_partitions, 1);
        ASSERT_EQ(rig.recovered.records_held, 1);
        ASSERT_EQ(mark_count("recovery: a partition is quarantined"), marks + 1);
        ASSERT(quarantine_has(rig.quarantine, rig.key));
        ASSERT(!quarantine_has(rig.quarantine, rig.second));
        /* What was before the hole is committed, all of the other too. */
        ASSERT_EQ(rig_description(&rig, rig.key)->end_offset, 1);
        ASSERT_EQ(rig_description(&rig, rig.second)->end_offset, 3);
        ASSERT_EQ(append(&rig, rig.key), -EBADMSG);
        ASSERT_EQ(partition_check(shard_find(rig.shard, rig.key)), -EBADMSG);
        ASSERT_EQ(rig_crash(&rig), 0);
        quarantine_free(rig.quarantine);
    }
}

FIBER_TEST(a_lost_last_record_quarantines_its_partition_though_nothing_is_behind) /* Q14 */
{
    struct rig rig;
    ASSERT_OK(fill(&rig, "last"));
    ASSERT(flip(&rig, rig.key, 2, false)); /* a record of the other follows */
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig.recovered.quarantined_partitions, 1);
    ASSERT_EQ(quarantine_count(rig.quarantine), 1);
    ASSERT(quarantine_has(rig.quarantine, rig.key));
    ASSERT_EQ(rig_description(&rig, rig.key)->end_offset, 2);
    ASSERT_OK(rig_crash(&rig));
    quarantine_free(rig.quarantine);
}

FIBER_TEST(damage_that_was_committed_before_quarantines_nobody) /* Q14 */
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "committed"));
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(append(&rig, rig.key));
    }
    ASSERT_OK(shard_flush(rig.shard));
    ASSERT_OK(append(&rig, rig.key));
    ASSERT_OK(append(&rig, rig.second));
    rig.quarantine = quarantine_new();
    ASSERT_OK(rig_crash(&rig));
    ASSERT(flip(&rig, rig.key, 1, false));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig.recovered.quarantined_partitions, 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 5);
    ASSERT_OK(rig_stop(&rig));
    quarantine_free(rig.quarantine);
}
