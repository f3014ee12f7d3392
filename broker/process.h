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
    /* Called once, when clients are served. */
    void (*ready)(struct process_options *options, const char *host, unsigned port);
    int exit_code; /* out */
};

/* The main fiber. */
void process_main(void *arg);
/* The main fiber of `freshet recover`: joins as the broker of the volume, brings what its WALs hold
 * into objects and leaves clean, so that live brokers may open its partitions (M5). Prints one JSON
 * object. exit_code 0: nothing of the broker is on the volume only. */
void process_recover(void *arg);
