/* Objects as last seen. */
#include "cache/table.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "kube/clock.h"

#include <stdio.h>

#define KEY_SIZE 512

void
table_init(struct table *table, const struct table_type *type,
        void (*changed)(void *, const struct meta *), void *arg)
{
    *table = (struct table){ .type = type, .changed = changed, .arg = arg };
    map_init(&table->entries);
}

static void
entry_free(struct table *table, struct table_entry *entry)
{
    map_remove(&table->entries, &entry->node);
    table->type->free(entry->object);
    mem_free(entry->key);
    mem_free(entry);
}

void
table_done(struct table *table)
{
    MAP_FOREACH_SAFE(node, &table->entries)
    {
        entry_free(table, CONTAINER_OF(node, struct table_entry, node));
    }
    map_done(&table->entries);
}

static bool
key_equal(const struct map_node *node, const void *key)
{
    return strcmp(CONTAINER_OF(node, struct table_entry, node)->key, key) == 0;
}

static char *
key_of(char out[KEY_SIZE], const char *namespace, const char *name)
{
    snprintf(out, KEY_SIZE, "%s/%s", namespace, name);
    return out;
}

struct table_entry *
table_find(const struct table *table, const char *namespace, const char *name)
{
    char key[KEY_SIZE];
    key_of(key, namespace, name);
    struct map_node *node =
            map_find(&table->entries, bytes_hash(bytes_of_string(key), 0), key_equal, key);
    return node ? CONTAINER_OF(node, struct table_entry, node) : NULL;
}

struct table_entry *
table_next(const struct table *table, const struct table_entry *entry)
{
    struct map_node *node = map_next(&table->entries, entry ? &entry->node : NULL);
    return node ? CONTAINER_OF(node, struct table_entry, node) : NULL;
}

void
table_restart(struct table *table)
{
    table->list++;
}

static struct table_entry *
entry_make(struct table *table, const struct meta *meta)
{
    char key[KEY_SIZE];
    struct table_entry *entry = mem_alloc(sizeof *entry);
    entry->key = mem_strdup(key_of(key, meta->namespace, meta->name));
    entry->flags_ms = clock_now_ms();
    map_insert(&table->entries, &entry->node, bytes_hash(bytes_of_string(entry->key), 0));
    return entry;
}

static void
entry_put(struct table *table, struct table_entry *entry, void *object)
{
    uint32_t flags = table->type->flags ? table->type->flags(object) : 0;
    const struct meta *meta = table->type->meta(object);
    bool is_other = entry->object && strcmp(entry->meta->uid, meta->uid) != 0;
    if (entry->object && (is_other || flags != entry->flags)) {
        entry->flags_ms = clock_now_ms();
    }
    if (entry->object && !is_other && table->type->follow) {
        table->type->follow(entry->object, object);
    }
    if (entry->object) {
        table->type->free(entry->object);
    }
    entry->object = object;
    entry->meta = meta;
    entry->flags = flags;
}

static bool
has_gone(const struct table *table, const char *uid)
{
    for (size_t i = 0; i < TABLE_TOMBSTONES; i++) {
        if (strcmp(table->gone[i], uid) == 0) {
            return true;
        }
    }
    return false;
}

/* C6 */
static void
unreadable_take(struct table *table, const cJSON *json, int error)
{
    const char *name = json_text(json, "metadata/name");
    struct table_entry *entry = table_find(table, json_text(json, "metadata/namespace"), name);
    LOG_WARN("an object cannot be read", LOG_STR("kind", json_text(json, "kind")),
            LOG_STR("name", name), LOG_FAULT(error));
    if (entry && strcmp(entry->meta->uid, json_text(json, "metadata/uid")) == 0) {
        MARK("table: what cannot be read stays as it was");
        entry->list = table->list;
    }
}

/* C5 */
static bool
is_news(const struct table *table, const struct table_entry *entry, const void *object)
{
    const struct meta *meta = table->type->meta(object);
    if (!entry->object || strcmp(meta->uid, entry->meta->uid) != 0) {
        return true;
    }
    return table->type->is_same ? !table->type->is_same(entry->object, object)
                                : strcmp(meta->version, entry->meta->version) != 0;
}

void
table_upsert(struct table *table, const cJSON *json)
{
    void *object = NULL;
    int r = table->type->parse(json, &object);
    if (r < 0) {
        unreadable_take(table, json, r);
        return;
    }
    const struct meta *meta = table->type->meta(object);
    struct table_entry *entry = table_find(table, meta->namespace, meta->name);
    if (has_gone(table, meta->uid)) {
        MARK("table: what has gone came later");
        table->type->free(object);
        return;
    }
    if (!entry) {
        entry = entry_make(table, meta);
    } else if (version_compare(meta->version, entry->meta->version) < 0) {
        MARK("table: an older state came later");
        entry->list = table->list;
        table->type->free(object);
        return;
    }
    bool must_tell = is_news(table, entry, object);
    entry_put(table, entry, object);
    entry->list = table->list;
    if (must_tell) {
        table->changed(table->arg, entry->meta);
    }
}

static void
entry_remove(struct table *table, struct table_entry *entry)
{
    char namespace[256];
    char name[256];
    char cluster[64];
    snprintf(namespace, sizeof namespace, "%s", entry->meta->namespace);
    snprintf(name, sizeof name, "%s", entry->meta->name);
    snprintf(cluster, sizeof cluster, "%s", entry->meta->cluster);
    struct meta gone = { .namespace = namespace, .name = name, .cluster = cluster };
    char *tombstone = table->gone[table->gone_next++ % TABLE_TOMBSTONES];
    snprintf(tombstone, sizeof table->gone[0], "%s", entry->meta->uid);
    entry_free(table, entry);
    table->changed(table->arg, &gone);
}

void
table_forget(struct table *table, const char *namespace, const char *name, const char *uid)
{
    struct table_entry *entry = table_find(table, namespace, name);
    if (entry && strcmp(entry->meta->uid, uid) == 0) {
        entry_remove(table, entry);
    }
}

void
table_remove(struct table *table, const cJSON *json)
{
    table_forget(table, json_text(json, "metadata/namespace"), json_text(json, "metadata/name"),
            json_text(json, "metadata/uid"));
}

void
table_synced(struct table *table)
{
    MAP_FOREACH_SAFE(node, &table->entries)
    {
        struct table_entry *entry = CONTAINER_OF(node, struct table_entry, node);
        if (entry->list != table->list) {
            entry_remove(table, entry);
        }
    }
    table->is_synced = true;
}
