#pragma once
/* One request on its way through the client thread: shared by http.c (the thread and its queue) and
 * http_transfer.c (what libcurl calls). Private to them. */

#include "base/list.h"
#include "objectstore/http.h"
#include "reactor/call.h"

#include <curl/curl.h>
#include <stdatomic.h>

/* Lives on the stack of the fiber that waits for it (H2). */
struct http_transfer {
    struct list link;
    const struct http_request *request;
    struct http_response response;
    struct foreign_wait wait;
    CURL *easy;
    struct curl_slist *headers;
    _Atomic bool cancelled;
    unsigned starts; /* how often it was sent (H1) */
    bool resend_refused;
    uint64_t position; /* in the body */
    size_t part;       /* where `position` is */
    size_t part_offset;
    uint64_t moved_ns; /* when a byte last went either way */
    int broken;        /* -errno that a callback ended the transfer with */
    const char *why;   /* our own reason, a literal; NULL: libcurl's, in error_text */
    char error_text[CURL_ERROR_SIZE];
};

/* Sets up a handle that was just made or reset. -ENOMEM. */
MUST_CHECK int http_transfer_prepare(
        struct http_transfer *transfer, CURL *easy, const char *ca_file);
/* Turns libcurl's result into ours; sets why or error_text. */
MUST_CHECK int http_transfer_result(struct http_transfer *transfer, CURLcode code);
