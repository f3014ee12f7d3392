/* Keys that wait for work. */
#include "cache/queue.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

struct queue_key {
    struct map_node node;
    struct list ready; /* in queue.ready when is_ready */
    bool is_ready;
    bool is_worked_on;
    bool is_again; /* added while it was worked on */
    unsigned failures;
    int64_t due_ms; /* -1: no timer */
    char text[QUEUE_KEY_SIZE];
};

void
queue_init(struct queue *queue)
{
    *queue = (struct queue){ .ready_count = 0 };
    map_init(&queue->keys);
    list_init(&queue->ready);
}

static void
key_free(struct queue *queue, struct queue_key *key)
{
    map_remove(&queue->keys, &key->node);
    if (key->is_ready) {
        list_remove(&key->ready);
        queue->ready_count--;
    }
    mem_free(key);
}

void
queue_done(struct queue *queue)
{
    MAP_FOREACH_SAFE(node, &queue->keys)
    {
        key_free(queue, CONTAINER_OF(node, struct queue_key, node));
    }
    map_done(&queue->keys);
}

static bool
text_equal(const struct map_node *node, const void *text)
{
    return strcmp(CONTAINER_OF(node, struct queue_key, node)->text, text) == 0;
}

static struct queue_key *
key_find(const struct queue *queue, const char *text)
{
    uint64_t hash = bytes_hash(bytes_of_string(text), 0);
    struct map_node *node = map_find(&queue->keys, hash, text_equal, text);
    return node ? CONTAINER_OF(node, struct queue_key, node) : NULL;
}

static struct queue_key *
key_of(struct queue *queue, const char *text)
{
    struct queue_key *key = key_find(queue, text);
    if (!key) {
        CHECK(strlen(text) < QUEUE_KEY_SIZE);
        key = mem_alloc(sizeof *key);
        key->due_ms = -1;
        snprintf(key->text, sizeof key->text, "%s", text);
        map_insert(&queue->keys, &key->node, bytes_hash(bytes_of_string(text), 0));
    }
    return key;
}

static void
key_ready(struct queue *queue, struct queue_key *key)
{
    if (key->is_worked_on) {
        key->is_again = true;
    } else if (!key->is_ready) {
        key->is_ready = true;
        list_push_back(&queue->ready, &key->ready);
        queue->ready_count++;
    }
}

void
queue_add(struct queue *queue, const char *text)
{
    key_ready(queue, key_of(queue, text));
}

static void
due_at(struct queue_key *key, int64_t due_ms)
{
    key->due_ms = key->due_ms < 0 ? due_ms : MIN(key->due_ms, due_ms);
}

void
queue_add_after(struct queue *queue, const char *text, int64_t delay_ms, int64_t now_ms)
{
    due_at(key_of(queue, text), now_ms + delay_ms);
}

static void
timers_fire(struct queue *queue, int64_t now_ms)
{
    MAP_FOREACH(node, &queue->keys)
    {
        struct queue_key *key = CONTAINER_OF(node, struct queue_key, node);
        if (key->due_ms >= 0 && key->due_ms <= now_ms) {
            key->due_ms = -1;
            key_ready(queue, key);
        }
    }
}

bool
queue_take(struct queue *queue, int64_t now_ms, char out[QUEUE_KEY_SIZE])
{
    timers_fire(queue, now_ms);
    struct list *node = list_pop_front(&queue->ready);
    if (!node) {
        return false;
    }
    struct queue_key *key = CONTAINER_OF(node, struct queue_key, ready);
    queue->ready_count--;
    key->is_ready = false;
    key->is_worked_on = true;
    key->due_ms = -1; /* this pass is what the timer was for */
    snprintf(out, QUEUE_KEY_SIZE, "%s", key->text);
    return true;
}

static bool
is_refusal(int error)
{
    return error == -EEXIST || error == -EINVAL || error == -EACCES || error == -EDQUOT ||
           error == -ENOTEMPTY;
}

static int64_t
pause_ms(unsigned failures, int error, int64_t again_ms)
{
    int64_t most = error == -ESTALE ? QUEUE_STALE_MS_MAX : QUEUE_PAUSE_MS_MAX;
    if (is_refusal(error) && again_ms >= 0) {
        most = MIN(most, MAX(again_ms, (int64_t)QUEUE_REFUSED_MS));
    }
    int64_t pause = QUEUE_PAUSE_MS_MIN;
    for (unsigned i = 1; i < failures && pause < most; i++) {
        pause *= 2;
    }
    return MIN(pause, most);
}

void
queue_finish(struct queue *queue, const char *text, int error, int64_t again_ms, int64_t now_ms)
{
    struct queue_key *key = key_find(queue, text);
    CHECK(key && key->is_worked_on);
    key->is_worked_on = false;
    if (error < 0) {
        queue->failures++;
        key->failures++;
        due_at(key, now_ms + pause_ms(key->failures, error, again_ms));
    } else {
        key->failures = 0;
        if (again_ms >= 0) {
            due_at(key, now_ms + again_ms);
        }
    }
    if (key->is_again) {
        key->is_again = false;
        key_ready(queue, key);
    }
}

int64_t
queue_wait_ms(const struct queue *queue, int64_t now_ms, int64_t otherwise)
{
    int64_t wait_ms = queue->ready_count ? 0 : otherwise;
    MAP_FOREACH(node, &queue->keys)
    {
        const struct queue_key *key = CONTAINER_OF(node, struct queue_key, node);
        if (key->due_ms >= 0) {
            wait_ms = MIN(wait_ms, MAX(key->due_ms - now_ms, (int64_t)0));
        }
    }
    return wait_ms;
}

void
queue_forget(struct queue *queue, const char *text)
{
    struct queue_key *key = key_find(queue, text);
    if (key && !key->is_ready) {
        CHECK(!key->is_worked_on);
        key_free(queue, key);
    }
}
