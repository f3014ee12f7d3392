/* See balancer.h. Reading the state and making the input do not wait; the plan is made on a helper
 * thread, for it may take tens of milliseconds; what has changed meanwhile the state machine
 * refuses. */
#include "meta/balancer.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_NS (500ull * NS_PER_MS) /* after something that matters: more may follow at once */

/* A partition that is left alone. */
struct note {
    struct map_node node; /* by key */
    struct partition_key key;
    uint64_t until_ns;
    bool is_ours;   /* our wish for it is under way */
    bool is_theirs; /* somebody has placed it */
};

struct balancer {
    struct meta *meta;
    struct fiber *fiber;
    struct wait_queue due;
    uint64_t due_ns;
    struct map notes;
    size_t note_count;
    bool correcting;
    struct balancer_view view;
};

/* --- what is left alone --- */

static uint64_t
note_hash(const struct partition_key *key)
{
    return hash_u64(uuid_hash(&key->topic_id) ^ (uint64_t)(uint32_t)key->index);
}

static bool
note_equal(const struct map_node *node, const void *key)
{
    const struct partition_key *wanted = key;
    const struct note *note = CONTAINER_OF(node, const struct note, node);
    return note->key.index == wanted->index && uuid_equal(&note->key.topic_id, &wanted->topic_id);
}

static struct note *
note_find(const struct balancer *b, const struct partition_key *key)
{
    struct map_node *node = map_find(&b->notes, note_hash(key), note_equal, key);
    return node ? CONTAINER_OF(node, struct note, node) : NULL;
}

static void
note_make(struct balancer *b, struct partition_key key, uint64_t for_ns, bool is_ours)
{
    struct note *note = note_find(b, &key);
    if (!note && b->note_count >= BALANCER_NOTES_MAX) {
        return;
    }
    if (!note) {
        note = mem_alloc(sizeof *note);
        note->key = key;
        map_insert(&b->notes, &note->node, note_hash(&key));
        b->note_count++;
    }
    note->until_ns = clock_boot_ns() + for_ns;
    note->is_ours = is_ours;
    note->is_theirs = !is_ours;
}

static void
notes_drop(struct balancer *b, uint64_t until_ns)
{
    MAP_FOREACH_SAFE(node, &b->notes)
    {
        struct note *note = CONTAINER_OF(node, struct note, node);
        if (note->until_ns <= until_ns) {
            map_remove(&b->notes, node);
            mem_free(note);
            b->note_count--;
        }
    }
}

static void
balancer_wake(struct balancer *b, uint64_t in_ns)
{
    b->due_ns = MIN(b->due_ns, clock_mono_ns() + in_ns);
    wait_queue_wake_all(&b->due);
}

/* --- what others do --- */

/* Somebody placed it: placement.c moves only what leaves a broker that drains or stops. */
static void
hear_of_move(struct balancer *b, const struct meta_record *record)
{
    const struct meta_state *state = b->meta->replicas[0]->state;
    const struct meta_partition *partition = meta_partition_find(state, record->move.key);
    const struct meta_broker *owner = partition ? meta_broker_find(state, partition->owner) : NULL;
    if (owner && owner->state < META_BROKER_DRAINING && record->move.target >= 0) {
        MARK("balancer: leaves alone what somebody has placed");
        note_make(b, record->move.key, BALANCER_RESPECT_NS, false);
    }
}

static void
hear_of_handover(struct balancer *b, const struct meta_record *record)
{
    struct note *note = note_find(b, &record->handover.key);
    if (note && note->is_ours) {
        note->is_ours = false;
        b->view.done++;
    }
    if (b->correcting) {
        balancer_wake(b, SETTLE_NS / 5);
    }
}

