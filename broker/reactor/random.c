/* Randomness: the kernel's, fetched in pieces per thread, or the simulator's seed. */
#include "reactor/random.h"

#include "base/check.h"
#include "reactor/sim_internal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

/* As much as getrandom gives without being interruptible. */
#define POOL_SIZE 256u

struct random_pool {
    uint8_t bytes[POOL_SIZE];
    size_t left;
};

static _Thread_local struct random_pool pool;

/* Two processes must not go on with the same bytes: etags and uuids would meet. */
static void
forget_after_fork(void)
{
    pool.left = 0;
}

static void
watch_forks(void)
{
    CHECK(pthread_atfork(NULL, NULL, forget_after_fork) == 0);
}

static void
kernel_fill(uint8_t *out, size_t size)
{
    while (size > 0) {
        ssize_t n = getrandom(out, MIN(size, (size_t)POOL_SIZE), 0);
        CHECK(n > 0 || errno == EINTR);
        if (n > 0) {
            out += n;
            size -= (size_t)n;
        }
    }
}

static void
sim_fill(uint8_t *out, size_t size)
{
    while (size > 0) {
        uint64_t word = sim_random_u64();
        size_t n = MIN(size, sizeof word);
        memcpy(out, &word, n);
        out += n;
        size -= n;
    }
}

void
random_fill(void *out, size_t size)
{
    if (sim_here) {
        sim_fill(out, size);
        return;
    }
    if (size > POOL_SIZE) {
        kernel_fill(out, size);
        return;
    }
    if (pool.left < size) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        CHECK(pthread_once(&once, watch_forks) == 0);
        kernel_fill(pool.bytes, POOL_SIZE);
        pool.left = POOL_SIZE;
    }
    pool.left -= size;
    memcpy(out, pool.bytes + pool.left, size);
    /* What was handed out is not kept: it may have become a key. */
    memset(pool.bytes + pool.left, 0, size);
}

uint64_t
random_u64(void)
{
    uint64_t word;
    random_fill(&word, sizeof word);
    return word;
}

uint64_t
random_below(uint64_t bound)
{
    CHECK(bound > 0);
    /* Words below 2^64 mod bound would make the low results likelier. */
    uint64_t skip = (0 - bound) % bound;
    uint64_t word;
    do {
        word = random_u64();
    } while (word < skip);
    return word % bound;
}

struct uuid
random_uuid(void)
{
    struct uuid uuid;
    do {
        random_fill(uuid.bytes, sizeof uuid.bytes);
        uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x40);
        uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
        /* The text starts with '-' when the first six bits are 62. */
    } while (uuid.bytes[0] >> 2 == 62);
    return uuid;
}
