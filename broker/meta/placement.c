/* Homes for partitions, decided by the controller: what is open nowhere is opened at a live broker
 * (its WALs hold nothing of it: M5), what lives on a broker that drains is wished elsewhere, and a
 * wish for a broker that died is withdrawn (V1). Reading the state and building the records does
 * not wait; the state machine refuses what has changed meanwhile. */
#include "base/mem.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>

#define PLACEMENT_BATCH 16384 /* records of one proposal */

struct load {
    int32_t id;
    int64_t epoch;
    bool takes;
    bool is_young;    /* B5 */
    bool leaves;      /* drains or stops */
    bool may_be_told; /* has had the time to open what is its own */
    bool alive;
    size_t partitions; /* owned, or wished to be */
};

struct placement {
    struct meta *meta;
    struct load *loads; /* by id */
    size_t load_count;
    struct meta_record *records;
    size_t count;
    bool again; /* something could not be decided yet */
};

static struct load *
load_find(const struct placement *p, int32_t id)
{
    size_t low = 0;
    size_t high = p->load_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->loads[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < p->load_count && p->loads[low].id == id ? &p->loads[low] : NULL;
}

static struct load *
load_least_of(const struct placement *p, bool young)
{
    struct load *least = NULL;
    for (size_t i = 0; i < p->load_count; i++) {
        struct load *load = &p->loads[i];
        if (load->takes && load->is_young == young &&
                (!least || load->partitions < least->partitions)) {
            least = load;
        }
    }
    return least;
}

/* The broker with the fewest partitions of those that take more; NULL: there is none. */
static struct load *
load_least(const struct placement *p)
{
    struct load *least = load_least_of(p, false);
    if (!least) {
        least = load_least_of(p, true);
    }
    return least;
}

static bool
had_time(struct meta *meta, const struct meta_broker *broker)
{
    const struct member *member = member_find(meta, broker->id);
    uint64_t since = member && member->registered_ns ? member->registered_ns : meta->office_ns;
    return clock_boot_ns() - since > meta->lease_ns;
}

static void
placement_load(struct placement *p)
{
    const struct meta_state *state = p->meta->replicas[0]->state;
    size_t capacity = 0;
    const struct meta_broker *broker;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        if (p->load_count == capacity) {
            capacity = capacity * 2 + 8;
            p->loads = mem_realloc(p->loads, capacity * sizeof *p->loads);
        }
        p->loads[p->load_count++] = (struct load){ .id = broker->id,
            .epoch = broker->epoch,
            .takes = meta_broker_takes(broker),
            .is_young = member_young_ns(p->meta, broker->id) > 0,
            .leaves = broker->state >= META_BROKER_DRAINING,
            .may_be_told = had_time(p->meta, broker),
            .alive = broker->alive };
    }
}

static void
placement_count(struct placement *p, const struct meta_partition *partition)
{
    int32_t home = partition->target >= 0 ? partition->target : partition->owner;
    struct load *load = load_find(p, home);
    if (load) {
        load->partitions++;
    }
}

/* Open nowhere: the owner itself when it lives, else whoever has least. */
static void
placement_open(struct placement *p, const struct meta_partition *partition)
{
    struct load *owner = load_find(p, partition->owner);
    if (owner && owner->alive && !owner->leaves && !owner->may_be_told) {
        p->again = true;
        return;
    }
    struct load *home = owner && owner->alive && !owner->leaves ? owner : load_least(p);
    if (home) {
        home->partitions++;
        p->records[p->count++] = (struct meta_record){ .type = META_OPEN,
            .open = { partition->key, home->id, home->epoch } };
    }
}

static void
placement_move(struct placement *p, const struct meta_partition *partition)
{
    const struct load *owner = load_find(p, partition->owner);
    const struct load *target = partition->target >= 0 ? load_find(p, partition->target) : NULL;
    bool wish_is_void = partition->target >= 0 && (!target || !target->alive || target->leaves);
    bool must_go =
            owner && owner->alive && owner->leaves && (partition->target < 0 || wish_is_void);
    struct load *home = must_go ? load_least(p) : NULL;
    if (home) {
        home->partitions++;
    }
    if (home || wish_is_void) {
        p->records[p->count++] = (struct meta_record){ .type = META_MOVE,
            .move = { partition->key, home ? home->id : -1 } };
    }
}

static void
placement_each(struct placement *p,
        void (*fn)(struct placement *p, const struct meta_partition *partition))
{
    const struct meta_state *state = p->meta->replicas[0]->state;
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count && p->count < PLACEMENT_BATCH; i++) {
            fn(p, &t->partitions[i]);
        }
    }
}

static void
placement_decide(struct placement *p, const struct meta_partition *partition)
{
    if (partition->owner_broker_epoch == 0) {
        placement_open(p, partition);
    } else {
        placement_move(p, partition);
    }
}

int
placement_pass(struct meta *meta)
{
    struct placement p = { .meta = meta };
    placement_load(&p);
    placement_each(&p, placement_count);
    p.records = mem_alloc_array(PLACEMENT_BATCH, sizeof *p.records);
    placement_each(&p, placement_decide);
    int r = 0;
    if (p.count) {
        struct meta_result *results = mem_alloc_array(p.count, sizeof *results);
        r = meta_propose(meta, p.records, p.count, results);
        mem_free(results);
    }
    mem_free(p.records);
    mem_free(p.loads);
    return r ? r : p.again;
}
