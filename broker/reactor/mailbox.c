/* The rings. All indices and flags that decide about sleeping are sequentially consistent: a sender
 * writes its message and then looks whether the receiver sleeps, the receiver says that it sleeps
 * and then looks for messages; one of the two must see the other. */
#include "reactor/mailbox.h"

#include "base/mark.h"
#include "base/mem.h"
#include "reactor/internal.h"

#include <errno.h>

void
post_office_init(struct post_office *post)
{
    for (unsigned i = 0; i < REACTORS_MAX; i++) {
        list_init(&post->late[i]);
        mutex_init(&post->turn[i]);
    }
    wait_queue_init(&post->room);
}

void
post_office_done(struct post_office *post)
{
    for (unsigned i = 0; i < REACTORS_MAX; i++) {
        struct list *node;
        mem_free(atomic_exchange(&post->spawn_boxes[i], NULL));
        mem_free(atomic_exchange(&post->inline_boxes[i], NULL));
        while ((node = list_pop_front(&post->late[i]))) {
            mem_free(CONTAINER_OF(node, struct late_message, link));
        }
    }
}

static struct mailbox *
mailbox_of(_Atomic(struct mailbox *) *place)
{
    struct mailbox *box = atomic_load_explicit(place, memory_order_acquire);
    if (!box) {
        /* The slots are written before they are read, so they need no zeroes. */
        size_t size = (sizeof *box + 63) / 64 * 64;
        box = mem_try_alloc_aligned(64, size);
        CHECK(box);
        atomic_init(&box->head, 0);
        atomic_init(&box->tail, 0);
        atomic_init(&box->sender_waits, 0);
        atomic_store_explicit(place, box, memory_order_release);
    }
    return box;
}

static bool
mailbox_push(struct mailbox *box, const struct message *message)
{
    uint64_t tail = atomic_load_explicit(&box->tail, memory_order_relaxed);
    if (tail - atomic_load(&box->head) >= MAILBOX_CAPACITY) {
        return false;
    }
    box->slots[tail % MAILBOX_CAPACITY] = *message;
    atomic_store(&box->tail, tail + 1);
    return true;
}

/* The next message without taking it. */
static bool
mailbox_peek(struct mailbox *box, struct message *ret_message)
{
    uint64_t head = atomic_load_explicit(&box->head, memory_order_relaxed);
    if (head == atomic_load(&box->tail)) {
        return false;
    }
    *ret_message = box->slots[head % MAILBOX_CAPACITY];
    return true;
}

static void
mailbox_take(struct mailbox *box, struct reactor *sender)
{
    atomic_store(&box->head, atomic_load_explicit(&box->head, memory_order_relaxed) + 1);
    if (atomic_load(&box->sender_waits) && atomic_exchange(&box->sender_waits, 0)) {
        atomic_store(&sender->post.room_made, 1);
        reactor_notify(sender);
    }
}

static void
count_sent(struct reactor *here)
{
    _Atomic uint64_t *sent = &here->reactors->quiet[here->index].sent;
    atomic_store(sent, atomic_load_explicit(sent, memory_order_relaxed) + 1);
}

static void
count_received(struct reactor *here)
{
    _Atomic uint64_t *received = &here->reactors->quiet[here->index].received;
    atomic_store(received, atomic_load_explicit(received, memory_order_relaxed) + 1);
}

static void
announce(struct reactor *target, _Atomic uint64_t *senders, unsigned sender)
{
    uint64_t bit = (uint64_t)1 << sender;
    if (!(atomic_load(senders) & bit)) {
        atomic_fetch_or(senders, bit);
    }
    reactor_notify(target);
}

static struct reactor *
target_of(struct reactor *here, unsigned target)
{
    CHECK(here && target < here->reactors->count);
    return here->reactors->all[target];
}

static bool
spawn_push(struct reactor *here, struct reactor *target, const struct message *message)
{
    if (!mailbox_push(mailbox_of(&target->post.spawn_boxes[here->index]), message)) {
        return false;
    }
    count_sent(here);
    announce(target, &target->post.spawn_senders, here->index);
    return true;
}

