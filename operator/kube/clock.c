/* Clocks and randomness from the system. */
#include "kube/clock.h"

#include "base/check.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

int64_t
clock_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct tm
wall(struct timespec *now)
{
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, now);
    CHECK(gmtime_r(&now->tv_sec, &tm));
    return tm;
}

char *
clock_microtime(char out[KUBE_MICROTIME_SIZE])
{
    struct timespec now;
    struct tm tm = wall(&now);
    snprintf(out, KUBE_MICROTIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
            (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
            (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
            (unsigned)tm.tm_sec % 100, (unsigned)(now.tv_nsec / 1000) % 1000000);
    return out;
}

char *
clock_time(char out[KUBE_TIME_SIZE])
{
    struct timespec now;
    struct tm tm = wall(&now);
    snprintf(out, KUBE_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ",
            (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
            (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
            (unsigned)tm.tm_sec % 100);
    return out;
}

uint32_t
clock_dice(uint32_t bound)
{
    uint64_t value = 0;
    CHECK(getrandom(&value, sizeof value, 0) == (ssize_t)sizeof value);
    return bound ? (uint32_t)(value % bound) : 0;
}
