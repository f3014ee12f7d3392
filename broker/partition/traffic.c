/* Bytes per second of each partition, for the balancer. */
#include "partition/shard_internal.h"

#define NS_PER_SECOND 1000000000ull

/* Half of the difference to what is seen now every time: with a call each two seconds a burst is
 * forgotten within ten or twenty. */
static void
smooth(uint64_t *rate, uint64_t bytes, uint64_t *seen, uint64_t elapsed_ns)
{
    uint64_t now = (uint64_t)((double)(bytes - *seen) * NS_PER_SECOND / (double)elapsed_ns);
    *rate = (*rate + now) / 2;
    *seen = bytes;
}

static uint64_t
both(const struct meta_partition_load *load)
{
    return load->in + load->out;
}

/* A heap with the idlest on top: `at` sinks to its place. */
static void
heap_sink(struct meta_partition_load *heap, size_t count, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && both(&heap[child + 1]) < both(&heap[child])) {
            child++;
        }
        if (both(&heap[at]) <= both(&heap[child])) {
            return;
        }
        struct meta_partition_load swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

static size_t
heap_offer(struct meta_partition_load *heap, size_t count, size_t capacity,
        const struct meta_partition_load *load)
{
    if (count < capacity) {
        heap[count++] = *load;
        for (size_t i = count / 2; count == capacity && i-- > 0;) {
            heap_sink(heap, count, i);
        }
    } else if (count && both(load) > both(&heap[0])) {
        heap[0] = *load;
        heap_sink(heap, count, 0);
    }
    return count;
}

void
shard_load(struct shard *shard, uint64_t elapsed_ns, struct meta_partition_load *partitions,
        size_t capacity, struct meta_load *ret_load)
{
    struct meta_load sum = { .partitions = partitions };
    LIST_FOREACH (link, &shard->partitions) {
        struct partition *partition = CONTAINER_OF(link, struct partition, link);
        smooth(&partition->in_rate, partition->in_bytes, &partition->in_seen, elapsed_ns);
        smooth(&partition->out_rate, partition->out_bytes, &partition->out_seen, elapsed_ns);
        const struct meta_partition_load load = { partition->key, partition->in_rate,
            partition->out_rate };
        sum.in += load.in;
        sum.out += load.out;
        if (both(&load)) {
            sum.count = heap_offer(partitions, sum.count, capacity, &load);
        }
    }
    *ret_load = sum;
}
