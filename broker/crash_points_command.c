/* `freshet crash-points`: the places where FRESHET_CRASH_POINT can kill a broker, one a line. The
 * crash tests take their list from here, so that it is the list of the very program they kill. */
#include "commands.h"
#include "reactor/crash_point.h"

#include <stdio.h>
#include <string.h>

/* Of the unit tests: no broker ever passes them. */
#define TESTS_OWN "test: "

int
crash_points_main(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "usage: freshet %s\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; crash_point_names[i]; i++) {
        if (strncmp(crash_point_names[i], TESTS_OWN, strlen(TESTS_OWN)) != 0) {
            puts(crash_point_names[i]);
        }
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
