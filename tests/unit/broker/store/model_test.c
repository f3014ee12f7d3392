/* Thousands of seeded operations on a store that fails as the world does, against a plain list of
 * batches. */
#include "base/fault.h"
#include "base/mem.h"
#include "objectstore/faulty.h"
#include "store/store_internal.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

#define PARTITIONS 4
#define BATCHES_MAX 4096
#define RANGES_MAX 1024
#define CACHE_BYTES (3 * MIB)

struct model_partition {
    struct buf *batches[BATCHES_MAX];
    int64_t bases[BATCHES_MAX];
    size_t batch_count;
    int64_t end_offset;
    struct store_range ranges[RANGES_MAX];
    size_t range_count;
};

struct model {
    uint64_t state;
    struct objectstore *objects;
    struct store *store;
    struct model_partition partitions[PARTITIONS];
    uint64_t next_id;
    uint64_t generation; /* of the store: readers of an older one must not touch it */
    unsigned reading;    /* fibers inside the store */
    bool restarting;
    bool ending;
    uint64_t reads;
    uint64_t damaged;
    char problem[256]; /* first thing that was wrong */
};

static void
model_problem(struct model *model, const char *what, int p, int64_t offset)
{
    if (!model->problem[0]) {
        snprintf(model->problem, sizeof model->problem, "%s: partition %d offset %lld: %s", what, p,
                (long long)offset, fault_text());
    }
}

static bool
is_transient(int r)
{
    return r == -ETIMEDOUT || r == -EIO;
}

static void
model_upload(struct model *model)
{
    struct object_builder *builder = object_builder_new(++model->next_id, 1, 1);
    int picked[PARTITIONS];
    size_t runs = 0;
    for (int p = 0; p < PARTITIONS; p++) {
        struct model_partition *partition = &model->partitions[p];
        struct slices slices;
        int64_t base = partition->end_offset;
        uint64_t count = mix_below(&model->state, 6);
        if (count == 0 || partition->batch_count + count > BATCHES_MAX ||
                partition->range_count == RANGES_MAX) {
            continue;
        }
        slices_init(&slices);
        for (uint64_t i = 0; i < count; i++) {
            int32_t records = (int32_t)(1 + mix_below(&model->state, 5));
            size_t size =
                    mix_below(&model->state, 10) == 0 ? 200 * KIB : mix_below(&model->state, 2000);
            struct buf *batch = batch_make(partition->end_offset, records,
                    1000 + partition->end_offset, size, mix(&model->state));
            slices_append(&slices, batch, buf_bytes(batch));
            partition->bases[partition->batch_count] = partition->end_offset;
            partition->batches[partition->batch_count++] = batch;
            partition->end_offset += records;
        }
        struct object_run run = {
            .key = key_of(1, p),
            .base_offset = base,
            .end_offset = partition->end_offset,
            .batches = slices.items,
            .batch_count = slices.count,
        };
        int r = object_builder_add(builder, &run);
        if (r < 0) {
            model_problem(model, "add", p, base);
        }
        slices_done(&slices);
        picked[runs++] = p;
    }
    const struct store_range *ranges = NULL;
    size_t count = 0;
    int r = runs ? -EIO : 0;
    while (is_transient(r)) { /* O1: same bytes, same id */
        r = store_write_object(model->store, builder, DEADLINE_NONE, &ranges, &count);
    }
    if (r < 0) {
        model_problem(model, "write", 0, 0);
    }
    for (size_t i = 0; i < count; i++) {
        struct model_partition *partition = &model->partitions[picked[i]];
        partition->ranges[partition->range_count++] = ranges[i];
    }
    object_builder_free(builder);
}

/* What the model says a read from there gives. */
static bool
read_is_right(const struct model_partition *partition, const struct store_range *range,
        int64_t offset, size_t max_bytes, struct bytes got)
{
    size_t i = 0;
    size_t taken = 0;
    while (i + 1 < partition->batch_count && partition->bases[i + 1] <= offset) {
        i++;
    }
    for (; i < partition->batch_count && partition->bases[i] < range->end_offset; i++) {
        struct bytes batch = buf_bytes(partition->batches[i]);
        if (taken > 0 && taken + batch.size > max_bytes) {
            break;
        }
        if (batch.size > got.size - taken ||
                memcmp(got.data + taken, batch.data, batch.size) != 0) {
            return false;
        }
        taken += batch.size;
        if (taken >= max_bytes) {
            break;
        }
    }
    return taken == got.size;
}

static const struct store_range *
range_of(const struct model_partition *partition, int64_t offset)
{
    struct manifest manifest = { .ranges = (struct store_range *)(uintptr_t)partition->ranges,
        .count = partition->range_count };
    return manifest_find(&manifest, offset);
}

