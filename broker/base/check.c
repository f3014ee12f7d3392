/* The end of a broken process: one line, then abort, so that a core dump shows the place. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void
check_failed(const char *file, int line, const char *function, const char *condition)
{
    fprintf(stderr, "level=fatal msg=\"CHECK failed\" at=%s:%d in=%s condition=\"%s\"\n", file,
            line, function, condition);
    fflush(stderr);
    abort();
}