/* Waits for room; the caller holds the turn of that target. */
static int
spawn_push_wait(struct reactor *here, struct reactor *target, const struct message *message)
{
    struct mailbox *box = mailbox_of(&target->post.spawn_boxes[here->index]);
    while (!spawn_push(here, target, message)) {
        MARK("reactor: mailbox full");
        atomic_store(&box->sender_waits, 1);
        if (spawn_push(here, target, message)) {
            return 0;
        }
        int r = wait_queue_wait(&here->post.room, DEADLINE_NONE);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int
reactor_post(unsigned target_index, const char *name, fiber_fn fn, void *arg)
{
    struct reactor *here = reactor_here;
    struct reactor *target = target_of(here, target_index);
    struct message message = { .fn = fn, .arg = arg, .name = name };
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    r = mutex_lock(&here->post.turn[target_index]);
    if (r < 0) {
        return r;
    }
    r = spawn_push_wait(here, target, &message);
    mutex_unlock(&here->post.turn[target_index]);
    return r;
}

static bool
inline_push(struct reactor *here, struct reactor *target, const struct message *message)
{
    struct mailbox *box = mailbox_of(&target->post.inline_boxes[here->index]);
    if (!mailbox_push(box, message)) {
        atomic_store(&box->sender_waits, 1);
        if (!mailbox_push(box, message)) {
            return false;
        }
    }
    announce(target, &target->post.inline_senders, here->index);
    return true;
}

void
reactor_post_inline(unsigned target_index, fiber_fn fn, void *arg)
{
    struct reactor *here = reactor_here;
    struct reactor *target = target_of(here, target_index);
    struct message message = { .fn = fn, .arg = arg };
    struct list *late = &here->post.late[target_index];
    count_sent(here);
    if (list_is_empty(late) && inline_push(here, target, &message)) {
        return;
    }
    MARK("reactor: inline message kept for later");
    struct late_message *kept = mem_alloc(sizeof *kept);
    kept->message = message;
    list_push_back(late, &kept->link);
    here->post.late_count++;
}

/* Inline messages of one sender that are there now; what comes meanwhile waits for the next turn.
 */
static void
read_inline(struct reactor *here, struct reactor *sender)
{
    struct mailbox *box = mailbox_of(&here->post.inline_boxes[sender->index]);
    struct message message;
    for (size_t i = 0; i < MAILBOX_CAPACITY && mailbox_peek(box, &message); i++) {
        mailbox_take(box, sender);
        message.fn(message.arg);
        count_received(here);
    }
    if (mailbox_peek(box, &message)) {
        atomic_fetch_or(&here->post.inline_senders, (uint64_t)1 << sender->index);
    }
}

/* A message leaves the ring only once its fiber exists: a reactor full of fibers pushes back on its
 * senders. */
static void
read_spawn(struct reactor *here, struct reactor *sender)
{
    struct mailbox *box = mailbox_of(&here->post.spawn_boxes[sender->index]);
    struct message message;
    here->post.blocked_senders &= ~((uint64_t)1 << sender->index);
    for (size_t i = 0; i < MAILBOX_CAPACITY && mailbox_peek(box, &message); i++) {
        int r = fiber_start(here, message.name, message.fn, message.arg, NULL);
        if (r < 0) {
            MARK("reactor: no fiber for a message");
            fault_clear();
            here->post.blocked_senders |= (uint64_t)1 << sender->index;
            return;
        }
        mailbox_take(box, sender);
        count_received(here);
    }
    if (mailbox_peek(box, &message)) {
        atomic_fetch_or(&here->post.spawn_senders, (uint64_t)1 << sender->index);
    }
}

static void
read_all(struct reactor *here, uint64_t senders,
        void (*read)(struct reactor *here, struct reactor *sender))
{
    while (senders) {
        unsigned sender = (unsigned)__builtin_ctzll(senders);
        senders &= senders - 1;
        read(here, here->reactors->all[sender]);
    }
}

static void
send_late(struct reactor *here)
{
    for (unsigned i = 0; i < here->reactors->count && here->post.late_count > 0; i++) {
        struct list *late = &here->post.late[i];
        struct late_message *first;
        while ((first = LIST_FIRST(late, struct late_message, link)) &&
                inline_push(here, here->reactors->all[i], &first->message)) {
            list_remove(&first->link);
            mem_free(first);
            here->post.late_count--;
        }
    }
}

static void
read_foreign(struct reactor *here)
{
    struct foreign_wait *newest = atomic_exchange(&here->post.foreign, NULL);
    struct foreign_wait *oldest = NULL;
    while (newest) {
        struct foreign_wait *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        /* The waiter may free it once it runs, which is not before the next turn. */
        struct foreign_wait *wait = oldest;
        oldest = wait->next;
        wait->done = 1;
        if (wait->waiting) {
            fiber_wake(wait->fiber, wait->result);
        }
    }
}

void
post_office_turn(struct reactor *here)
{
    struct post_office *post = &here->post;
    if (atomic_load_explicit(&post->foreign, memory_order_relaxed)) {
        read_foreign(here);
    }
    if (atomic_load_explicit(&post->inline_senders, memory_order_relaxed)) {
        read_all(here, atomic_exchange(&post->inline_senders, 0), read_inline);
    }
    uint64_t spawn = post->blocked_senders;
    if (atomic_load_explicit(&post->spawn_senders, memory_order_relaxed)) {
        spawn |= atomic_exchange(&post->spawn_senders, 0);
    }
    if (spawn) {
        read_all(here, spawn, read_spawn);
    }
    if (atomic_load_explicit(&post->room_made, memory_order_relaxed)) {
        atomic_store(&post->room_made, 0);
        send_late(here);
        wait_queue_wake_all(&post->room);
    }
}

bool
post_office_has_mail(struct reactor *here)
{
    struct post_office *post = &here->post;
    return atomic_load(&post->foreign) || atomic_load(&post->inline_senders) ||
           atomic_load(&post->spawn_senders) || atomic_load(&post->room_made) ||
           (post->blocked_senders && here->stats.fibers < FIBERS_MAX);
}
