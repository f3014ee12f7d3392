/* The plan: numbers of partitions, then zones, then traffic; each step takes from who has most and
 * gives to who has least. */
#include "meta/balance.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

struct planner {
    const struct balance_input *in;
    struct balance_plan *plan;
    int32_t *home;       /* by partition: index of a broker as it will be */
    bool *taken;         /* by partition: fixed, or moved by this plan */
    uint32_t *rank;      /* by partition: its place among its topic's on that broker, of 65536 */
    size_t *order;       /* partitions by broker, and there by rank */
    size_t *first;       /* by broker: of order; broker_count + 1 of them */
    size_t *cursor;      /* by broker: behind the next candidate of its part of order */
    bool *exhausted;     /* by broker: nothing more of it may be moved for the numbers */
    int64_t *count;      /* by broker */
    uint64_t *load;      /* by broker */
    int32_t *zone_takes; /* by zone: brokers */
    int32_t *in_zone;    /* by topic and zone: partitions; NULL: one zone only */
    int32_t takes;       /* brokers */
    int64_t partitions;  /* on them */
    uint64_t total_load; /* of them */
    int64_t begin_spread;
    int64_t goal_spread;
};

static const char *const reason_texts[] = {
    [BALANCE_COUNT] = "numbers of partitions are uneven",
    [BALANCE_ZONE] = "the topic is uneven over the zones",
    [BALANCE_TRAFFIC] = "traffic is uneven",
    [BALANCE_SWAP] = "in exchange for a busier one",
};

const char *
balance_reason_text(enum balance_reason reason)
{
    return reason_texts[reason];
}

/* --- what is where --- */

/* Partitions first to end - 1 are a topic; seen and total: by broker, zero. */
static void
rank_topic(struct planner *p, size_t first, size_t end, uint32_t *seen, uint32_t *total)
{
    for (size_t i = first; i < end; i++) {
        if (p->home[i] >= 0) {
            total[p->home[i]]++;
        }
    }
    for (size_t i = first; i < end; i++) {
        int32_t b = p->home[i];
        p->rank[i] = b < 0 ? 0 : (uint32_t)((uint64_t)seen[b]++ * 65536 / total[b]);
    }
    for (size_t i = first; i < end; i++) {
        if (p->home[i] >= 0) {
            seen[p->home[i]] = 0;
            total[p->home[i]] = 0;
        }
    }
}

static size_t
topic_end(const struct balance_input *in, size_t first)
{
    size_t end = first + 1;
    while (end < in->partition_count && in->partitions[end].topic == in->partitions[first].topic) {
        end++;
    }
    return end;
}

/* Who takes those of the highest rank takes the same part of each topic. */
static void
planner_rank(struct planner *p)
{
    uint32_t *seen = mem_alloc_array((size_t)p->in->broker_count, sizeof *seen);
    uint32_t *total = mem_alloc_array((size_t)p->in->broker_count, sizeof *total);
    for (size_t first = 0; first < p->in->partition_count;) {
        size_t end = topic_end(p->in, first);
        rank_topic(p, first, end, seen, total);
        first = end;
    }
    mem_free(seen);
    mem_free(total);
}

static _Thread_local const struct planner *sorted; /* for compare_order, during one qsort */

