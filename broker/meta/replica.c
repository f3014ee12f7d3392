/* The replicas of the state, one for each reactor: the same payloads in the same order. Reactor 0
 * applies what it has written and sends the bytes on; order is kept by the mailboxes. */
#include "base/check.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "meta/meta_internal.h"

#include <errno.h>

struct listener {
    struct list link;
    meta_listener_fn fn;
    void *arg;
};

struct applied_wait {
    struct list link;
    uint64_t sequence;
    struct foreign_wait done;
};

struct replica *
replica_new(struct meta_state *state)
{
    struct replica *replica = mem_alloc(sizeof *replica);
    replica->state = state;
    list_init(&replica->listeners);
    list_init(&replica->waits);
    arena_init(&replica->arena, META_ARENA_SIZE);
    return replica;
}

void
replica_free(struct replica *replica)
{
    if (!replica) {
        return;
    }
    CHECK(list_is_empty(&replica->waits));
    LIST_FOREACH_SAFE (node, &replica->listeners) {
        mem_free(CONTAINER_OF(node, struct listener, link));
    }
    arena_done(&replica->arena);
    meta_state_free(replica->state);
    mem_free(replica);
}

static void
replica_tell(struct replica *replica, const struct meta_record *record,
        const struct meta_result *result, uint64_t sequence)
{
    LIST_FOREACH_SAFE (node, &replica->listeners) {
        struct listener *listener = CONTAINER_OF(node, struct listener, link);
        listener->fn(listener->arg, record, result, sequence);
    }
}

static void
replica_wake(struct replica *replica)
{
    LIST_FOREACH_SAFE (node, &replica->waits) {
        struct applied_wait *wait = CONTAINER_OF(node, struct applied_wait, link);
        if (wait->sequence <= replica_object(replica)) {
            list_remove(&wait->link);
            foreign_wait_complete(&wait->done, 0);
        }
    }
}

int
replica_apply(struct replica *replica, struct bytes payload, uint64_t sequence,
        struct meta_result *ret_results, size_t *ret_count)
{
    if (payload.size < 4 || load_be32(payload.data) > META_RECORDS_MAX) {
        return fault(-EBADMSG, "meta: log object %llu: the number of records is damaged",
                (unsigned long long)sequence);
    }
    size_t count = load_be32(payload.data);
    struct bytes rest = bytes_of(payload.data + 4, payload.size - 4);
    for (size_t i = 0; i < count; i++) {
        struct meta_record record;
        size_t size;
        arena_reset(&replica->arena);
        int r = meta_record_decode(rest, &replica->arena, &record, &size);
        if (r) {
            return fault_note(r, "log object %llu record %zu", (unsigned long long)sequence, i);
        }
        uint64_t position = sequence << 20 | i;
        struct meta_result result = meta_state_apply(replica->state, &record, position);
        if (ret_results) {
            ret_results[i] = result;
        }
        replica_tell(replica, &record, &result, position);
        rest = bytes_of(rest.data + size, rest.size - size);
    }
    arena_reset(&replica->arena);
    if (rest.size) {
        return fault(-EBADMSG, "meta: log object %llu: %zu bytes too many",
                (unsigned long long)sequence, rest.size);
    }
    replica_wake(replica);
    *ret_count = count;
    return 0;
}

void
replica_wait(struct replica *replica, uint64_t sequence)
{
    if (replica_object(replica) >= sequence) {
        return;
    }
    struct applied_wait wait = { .sequence = sequence };
    foreign_wait_init(&wait.done);
    list_push_back(&replica->waits, &wait.link);
    int r = foreign_wait_for(&wait.done);
    CHECK(r == 0);
}

struct replica_message {
    struct meta *meta;
    struct buf *payload;
    uint64_t sequence;
};

static void
replica_receive(void *arg)
{
    struct replica_message *message = arg;
    size_t count;
    int r = replica_apply(replica_here(message->meta), buf_bytes(message->payload),
            message->sequence, NULL, &count);
    CHECK(r == 0); /* reactor 0 has applied the same bytes */
    buf_unref(message->payload);
    mem_free(message);
}

void
replicas_broadcast(struct meta *meta, struct buf *payload, uint64_t sequence)
{
    for (unsigned i = 1; meta->shared && i < meta->replica_count; i++) {
        struct replica_message *message = mem_alloc(sizeof *message);
        *message = (struct replica_message){ meta, buf_ref(payload), sequence };
        reactor_post_inline(i, replica_receive, message);
    }
}

/* To one reactor, with an answer. `bytes` NULL: take the replica down. */
struct replica_install {
    struct meta *meta;
    struct bytes bytes;
    struct foreign_wait done;
};

static void
replica_install(void *arg)
{
    struct replica_install *install = arg;
    struct meta *meta = install->meta;
    struct meta_state *state;
    int r = meta_state_decode(install->bytes, &state);
    if (r == 0) {
        meta->replicas[reactor_index()] = replica_new(state);
    }
    foreign_wait_complete(&install->done, r);
}

static void
replica_uninstall(void *arg)
{
    struct replica_install *install = arg;
    struct replica **replica = &install->meta->replicas[reactor_index()];
    replica_free(*replica);
    *replica = NULL;
    foreign_wait_complete(&install->done, 0);
}

static int
replicas_ask(struct meta *meta, fiber_fn fn, struct bytes bytes)
{
    struct replica_install *asked = mem_alloc_array(meta->replica_count, sizeof *asked);
    for (unsigned i = 1; i < meta->replica_count; i++) {
        asked[i].meta = meta;
        asked[i].bytes = bytes;
        foreign_wait_init(&asked[i].done);
        reactor_post_inline(i, fn, &asked[i]);
    }
    int result = 0;
    for (unsigned i = 1; i < meta->replica_count; i++) {
        int r = foreign_wait_for(&asked[i].done);
        result = result ? result : r;
    }
    mem_free(asked);
    return result;
}

int
meta_share(struct meta *meta)
{
    CHECK(reactor_index() == 0 && !meta->shared);
    struct strbuf bytes;
    strbuf_init(&bytes, META_SNAPSHOT_SIZE_MAX);
    int r = meta_state_encode(meta->replicas[0]->state, &bytes);
    if (r == 0) {
        /* Before any wait: what is applied from here on follows the snapshot in each mailbox. */
        meta->shared = true;
        r = replicas_ask(meta, replica_install, strbuf_bytes(&bytes));
        CHECK(r == 0);
    }
    strbuf_done(&bytes);
    return r;
}

void
replicas_done(struct meta *meta)
{
    if (meta->shared) {
        meta->shared = false;
        int r = replicas_ask(meta, replica_uninstall, BYTES_NULL);
        CHECK(r == 0);
    }
}

const struct meta_state *
meta_state(const struct meta *meta)
{
    return replica_here(meta)->state;
}

void
meta_listen(struct meta *meta, meta_listener_fn fn, void *arg)
{
    struct listener *listener = mem_alloc(sizeof *listener);
    listener->fn = fn;
    listener->arg = arg;
    list_push_back(&replica_here(meta)->listeners, &listener->link);
}

void
meta_unlisten(struct meta *meta, meta_listener_fn fn, void *arg)
{
    LIST_FOREACH_SAFE (node, &replica_here(meta)->listeners) {
        struct listener *listener = CONTAINER_OF(node, struct listener, link);
        if (listener->fn == fn && listener->arg == arg) {
            list_remove(node);
            mem_free(listener);
        }
    }
}
