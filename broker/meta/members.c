/* Who lives, on the controller: leases by heartbeat (C2, C3, M4), the end of those that fall
 * silent, and homes for partitions that have none or must go.
 *
 *             hello                 heartbeat                     silent for 5/4 of a lease
 *   (none) ---------> registered ---------------> granted ... ----------------------------+
 *                                                                                         v
 *                     no grant any more <--- condemned <--- (also: led before us) <-------+
 *                            | META_BROKER_GONE is logged
 *                            v
 *                          gone: only a new incarnation comes back
 *
 * One whose connection has ended is silent after one lease. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>

#define LOOKS 32 /* in a lease */

struct member *
member_find(struct meta *meta, int32_t id)
{
    LIST_FOREACH (link, &meta->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        if (member->id == id) {
            return member;
        }
    }
    return NULL;
}

struct member *
member_get(struct meta *meta, int32_t id)
{
    struct member *member = member_find(meta, id);
    if (!member) {
        member = mem_alloc(sizeof *member);
        member->id = id;
        list_push_back(&meta->members, &member->link);
    }
    return member;
}

uint64_t
member_young_ns(struct meta *meta, int32_t id)
{
    const struct member *member = member_find(meta, id);
    uint64_t until = member && member->registered_ns
                             ? member->registered_ns + meta->balancer_options.settle_ns
                             : 0;
    uint64_t now_ns = clock_boot_ns();
    return until > now_ns ? until - now_ns : 0;
}

bool
member_hear(struct meta *meta, struct member *member, int64_t broker_epoch)
{
    if (meta->role != META_CONTROLS || member->condemned || !lease_is_valid(meta->lease) ||
            !meta_broker_is_current(meta->replicas[0]->state, member->id, broker_epoch)) {
        return false;
    }
    member->heard_ns = clock_boot_ns();
    return true;
}

/* C3: what we could not hear is no silence. While our own lease was over we refused heartbeats;
 * while we stood still they waited unread. */
static void
members_listen_again(struct meta *meta, uint64_t *looked_ns)
{
    uint64_t now_ns = clock_boot_ns();
    if (!lease_is_valid(meta->lease) || now_ns - *looked_ns > meta->lease_ns / 2) {
        MARK("members: silence that was not heard does not count");
        meta->hearing_ns = now_ns;
    }
    *looked_ns = now_ns;
}

/* C3: whoever was granted a lease, by us or by the one before us, may believe in it for 7/8 of it
 * by its own clock. Who has hung up is most likely dead: it gets no more than the lease. */
static bool
member_is_silent(const struct meta *meta, const struct member *member)
{
    uint64_t since = MAX(member->heard_ns, meta->hearing_ns);
    uint64_t patience = member->hung_up ? 0 : meta->lease_ns / 4;
    uint64_t now_ns = clock_boot_ns();
    return now_ns - since > meta->lease_ns + patience && now_ns > lease_granted_until(meta->lease);
}

static int
member_bury(struct meta *meta, const struct meta_broker *broker)
{
    const struct meta_record record = { .type = META_BROKER_GONE,
        .broker_gone = { broker->id, broker->epoch, false } };
    int32_t id = broker->id;
    MARK("members: a silent broker is declared dead");
    LOG_WARN("a broker is silent for longer than its lease: it is declared dead",
            LOG_INT("broker", id));
    int r = meta_propose_one(meta, &record, NULL);
    return r == -ESTALE && !atomic_load(&meta->fenced) ? 0 : r;
}

/* Looks again from the beginning after each burial: the state may have changed. */
static int
members_bury(struct meta *meta)
{
    int32_t after = -1;
    const struct meta_broker *broker;
    while ((broker = meta_broker_next(meta->replicas[0]->state, after))) {
        after = broker->id;
        if (!broker->alive || broker->id == meta->broker_id) {
            continue;
        }
        struct member *member = member_get(meta, broker->id);
        if (!member->condemned && !member_is_silent(meta, member)) {
            continue;
        }
        /* C2: before anything is logged. */
        member->condemned = true;
        int r = member_bury(meta, broker);
        if (r) {
            return r;
        }
    }
    return 0;
}

static void
members_main(void *arg)
{
    struct meta *meta = arg;
    uint64_t looked_at = 0;
    uint64_t looked_ns = clock_boot_ns();
    int r = 0;
    while (r != -ECANCELED && !atomic_load(&meta->fenced)) {
        members_listen_again(meta, &looked_ns);
        r = members_bury(meta);
        if (r == 0) {
            r = assign_pass(meta);
        }
        uint64_t sequence = meta_state_sequence(meta->replicas[0]->state);
        if (r == 0 && sequence != looked_at) {
            r = placement_pass(meta);
            looked_at = r == 0 ? sequence : 0;
        }
        if (r < 0 && r != -ECANCELED && r != -ESTALE) {
            LOG_INFO("what brokers need could not be logged, will be tried again", LOG_FAULT(r));
        }
        int waited = wait_queue_wait(&meta->members_due, clock_mono_ns() + meta->lease_ns / LOOKS);
        r = waited == -ECANCELED ? waited : 0;
    }
}

static void
member_free(struct member *member)
{
    mem_free(member->load);
    mem_free(member);
}

/* Its next registration is one of a broker that was never there. */
static void
member_forget(struct meta *meta, int32_t id)
{
    struct member *member = member_find(meta, id);
    if (member && !member->peer) {
        list_remove(&member->link);
        member_free(member);
    } else if (member) {
        member->condemned = false;
        member->registered_ns = 0;
        member->heard_ns = 0;
    }
}

/* meta_listener_fn. What placement cares about shall not wait for the next look. */
static void
members_listen(void *arg, const struct meta_record *record, const struct meta_result *result,
        uint64_t sequence)
{
    struct meta *meta = arg;
    (void)sequence;
    if (result->error == 0 && record->type == META_BROKER) {
        /* A new incarnation: its silence counts from here. */
        struct member *member = member_get(meta, record->broker.broker_id);
        member->registered_ns = clock_boot_ns();
        member->heard_ns = member->registered_ns;
        member->condemned = false;
        mem_free(TAKE_PTR(member->load));
    }
    if (result->error == 0 && record->type == META_BROKER_REMOVE) {
        member_forget(meta, record->broker_remove.broker_id);
    }
    if (result->error == 0 && (record->type == META_BROKER || record->type == META_BROKER_GONE)) {
        away_prune(meta);
    }
    if (result->error == 0 &&
            (record->type == META_BROKER_STATE || record->type == META_BROKER_GONE ||
                    record->type == META_BROKER || record->type == META_RECOVERED)) {
        wait_queue_wake_all(&meta->members_due);
    }
}

int
members_start(struct meta *meta)
{
    int r = fiber_spawn("meta members", members_main, meta, &meta->members_fiber);
    if (r == 0) {
        meta_listen(meta, members_listen, meta);
    }
    return r;
}

void
members_stop(struct meta *meta)
{
    if (meta->members_fiber) {
        meta_unlisten(meta, members_listen, meta);
        fiber_cancel(meta->members_fiber);
        fiber_join(TAKE_PTR(meta->members_fiber));
    }
    struct list *link;
    while ((link = list_pop_front(&meta->members))) {
        member_free(CONTAINER_OF(link, struct member, link));
    }
}
