/* The faulty store: one try goes through the rules, then to the store inside. */
#include "objectstore/faulty.h"

#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "objectstore/faulty_rules.h"
#include "objectstore/internal.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <stdlib.h>

struct faulty_store {
    struct objectstore base;
    struct objectstore *inside;
    struct faulty_set *set;
    struct faulty_sea *sea;
};

/* One try: its arguments and what the rules said. */
struct attempt {
    struct faulty_store *store;
    enum object_operation operation;
    const char *key;
    uint64_t deadline_ns;
    const struct object_put *put;
    bool is_late_delete;
    bool faulted;
    struct faulty_rule rule;
};

static struct faulty_store *
faulty_of(struct objectstore *store)
{
    return CONTAINER_OF(store, struct faulty_store, base);
}

static void
land(struct faulty_store *store, struct faulty_late *late)
{
    struct objectstore *inside = store->inside;
    int r;
    if (late->is_delete) {
        r = inside->ops->delete(inside, late->key, DEADLINE_NONE);
    } else {
        struct iovec part = { late->body->data, late->body->size };
        struct object_put put = { late->key, &part, 1, late->condition, late->etag, DEADLINE_NONE };
        struct object_etag etag;
        r = inside->ops->put(inside, &put, &etag);
        faulty_sea_wrote(store->sea, late->key, clock_world_ns());
    }
    (void)r; /* nobody is listening any more */
    MARK("faulty store: a late write landed");
    faulty_late_free(late);
}

static void
land_until(struct faulty_store *store, uint64_t now_ns)
{
    for (struct faulty_late *late = faulty_sea_take(store->sea, now_ns); late;
            late = faulty_sea_take(store->sea, now_ns)) {
        land(store, late);
    }
}

/* A write has no "try again": after it left nobody knows. */
static int
no_answer(const struct attempt *attempt, const char *why)
{
    bool is_put = attempt->operation == OBJECT_OP_PUT;
    return fault(
            is_put ? OBJECT_UNDECIDED : OBJECT_AGAIN, "faulty store: %s: %s", attempt->key, why);
}

static int
send_late(struct attempt *attempt)
{
    struct faulty_late *late = mem_alloc(sizeof *late);
    uint64_t delay_ns = attempt->rule.delay_ns;
    list_init(&late->node);
    late->key = mem_strdup(attempt->key);
    late->due_ns = clock_world_ns() + delay_ns / 2 + random_below(delay_ns / 2 + 1);
    late->is_delete = attempt->is_late_delete;
    if (attempt->put) {
        const struct object_put *put = attempt->put;
        late->condition = put->condition;
        late->etag = put->etag;
        late->body = buf_new(object_put_size(put) + 1);
        for (size_t i = 0; i < put->part_count; i++) {
            if (put->parts[i].iov_len) {
                memcpy(late->body->data + late->body->size, put->parts[i].iov_base,
                        put->parts[i].iov_len);
                late->body->size += put->parts[i].iov_len;
            }
        }
    }
    int r = faulty_sea_send(attempt->store->sea, late);
    return no_answer(attempt, r < 0 ? "lost on the way" : "still on the way");
}

static int
hang(const struct attempt *attempt)
{
    uint64_t delay_ns = attempt->rule.delay_ns;
    uint64_t patience_ns = delay_ns ? clock_mono_ns() + delay_ns : UINT64_MAX;
    int r = fiber_sleep_until(MIN(attempt->deadline_ns, patience_ns));
    if (r < 0 && attempt->operation != OBJECT_OP_PUT) {
        return fault(r, "faulty store: %s: cancelled", attempt->key);
    }
    return no_answer(attempt, "no answer");
}

