/* Removes what nobody needs any more: offsets past their retention (KIP-211), offsets of deleted
 * topics, and groups that have neither members nor offsets left. Each goes by a tombstone. */
#include "base/log.h"
#include "base/mark.h"
#include "groups/call.h"
#include "groups/kafka_codes.h"
#include "reactor/clock.h"

#include <errno.h>

#define TOMBSTONES_AT_ONCE 1000
#define NEW_TOPIC_MS (60 * 1000)

struct round {
    struct coordinator *c;
    struct group_records records;
    int64_t now_ms;
    int64_t retention_ms;
    size_t expired;
};

static bool
was_deleted(const struct coordinators *home, const struct uuid *topic_id)
{
    for (size_t i = 0; i < MIN(home->deleted_count, (size_t)TOPICS_DELETED_KEPT); i++) {
        if (uuid_equal(&home->deleted[i], topic_id)) {
            return true;
        }
    }
    return false;
}

/* A topic that is not here may be so new that only the reactor that took the commit knows it: then
 * its deletion must have been seen, or time must have passed. */
static bool
topic_is_gone(const struct round *round, const struct committed *committed)
{
    const struct coordinators *home = round->c->home;
    const struct meta_state *state = meta_state(home->groups->options.meta);
    bool here = uuid_is_zero(&committed->topic_id)
                        ? meta_topic_by_name(state, committed->topic) != NULL
                        : meta_topic_by_id(state, &committed->topic_id) != NULL;
    return !here && (was_deleted(home, &committed->topic_id) ||
                            committed->commit_ms < round->now_ms - NEW_TOPIC_MS);
}

/* True when no offset is left. */
static bool
look_at_offsets(struct round *round, const struct group *group)
{
    size_t left = group->offsets.count;
    MAP_FOREACH(node, &group->offsets)
    {
        const struct committed *committed = CONTAINER_OF(node, struct committed, node);
        bool gone = topic_is_gone(round, committed);
        if (gone || group_offset_expired(group, committed, round->now_ms, round->retention_ms)) {
            if (gone) {
                MARK("groups: offset of a deleted topic");
            } else {
                MARK("groups: offset expired");
            }
            group_records_offset_gone(
                    &round->records, group->id, committed->topic, committed->partition);
            round->expired++;
            left--;
        }
        if (round->records.count >= TOMBSTONES_AT_ONCE) {
            return false;
        }
    }
    return left == 0;
}

static void
look_at_groups(struct round *round)
{
    LIST_FOREACH (link, &round->c->all) {
        const struct group *group = CONTAINER_OF(link, const struct group, link);
        bool empty = look_at_offsets(round, group);
        if (empty && group->state == GROUP_EMPTY && list_is_empty(&group->members)) {
            group_records_group_gone(&round->records, group->id);
        }
        if (round->records.count >= TOMBSTONES_AT_ONCE) {
            return;
        }
    }
}

static void
clean(struct coordinator *c)
{
    const struct settings *settings = c->home->groups->options.settings;
    int16_t error = CODE_NONE;
    bool more = true;
    while (more && !error && c->loaded && !c->closed) {
        struct round round = {
            .c = c,
            .now_ms = clock_wall_ms(),
            .retention_ms = settings_int(settings, "offsets.retention.minutes") * 60000ll,
        };
        group_records_init(&round.records);
        look_at_groups(&round);
        more = round.records.count > 0;
        error = coordinator_commit(c, &round.records); /* takes the records */
        c->home->expired_offsets += error ? 0 : round.expired;
    }
}

static void
clean_all(struct coordinators *home)
{
    /* Coordinators may end while one is cleaned: the walk begins with who was there, by key. */
    struct list *link = home->all.next;
    while (link != &home->all) {
        struct coordinator *c = CONTAINER_OF(link, struct coordinator, link);
        c->users++;
        clean(c);
        link = c->link.next;
        coordinator_unref(c);
    }
}

void
coordinators_janitor_main(void *arg)
{
    struct coordinators *home = arg;
    uint64_t interval_ns = (uint64_t)settings_long(home->groups->options.settings,
                                   "offsets.retention.check.interval.ms") *
                           NS_PER_MS;
    uint64_t due_ns = clock_mono_ns() + interval_ns;
    for (;;) {
        int r = home->topics_deleted ? fiber_yield()
                                     : wait_queue_wait(&home->janitor_wanted, due_ns);
        if (r < 0 && r != -ETIMEDOUT) {
            return;
        }
        home->topics_deleted = false;
        clean_all(home);
        due_ns = clock_mono_ns() + interval_ns;
        if (fiber_is_cancelled()) {
            return;
        }
    }
}
