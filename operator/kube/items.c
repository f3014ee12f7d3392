/* Items out of chunks: counts brackets outside of strings, and looks at nothing else. What is
 * between them is read by json_parse. */
#include "kube/items.h"

#include "base/fault.h"
#include "kube/json.h"

#include <errno.h>

void
items_init(struct items *items, size_t item_max, int (*take)(void *, struct bytes), void *arg)
{
    *items = (struct items){ .take = take, .arg = arg };
    strbuf_init(&items->envelope, ITEMS_ENVELOPE_MAX);
    strbuf_init(&items->item, item_max);
}

void
items_done(struct items *items)
{
    strbuf_done(&items->envelope);
    strbuf_done(&items->item);
}

void
items_reset(struct items *items)
{
    size_t item_max = items->item.max;
    items_done(items);
    items_init(items, item_max, items->take, items->arg);
}

/* Whether the byte belongs to an item: those between items belong to nobody. */
static bool
is_of_an_item(const struct items *items)
{
    return items->is_inside && items->depth > 2;
}

static bool
is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void
string_begin(struct items *items)
{
    items->is_quoted = true;
    items->name_begin = items->envelope.size + 1;
}

static void
string_end(struct items *items)
{
    const struct strbuf *envelope = &items->envelope;
    items->is_quoted = false;
    if (items->depth == 1 && items->is_key) {
        struct bytes name = bytes_of(envelope->data + items->name_begin,
                envelope->size - MIN(items->name_begin, envelope->size));
        items->is_named = bytes_equal(name, bytes_of_string("items"));
        items->is_key = false;
    }
}

static int
bracket_open(struct items *items, uint8_t c)
{
    if (items->has_ended || ++items->depth > JSON_DEPTH_MAX) {
        return fault(-EBADMSG, "a list that is too deep, or goes on behind its end");
    }
    if (items->depth == 1) {
        items->is_key = true;
    }
    if (items->depth == 2 && c == '[' && items->is_named) {
        items->is_inside = true;
    }
    return 0;
}

/* 1: an item has ended. */
static int
bracket_close(struct items *items)
{
    if (items->depth == 0) {
        return fault(-EBADMSG, "a list that ends before it begins");
    }
    items->depth--;
    items->has_ended = items->depth == 0;
    if (items->is_inside && items->depth == 1) {
        items->is_inside = false;
        items->is_named = false;
    }
    return items->is_inside && items->depth == 2;
}

/* Outside of strings. 1: the byte is the last one of an item. */
static int
look(struct items *items, uint8_t c)
{
    switch (c) {
    case '"':
        string_begin(items);
        return 0;
    case '{':
    case '[':
        return bracket_open(items, c);
    case '}':
    case ']':
        return bracket_close(items);
    case ',':
        items->is_key = items->is_key || items->depth == 1;
        return 0;
    default:
        return 0;
    }
}

/* Inside of strings. */
static void
look_quoted(struct items *items, uint8_t c)
{
    if (items->is_escaped) {
        items->is_escaped = false;
    } else if (c == '\\') {
        items->is_escaped = true;
    } else if (c == '"') {
        string_end(items);
    }
}

static int
keep(struct items *items, struct strbuf *where, struct bytes run)
{
    strbuf_append(where, run);
    return where->error ? fault(-EMSGSIZE, "kube: %s of more than %zu bytes",
                                  where == &items->item ? "an item" : "a list without its items",
                                  where->max)
                        : 0;
}

static int
item_end(struct items *items)
{
    int r = items->take(items->arg, strbuf_bytes(&items->item));
    strbuf_clear(&items->item);
    return r;
}

/* One byte; 1 when it ends an item. */
static int
step(struct items *items, uint8_t c)
{
    if (items->is_quoted) {
        look_quoted(items, c);
        return 0;
    }
    bool is_between = items->is_inside && items->depth == 2;
    if (is_between && !is_space(c) && c != ',' && c != '{' && c != ']') {
        return fault(-EBADMSG, "a list whose items are no objects");
    }
    return look(items, c);
}

/* Where bytes of the state as it is now belong. */
static struct strbuf *
place_of(struct items *items)
{
    return is_of_an_item(items) ? &items->item : items->is_inside ? NULL : &items->envelope;
}

int
items_feed(struct items *items, struct bytes chunk)
{
    for (size_t i = 0; i < chunk.size; i++) {
        struct strbuf *before = place_of(items);
        int r = step(items, chunk.data[i]);
        if (r < 0) {
            return r;
        }
        /* An opening bracket belongs to what it opens, a closing one to what it closes. */
        struct strbuf *after = place_of(items);
        struct strbuf *where = before == &items->envelope || !after ? before : after;
        int kept = where ? keep(items, where, bytes_of(chunk.data + i, 1)) : 0;
        kept = kept == 0 && r == 1 ? item_end(items) : kept;
        if (kept < 0) {
            return kept;
        }
    }
    return 0;
}

int
items_end(struct items *items, struct bytes *ret_envelope)
{
    if (!items->has_ended) {
        return fault(-EBADMSG, "a list that is cut off");
    }
    *ret_envelope = strbuf_bytes(&items->envelope);
    return 0;
}
