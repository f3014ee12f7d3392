#pragma once
/* Cuts the text of a list into its items, wherever its chunks are cut: each item is handed over as
 * soon as its last byte is there, and forgotten. What is around them, the envelope, has the list's
 * version and the token of its next page.
 *
 * K11  A list costs the memory of one of its items, however long it is: nothing else of it is ever
 * held, neither as text nor as a tree. Crash scenario: twelve lists are read at once after a
 * restart, and the pod is killed for its memory limit when it is needed most. */

#include "base/strbuf.h"

#define ITEMS_ENVELOPE_MAX ((size_t)256 << 10)

struct items {
    struct strbuf envelope; /* with an empty array in the place of the items */
    struct strbuf item;     /* that was begun */
    /* An item's text. Negative errno ends the feeding and is returned by it. */
    int (*take)(void *arg, struct bytes item);
    void *arg;
    unsigned depth;
    bool is_quoted;
    bool is_escaped;
    bool is_key;   /* the next string of the outermost object is a name */
    bool is_named; /* its name was "items" */
    bool is_inside;
    bool has_ended;
    size_t name_begin; /* in the envelope */
};

void items_init(struct items *items, size_t item_max, int (*take)(void *, struct bytes), void *arg);
void items_done(struct items *items);
/* Forgets what was begun, and its memory: for the next list. */
void items_reset(struct items *items);
/* -EMSGSIZE: an item or an envelope that is too large. -EBADMSG: no list. */
MUST_CHECK int items_feed(struct items *items, struct bytes chunk);
/* The envelope of a list that is complete, else -EBADMSG; until items_reset. */
MUST_CHECK int items_end(struct items *items, struct bytes *ret_envelope);
