/* Where a leader epoch ended, and how large a partition is: both from its ranges. */
#include "base/fault.h"
#include "partition/upkeep.h"

#include <errno.h>

int
partition_find_epoch_end(struct shard *shard, struct partition *partition, int32_t leader_epoch,
        int64_t *ret_end_offset)
{
    struct layout layout;
    if (leader_epoch == partition->epoch) {
        *ret_end_offset = partition->high_watermark;
        return 0;
    }
    if (leader_epoch < 0 || leader_epoch > partition->epoch) {
        return fault(-ENOENT, "%s-%d: leader epoch %d is not known", partition->topic_name,
                partition->key.index, leader_epoch);
    }
    int r = layout_load(shard, partition, &layout);
    if (r < 0) {
        return r;
    }
    int64_t end = layout.end_offset;
    for (size_t i = 0; i < layout.count; i++) {
        const struct store_range *range = &layout.ranges[i];
        if (range->leader_epoch > leader_epoch) {
            end = i < layout.manifest_count ? range->end_offset : range->base_offset;
            break;
        }
    }
    layout_done(&layout);
    *ret_end_offset = end;
    return 0;
}

int
partition_size(struct shard *shard, struct partition *partition, uint64_t *ret_bytes)
{
    struct layout layout;
    int r = layout_load(shard, partition, &layout);
    if (r < 0) {
        return r;
    }
    uint64_t bytes = (uint64_t)MAX(partition->upload_bytes, 0);
    for (size_t i = 0; i < layout.count; i++) {
        bool gone = layout.ranges[i].end_offset <= layout.log_start_offset;
        bytes += gone ? 0 : layout.ranges[i].size;
    }
    layout_done(&layout);
    *ret_bytes = bytes;
    return 0;
}
