#pragma once
/* The broker process: starts the rooms from the floor up, waits for the end, and stops them from
 * the top down.
 *
 * Order of a start: data folder locked; store opened; metadata log joined with a new broker epoch
 * (which fences our former self); every WAL folder recovered into committed objects; only then
 * partitions opened at epoch + 1 (M5); then clients. */

#include "settings/settings.h"

struct process_options {
    const struct settings *settings;
    int exit_code; /* out */
};

/* The main fiber. */
void process_main(void *arg);
