#pragma once
/* Shared by the files of this room. */

#include "cache/cache.h"

void rosters_done(struct cache *cache);
