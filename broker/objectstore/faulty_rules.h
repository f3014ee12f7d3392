#pragma once
/* The rules and the late writes behind faulty stores, by name, for the whole process. Private to
 * faulty*.c. Short locks inside, never across a wait. */

#include "base/list.h"
#include "objectstore/faulty.h"

struct faulty_set;
struct faulty_sea;

/* Made at the first call; never NULL. Borrowed for as long as the process or until
 * faulty_forget_all. */
struct faulty_set *faulty_set_of(const char *name);
/* The first rule that applies to this try, by dice and counters. */
bool faulty_set_apply(struct faulty_set *set, enum object_operation operation, const char *key,
        struct faulty_rule *ret_rule);
/* How often its rules were removed. */
uint64_t faulty_set_clears(struct faulty_set *set);

/* A write that is on its way. Owned by whoever took it. */
struct faulty_late {
    struct list node;
    uint64_t due_ns;
    bool is_delete;
    char *key;
    struct buf *body;
    enum object_condition condition;
    struct object_etag etag;
};
void faulty_late_free(struct faulty_late *late);

/* What is on its way to the store of that URL. */
struct faulty_sea *faulty_sea_of(const char *url);
/* Takes the write; -ENOBUFS (and frees it): too many are under way. */
MUST_CHECK int faulty_sea_send(struct faulty_sea *sea, struct faulty_late *late);
/* The earliest write that is due at `now_ns`, owned by the caller, or NULL. */
struct faulty_late *faulty_sea_take(struct faulty_sea *sea, uint64_t now_ns);
size_t faulty_sea_count(struct faulty_sea *sea);
/* Remembers that a key was written, for stale lists. */
void faulty_sea_wrote(struct faulty_sea *sea, const char *key, uint64_t now_ns);
bool faulty_sea_wrote_since(struct faulty_sea *sea, const char *key, uint64_t since_ns);
