#pragma once
/* How the heap (mem.h) gets its memory from the kernel: a page fault for each 4 KiB is the dearest
 * part of using it, more so in a virtual machine. */

#include "base/attr.h"

/* Once, before there are threads: memory that was given back is kept for what comes next. */
void pages_keep(void);
/* For buffers that live long and that the disk takes: of huge pages where they fill one and the
 * kernel has any, so that it has few pages to hold on to in each transfer. Uninitialised, aligned
 * to 4096 bytes at least; the size is rounded up. NULL when there is no memory. Ends with mem_free.
 */
MUST_CHECK void *pages_try_alloc(size_t size);
