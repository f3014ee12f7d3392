/* See support_s3.h. */
#include "unit/broker/objectstore/support_s3.h"

#include "base/buf.h"
#include "reactor/clock.h"

#include <stdio.h>
#include <stdlib.h>

void
s3_scene_end(struct s3_scene *scene)
{
    objectstore_close(scene->store);
    if (scene->server) {
        server_stop(scene->server);
    }
}

uint64_t
in_ms(uint64_t ms)
{
    return clock_mono_ns() + ms * NS_PER_MS;
}

/* Opens a store on a server that answers with fn. */
int
s3_scene_begin(struct s3_scene *scene, server_fn fn, void *arg, const char *more)
{
    char url[512];
    setenv("AWS_ACCESS_KEY_ID", "testkey", 1);
    setenv("AWS_SECRET_ACCESS_KEY", S3_SECRET, 1);
    unsetenv("AWS_SESSION_TOKEN");
    scene->server = server_start(fn, arg);
    snprintf(url, sizeof url, "s3://bucket/p?endpoint=http://127.0.0.1:%u%s",
            server_port(scene->server), more);
    return objectstore_open(url, &scene->store);
}

int
s3_scene_put(struct objectstore *store, const char *key, struct bytes body,
        enum object_condition condition, uint64_t ms)
{
    struct iovec part = { (void *)(uintptr_t)body.data, body.size };
    struct object_put what = { key, &part, 1, condition, { "\"old\"" }, in_ms(ms) };
    struct object_etag etag;
    return objectstore_put(store, &what, &etag);
}

int
s3_scene_get(struct objectstore *store, struct object_range range, uint64_t ms)
{
    struct buf *buf = NULL;
    int r = objectstore_get(store, "key", range, in_ms(ms), &buf, NULL);
    buf_unref(buf);
    return r;
}

bool
s3_answer_same(void *arg, struct server_request *request)
{
    const struct s3_answer *answer = arg;
    if (answer->code) {
        server_error(request, answer->status, answer->code);
    } else {
        server_reply(request, answer->status, answer->headers ? answer->headers : "",
                answer->body ? answer->body : "");
    }
    return true;
}
