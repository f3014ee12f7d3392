#pragma once
/* Messages from one reactor to another: two bounded rings per pair (new fibers, inline calls),
 * written by the one and read by the other without locks. Private to this room.
 *
 * Two rings, because a reply (inline) must never wait behind a request for which there is no fiber:
 * both sides full of callers that wait for each other would never get an answer. */

#include "base/limits.h"
#include "base/list.h"
#include "reactor/sync.h"

#include <stdatomic.h>

struct reactor;

struct message {
    fiber_fn fn;
    void *arg;
    const char *name; /* of the new fiber; inline: NULL */
};

struct mailbox {
    _Alignas(64) _Atomic uint64_t head; /* next to read; by the receiver */
    _Alignas(64) _Atomic uint64_t tail; /* next to write; by the sender */
    _Atomic int sender_waits;
    struct message slots[MAILBOX_CAPACITY];
};

/* An inline message that found its ring full; in order, drained before new ones. */
struct late_message {
    struct list link;
    struct message message;
};

struct post_office {
    /* As receiver: a bit per sender that wrote, and the rings by sender (made by the sender, freed
     * with the run). */
    _Atomic uint64_t spawn_senders;
    _Atomic uint64_t inline_senders;
    _Atomic(struct mailbox *) spawn_boxes[REACTORS_MAX];
    _Atomic(struct mailbox *) inline_boxes[REACTORS_MAX];
    uint64_t blocked_senders; /* their next message needs a fiber and there was none */
    _Atomic(struct foreign_wait *) foreign;
    /* As sender, by target. */
    struct list late[REACTORS_MAX];
    unsigned late_count;
    struct mutex turn[REACTORS_MAX]; /* posts that wait for room keep their order */
    struct wait_queue room;
    _Atomic int room_made; /* some receiver has read what we wait for */
};

void post_office_init(struct post_office *post);
void post_office_done(struct post_office *post);
/* Reads all mail of this reactor and moves late messages on. */
void post_office_turn(struct reactor *here);
/* Something to do for post_office_turn. */
bool post_office_has_mail(struct reactor *here);
