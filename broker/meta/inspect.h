#pragma once
/* For `freshet inspect meta` and `freshet audit`: everything under meta/ in the bucket as lines of
 * text, damaged or not, or as the state. Reads only; entered from main.c, on any reactor, also
 * while a cluster lives. */

#include "base/strbuf.h"
#include "meta/state.h"
#include "objectstore/objectstore.h"

/* One line without its end. A negative result ends the walk and becomes its result. */
typedef int (*meta_inspect_fn)(void *arg, const char *line);

/* Calls fn for the lease, the floor, each snapshot, each log object and each record in it, in this
 * order. What cannot be read gets a line that says why, and the walk goes on. Errors: of listing
 * the store, or fn's. */
MUST_CHECK MAY_SUSPEND int meta_inspect(struct objectstore *objects, meta_inspect_fn fn, void *arg);

/* The state at the end of the log as it is now; owned. Takes no lease and writes nothing. -ENOENT:
 * there is no log; -EBADMSG, -EMEDIUMTYPE: as meta_start. */
MUST_CHECK MAY_SUSPEND int meta_read(struct objectstore *objects, struct meta_state **ret_state);

/* Appends the record as one line of logfmt, without an end. */
void meta_record_describe(const struct meta_record *record, struct strbuf *out);
