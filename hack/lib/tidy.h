#pragma once
/* Comes first in what hack/tidy looks at. clang-tidy cannot see into base/fault.c, and would follow
 * `return fault(-EIO, ...)` as if it could return 0. */

#include "base/fault.h"

#undef fault
#define fault(error, ...)                                                                          \
    ({                                                                                             \
        (void)fault_set((error), __FILE__, __LINE__, __VA_ARGS__);                                 \
        (error);                                                                                   \
    })
#undef fault_note
#define fault_note(error, ...)                                                                     \
    ({                                                                                             \
        (void)fault_add((error), __VA_ARGS__);                                                     \
        (error);                                                                                   \
    })
