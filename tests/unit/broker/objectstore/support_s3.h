#pragma once
/* An S3 store that talks to the hostile server, for tests of the store. */

#include "objectstore/objectstore.h"
#include "unit/broker/objectstore/support_http_server.h"

#define S3_SECRET "TheSecretKeyThatNobodyMaySee"

struct s3_scene {
    struct http_server *server;
    struct objectstore *store;
};

/* Opens a store on a server that answers with fn; `more` goes behind the URL's endpoint. */
MUST_CHECK int s3_scene_begin(struct s3_scene *scene, server_fn fn, void *arg, const char *more);
/* Also of a scene that never began. Declare the scene behind what its server reads: what is
 * declared later ends earlier. */
void s3_scene_end(struct s3_scene *scene);
/* A deadline. */
uint64_t in_ms(uint64_t ms);

/* OBJECT_REPLACE replaces the ETag "old". */
MUST_CHECK int s3_scene_put(struct objectstore *store, const char *key, struct bytes body,
        enum object_condition condition, uint64_t ms);
/* The object named "key"; the bytes are thrown away. */
MUST_CHECK int s3_scene_get(struct objectstore *store, struct object_range range, uint64_t ms);

/* The same answer whatever is asked: an S3 error when there is a code. */
struct s3_answer {
    int status;
    const char *code;
    const char *headers; /* NULL: none */
    const char *body;    /* NULL: none */
};
bool s3_answer_same(void *arg, struct server_request *request);
