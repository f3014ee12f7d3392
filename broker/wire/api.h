#pragma once
/* The table of Kafka's APIs: what a 4.4.0 broker speaks, and how to read and write it without
 * knowing which it is. Generated from wire/schemas. */

#include "wire/message.h"

struct request_header;
struct response_header;

struct wire_api {
    int16_t key;
    /* The lowest and highest version that Kafka 4.4.0 accepts. Produce answers ApiVersions with
     * minimum 0 all the same (KAFKA-18659: old librdkafka gives up otherwise). */
    int16_t version_min;
    int16_t version_max;
    int16_t flexible_min; /* INT16_MAX: never */
    int16_t stable_max;  /* version_max, or one less when Kafka calls the latest version unstable */
    bool for_broker;     /* on broker listeners */
    bool for_controller; /* on controller listeners */
    const char *name;    /* Kafka's: "ApiVersions" */
    const struct wire_type *request;
    const struct wire_type *response;
};

#define WIRE_API_KEY_MAX 94

/* NULL when there is no such API. */
const struct wire_api *wire_api_find(int16_t key);
/* Of the request and response headers that go with that version. */
int16_t wire_api_request_header_version(const struct wire_api *api, int16_t version);
/* ApiVersions always answers with header 0: the client does not know yet what we speak. */
int16_t wire_api_response_header_version(const struct wire_api *api, int16_t version);

/* Reads the request header at the cursor; finds its version by the key and version it begins with.
 * *ret_api is NULL for a key that we do not know: then only the first three fields of the header
 * are read. -EBADMSG: not a header. The version may be one that the API lacks: the caller answers
 * UNSUPPORTED_VERSION. */
MUST_CHECK int wire_request_header_read(
        struct wire_reader *r, struct request_header *ret_header, const struct wire_api **ret_api);
/* Begins an answer: a place for the frame's length, then the header. Returns nothing: errors are
 * the writer's. */
void wire_response_begin(
        struct wire_writer *w, const struct wire_api *api, int16_t version, int32_t correlation_id);
/* Fills in the frame's length. -ENOBUFS: the writer's maximum was passed. */
MUST_CHECK int wire_response_end(struct wire_writer *w);
