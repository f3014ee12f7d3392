#pragma once
/* Shared by the http files of this room. */

#include "base/strbuf.h"
#include "kube/http.h"

#include <curl/curl.h>

struct http {
    CURLM *multi;
    struct list transfers;
    struct list timers;
    size_t transfer_count;
    bool is_inside;  /* a callback runs */
    bool is_hurried; /* a transfer was started since the last look */
};

struct http_transfer {
    struct list node;
    struct http *http;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *connect_to;
    char *body; /* of the request */
    struct strbuf answer;
    int (*data)(void *arg, struct bytes piece);
    void (*done)(void *arg, const struct http_answer *answer);
    void *arg;
    int data_error;        /* what data() returned */
    char data_reason[300]; /* its story */
    char error[CURL_ERROR_SIZE];
};

/* Tells done() and frees. */
void http_transfer_end(struct http_transfer *transfer, CURLcode code);