/* Tests look at the world meanwhile: it waits for them, however slow the machine. */
static int
hold(const struct attempt *attempt)
{
    struct faulty_set *set = attempt->store->set;
    uint64_t clears = faulty_set_clears(set);
    while (faulty_set_clears(set) == clears) {
        int r = fiber_sleep_ns(NS_PER_MS);
        if (r < 0) {
            return fault(r, "faulty store: %s: cancelled", attempt->key);
        }
        if (clock_mono_ns() >= attempt->deadline_ns) {
            return no_answer(attempt, "no answer");
        }
    }
    return 0;
}

/* Looks for a rule before the try is made. 0: make it; else the answer. */
static int
before(struct attempt *attempt)
{
    struct faulty_store *store = attempt->store;
    struct faulty_rule *rule = &attempt->rule;
    land_until(store, clock_world_ns());
    attempt->faulted = faulty_set_apply(store->set, attempt->operation, attempt->key, rule);
    if (!attempt->faulted) {
        return 0;
    }
    if (rule->kind != FAULTY_HANG) {
        rule->delay_ns = rule->delay_ns ? rule->delay_ns : NS_PER_S;
    }
    bool is_put = attempt->operation == OBJECT_OP_PUT;
    bool is_conditional = is_put && attempt->put->condition != OBJECT_ALWAYS;
    switch (rule->kind) {
    case FAULTY_LATE:
        return is_put || attempt->is_late_delete ? send_late(attempt) : 0;
    case FAULTY_409:
        return no_answer(attempt, "409");
    case FAULTY_412:
        return is_conditional ? fault(-EEXIST, "faulty store: %s: 412", attempt->key) : 0;
    case FAULTY_500:
        return random_below(2) ? no_answer(attempt, "500, not executed") : 0;
    case FAULTY_503:
        atomic_store(&store->base.patience_ns, rule->delay_ns);
        return no_answer(attempt, "503");
    case FAULTY_SLOW: {
        int r = fiber_sleep_ns(random_below(rule->delay_ns + 1));
        return r < 0 ? fault(r, "faulty store: %s: cancelled", attempt->key) : 0;
    }
    case FAULTY_HELD:
        return hold(attempt);
    case FAULTY_HANG:
        return hang(attempt);
    case FAULTY_DENIED:
        return fault(-EACCES, "faulty store: %s: access denied", attempt->key);
    case FAULTY_FULL:
        return is_put ? fault(-ENOSPC, "faulty store: %s: no space", attempt->key) : 0;
    case FAULTY_LOST:
    case FAULTY_ECHO:
    case FAULTY_TRUNCATED:
    case FAULTY_WRONG:
    case FAULTY_STALE:
    case FAULTY_KIND_COUNT:
        break;
    }
    return 0;
}

/* The try was made with result `r`; what the sender gets to know. */
static int
after(struct attempt *attempt, int r)
{
    if (r == 0 && attempt->put) {
        faulty_sea_wrote(attempt->store->sea, attempt->key, clock_world_ns());
    }
    if (!attempt->faulted) {
        return r;
    }
    if (attempt->rule.kind == FAULTY_LOST) {
        return no_answer(attempt, "the answer was lost");
    }
    if (attempt->rule.kind == FAULTY_500) {
        return no_answer(attempt, "500, executed");
    }
    if (attempt->rule.kind == FAULTY_ECHO && r == 0 && attempt->put &&
            attempt->put->condition != OBJECT_ALWAYS) {
        return fault(-EEXIST, "faulty store: %s: 412 for the repeated request", attempt->key);
    }
    return r;
}

static int
faulty_get(struct objectstore *store, const char *key, struct object_range range,
        uint64_t deadline_ns, struct buf **ret_buf, struct object_info *ret_info)
{
    struct faulty_store *faulty = faulty_of(store);
    struct attempt attempt = { faulty, OBJECT_OP_GET, key, deadline_ns };
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    int r = before(&attempt);
    if (r < 0) {
        return r;
    }
    r = faulty->inside->ops->get(faulty->inside, key, range, deadline_ns, &buf, ret_info);
    r = after(&attempt, r);
    if (r < 0) {
        return r;
    }
    if (attempt.faulted && attempt.rule.kind == FAULTY_TRUNCATED && buf->size) {
        return fault(-EIO, "faulty store: %s: the body ended after %zu of %zu bytes", key,
                buf->size / 2, buf->size);
    }
    if (attempt.faulted && attempt.rule.kind == FAULTY_WRONG && buf->size) {
        buf->data[random_below(buf->size)] ^= (uint8_t)(1u << random_below(8));
    }
    *ret_buf = TAKE_PTR(buf);
    return 0;
}

