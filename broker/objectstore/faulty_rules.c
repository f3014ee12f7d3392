/* Rules of faulty stores: their notation, their dice, and the sea in which late writes swim. */
#include "objectstore/faulty_rules.h"

#include "base/fault.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct rule_state {
    struct faulty_rule rule;
    uint64_t fitted;
    uint64_t hits;
};

struct faulty_set {
    struct list node;
    char *name;
    struct rule_state rules[FAULTY_RULES_MAX];
    unsigned count;
    uint64_t clears;
};

struct recent {
    uint64_t hash;
    uint64_t written_ns;
};

struct faulty_sea {
    struct list node;
    char *url;
    struct list late; /* by due time */
    size_t late_count;
    struct recent recent[FAULTY_RECENT_MAX];
    size_t recent_next;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct list sets = { &sets, &sets };
static struct list seas = { &seas, &seas };

static const char *const kind_names[FAULTY_KIND_COUNT] = { "lost", "late", "echo", "409", "412",
    "500", "503", "truncated", "wrong", "slow", "held", "hang", "stale", "denied", "full" };

static int
parse_operations(const char *text, char *operations, unsigned *ret_bits)
{
    static const char *const names[OBJECT_OP_COUNT] = { "get", "head", "put", "delete", "list" };
    *ret_bits = 0;
    if (strcmp(operations, "any") == 0) {
        return 0;
    }
    for (char *name = strsep(&operations, "+"); name; name = strsep(&operations, "+")) {
        unsigned i = 0;
        while (i < OBJECT_OP_COUNT && strcmp(names[i], name) != 0) {
            i++;
        }
        if (i == OBJECT_OP_COUNT) {
            return fault(-EINVAL, "fault rule \"%s\": unknown operation \"%s\"", text, name);
        }
        *ret_bits |= 1u << i;
    }
    return 0;
}

static int
parse_kind(const char *text, const char *name, enum faulty_kind *ret_kind)
{
    for (unsigned i = 0; i < FAULTY_KIND_COUNT; i++) {
        if (strcmp(kind_names[i], name) == 0) {
            *ret_kind = (enum faulty_kind)i;
            return 0;
        }
    }
    return fault(-EINVAL, "fault rule \"%s\": unknown kind \"%s\"", text, name);
}

static int
parse_option(const char *text, const char *option, struct faulty_rule *rule)
{
    char *end = NULL;
    const char *equals = strchr(option, '=');
    if (equals && equals[1]) {
        /* check-text: allow strtod: end and range are looked at */
        double number = strtod(equals + 1, &end);
        if (*end == 0 && number >= 0 && number <= 1e9) {
            if (strncmp(option, "p=", 2) == 0 && number <= 1) {
                rule->per_million = (uint32_t)(number * FAULTY_ALWAYS + 0.5);
                return 0;
            }
            if (strncmp(option, "n=", 2) == 0) {
                rule->count = (uint64_t)number;
                return 0;
            }
            if (strncmp(option, "skip=", 5) == 0) {
                rule->skip = (uint64_t)number;
                return 0;
            }
            if (strncmp(option, "ms=", 3) == 0) {
                rule->delay_ns = (uint64_t)(number * NS_PER_MS);
                return 0;
            }
        }
    }
    return fault(
            -EINVAL, "fault rule \"%s\": \"%s\" is none of p=0..1, n=, skip=, ms=", text, option);
}

int
faulty_parse(const char *text, struct faulty_rule *ret_rule)
{
    struct faulty_rule rule = { .per_million = FAULTY_ALWAYS, .count = UINT64_MAX };
    CLEANUP(mem_freep) char *copy = mem_strdup(text);
    char *rest = copy;
    char *operations = strsep(&rest, ":");
    const char *pattern = strsep(&rest, ":");
    const char *kind = strsep(&rest, ":");
    if (!kind || strlen(pattern) >= sizeof rule.pattern) {
        return fault(-EINVAL, "fault rule \"%s\" is not OPERATIONS:PATTERN:KIND", text);
    }
    snprintf(rule.pattern, sizeof rule.pattern, "%s", pattern);
    int r = parse_operations(text, operations, &rule.operations);
    if (r == 0) {
        r = parse_kind(text, kind, &rule.kind);
    }
    for (const char *option = strsep(&rest, ":"); r == 0 && option; option = strsep(&rest, ":")) {
        r = parse_option(text, option, &rule);
    }
    if (r == 0) {
        *ret_rule = rule;
    }
    return r;
}

static struct faulty_set *
set_of(const char *name)
{
    LIST_FOREACH (node, &sets) {
        struct faulty_set *set = CONTAINER_OF(node, struct faulty_set, node);
        if (strcmp(set->name, name) == 0) {
            return set;
        }
    }
    struct faulty_set *set = mem_alloc(sizeof *set);
    set->name = mem_strdup(name);
    list_push_back(&sets, &set->node);
    return set;
}

struct faulty_set *
faulty_set_of(const char *name)
{
    pthread_mutex_lock(&mutex);
    struct faulty_set *set = set_of(name);
    pthread_mutex_unlock(&mutex);
    return set;
}

int
faulty_add(const char *set_name, const struct faulty_rule *rule)
{
    pthread_mutex_lock(&mutex);
    struct faulty_set *set = set_of(set_name);
    int number = set->count < FAULTY_RULES_MAX ? (int)set->count : -ENOBUFS;
    if (number >= 0) {
        set->rules[set->count++] = (struct rule_state){ .rule = *rule };
    }
    pthread_mutex_unlock(&mutex);
    return number >= 0
                   ? number
                   : fault(number, "more than %d fault rules for %s", FAULTY_RULES_MAX, set_name);
}

void
faulty_clear(const char *set_name)
{
    pthread_mutex_lock(&mutex);
    struct faulty_set *set = set_of(set_name);
    set->count = 0;
    set->clears++;
    pthread_mutex_unlock(&mutex);
}

uint64_t
faulty_set_clears(struct faulty_set *set)
{
    pthread_mutex_lock(&mutex);
    uint64_t clears = set->clears;
    pthread_mutex_unlock(&mutex);
    return clears;
}

uint64_t
faulty_hits(const char *set_name, int number)
{
    pthread_mutex_lock(&mutex);
    struct faulty_set *set = set_of(set_name);
    uint64_t hits = number >= 0 && (unsigned)number < set->count ? set->rules[number].hits : 0;
    pthread_mutex_unlock(&mutex);
    return hits;
}

/* '*' stands for any run of characters, also across '/'. */
static bool
pattern_fits(const char *pattern, const char *key)
{
    const char *star = NULL;
    const char *star_key = NULL;
    while (*key) {
        if (*pattern == '*') {
            star = pattern++;
            star_key = key;
        } else if (*pattern == *key) {
            pattern++;
            key++;
        } else if (star) {
            pattern = star + 1;
            key = ++star_key;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == 0;
}

static bool
rule_applies(struct rule_state *state, enum object_operation operation, const char *key)
{
    const struct faulty_rule *rule = &state->rule;
    if (rule->operations && !(rule->operations & 1u << operation)) {
        return false;
    }
    if ((rule->pattern[0] && !pattern_fits(rule->pattern, key)) || state->hits >= rule->count) {
        return false;
    }
    if (state->fitted++ < rule->skip) {
        return false;
    }
    if (rule->per_million < FAULTY_ALWAYS && random_below(FAULTY_ALWAYS) >= rule->per_million) {
        return false;
    }
    state->hits++;
    return true;
}

bool
faulty_set_apply(struct faulty_set *set, enum object_operation operation, const char *key,
        struct faulty_rule *ret_rule)
{
    bool applies = false;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; !applies && i < set->count; i++) {
        applies = rule_applies(&set->rules[i], operation, key);
        if (applies) {
            *ret_rule = set->rules[i].rule;
        }
    }
    pthread_mutex_unlock(&mutex);
    return applies;
}

void
faulty_late_free(struct faulty_late *late)
{
    mem_free(late->key);
    buf_unref(late->body);
    mem_free(late);
}

struct faulty_sea *
faulty_sea_of(const char *url)
{
    struct faulty_sea *sea = NULL;
    pthread_mutex_lock(&mutex);
    LIST_FOREACH (node, &seas) {
        struct faulty_sea *candidate = CONTAINER_OF(node, struct faulty_sea, node);
        if (strcmp(candidate->url, url) == 0) {
            sea = candidate;
        }
    }
    if (!sea) {
        sea = mem_alloc(sizeof *sea);
        sea->url = mem_strdup(url);
        list_init(&sea->late);
        list_push_back(&seas, &sea->node);
    }
    pthread_mutex_unlock(&mutex);
    return sea;
}

int
faulty_sea_send(struct faulty_sea *sea, struct faulty_late *late)
{
    pthread_mutex_lock(&mutex);
    bool fits = sea->late_count < FAULTY_LATE_MAX;
    if (fits) {
        struct list *place = sea->late.next;
        while (place != &sea->late &&
                CONTAINER_OF(place, struct faulty_late, node)->due_ns <= late->due_ns) {
            place = place->next;
        }
        list_insert_before(place, &late->node);
        sea->late_count++;
    }
    pthread_mutex_unlock(&mutex);
    if (!fits) {
        faulty_late_free(late);
        return fault(-ENOBUFS, "more than %d late writes to %s", FAULTY_LATE_MAX, sea->url);
    }
    return 0;
}

struct faulty_late *
faulty_sea_take(struct faulty_sea *sea, uint64_t now_ns)
{
    pthread_mutex_lock(&mutex);
    struct faulty_late *late = LIST_FIRST(&sea->late, struct faulty_late, node);
    if (late && late->due_ns <= now_ns) {
        list_remove(&late->node);
        sea->late_count--;
    } else {
        late = NULL;
    }
    pthread_mutex_unlock(&mutex);
    return late;
}

size_t
faulty_sea_count(struct faulty_sea *sea)
{
    pthread_mutex_lock(&mutex);
    size_t count = sea->late_count;
    pthread_mutex_unlock(&mutex);
    return count;
}

void
faulty_sea_wrote(struct faulty_sea *sea, const char *key, uint64_t now_ns)
{
    pthread_mutex_lock(&mutex);
    sea->recent[sea->recent_next] = (struct recent){ bytes_hash(bytes_of_string(key), 0), now_ns };
    sea->recent_next = (sea->recent_next + 1) % FAULTY_RECENT_MAX;
    pthread_mutex_unlock(&mutex);
}

bool
faulty_sea_wrote_since(struct faulty_sea *sea, const char *key, uint64_t since_ns)
{
    bool wrote = false;
    uint64_t hash = bytes_hash(bytes_of_string(key), 0);
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < FAULTY_RECENT_MAX; i++) {
        wrote |= sea->recent[i].hash == hash && sea->recent[i].written_ns > since_ns;
    }
    pthread_mutex_unlock(&mutex);
    return wrote;
}

void
faulty_forget_all(void)
{
    pthread_mutex_lock(&mutex);
    for (struct list *node = list_pop_front(&sets); node; node = list_pop_front(&sets)) {
        struct faulty_set *set = CONTAINER_OF(node, struct faulty_set, node);
        mem_free(set->name);
        mem_free(set);
    }
    for (struct list *node = list_pop_front(&seas); node; node = list_pop_front(&seas)) {
        struct faulty_sea *sea = CONTAINER_OF(node, struct faulty_sea, node);
        for (struct list *late = list_pop_front(&sea->late); late;
                late = list_pop_front(&sea->late)) {
            faulty_late_free(CONTAINER_OF(late, struct faulty_late, node));
        }
        mem_free(sea->url);
        mem_free(sea);
    }
    pthread_mutex_unlock(&mutex);
}
