/* Rules of disk faults: read once, then only counted down, by any reactor. */
#include "reactor/disk_fault.h"

#include "base/fault.h"
#include "reactor/clock.h"
#include "reactor/disk_driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENDLESS (UINT64_MAX / 2)

struct rule {
    unsigned operations; /* 1u << enum disk_operation_kind */
    char pattern[DISK_FAULT_PATTERN_SIZE];
    enum disk_fault_kind kind;
    uint64_t delay_ns;
    uint64_t skip;
    uint64_t count;
    _Atomic uint64_t passes;
};

static struct rule rules[DISK_FAULT_RULES_MAX];
static _Atomic size_t rule_count;

struct word {
    const char *name;
    unsigned value;
};

static const struct word operation_words[] = {
    { "read", 1u << DISK_READ },
    { "write", 1u << DISK_WRITE | 1u << DISK_WRITE_DURABLE },
    { "sync", 1u << DISK_SYNC | 1u << DISK_SYNC_DATA },
    { "any", UINT32_MAX },
    { NULL, 0 },
};

static const struct word kind_words[] = {
    { "eio", DISK_FAULT_EIO },
    { "enospc", DISK_FAULT_ENOSPC },
    { "torn", DISK_FAULT_TORN },
    { "lost", DISK_FAULT_LOST },
    { "slow", DISK_FAULT_SLOW },
    { NULL, 0 },
};

/* 0: unknown. */
static unsigned
word_find(const struct word *words, struct bytes text)
{
    for (; words->name; words++) {
        if (bytes_equal(text, bytes_of_string(words->name))) {
            return words->value;
        }
    }
    return 0;
}

/* The text up to the next ':' or the end, and moves behind it. */
static struct bytes
part_take(struct bytes *text)
{
    const uint8_t *colon = text->size ? memchr(text->data, ':', text->size) : NULL;
    size_t size = colon ? (size_t)(colon - text->data) : text->size;
    struct bytes part = bytes_of(text->data, size);
    size_t behind = MIN(size + 1, text->size);
    *text = bytes_of(text->data + behind, text->size - behind);
    return part;
}

static bool
option_number(struct bytes option, const char *name, uint64_t *ret_number)
{
    size_t size = strlen(name);
    if (option.size <= size || option.size > size + 9 || memcmp(option.data, name, size) != 0) {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = size; i < option.size; i++) {
        if (option.data[i] < '0' || option.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(option.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

static bool
rule_parse(struct bytes text, struct rule *rule)
{
    *rule = (struct rule){ .count = ENDLESS };
    rule->operations = word_find(operation_words, part_take(&text));
    struct bytes pattern = part_take(&text);
    rule->kind = (enum disk_fault_kind)word_find(kind_words, part_take(&text));
    if (!rule->operations || !rule->kind || pattern.size >= sizeof rule->pattern) {
        return false;
    }
    memcpy(rule->pattern, pattern.data, pattern.size);
    while (text.size > 0) {
        struct bytes option = part_take(&text);
        uint64_t ms;
        if (option_number(option, "ms=", &ms)) {
            rule->delay_ns = ms * NS_PER_MS;
        } else if (!option_number(option, "skip=", &rule->skip) &&
                   !option_number(option, "n=", &rule->count)) {
            return false;
        }
    }
    return true;
}

int
disk_faults_setup(const char *setting)
{
    size_t count = 0;
    const char *at = setting ? setting : "";
    atomic_store(&rule_count, 0);
    while (*at) {
        size_t size = strcspn(at, ";");
        if (count == DISK_FAULT_RULES_MAX || !rule_parse(bytes_of(at, size), &rules[count])) {
            return fault(-EINVAL, "disk faults: rule %zu, \"%.*s\", is none: see disk_fault.h",
                    count + 1, (int)MIN(size, (size_t)100), at);
        }
        count++;
        at += size + (at[size] ? 1 : 0);
    }
    atomic_store(&rule_count, count);
    return 0;
}

struct disk_fault
disk_fault_of(enum disk_operation_kind kind, const char *path)
{
    size_t count = atomic_load_explicit(&rule_count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        struct rule *rule = &rules[i];
        if (!(rule->operations & 1u << kind) || !strstr(path, rule->pattern)) {
            continue;
        }
        uint64_t pass = atomic_fetch_add(&rule->passes, 1);
        if (pass >= rule->skip && pass - rule->skip < rule->count) {
            return (struct disk_fault){ rule->kind, rule->delay_ns };
        }
    }
    return (struct disk_fault){ DISK_FAULT_NONE, 0 };
}
