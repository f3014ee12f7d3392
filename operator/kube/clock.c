/* Clocks and randomness from the system. */
#include "kube/clock.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
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

/* One of the characters of `before` (none: ""), then so many digits; else -1, *text as it was. */
static int
number_take(const char **text, const char *before, int digits)
{
    const char *at = *text;
    int number = 0;
    if (*before) {
        if (!*at || !strchr(before, *at)) {
            return -1;
        }
        at++;
    }
    for (int i = 0; i < digits; i++, at++) {
        if (*at < '0' || *at > '9') {
            return -1;
        }
        number = number * 10 + (*at - '0');
    }
    *text = at;
    return number;
}

/* "Z", "+01:00" or "-08:00": seconds east of Greenwich. */
static int
offset_parse(const char *text, int *ret_seconds)
{
    int sign = *text == '-' ? -60 : 60;
    if ((*text == 'Z' || *text == 'z') && !text[1]) {
        *ret_seconds = 0;
        return 0;
    }
    int hours = number_take(&text, "+-", 2);
    int minutes = number_take(&text, ":", 2);
    if (hours < 0 || minutes < 0 || *text) {
        return -EBADMSG;
    }
    *ret_seconds = sign * (hours * 60 + minutes);
    return 0;
}

int
clock_left_ms(const char *time, int64_t *ret_left_ms)
{
    static const char *const before[] = { "", "-", "-", "Tt ", ":", ":" };
    int parts[6];
    int offset;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        parts[i] = number_take(&time, before[i], i == 0 ? 4 : 2);
        if (parts[i] < 0) {
            return -EBADMSG;
        }
    }
    if (*time == '.') {
        time += 1 + strspn(time + 1, "0123456789");
    }
    if (offset_parse(time, &offset) < 0) {
        return -EBADMSG;
    }
    struct tm tm = { .tm_year = parts[0] - 1900,
        .tm_mon = parts[1] - 1,
        .tm_mday = parts[2],
        .tm_hour = parts[3],
        .tm_min = parts[4],
        .tm_sec = parts[5] };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *ret_left_ms = ((int64_t)timegm(&tm) - offset - now.tv_sec) * 1000;
    return 0;
}

uint32_t
clock_dice(uint32_t bound)
{
    uint64_t value = 0;
    CHECK(getrandom(&value, sizeof value, 0) == (ssize_t)sizeof value);
    return bound ? (uint32_t)(value % bound) : 0;
}