/* One read, repeated while the world gets in the way. Returns the offset to go on from. */
static int64_t
model_read(struct model *model, uint64_t *state, int p, int64_t offset, struct store_reader *reader)
{
    struct model_partition *partition = &model->partitions[p];
    for (;;) {
        const struct store_range *found = range_of(partition, offset);
        if (!found || (model->restarting && reader)) {
            return 0;
        }
        struct store_range range = *found;
        struct slices slices;
        size_t max_bytes = 1 + mix_below(state, 600 * KIB);
        slices_init(&slices);
        model->reading++;
        int r = store_read(model->store, &range, offset, max_bytes, reader, &slices);
        model->reading--;
        model->reads++;
        struct buf *got = slices_join(&slices);
        slices_done(&slices);
        if (r == 0 && !read_is_right(partition, &range, offset, max_bytes, buf_bytes(got))) {
            model_problem(model, "read gave wrong bytes", p, offset);
        }
        buf_unref(got);
        if (r == 0) {
            return reader ? reader->next_offset : offset;
        }
        /* Gone: merged meanwhile. Damaged: on the way, twice in turn. */
        bool was_merged = r == -ENOENT && range_of(partition, offset)->object_id != range.object_id;
        model->damaged += r == -EBADMSG;
        if (!is_transient(r) && !was_merged && r != -EBADMSG) {
            model_problem(model, "read", p, offset);
            return 0;
        }
    }
}

static void
model_find(struct model *model, int p)
{
    struct model_partition *partition = &model->partitions[p];
    if (partition->end_offset == 0) {
        return;
    }
    int64_t wanted = (int64_t)mix_below(&model->state, (uint64_t)partition->end_offset);
    struct store_range range = *range_of(partition, wanted);
    int64_t offset = -1;
    int64_t timestamp_ms;
    model->reading++;
    int r = store_find_timestamp(model->store, &range, 1000 + wanted, &offset, &timestamp_ms);
    model->reading--;
    if (r == 0 ? offset != wanted : !is_transient(r) && r != -EBADMSG) {
        model_problem(model, "timestamp", p, wanted);
    }
}

static void
model_merge(struct model *model, int p)
{
    struct model_partition *partition = &model->partitions[p];
    if (partition->range_count < 3) {
        return;
    }
    size_t first = mix_below(&model->state, partition->range_count - 1);
    size_t count = 2 + mix_below(&model->state, MIN((size_t)8, partition->range_count - first - 1));
    count = MIN(count, partition->range_count - first);
    struct store_range merged;
    struct store_merge merge = {
        .key = key_of(1, p),
        .ranges = mem_dup(&partition->ranges[first], count * sizeof merged),
        .count = count,
        .object_id = ++model->next_id,
    };
    int r = -EIO;
    for (int i = 0; r < 0 && i < 20; i++) {
        r = store_merge_ranges(model->store, &merge, DEADLINE_NONE, &merged);
    }
    if (r < 0) {
        model_problem(model, "merge", p, merge.ranges[0].base_offset);
    } else {
        partition->ranges[first] = merged;
        memmove(&partition->ranges[first + 1], &partition->ranges[first + count],
                (partition->range_count - first - count) * sizeof merged);
        partition->range_count -= count - 1;
    }
    mem_free((void *)(uintptr_t)merge.ranges);
}

/* O2: removes objects that no range names any more. */
static void
model_remove(struct model *model)
{
    uint64_t ids[64];
    size_t count = 0;
    uint64_t start = 1 + mix_below(&model->state, model->next_id + 1);
    for (uint64_t id = start; id <= model->next_id && count < ARRAY_SIZE(ids); id++) {
        bool is_named = false;
        for (int p = 0; p < PARTITIONS; p++) {
            for (size_t i = 0; i < model->partitions[p].range_count; i++) {
                is_named = is_named || model->partitions[p].ranges[i].object_id == id;
            }
        }
        if (!is_named) {
            ids[count++] = id;
        }
    }
    int r = count ? -EIO : 0;
    while (is_transient(r)) {
        r = store_remove_objects(model->store, ids, count, DEADLINE_NONE);
    }
    if (r < 0) {
        model_problem(model, "remove", 0, 0);
    }
}

static void
model_manifest(struct model *model, int p)
{
    struct model_partition *partition = &model->partitions[p];
    struct manifest manifest = {
        .key = key_of(1, p),
        .manifest_id = ++model->next_id,
        .ranges = mem_dup(partition->ranges, partition->range_count * sizeof(struct store_range)),
        .count = partition->range_count,
        .checkpoint = BYTES_LITERAL("checkpoint"),
    };
    struct manifest read;
    int r = -EIO;
    while (is_transient(r)) {
        r = store_write_manifest(model->store, &manifest, DEADLINE_NONE);
    }
    if (r < 0) {
        model_problem(model, "manifest write", p, 0);
    }
    r = -EIO;
    while (is_transient(r) || r == -EBADMSG) {
        r = store_read_manifest(model->store, manifest.key, manifest.manifest_id, &read);
    }
    if (r < 0 || read.count != manifest.count ||
            memcmp(read.ranges, manifest.ranges, read.count * sizeof *read.ranges) != 0) {
        model_problem(model, "manifest", p, 0);
    }
    if (r == 0) {
        manifest_done(&read);
    }
    manifest_done(&manifest);
}