/* meta_listener_fn */
static void
balancer_listen(void *arg, const struct meta_record *record, const struct meta_result *result,
        uint64_t sequence)
{
    struct balancer *b = arg;
    (void)sequence;
    if (result->error) {
        return;
    }
    if (record->type == META_MOVE) {
        hear_of_move(b, record);
    } else if (record->type == META_HANDOVER) {
        hear_of_handover(b, record);
    } else if (record->type == META_BROKER || record->type == META_BROKER_STATE) {
        balancer_wake(b, SETTLE_NS);
    }
}

/* --- what the plan is made from --- */

struct survey {
    struct balancer *balancer;
    struct balance_input input;
    struct balance_plan plan;
    int32_t *ids; /* of the brokers */
    struct balance_broker *brokers;
    char **racks; /* of the zones; borrowed from the state while the survey is made */
    struct balance_partition *partitions;
    struct partition_key *keys;
    int32_t *epochs; /* leader epochs */
    size_t *named;   /* by broker: partitions with a load of their own */
    uint64_t *rest;  /* by broker: traffic of the others */
    size_t *homed;   /* by broker: partitions */
    size_t under_way;
    size_t placed; /* partitions that stay where somebody wants them */
};

static int32_t
survey_find(const struct survey *s, int32_t id)
{
    int32_t low = 0;
    int32_t high = s->input.broker_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (s->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < s->input.broker_count && s->ids[low] == id ? low : -1;
}

static int32_t
survey_zone(struct survey *s, char *rack)
{
    for (int32_t i = 0; i < s->input.zone_count; i++) {
        if (s->racks[i] == rack || (s->racks[i] && rack && strcmp(s->racks[i], rack) == 0)) {
            return i;
        }
    }
    s->racks[s->input.zone_count] = rack;
    return s->input.zone_count++;
}

static int32_t
count_brokers(const struct meta_state *state)
{
    int32_t count = 0;
    const struct meta_broker *broker;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        count++;
    }
    return count;
}

static void
survey_brokers(struct survey *s)
{
    struct meta *meta = s->balancer->meta;
    const struct meta_state *state = meta->replicas[0]->state;
    size_t count = (size_t)count_brokers(state);
    s->ids = mem_alloc_array(count, sizeof *s->ids);
    s->brokers = mem_alloc_array(count, sizeof *s->brokers);
    s->racks = mem_alloc_array(count, sizeof(char *));
    s->named = mem_alloc_array(count, sizeof *s->named);
    s->rest = mem_alloc_array(count, sizeof *s->rest);
    s->homed = mem_alloc_array(count, sizeof *s->homed);
    const struct meta_broker *broker;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        int32_t i = s->input.broker_count++;
        const struct member_load *load = member_recent_load(member_find(meta, broker->id));
        s->ids[i] = broker->id;
        bool takes = meta_broker_takes(broker) && load && !member_young_ns(meta, broker->id);
        s->brokers[i] = (struct balance_broker){ .takes = takes };
        /* A zone is one of those that count: no broker of a zone, no share of it. */
        s->brokers[i].zone = survey_zone(s, broker->rack);
    }
    s->input.brokers = s->brokers;
}

static void
survey_partition(struct survey *s, const struct meta_partition *partition, int32_t topic)
{
    const struct meta_state *state = s->balancer->meta->replicas[0]->state;
    size_t i = s->input.partition_count++;
    bool moves = partition->target >= 0;
    const struct note *note = note_find(s->balancer, &partition->key);
    bool placed = note && note->is_theirs;
    int32_t home = survey_find(s, moves ? partition->target : partition->owner);
    bool is_open = meta_broker_is_current(state, partition->owner, partition->owner_broker_epoch);
    s->partitions[i] = (struct balance_partition){
        .topic = topic, .broker = home, .fixed = moves || !is_open || placed, .is_new = note != NULL
    };
    s->keys[i] = partition->key;
    s->epochs[i] = partition->epoch;
    s->under_way += moves;
    s->placed += placed;
    if (home >= 0) {
        s->homed[home]++;
    }
}

struct topic_place {
    const struct meta_topic *topic;
    size_t first;
};

