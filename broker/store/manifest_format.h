#pragma once
/* Manifests as bytes, for the reader, the inspector and the fuzzer. Internal to store/. */

#include "store/store.h"

/* Decodes a whole manifest object; a reference to `buf` stays in the result, which the caller owns.
 * -EBADMSG. */
MUST_CHECK int manifest_decode(
        struct buf *buf, uint64_t manifest_id, struct manifest *ret_manifest);
/* The whole object. Owned buf. -EBADMSG: larger than a manifest can be. */
MUST_CHECK MAY_SUSPEND int manifest_get(
        struct store *store, uint64_t manifest_id, struct buf **ret_buf);
