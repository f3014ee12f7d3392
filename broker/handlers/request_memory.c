/* One counter for all reactors; who finds no room looks again. */
#include "handlers/request_memory.h"

#include "base/check.h"
#include "base/mark.h"
#include "reactor/clock.h"
#include "reactor/fiber.h"

#include <errno.h>

#define LOOK_AGAIN_NS (2ull * NS_PER_MS)

static bool
try_take(struct request_memory *memory, uint64_t size)
{
    uint64_t used = atomic_load(&memory->used);
    do {
        bool room = memory->limit == 0 || used == 0 ||
                    (used < memory->limit && size <= memory->limit - used);
        if (!room) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&memory->used, &used, used + size));
    return true;
}

int
request_memory_take(struct request_memory *memory, uint64_t size, uint64_t deadline_ns)
{
    bool waited = false;
    while (!try_take(memory, size)) {
        if (!waited) {
            MARK("requests: a frame waits for memory");
            atomic_fetch_add(&memory->waits, 1);
            waited = true;
        }
        if (clock_mono_ns() >= deadline_ns) {
            return -ETIMEDOUT;
        }
        int r = fiber_sleep_ns(LOOK_AGAIN_NS);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

void
request_memory_add(struct request_memory *memory, uint64_t size)
{
    atomic_fetch_add(&memory->used, size);
}

void
request_memory_give(struct request_memory *memory, uint64_t size)
{
    uint64_t before = atomic_fetch_sub(&memory->used, size);
    CHECK(before >= size);
}
