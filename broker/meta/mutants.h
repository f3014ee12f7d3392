#pragma once
/* Faults that tests plant in this room, to prove that the model test can fail. Zero outside tests:
 * nothing that a configuration can reach sets them. */

enum meta_mutant {
    META_MUTANT_SKIP_FLOOR = 1,       /* M3: believe a create without reading the floor again */
    META_MUTANT_TRUST_412 = 2,        /* M1: take 412 for a loss without reading back */
    META_MUTANT_GIVE_UP = 4,          /* M1: take an undecided answer for a failure */
    META_MUTANT_FLOOR_LAST = 8,       /* M3: remove first, then move the floor */
    META_MUTANT_IGNORE_EPOCH = 16,    /* M2: carry on behind an object of a higher epoch */
    META_MUTANT_IMPATIENT = 32,       /* M4: take a silent lease after half its time */
    META_MUTANT_EAGER_ORPHANS = 64,   /* O2: collect the unused ids of living epochs too */
    META_MUTANT_FORGET_REMOVAL = 128, /* O2: say that objects are removed whatever the store said */
    META_MUTANT_HASTY_ORPHANS = 256,  /* G1: forget a dead epoch's ids with the first removal */
};
