/* The newest log objects, kept by the controller for its followers. What is not here any more they
 * read from the bucket. */
#include "base/mem.h"
#include "meta/meta_internal.h"

static void
feed_drop_first(struct feed *feed)
{
    struct feed_entry *entry = &feed->entries[feed->first];
    feed->bytes -= entry->object->size;
    entry->object = buf_unref(entry->object);
    feed->first = (feed->first + 1) % META_FEED_OBJECTS_MAX;
    feed->count--;
}

void
feed_push(struct meta *meta, uint64_t sequence, struct buf *object)
{
    if (!object || !meta->server) {
        buf_unref(object);
        return;
    }
    if (!meta->feed) {
        meta->feed = mem_alloc(sizeof *meta->feed);
    }
    struct feed *feed = meta->feed;
    while (feed->count && (feed->count == META_FEED_OBJECTS_MAX ||
                                  feed->bytes + object->size > META_FEED_SIZE_MAX)) {
        feed_drop_first(feed);
    }
    size_t at = (feed->first + feed->count++) % META_FEED_OBJECTS_MAX;
    feed->entries[at] = (struct feed_entry){ sequence, object };
    feed->bytes += object->size;
    server_wake(meta);
}

struct buf *
feed_find(const struct meta *meta, uint64_t sequence)
{
    const struct feed *feed = meta->feed;
    uint64_t first = feed_first(meta);
    if (first == 0 || sequence < first || sequence - first >= feed->count) {
        return NULL;
    }
    return feed->entries[(feed->first + (sequence - first)) % META_FEED_OBJECTS_MAX].object;
}

uint64_t
feed_first(const struct meta *meta)
{
    const struct feed *feed = meta->feed;
    return feed && feed->count ? feed->entries[feed->first].sequence : 0;
}

void
feed_free(struct meta *meta)
{
    while (meta->feed && meta->feed->count) {
        feed_drop_first(meta->feed);
    }
    mem_free(meta->feed);
    meta->feed = NULL;
}