/* A cold cache. Readers are asked to leave first. */
static void
model_restart(struct model *model)
{
    struct store_options options = model->store->options;
    model->generation++;
    model->restarting = true;
    while (model->reading > 0) {
        int r = fiber_sleep_ns(100000);
        if (r < 0) {
            return;
        }
    }
    store_free(model->store);
    int r = store_new(&options, &model->store);
    if (r < 0) {
        model_problem(model, "restart", 0, 0);
    }
    model->restarting = false;
}

struct model_reader {
    struct model *model;
    uint64_t state;
};

static int
model_reader_main(void *arg)
{
    struct model_reader *self = arg;
    struct model *model = self->model;
    struct store_reader reader = { 0 };
    uint64_t generation = 0;
    while (!model->ending && !model->problem[0]) {
        int p = (int)mix_below(&self->state, PARTITIONS);
        int64_t end = model->partitions[p].end_offset;
        int64_t offset = end ? (int64_t)mix_below(&self->state, (uint64_t)end) : 0;
        uint64_t steps = mix_below(&self->state, 30);
        if (generation != model->generation) {
            reader = (struct store_reader){ 0 };
            generation = model->generation;
        }
        for (uint64_t i = 0; i < steps && offset < end && generation == model->generation; i++) {
            offset = model_read(model, &self->state, p, offset, &reader);
            if (offset == 0) {
                break;
            }
        }
        int r = fiber_sleep_ns(200000);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void
model_step(struct model *model)
{
    int p = (int)mix_below(&model->state, PARTITIONS);
    uint64_t action = mix_below(&model->state, 40);
    int64_t end = model->partitions[p].end_offset;
    if (action < 10) {
        model_upload(model);
    } else if (action < 14) {
        model_merge(model, p);
    } else if (action < 16) {
        model_manifest(model, p);
    } else if (action < 18) {
        model_remove(model);
    } else if (action < 22) {
        model_find(model, p);
    } else if (action == 22) {
        model_restart(model);
    } else if (end > 0) {
        model_read(model, &model->state, p, (int64_t)mix_below(&model->state, (uint64_t)end), NULL);
    }
    struct store_stats stats;
    store_stats_get(model->store, &stats);
    if (stats.block_cache_bytes > CACHE_BYTES) { /* C2 */
        model_problem(model, "the cache is over its budget", 0, (int64_t)stats.block_cache_bytes);
    }
}

static void
model_run(uint64_t seed, const char *const *rules, size_t rule_count)
{
    struct model *model = mem_alloc(sizeof *model);
    struct model_reader readers[3];
    memory_url("store_model");
    model->state = seed;
    model->store = store_make(
            "faulty+memory://store_model?faults=model", CACHE_BYTES, MIB, &model->objects);
    for (size_t i = 0; i < rule_count; i++) {
        struct faulty_rule rule;
        ASSERT_OK(faulty_parse(rules[i], &rule));
        ASSERT_OK(faulty_add("model", &rule));
    }
    struct fiber_group group;
    fiber_group_init(&group);
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        readers[i] = (struct model_reader){ model, seed + i + 1 };
        fiber_group_spawn(&group, "reader", model_reader_main, &readers[i]);
    }
    for (int i = 0; i < 500 && !model->problem[0]; i++) {
        model_step(model);
    }
    model->ending = true;
    ASSERT_OK(fiber_group_wait(&group));
    faulty_clear("model");
    store_unmake(model->store, model->objects);
    for (int p = 0; p < PARTITIONS; p++) {
        for (size_t i = 0; i < model->partitions[p].batch_count; i++) {
            buf_unref(model->partitions[p].batches[i]);
        }
    }
    if (model->problem[0]) {
        test_fail(__FILE__, __LINE__, "seed %llu: %s", (unsigned long long)seed, model->problem);
    } else {
        ASSERT(model->reads > 200);
    }
    mem_free(model);
}

FIBER_TEST(readers_agree_with_the_model_while_objects_come_and_go)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        model_run(seed, NULL, 0);
    }
}

FIBER_TEST(readers_agree_with_the_model_on_a_store_that_fails)
{
    static const char *const rules[] = {
        "get:*:slow:p=0.2:ms=2",
        "get:*:truncated:p=0.02",
        "get:*:wrong:p=0.05",
        "put:*:lost:p=0.05",
        "put:*:503:p=0.05:ms=1",
        "put:*:late:p=0.02:ms=5",
    };
    for (uint64_t seed = 100; seed < 102; seed++) {
        model_run(seed, rules, ARRAY_SIZE(rules));
    }
}