static int
faulty_head(struct objectstore *store, const char *key, uint64_t deadline_ns,
        struct object_info *ret_info)
{
    struct faulty_store *faulty = faulty_of(store);
    struct attempt attempt = { faulty, OBJECT_OP_HEAD, key, deadline_ns };
    int r = before(&attempt);
    if (r < 0) {
        return r;
    }
    return after(&attempt, faulty->inside->ops->head(faulty->inside, key, deadline_ns, ret_info));
}

static int
faulty_put(struct objectstore *store, const struct object_put *put, struct object_etag *ret_etag)
{
    struct faulty_store *faulty = faulty_of(store);
    struct attempt attempt = { faulty, OBJECT_OP_PUT, put->key, put->deadline_ns, .put = put };
    int r = before(&attempt);
    if (r < 0) {
        return r;
    }
    return after(&attempt, faulty->inside->ops->put(faulty->inside, put, ret_etag));
}

static int
faulty_delete(struct objectstore *store, const char *key, uint64_t deadline_ns)
{
    struct faulty_store *faulty = faulty_of(store);
    struct attempt attempt = { faulty, OBJECT_OP_DELETE, key, deadline_ns, .is_late_delete = true };
    int r = before(&attempt);
    if (r < 0) {
        return r;
    }
    return after(&attempt, faulty->inside->ops->delete(faulty->inside, key, deadline_ns));
}

static int
faulty_delete_many(
        struct objectstore *store, const char *const *keys, size_t count, uint64_t deadline_ns)
{
    struct faulty_store *faulty = faulty_of(store);
    struct attempt attempt = { faulty, OBJECT_OP_DELETE, keys[0], deadline_ns };
    int r = before(&attempt);
    if (r < 0) {
        return r;
    }
    return after(
            &attempt, faulty->inside->ops->delete_many(faulty->inside, keys, count, deadline_ns));
}

/* Takes the keys out that were written a moment ago. */
static void
make_stale(struct faulty_store *faulty, const struct faulty_rule *rule, struct object_list *list)
{
    uint64_t now_ns = clock_world_ns();
    uint64_t since_ns = now_ns > rule->delay_ns ? now_ns - rule->delay_ns : 0;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!faulty_sea_wrote_since(faulty->sea, list->entries[i].key, since_ns)) {
            list->entries[kept++] = list->entries[i];
        }
    }
    list->count = kept;
    /* A page that promises more must have a last key to go on from. */
    list->more = list->more && kept > 0;
}

static int
faulty_list(struct objectstore *store, const char *prefix, const char *start_after, size_t max,
        uint64_t deadline_ns, struct object_list *ret_list)
{
    struct faulty_store *faulty = faulty_of(store);
    struct objectstore *inside = faulty->inside;
    struct attempt attempt = { faulty, OBJECT_OP_LIST, prefix, deadline_ns };
    struct object_list list = { 0 };
    int r = before(&attempt);
    if (r < 0) {
        return r;
    }
    r = inside->ops->list(inside, prefix, start_after, max, deadline_ns, &list);
    r = after(&attempt, r);
    if (r < 0) {
        object_list_done(&list);
        return r;
    }
    if (attempt.faulted && attempt.rule.kind == FAULTY_STALE) {
        make_stale(faulty, &attempt.rule, &list);
    }
    *ret_list = list;
    return 0;
}

