#pragma once
/* The end of a bucket: which cluster's it is, and that no broker enters it any more. Entered from
 * the `freshet purge` command; what follows removes objects, and cannot be taken back.
 *
 * X1  Nothing is removed unless the bucket says that it is the named cluster's: by its lease or, if
 * that is missing, by its log. What cannot be read or proven is refused. Crash scenario: the
 * prefix was typed wrong or given to another cluster meanwhile; somebody else's data goes.
 *
 * X2  Nothing is removed while a broker may serve: the lease has not changed for its duration and
 * an eighth (M2, M4), also when it was released, and is then replaced under its etag by one that
 * nobody can hold or take, by which the last one who may believe in it ends too. Crash scenario: a
 * node that seemed lost comes back and acknowledges records into a bucket that is being emptied.
 *
 * X3  The lease goes last, when a listing has shown nothing else. Crash scenario: killed half-way;
 * what is left would be nobody's, or a broker would start on it and serve what has holes. With the
 * lease brokers refuse to start, and the next run goes on.
 *
 * X4  Only keys of our own formats are removed. Crash scenario: a cluster without a prefix shares
 * its bucket with others, whose prefixes a listing shows too. */

#include "base/uuid.h"
#include "objectstore/objectstore.h"

/* X1, X2. `is_ours` knows the keys of all formats (X4). 0: the bucket is ours to empty. -ENOENT:
 * there is nothing of Freshet in it. -EMEDIUMTYPE: another cluster's. -EBUSY: somebody renews the
 * lease. Others: not known, nothing was done. */
MUST_CHECK MAY_SUSPEND int meta_purge_begin(struct objectstore *objects,
        const struct uuid *cluster_id, bool (*is_ours)(const char *key));
/* X4: whether that key, which begins with "meta/", is one of the metadata's but the lease. */
bool meta_purge_may_remove(const char *key);
/* X3. */
MUST_CHECK MAY_SUSPEND int meta_purge_end(struct objectstore *objects);
