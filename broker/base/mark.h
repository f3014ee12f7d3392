#pragma once
/* Coverage marks: a rare branch names itself with MARK("wal: torn tail cut"), and the one test that
 * owns the branch asserts with mark_count() that it was reached. Costs one relaxed increment. */

#include <stdatomic.h>
#include <stdint.h>

struct mark {
    const char *name;
    struct mark *next;
    _Atomic uint64_t count;
    _Atomic int registered;
};

#define MARK(text)                                                                                 \
    do {                                                                                           \
        static struct mark mark_ = { .name = (text) };                                             \
        mark_hit(&mark_);                                                                          \
    } while (0)

void mark_hit(struct mark *mark);
/* How often the marks of that name were reached in this process. */
uint64_t mark_count(const char *name);
