/* `freshet version`. */
#include "commands.h"

#include <stdio.h>

#ifndef FRESHET_VERSION
#error "the build says which version this is"
#endif

int
version_main(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "usage: freshet %s\n", argv[0]);
        return 2;
    }
    printf("freshet %s\n", FRESHET_VERSION);
    return fflush(stdout) == 0 ? 0 : 1;
}
