#pragma once
/* 16-byte identifiers: clusters, topics, WALs, writers. Random bits come from the reactor
 * (random_uuid); the text form is Kafka's: URL-safe base64 without padding, 22 characters. */

#include "base/attr.h"
#include "base/bytes.h"

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 23 /* 22 characters and a NUL */
#define UUID_ZERO ((struct uuid){ { 0 } })

bool uuid_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_zero(const struct uuid *uuid);
int uuid_compare(const struct uuid *a, const struct uuid *b);
uint64_t uuid_hash(const struct uuid *uuid);
/* Writes 22 characters and a NUL; returns out. */
char *uuid_format(const struct uuid *uuid, char out[UUID_TEXT_SIZE]);
/* -EINVAL: not 22 characters of URL-safe base64. */
MUST_CHECK int uuid_parse(struct bytes text, struct uuid *ret_uuid);
