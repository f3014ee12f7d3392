#pragma once
/* JSON for the files of this folder that answer /v1: written by hand, read by cJSON. Entered from
 * broker_api.c and broker_topics.c. */

#include "base/strbuf.h"

#include <cjson/cJSON.h>

#define API_NESTING_MAX 8 /* cJSON reads by recursion, and a fiber's stack is small */

/* The text in quotes; any bytes of UTF-8. */
void api_put_bytes(struct strbuf *out, struct bytes text);
void api_put_text(struct strbuf *out, const char *text);
/* Replaces what is in `out`; returns the status. */
unsigned api_error(struct strbuf *out, unsigned status, const char *word, const char *message);
/* An owned object. -EBADMSG: it is none, or nested deeper than API_NESTING_MAX. */
MUST_CHECK int api_body(struct bytes body, cJSON **ret_json);
static inline void
api_body_freep(cJSON **json)
{
    cJSON_Delete(*json);
}
/* The value of `name` in the query into out; false: it isn't there or too long. */
bool api_query(const char *query, const char *name, char *out, size_t out_size);
