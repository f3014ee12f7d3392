#pragma once
/* Cuts a stream into lines, wherever its chunks are cut. Each byte is looked at once, however many
 * chunks a line has. A line that is too long is an error that ends the stream. */

#include "base/strbuf.h"

struct lines {
    struct strbuf rest; /* the beginning of a line whose end has not come yet */
    /* Negative errno ends the feeding and is returned by it. The line has no '\n'. */
    int (*line)(void *arg, struct bytes line);
    void *arg;
};

void lines_init(struct lines *lines, size_t line_max, int (*line)(void *, struct bytes), void *arg);
void lines_done(struct lines *lines);
/* Forgets a line that was begun: for the next stream. */
void lines_reset(struct lines *lines);
/* -EMSGSIZE: a line longer than line_max. */
MUST_CHECK int lines_feed(struct lines *lines, struct bytes chunk);
