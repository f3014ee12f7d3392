#pragma once
/* data.dir/holder: the writer uuid under which this data folder's broker last held the metadata
 * lease. Whoever holds the folder's lock and finds the lease in that name knows that the holder is
 * dead, and need not wait for the lease to run out. Lost or damaged it costs nothing but that wait.
 */

#include "base/attr.h"
#include "base/uuid.h"
#include "reactor/fiber.h"

/* Zero when there is none or it cannot be read. */
MAY_SUSPEND struct uuid holder_read(const char *data_dir);
MUST_CHECK MAY_SUSPEND int holder_write(const char *data_dir, const struct uuid *writer);
