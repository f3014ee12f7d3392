#pragma once
/* Objects of one kind as last seen, by namespace and name. Fed by a watch (restart, upsert, remove,
 * synced) and by the answers to our own writes.
 *
 * C1  What was not in a complete list is gone when the list ends, and not before. Crash scenario:
 * a list begins, the table is emptied, and a pass in between makes all pods again.
 *
 * C2  An older state never replaces a newer one: the answer to our own write is in the table before
 * the watch echoes it, and an echo of something earlier doesn't undo it. What has gone stays gone,
 * although an answer that was under way meanwhile still shows it: a uid never comes back. Crash
 * scenario: a pod's end is heard while the answer of a read from just before is on its way; the
 * table would show the pod for ever, and its cluster would wait for it.
 *
 * C5  A status of our own is nobody's news, whether its answer or its echo comes first: it brings
 * no key back. Crash scenario: the status names the time that a broker's refusal took; each pass
 * writes another one, whose echo brings the next pass at once, past its pause (C4).
 *
 * C6  An object that was in a list and cannot be read stays as it was read last. Crash scenario: a
 * field that we don't understand is written by a newer version; the cluster would look deleted. */

#include "base/map.h"
#include "resource/meta.h"

struct table_entry {
    struct map_node node;
    char *key; /* namespace/name */
    void *object;
    const struct meta *meta; /* of the object */
    uint64_t list;           /* of the last list that had it */
    /* Our own clock: when flags of the object last changed, as `flags` says. */
    uint32_t flags;
    int64_t flags_ms;
};

struct table_type {
    int (*parse)(const cJSON *object, void **ret_object);
    void (*free)(void *object);
    const struct meta *(*meta)(const void *object);
    /* Bits whose change is worth a time stamp; may be NULL. */
    uint32_t (*flags)(const void *object);
    /* Whether nothing differs that a pass decides by, apart from what we write ourselves: the
     * status. NULL: each version is news. */
    bool (*is_same)(const void *before, const void *after);
    /* What the object that takes the place of `before` has to know of it; may be NULL. */
    void (*follow)(const void *before, void *after);
};

#define TABLE_TOMBSTONES 128 /* uids of what went last */

struct table {
    const struct table_type *type;
    char gone[TABLE_TOMBSTONES][40];
    size_t gone_next;
    struct map entries;
    uint64_t list; /* number of the current one */
    bool is_synced;
    /* Called after each change that is news; `meta` of what is or was there. */
    void (*changed)(void *arg, const struct meta *meta);
    void *arg;
};

void table_init(struct table *table, const struct table_type *type,
        void (*changed)(void *, const struct meta *), void *arg);
void table_done(struct table *table);

void table_restart(struct table *table);
/* An object that cannot be read is logged and not taken (C6). */
void table_upsert(struct table *table, const cJSON *json);
/* Nothing happens when another object has its name by now. */
void table_remove(struct table *table, const cJSON *json);
void table_synced(struct table *table);
/* As table_remove, after a delete of ours that took effect at once. */
void table_forget(struct table *table, const char *namespace, const char *name, const char *uid);

struct table_entry *table_find(const struct table *table, const char *namespace, const char *name);
struct table_entry *table_next(const struct table *table, const struct table_entry *entry);

#define TABLE_FOREACH(entry, table)                                                                \
    for (struct table_entry *entry = table_next(table, NULL); entry;                               \
            entry = table_next(table, entry))
