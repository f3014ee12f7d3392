/* See ledger.h. */
#include "model/ledger.h"

#include "base/attr.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
ledger_init(struct ledger *ledger)
{
    memset(ledger, 0, sizeof *ledger);
}

void
ledger_done(struct ledger *ledger)
{
    mem_free(ledger->slots);
    mem_free(ledger->slot_of);
}

void
ledger_violate(struct ledger *ledger, const char *format, ...)
{
    if (ledger->violation[0]) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(ledger->violation, sizeof ledger->violation, format, args);
    va_end(args);
}

/* The slot of the id; 0: none yet. */
static uint64_t *
slot_of(struct ledger *ledger, uint64_t id)
{
    if (id >= ledger->id_capacity) {
        uint64_t capacity = id * 2 + 64;
        ledger->slot_of = mem_realloc(ledger->slot_of, capacity * sizeof *ledger->slot_of);
        memset(ledger->slot_of + ledger->id_capacity, 0,
                (capacity - ledger->id_capacity) * sizeof *ledger->slot_of);
        ledger->id_capacity = capacity;
    }
    return &ledger->slot_of[id];
}

static struct ledger_entry *
entry_at(struct ledger *ledger, uint64_t sequence)
{
    CHECK(sequence > 0 && sequence < LEDGER_SLOTS_MAX);
    if (sequence >= ledger->slot_capacity) {
        uint64_t capacity = sequence * 2 + 64;
        ledger->slots = mem_realloc(ledger->slots, capacity * sizeof *ledger->slots);
        memset(ledger->slots + ledger->slot_capacity, 0,
                (capacity - ledger->slot_capacity) * sizeof *ledger->slots);
        ledger->slot_capacity = capacity;
    }
    return &ledger->slots[sequence];
}

uint64_t
ledger_slot(struct ledger *ledger, uint64_t id)
{
    return *slot_of(ledger, id);
}

void
ledger_saw(struct ledger *ledger, const char *who, uint64_t sequence, uint64_t id, int64_t epoch)
{
    CHECK(id > 0);
    struct ledger_entry *entry = entry_at(ledger, sequence);
    if (entry->id && (entry->id != id || (epoch && entry->epoch && entry->epoch != epoch))) {
        ledger_violate(ledger,
                "two histories: slot %llu has entry %llu of epoch %lld; %s sees %llu of epoch %lld",
                (unsigned long long)sequence, (unsigned long long)entry->id,
                (long long)entry->epoch, who, (unsigned long long)id, (long long)epoch);
        return;
    }
    uint64_t *slot = slot_of(ledger, id);
    if (*slot && *slot != sequence) {
        ledger_violate(ledger,
                "applied twice: entry %llu is in slot %llu, and %s sees it in slot %llu",
                (unsigned long long)id, (unsigned long long)*slot, who,
                (unsigned long long)sequence);
        return;
    }
    *slot = sequence;
    entry->id = id;
    entry->epoch = MAX(entry->epoch, epoch);
    ledger->last = MAX(ledger->last, sequence);
}

void
ledger_saw_state(struct ledger *ledger, const char *who, uint64_t sequence, uint64_t hash)
{
    CHECK(hash > 0);
    struct ledger_entry *entry = entry_at(ledger, sequence);
    if (entry->state && entry->state != hash) {
        ledger_violate(ledger, "two states: behind slot %llu, %s has another than somebody before",
                (unsigned long long)sequence, who);
        return;
    }
    entry->state = hash;
}

void
ledger_acknowledged(
        struct ledger *ledger, const char *who, uint64_t sequence, uint64_t id, int64_t epoch)
{
    ledger_saw(ledger, who, sequence, id, epoch);
    entry_at(ledger, sequence)->acknowledged = true;
}

void
ledger_compare(struct ledger *ledger, const uint64_t *ids, size_t count)
{
    for (uint64_t sequence = 1; sequence <= ledger->last; sequence++) {
        const struct ledger_entry *entry = &ledger->slots[sequence];
        if (entry->acknowledged && sequence > count) {
            ledger_violate(ledger,
                    "lost: entry %llu was acknowledged in slot %llu, the history ends at %zu",
                    (unsigned long long)entry->id, (unsigned long long)sequence, count);
        }
    }
    int64_t epoch = 0;
    for (size_t i = 0; i < count; i++) {
        ledger_saw(ledger, "the final reader", i + 1, ids[i], 0);
        int64_t here = entry_at(ledger, i + 1)->epoch;
        if (here && here < epoch) {
            ledger_violate(ledger, "not fenced: slot %zu is of epoch %lld behind epoch %lld", i + 1,
                    (long long)here, (long long)epoch);
        }
        epoch = MAX(epoch, here);
    }
}