static int
compare_places(const void *a, const void *b)
{
    const struct topic_place *x = a;
    const struct topic_place *y = b;
    return x->topic < y->topic ? -1 : x->topic > y->topic;
}

/* What a report names goes to the partition; what is left to the broker's others. */
static void
survey_load(struct survey *s, int32_t broker, const struct member_load *load,
        const struct topic_place *places, size_t place_count)
{
    const struct meta_state *state = s->balancer->meta->replicas[0]->state;
    s->rest[broker] = load->sum.in + load->sum.out;
    for (size_t i = 0; i < load->sum.count; i++) {
        const struct meta_partition_load *entry = &load->partitions[i];
        struct topic_place wanted = { meta_topic_by_id(state, &entry->key.topic_id), 0 };
        const struct topic_place *place =
                bsearch(&wanted, places, place_count, sizeof *places, compare_places);
        if (!place || entry->key.index < 0 || entry->key.index >= place->topic->partition_count) {
            continue;
        }
        struct balance_partition *partition =
                &s->partitions[place->first + (size_t)entry->key.index];
        partition->load = MAX(partition->load, entry->in + entry->out);
        s->rest[broker] -= MIN(s->rest[broker], entry->in + entry->out);
        s->named[broker]++;
    }
}

static void
survey_loads(struct survey *s, struct topic_place *places, size_t place_count)
{
    struct meta *meta = s->balancer->meta;
    qsort(places, place_count, sizeof *places, compare_places);
    for (int32_t b = 0; b < s->input.broker_count; b++) {
        const struct member_load *load = member_recent_load(member_find(meta, s->ids[b]));
        if (load) {
            survey_load(s, b, load, places, place_count);
        }
    }
    for (size_t i = 0; i < s->input.partition_count; i++) {
        int32_t b = s->partitions[i].broker;
        if (b >= 0 && s->partitions[i].load == 0 && s->homed[b] > s->named[b]) {
            s->partitions[i].load = s->rest[b] / (s->homed[b] - s->named[b]);
        }
    }
}

static void
survey_partitions(struct survey *s)
{
    const struct meta_state *state = s->balancer->meta->replicas[0]->state;
    size_t count = meta_partition_count(state);
    size_t topics = meta_topic_count(state);
    struct topic_place *places = mem_alloc_array(topics, sizeof *places);
    s->partitions = mem_alloc_array(count, sizeof *s->partitions);
    s->keys = mem_alloc_array(count, sizeof *s->keys);
    s->epochs = mem_alloc_array(count, sizeof *s->epochs);
    int32_t topic = 0;
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        places[topic] = (struct topic_place){ t, s->input.partition_count };
        for (int32_t i = 0; i < t->partition_count; i++) {
            survey_partition(s, &t->partitions[i], topic);
        }
        topic++;
    }
    s->input.partitions = s->partitions;
    survey_loads(s, places, topics);
    mem_free(places);
}

static void
survey_done(struct survey *s)
{
    mem_free(s->ids);
    mem_free(s->brokers);
    mem_free(s->racks);
    mem_free(s->partitions);
    mem_free(s->keys);
    mem_free(s->epochs);
    mem_free(s->named);
    mem_free(s->rest);
    mem_free(s->homed);
    mem_free(s->plan.moves);
}

/* --- whether to plan at all --- */

/* What the plan has to wait for; NULL: nothing. */
static const char *
why_wait(struct balancer *b, const struct meta_broker *broker, size_t homed)
{
    uint64_t young_ns = member_young_ns(b->meta, broker->id);
    if (broker->alive && broker->state >= META_BROKER_DRAINING && homed) {
        return "drains or stops";
    }
    if (meta_broker_takes(broker) && young_ns) {
        balancer_wake(b, young_ns);
        return "has registered a moment ago";
    }
    bool is_silent = meta_broker_takes(broker) && member_owes_report(b->meta, broker->id);
    return is_silent ? "has not said yet what it serves" : NULL;
}

