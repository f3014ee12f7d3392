#pragma once
/* Shared by watch.c and watch_list.c. */

#include "kube/watch.h"

void watch_list_begin(struct watch *watch);
void watch_stream_begin(struct watch *watch);
/* Goes on after a while; the error's fault is logged when negative. */
void watch_pause(struct watch *watch, int error, int64_t wait_ms_min);
MUST_CHECK int watch_send(struct watch *watch, struct strbuf *path, int64_t timeout_ms,
        void (*done)(void *, const struct http_answer *), bool is_stream);
