#pragma once
/* What the tests of the simulated disk share. */

#include "reactor/disk.h"
#include "reactor/sim.h"

/* Runs `fn` on one simulated reactor to its end. */
int run_in(struct sim *sim, fiber_fn fn, void *arg);
/* The same in a fresh simulation whose disk is what the image is after a crash. */
int run_on(uint64_t seed, const struct sim_image *image, const struct sim_crash *crash, fiber_fn fn,
        void *arg);
/* folder/file of 8 KiB of 'a', all durable; file_close. */
int make_file(struct file **ret_file);