/* True, and the view says why. */
static bool
must_wait(struct balancer *b, const struct survey *s)
{
    const struct meta_state *state = b->meta->replicas[0]->state;
    const struct meta_broker *broker;
    int32_t i = 0;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id, i++) {
        const char *why = why_wait(b, broker, s->homed[i]);
        if (why) {
            snprintf(b->view.reason, sizeof b->view.reason, "broker %d %s", broker->id, why);
            b->view.state = BALANCER_WAITING;
            return true;
        }
    }
    return false;
}

/* --- carrying it out --- */

static void
tell_move(struct balancer *b, const struct balancer_move *move)
{
    const struct meta_topic *topic =
            meta_topic_by_id(b->meta->replicas[0]->state, &move->key.topic_id);
    LOG_INFO("the balancer moves a partition", LOG_STR("topic", topic ? topic->name : "?"),
            LOG_INT("partition", move->key.index), LOG_INT("from", move->from),
            LOG_INT("to", move->to), LOG_STR("why", balance_reason_text(move->reason)));
    if (b->view.shown < BALANCER_SHOWN_MAX) {
        b->view.shown_moves[b->view.shown++] = *move;
    }
}

static void
tell_plan(struct balancer *b, const struct survey *s, const struct meta_result *results)
{
    b->view.planned_at_ms = clock_wall_ms();
    b->view.planned = 0;
    b->view.shown = 0;
    for (size_t i = 0; i < s->plan.count; i++) {
        const struct balance_move *move = &s->plan.moves[i];
        if (results[i].error) {
            continue; /* it came too late */
        }
        const struct balancer_move told = { s->keys[move->partition], s->ids[move->from],
            s->ids[move->to], move->reason };
        b->view.planned++;
        b->view.moves++;
        note_make(b, told.key, BALANCER_COOLDOWN_NS, true);
        tell_move(b, &told);
    }
}

static int
propose_plan(struct balancer *b, const struct survey *s)
{
    size_t count = s->plan.count;
    struct meta_record *records = mem_alloc_array(count, sizeof *records);
    struct meta_result *results = mem_alloc_array(count, sizeof *results);
    for (size_t i = 0; i < count; i++) {
        const struct balance_move *move = &s->plan.moves[i];
        records[i] = (struct meta_record){ .type = META_BALANCE,
            .balance = { s->keys[move->partition], s->ids[move->to], s->epochs[move->partition] } };
    }
    int r = meta_propose(b->meta, records, count, results);
    if (r == 0) {
        tell_plan(b, s, results);
    }
    mem_free(records);
    mem_free(results);
    return r;
}

/* On a helper thread. */
static int
plan_call(void *arg)
{
    struct survey *s = arg;
    balance_plan(&s->input, &s->plan);
    return 0;
}

static int
plan_and_propose(struct balancer *b, struct survey *s)
{
    const struct balancer_options *options = &b->view.options;
    s->input.imbalance_percent = options->imbalance_percent;
    s->input.load_min = BALANCER_LOAD_MIN;
    s->input.moves_max = options->moves_max - s->under_way;
    s->input.correcting = b->correcting;
    int r = offload_run(plan_call, s);
    if (r < 0) {
        return r;
    }
    b->view.count_spread = s->plan.count_spread;
    b->view.load_percent = s->plan.load_percent;
    b->correcting = s->plan.correcting;
    bool moves = s->plan.count || s->under_way;
    b->view.state = moves ? BALANCER_MOVING : BALANCER_BALANCED;
    snprintf(b->view.reason, sizeof b->view.reason,
            "brokers differ by %u partitions, the busiest has %u%% more traffic than the mean; %zu "
            "partitions stay where somebody has placed them",
            s->plan.count_spread, s->plan.load_percent, s->placed);
    return s->plan.count ? propose_plan(b, s) : 0;
}

