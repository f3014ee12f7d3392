#pragma once
/* Fills any message with random values that its version can carry, from a seed. For tests and
 * fuzzers' first inputs. */

#include "base/arena.h"
#include "wire/message.h"

struct random_message {
    uint64_t state; /* the seed */
    struct arena *arena;
    unsigned array_max; /* most elements of one array */
};

uint64_t random_next(struct random_message *random);
/* Fills `message`, a struct of that type. Everything it points to comes from the arena. */
void random_fill(struct random_message *random, const struct wire_type *type, int16_t version,
        void *message);
