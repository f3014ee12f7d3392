#pragma once
/* Copying to where the processor does not look again. */

#include <stddef.h>

/* As memcpy, for large runs that the processor will not read again soon because a disk takes them:
 * around the caches, so that the target's old bytes are not fetched first. 0.115 instead of 0.165
 * CPU seconds a GB. */
void bytes_copy_out(void *to, const void *from, size_t size);