static void
faulty_close(struct objectstore *store)
{
    struct faulty_store *faulty = faulty_of(store);
    objectstore_close(faulty->inside);
    objectstore_done(store);
    mem_free(faulty);
}

static const struct objectstore_ops faulty_ops = {
    .get = faulty_get,
    .head = faulty_head,
    .put = faulty_put,
    .delete = faulty_delete,
    .delete_many = faulty_delete_many,
    .list = faulty_list,
    .close = faulty_close,
};

static int
add_rule(const char *set, const char *text)
{
    struct faulty_rule rule;
    int r = faulty_parse(text, &rule);
    return r < 0 ? r : faulty_add(set, &rule);
}

static int
add_rules(const char *set, struct object_url *url)
{
    for (const char *text = object_url_take(url, "fault"); text;
            text = object_url_take(url, "fault")) {
        int r = add_rule(set, text);
        if (r < 0) {
            return r;
        }
    }
    const char *from_environment = getenv("FRESHET_FAULTS");
    CLEANUP(mem_freep) char *copy = mem_strdup(from_environment ? from_environment : "");
    char *rest = copy;
    for (char *text = strsep(&rest, ";"); text; text = strsep(&rest, ";")) {
        int r = *text ? add_rule(set, text) : 0;
        if (r < 0) {
            return fault_note(r, "FRESHET_FAULTS");
        }
    }
    return 0;
}

/* The URL of the store inside: ours without "faulty+" and without our parameters. */
static int
inside_url(const struct object_url *url, struct object_url **ret_url)
{
    struct strbuf text;
    strbuf_init(&text, OBJECT_URL_SIZE_MAX);
    strbuf_printf(&text, "%s://%s%s", url->scheme + strlen("faulty+"), url->authority, url->path);
    char separator = '?';
    for (size_t i = 0; i < url->parameter_count; i++) {
        const struct object_url_parameter *parameter = &url->parameters[i];
        if (parameter->taken) {
            continue;
        }
        strbuf_printf(&text, "%c%s=", separator, parameter->name);
        separator = '&';
        for (const char *c = parameter->value; *c; c++) {
            bool plain = *c > ' ' && *c < 0x7f && !strchr("%&#@?", *c);
            strbuf_printf(&text, plain ? "%c" : "%%%02X", (unsigned char)*c);
        }
    }
    int r = text.error ? fault(-EINVAL, "object store URL %s is too long", url->text)
                       : object_url_parse(strbuf_cstring(&text), ret_url);
    strbuf_done(&text);
    return r;
}

int
faulty_open(struct object_url *url, struct objectstore **ret_store)
{
    CLEANUP(object_url_freep) struct object_url *inside = NULL;
    const char *set_name = object_url_take(url, "faults");
    /* Marks the rules as taken before the rest is handed on; they are read again below, when the
     * set is known. */
    struct object_url rules = *url;
    while (object_url_take(url, "fault")) {
    }
    int r = inside_url(url, &inside);
    if (r < 0) {
        return r;
    }
    CLEANUP(mem_freep) char *sea_url = mem_strdup(inside->text);
    set_name = set_name ? set_name : sea_url;
    r = add_rules(set_name, &rules);
    if (r < 0) {
        return r;
    }
    struct faulty_store *faulty = mem_alloc(sizeof *faulty);
    r = objectstore_open_plain(inside, &faulty->inside);
    if (r < 0) {
        mem_free(faulty);
        return r;
    }
    objectstore_init(&faulty->base, &faulty_ops, url->text);
    faulty->set = faulty_set_of(set_name);
    faulty->sea = faulty_sea_of(sea_url);
    *ret_store = &faulty->base;
    return 0;
}

size_t
faulty_late_count(struct objectstore *store)
{
    return faulty_sea_count(faulty_of(store)->sea);
}

void
faulty_land_all(struct objectstore *store)
{
    land_until(faulty_of(store), UINT64_MAX);
}