static int
balancer_run(struct balancer *b)
{
    struct survey s = { .balancer = b };
    int r = 0;
    notes_drop(b, clock_boot_ns());
    survey_brokers(&s);
    survey_partitions(&s);
    b->view.runs++;
    b->view.under_way = s.under_way;
    if (s.under_way >= b->view.options.moves_max) {
        b->view.state = BALANCER_MOVING;
        snprintf(b->view.reason, sizeof b->view.reason, "%zu moves are under way", s.under_way);
    } else if (!must_wait(b, &s)) {
        r = plan_and_propose(b, &s);
    }
    survey_done(&s);
    return r;
}

static void
balancer_main(void *arg)
{
    struct balancer *b = arg;
    int r = 0;
    while (r != -ECANCELED && !atomic_load(&b->meta->fenced)) {
        r = clock_mono_ns() < b->due_ns ? wait_queue_wait(&b->due, b->due_ns) : 0;
        if (r == -ECANCELED || clock_mono_ns() < b->due_ns) {
            continue;
        }
        b->due_ns = clock_mono_ns() + BALANCER_INTERVAL_NS;
        if (!b->view.options.is_enabled) {
            b->view.state = BALANCER_OFF;
            snprintf(b->view.reason, sizeof b->view.reason, "balancer.enable is false");
            continue;
        }
        r = balancer_run(b);
        if (r < 0 && r != -ECANCELED && r != -ESTALE) {
            LOG_INFO("the balancer's plan could not be logged", LOG_FAULT(r));
        }
    }
}

/* --- from outside --- */

void
balancer_hear(struct meta *meta)
{
    struct balancer *b = meta->balancer;
    if (b && b->view.state == BALANCER_WAITING) {
        balancer_wake(b, SETTLE_NS);
    }
}

int
balancer_start(struct meta *meta)
{
    struct balancer *b = mem_alloc(sizeof *b);
    b->meta = meta;
    b->due_ns = clock_mono_ns() + BALANCER_INTERVAL_NS;
    b->view.state = BALANCER_WAITING;
    b->view.options = meta->balancer_options;
    map_init(&b->notes);
    wait_queue_init(&b->due);
    snprintf(b->view.reason, sizeof b->view.reason, "this controller is new");
    int r = fiber_spawn("meta balancer", balancer_main, b, &b->fiber);
    if (r) {
        map_done(&b->notes);
        mem_free(b);
        return r;
    }
    meta->balancer = b;
    meta_listen(meta, balancer_listen, b);
    return 0;
}

void
balancer_stop(struct meta *meta)
{
    struct balancer *b = TAKE_PTR(meta->balancer);
    if (!b) {
        return;
    }
    meta_unlisten(meta, balancer_listen, b);
    fiber_cancel(b->fiber);
    fiber_join(b->fiber);
    notes_drop(b, UINT64_MAX);
    map_done(&b->notes);
    mem_free(b);
}

void
meta_balancer_configure(struct meta *meta, const struct balancer_options *options)
{
    meta->balancer_options = *options;
    if (meta->balancer) {
        meta->balancer->view.options = *options;
        balancer_wake(meta->balancer, 0);
    }
}

void
meta_balancer_view(const struct meta *meta, struct balancer_view *ret_view)
{
    const struct balancer *b = meta->balancer;
    if (!b) {
        memset(ret_view, 0, sizeof *ret_view);
        ret_view->options = meta->balancer_options;
        return;
    }
    uint64_t now_ns = clock_mono_ns();
    *ret_view = b->view;
    ret_view->next_run_ms = b->due_ns > now_ns ? (b->due_ns - now_ns) / NS_PER_MS : 0;
}

bool
meta_broker_load(const struct meta *meta, int32_t broker_id, uint64_t *ret_in, uint64_t *ret_out,
        uint64_t *ret_age_ms)
{
    const struct member *member = member_find((struct meta *)(uintptr_t)meta, broker_id);
    const struct member_load *load = member_recent_load(member);
    if (!load) {
        return false;
    }
    *ret_in = load->sum.in;
    *ret_out = load->sum.out;
    *ret_age_ms = (clock_boot_ns() - load->at_ns) / NS_PER_MS;
    return true;
}
