#pragma once
/* The read-ahead state that a connection keeps for each partition it fetches.
 * Limits: FETCH_READERS_MAX partitions; further ones are read without read-ahead. */

#include "handlers/request.h"
#include "store/store.h"

#define FETCH_READERS_MAX 4096

/* NULL: no room. Owned by the connection; used on the partition's reactor only. */
struct store_reader *fetch_readers_get(struct connection_state *state, struct partition_key key);