static int
compare_order(const void *a, const void *b)
{
    size_t x = *(const size_t *)a;
    size_t y = *(const size_t *)b;
    if (sorted->home[x] != sorted->home[y]) {
        return sorted->home[x] < sorted->home[y] ? -1 : 1;
    }
    if (sorted->rank[x] != sorted->rank[y]) {
        return sorted->rank[x] < sorted->rank[y] ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

static void
planner_order(struct planner *p)
{
    size_t used = 0;
    for (size_t i = 0; i < p->in->partition_count; i++) {
        if (p->home[i] >= 0) {
            p->order[used++] = i;
        }
    }
    sorted = p;
    qsort(p->order, used, sizeof *p->order, compare_order);
    size_t at = 0;
    for (int32_t b = 0; b <= p->in->broker_count; b++) {
        p->first[b] = at;
        while (b < p->in->broker_count && at < used && p->home[p->order[at]] == b) {
            at++;
        }
    }
    for (int32_t b = 0; b < p->in->broker_count; b++) {
        p->cursor[b] = p->first[b + 1];
    }
}

static void
planner_count(struct planner *p)
{
    const struct balance_input *in = p->in;
    for (int32_t b = 0; b < in->broker_count; b++) {
        if (in->brokers[b].takes) {
            p->takes++;
            p->zone_takes[in->brokers[b].zone]++;
        }
    }
    for (size_t i = 0; i < in->partition_count; i++) {
        int32_t b = in->partitions[i].broker;
        p->home[i] = b;
        p->taken[i] = in->partitions[i].fixed;
        if (b < 0) {
            continue;
        }
        p->count[b]++;
        p->load[b] += in->partitions[i].load;
        if (p->in_zone) {
            p->in_zone[in->partitions[i].topic * in->zone_count + in->brokers[b].zone]++;
        }
        if (in->brokers[b].takes) {
            p->partitions++;
            p->total_load += in->partitions[i].load;
        }
    }
}

/* Of the brokers that take: with the most, or the fewest, partitions; -1: none. */
static int32_t
most_partitions(const struct planner *p)
{
    int32_t best = -1;
    for (int32_t b = 0; b < p->in->broker_count; b++) {
        if (p->in->brokers[b].takes && !p->exhausted[b] &&
                (best < 0 || p->count[b] > p->count[best] ||
                        (p->count[b] == p->count[best] && p->load[b] > p->load[best]))) {
            best = b;
        }
    }
    return best;
}

/* How many of the topic's partitions there are in the broker's zone for each broker that takes. */
static int64_t
zone_density(const struct planner *p, int32_t topic, int32_t broker)
{
    int32_t zone = p->in->brokers[broker].zone;
    return p->in_zone ? (int64_t)p->in_zone[topic * p->in->zone_count + zone] * 1024 /
                                MAX(p->zone_takes[zone], 1)
                      : 0;
}

/* topic: of the partition that is to go there; -1: any. */
static int32_t
fewest_partitions(const struct planner *p, int32_t topic)
{
    int32_t best = -1;
    for (int32_t b = 0; b < p->in->broker_count; b++) {
        if (!p->in->brokers[b].takes) {
            continue;
        }
        int64_t ahead = best < 0 ? -1 : p->count[b] - p->count[best];
        if (ahead == 0 && topic >= 0) {
            ahead = zone_density(p, topic, b) - zone_density(p, topic, best);
        }
        if (ahead < 0 || (ahead == 0 && p->load[b] < p->load[best])) {
            best = b;
        }
    }
    return best;
}

static int64_t
spread(const struct planner *p)
{
    int32_t most = most_partitions(p);
    return most < 0 ? 0 : p->count[most] - p->count[fewest_partitions(p, -1)];
}

/* --- one move --- */

static bool
is_full(const struct planner *p)
{
    return p->plan->count >= p->in->moves_max;
}

static void
move(struct planner *p, size_t partition, int32_t to, enum balance_reason reason)
{
    const struct balance_input *in = p->in;
    int32_t from = p->home[partition];
    uint64_t load = in->partitions[partition].load;
    CHECK(!p->taken[partition] && in->brokers[to].takes && from != to);
    if (p->in_zone) {
        int32_t *zones = p->in_zone + in->partitions[partition].topic * in->zone_count;
        zones[in->brokers[from].zone]--;
        zones[in->brokers[to].zone]++;
    }
    p->count[from]--;
    p->count[to]++;
    p->load[from] -= load;
    p->load[to] += load;
    p->home[partition] = to;
    p->taken[partition] = true;
    p->plan->moves[p->plan->count++] = (struct balance_move){
        .partition = partition, .from = from, .to = to, .reason = reason
    };
}

/* --- numbers of partitions --- */

/* The next of a topic that has most on that broker; false: all are fixed. */
static bool
next_candidate(struct planner *p, int32_t broker, size_t *ret_partition)
{
    while (p->cursor[broker] > p->first[broker]) {
        size_t partition = p->order[--p->cursor[broker]];
        if (!p->taken[partition]) {
            *ret_partition = partition;
            return true;
        }
    }
    return false;
}

static void
plan_counts(struct planner *p)
{
    int64_t goal = p->in->correcting || spread(p) > p->begin_spread ? p->goal_spread : INT64_MAX;
    while (spread(p) > goal) {
        size_t partition;
        int32_t from = most_partitions(p);
        if (is_full(p)) {
            p->plan->correcting = true;
            return;
        }
        if (next_candidate(p, from, &partition)) {
            move(p, partition, fewest_partitions(p, p->in->partitions[partition].topic),
                    BALANCE_COUNT);
        } else {
            p->exhausted[from] = true;
        }
    }
}

/* --- zones --- */

/* How many of a topic's `partitions` are the zone's share, rounded up. */
static int32_t
share_up(const struct planner *p, int32_t partitions, int32_t zone)
{
    return (partitions * p->zone_takes[zone] + p->takes - 1) / p->takes;
}

/* A broker of the zone that has fewest partitions; -1: none takes. */
static int32_t
fewest_in_zone(const struct planner *p, int32_t zone)
{
    int32_t best = -1;
    for (int32_t b = 0; b < p->in->broker_count; b++) {
        if (p->in->brokers[b].takes && p->in->brokers[b].zone == zone &&
                (best < 0 || p->count[b] < p->count[best])) {
            best = b;
        }
    }
    return best;
}

/* A zone that has less than its share, rounded down, of the topic; -1: none has. */
static int32_t
zone_below(const struct planner *p, const int32_t *in_zone, int32_t partitions)
{
    for (int32_t zone = 0; zone < p->in->zone_count; zone++) {
        if (in_zone[zone] < partitions * p->zone_takes[zone] / p->takes) {
            return zone;
        }
    }
    return -1;
}

/* Partitions first to first + count - 1 are a topic. */
static void
plan_topic_zones(struct planner *p, size_t first, int32_t count)
{
    const struct balance_input *in = p->in;
    const int32_t *in_zone = p->in_zone + in->partitions[first].topic * in->zone_count;
    for (size_t i = first; i < first + (size_t)count && !is_full(p); i++) {
        int32_t from = p->home[i];
        if (p->taken[i] || from < 0 || !in->brokers[from].takes ||
                in_zone[in->brokers[from].zone] <= share_up(p, count, in->brokers[from].zone)) {
            continue;
        }
        int32_t zone = zone_below(p, in_zone, count);
        int32_t to = zone < 0 ? -1 : fewest_in_zone(p, zone);
        /* The numbers shall not be so uneven that the next plan takes it back (B1). */
        if (to >= 0 && p->count[to] + 1 - (p->count[from] - 1) <= p->begin_spread) {
            move(p, i, to, BALANCE_ZONE);
        }
    }
}

static void
plan_zones(struct planner *p)
{
    const struct balance_input *in = p->in;
    for (size_t first = 0; first < in->partition_count;) {
        size_t end = topic_end(in, first);
        plan_topic_zones(p, first, (int32_t)(end - first));
        first = end;
    }
}

/* --- traffic --- */

static int32_t
busiest(const struct planner *p, bool most)
{
    int32_t best = -1;
    for (int32_t b = 0; b < p->in->broker_count; b++) {
        if (p->in->brokers[b].takes &&
                (best < 0 || (most ? p->load[b] > p->load[best] : p->load[b] < p->load[best]))) {
            best = b;
        }
    }
    return best;
}

static uint32_t
load_percent(const struct planner *p)
{
    uint64_t mean = p->takes ? p->total_load / (uint64_t)p->takes : 0;
    int32_t most = busiest(p, true);
    return mean && p->load[most] > mean
                   ? (uint32_t)MIN((p->load[most] - mean) * 100 / mean, UINT32_MAX)
                   : 0;
}

/* The topic does not get more than its share in that zone by it. */
static bool
zone_allows(const struct planner *p, size_t partition, int32_t from, int32_t to)
{
    const struct balance_input *in = p->in;
    if (!p->in_zone || in->brokers[from].zone == in->brokers[to].zone) {
        return true;
    }
    return zone_density(p, in->partitions[partition].topic, to) <
           zone_density(p, in->partitions[partition].topic, from);
}

static bool
may_go_for_traffic(const struct planner *p, size_t partition)
{
    return !p->taken[partition] && !p->in->partitions[partition].is_new;
}

/* The partition of `from` that makes the difference of `gap` smallest without turning it around
 * (B1); false: none is worth it. */
static bool
best_for_gap(const struct planner *p, int32_t from, int32_t to, uint64_t gap, size_t *ret_partition)
{
    const struct balance_input *in = p->in;
    uint64_t best = gap / 50;
    bool found = false;
    for (size_t i = 0; i < in->partition_count; i++) {
        uint64_t load = in->partitions[i].load;
        if (p->home[i] == from && may_go_for_traffic(p, i) && load > best && load <= gap / 2 &&
                zone_allows(p, i, from, to)) {
            best = load;
            found = true;
            *ret_partition = i;
        }
    }
    return found;
}

/* The idlest partition of `from`, for the way back. */
static bool
idlest(const struct planner *p, int32_t from, int32_t to, uint64_t below, size_t *ret_partition)
{
    const struct balance_input *in = p->in;
    bool found = false;
    for (size_t i = 0; i < in->partition_count; i++) {
        if (p->home[i] == from && may_go_for_traffic(p, i) && in->partitions[i].load < below &&
                zone_allows(p, i, from, to)) {
            below = in->partitions[i].load;
            found = true;
            *ret_partition = i;
        }
    }
    return found;
}

/* One step; false: nothing helps. */
static bool
plan_traffic_step(struct planner *p)
{
    int32_t from = busiest(p, true);
    int32_t to = busiest(p, false);
    size_t partition;
    if (!best_for_gap(p, from, to, p->load[from] - p->load[to], &partition)) {
        return false;
    }
    bool uneven = p->count[to] + 1 - (p->count[from] - 1) > p->begin_spread;
    size_t back;
    if (!uneven) {
        move(p, partition, to, BALANCE_TRAFFIC);
        return true;
    }
    if (p->plan->count + 2 > p->in->moves_max ||
            !idlest(p, to, from, p->in->partitions[partition].load / 2, &back)) {
        return false;
    }
    move(p, partition, to, BALANCE_TRAFFIC);
    move(p, back, from, BALANCE_SWAP);
    return true;
}

static void
plan_traffic(struct planner *p)
{
    uint32_t begin = p->in->imbalance_percent;
    uint32_t goal = p->in->correcting || load_percent(p) > begin ? begin / 2 : UINT32_MAX;
    while (load_percent(p) > goal &&
            p->load[busiest(p, true)] - p->load[busiest(p, false)] > p->in->load_min) {
        if (is_full(p)) {
            p->plan->correcting = true;
            return;
        }
        if (!plan_traffic_step(p)) {
            return;
        }
    }
}

/* --- all of it --- */

static void
planner_init(struct planner *p)
{
    size_t brokers = (size_t)p->in->broker_count;
    size_t partitions = p->in->partition_count;
    p->home = mem_alloc_array(partitions, sizeof *p->home);
    p->taken = mem_alloc_array(partitions, sizeof *p->taken);
    p->rank = mem_alloc_array(partitions, sizeof *p->rank);
    p->order = mem_alloc_array(partitions, sizeof *p->order);
    p->first = mem_alloc_array(brokers + 1, sizeof *p->first);
    p->cursor = mem_alloc_array(brokers, sizeof *p->cursor);
    p->exhausted = mem_alloc_array(brokers, sizeof *p->exhausted);
    p->count = mem_alloc_array(brokers, sizeof *p->count);
    p->load = mem_alloc_array(brokers, sizeof *p->load);
    p->zone_takes = mem_alloc_array((size_t)MAX(p->in->zone_count, 1), sizeof *p->zone_takes);
    if (p->in->zone_count > 1 && partitions) {
        size_t topics = (size_t)p->in->partitions[partitions - 1].topic + 1;
        p->in_zone = mem_alloc_array(topics * (size_t)p->in->zone_count, sizeof *p->in_zone);
    }
}

static void
planner_done(struct planner *p)
{
    mem_free(p->home);
    mem_free(p->taken);
    mem_free(p->rank);
    mem_free(p->order);
    mem_free(p->first);
    mem_free(p->cursor);
    mem_free(p->exhausted);
    mem_free(p->count);
    mem_free(p->load);
    mem_free(p->zone_takes);
    mem_free(p->in_zone);
}

void
balance_plan(const struct balance_input *input, struct balance_plan *ret_plan)
{
    struct planner p = { .in = input, .plan = ret_plan };
    *ret_plan = (struct balance_plan){ 0 };
    planner_init(&p);
    planner_count(&p);
    ret_plan->moves = mem_alloc_array(MAX(input->moves_max, (size_t)1), sizeof *ret_plan->moves);
    if (p.takes) {
        int64_t part = p.partitions * input->imbalance_percent / 100 / p.takes;
        p.begin_spread = MAX(part, 1);
        p.goal_spread = MAX(part / 2, 1);
        ret_plan->count_spread = (uint32_t)spread(&p);
        ret_plan->load_percent = load_percent(&p);
        planner_rank(&p);
        planner_order(&p);
        plan_counts(&p);
        if (p.in_zone && ret_plan->count == 0) {
            plan_zones(&p);
        }
        if (!ret_plan->correcting) {
            plan_traffic(&p);
        }
    }
    planner_done(&p);
}
