/* See plan.h. */
#include "sim/plan.h"

#include "base/bytes.h"
#include "base/fault.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const fault_names[FAULT_COUNT] = { "kill", "terminate", "power", "crash",
    "pause", "suspend", "clock", "disk", "full", "net", "cut", "store", "store-cut", "move",
    "client", "delete", "rot" };

static const struct {
    const char *name;
    size_t offset;
    unsigned min, max;
} numbers[] = {
    { "brokers", offsetof(struct plan, brokers), 1, PLAN_BROKERS_MAX },
    { "reactors", offsetof(struct plan, reactors), 1, 4 },
    { "idempotent", offsetof(struct plan, idempotent), 0, 2 },
    { "plain", offsetof(struct plan, plain), 0, 2 },
    { "partitions", offsetof(struct plan, partitions), 1, 8 },
    { "members", offsetof(struct plan, members), 0, 4 },
    { "seconds", offsetof(struct plan, seconds), 1, 3600 },
    { "gap-ms", offsetof(struct plan, gap_ms), 1, 60000 },
    { "lease-ms", offsetof(struct plan, lease_ms), 1000, 60000 },
    { "upload-ms", offsetof(struct plan, upload_ms), 10, 60000 },
    { "bucket-wal", offsetof(struct plan, bucket_wal), 0, 1 },
    { "linger-ms", offsetof(struct plan, linger_ms), 0, 60000 },
};

static unsigned *
number_of(struct plan *plan, size_t i)
{
    return (unsigned *)(void *)((char *)plan + numbers[i].offset);
}

void
plan_draw(struct plan *plan, uint64_t seed)
{
    uint64_t dice = hash_u64(seed ^ 0x706c616eu);
#define DRAW(min, max) ((unsigned)((dice = hash_u64(dice + 1)) % ((max) - (min) + 1)) + (min))
    *plan = (struct plan){
        .seed = seed,
        .log_level = "error",
        .brokers = DRAW(1, 10) > 3 ? PLAN_BROKERS_MAX : DRAW(1, 2),
        .reactors = DRAW(1, 2),
        .idempotent = DRAW(1, 2),
        .plain = DRAW(0, 1),
        .partitions = DRAW(1, 3),
        .members = DRAW(0, 3),
        .seconds = DRAW(20, 60),
        .gap_ms = DRAW(300, 4000),
        .lease_ms = DRAW(1000, 4000),
        .upload_ms = DRAW(50, 1500),
    };
    /* One in eight has no faults at all, one in four has all. */
    unsigned kind = DRAW(0, 7);
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (i == FAULT_DELETE) { /* drawn before the kinds that came later: old seeds keep it */
            plan->bucket_wal = DRAW(0, 2) == 0;
        }
        if (kind > 0 && (kind < 3 || DRAW(0, 2) == 0)) {
            plan->faults |= (uint64_t)1 << i;
        }
    }
    plan->linger_ms = DRAW(0, 2) == 0 ? DRAW(200, 4000) : 0;
#undef DRAW
}

static int
fault_bit(const char *name, uint64_t *ret_bit)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (strcmp(name, fault_names[i]) == 0) {
            *ret_bit = (uint64_t)1 << i;
            return 0;
        }
    }
    return fault(-EINVAL, "there is no fault %s", name);
}

static int
set_number(struct plan *plan, size_t i, const char *value)
{
    char *end;
    unsigned long number = strtoul(value, &end, 10);
    if (*end || end == value || number < numbers[i].min || number > numbers[i].max) {
        return fault(-EINVAL, "%s: %s is not between %u and %u", numbers[i].name, value,
                numbers[i].min, numbers[i].max);
    }
    *number_of(plan, i) = (unsigned)number;
    return 0;
}

int
plan_set(struct plan *plan, const char *text)
{
    const char *equals = strchr(text, '=');
    uint64_t bit;
    if (!equals) {
        return fault(-EINVAL, "%s is not NAME=VALUE", text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (strncmp(text, numbers[i].name, (size_t)(equals - text)) == 0 &&
                strlen(numbers[i].name) == (size_t)(equals - text)) {
            return set_number(plan, i, equals + 1);
        }
    }
    if (strcmp(text, "faults=none") == 0) {
        plan->faults = 0;
        return 0;
    }
    if (strncmp(text, "with=", 5) == 0) {
        int r = fault_bit(equals + 1, &bit);
        plan->faults |= r < 0 ? 0 : bit;
        return r;
    }
    if (strncmp(text, "without=", 8) == 0) {
        int r = fault_bit(equals + 1, &bit);
        plan->faults &= r < 0 ? plan->faults : ~bit;
        return r;
    }
    return fault(-EINVAL, "%s is not understood", text);
}

void
plan_print(const struct plan *plan)
{
    struct plan copy = *plan;
    printf("seed=%" PRIu64, plan->seed);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        printf(" %s=%u", numbers[i].name, *number_of(&copy, i));
    }
    printf(" faults=none");
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (plan_has(plan, (enum plan_fault)i)) {
            printf(" with=%s", fault_names[i]);
        }
    }
    printf("\n");
}
