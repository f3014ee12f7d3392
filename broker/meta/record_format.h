#pragma once
/* The frame of a record, shared by its writer and its reader. Private to this room. */

#include "meta/record.h"

/* What an endpoint without a name is called: there was one listener, and this the usual name. */
#define RECORD_LISTENER_OLD "PLAINTEXT"
#define RECORD_HEADER_SIZE 8u /* type, version, size of the body */
/* What is written, and the newest that is read. 2: META_BROKER has the internal listener,
 * META_BROKER_GONE says whether the stop was clean. 3: META_BROKER says where the WAL is. 4:
 * META_BROKER has an endpoint for each listener, before that one without a name. META_OPEN of
 * version 2 opens nothing a second time (M5), META_RECOVERED says of how many shares (K2). */
static inline unsigned
record_version(unsigned type)
{
    bool second = type == META_BROKER_GONE || type == META_OPEN || type == META_RECOVERED;
    return type == META_BROKER ? 4 : second ? 2 : 1;
}
