#pragma once
/* Time and dice of the operator. Only monotonic time decides anything; the wall clock is printed
 * into objects, and compared with nothing but the end of a credential, which is told so. */

#include "base/attr.h"

#include <stdint.h>

#define KUBE_MICROTIME_SIZE 28 /* 2026-01-02T03:04:05.000000Z and a NUL */
#define KUBE_TIME_SIZE 21      /* 2026-01-02T03:04:05Z and a NUL */

/* Milliseconds since some point in the past; also counts while the machine sleeps. */
int64_t clock_now_ms(void);
/* The wall clock in the form of metav1.MicroTime: always six decimals, else it is refused. */
char *clock_microtime(char out[KUBE_MICROTIME_SIZE]);
/* In the form of metav1.Time. */
char *clock_time(char out[KUBE_TIME_SIZE]);
/* How long it is until that time of the wall clock, RFC 3339 with any offset; negative when it is
 * over. -EBADMSG, without a fault. */
MUST_CHECK int clock_left_ms(const char *time, int64_t *ret_left_ms);
/* 0 to bound - 1; 0 when bound is 0. */
uint32_t clock_dice(uint32_t bound);
