#pragma once
/* Randomness, from the kernel's generator or from the simulator's seed. Callable from any thread.
 */

#include "base/uuid.h"

#include <stddef.h>
#include <stdint.h>

uint64_t random_u64(void);
/* Uniform in [0, bound); bound > 0. */
uint64_t random_below(uint64_t bound);
void random_fill(void *out, size_t size);
/* Version 4, and its text never starts with '-' (Kafka refuses such topic ids). Never zero. */
struct uuid random_uuid(void);
