#pragma once
/* What Kafka's broker sees when it looks at a string: UTF-16 units, as Java has them. Internal to
 * groups/. */

#include "base/bytes.h"

/* String.hashCode of the UTF-8 text; what is not UTF-8 counts as U+FFFD, one for each byte. */
int32_t java_string_hash(struct bytes text);
/* String.length. */
size_t java_string_length(struct bytes text);
