#pragma once
/* What the tests of the folder behind file:// stores share. They use its blocking half, so that
 * children can be forked and killed. */

#include "objectstore/file_internal.h"

/* A deadline that a healthy disk meets. */
uint64_t soon(void);
/* folder_write. `etag` (may be NULL): what OBJECT_REPLACE compares with, and what the new object
 * got. */
int put_bytes(struct folder *folder, const char *key, struct bytes body,
        enum object_condition condition, struct object_etag *etag);
int put_text(
        struct folder *folder, const char *key, const char *body, enum object_condition condition);
/* How many names of that part of the folder do not begin with a dot; -1: it is not there. */
int names_in(const struct folder *folder, const char *part);
