/* What all handlers share: reading, answering, memory. */
#include "handlers/request.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int
request_read(struct request *request, void *ret_message)
{
    int r = wire_read(&request->body, request->api->request, request->version, ret_message);
    if (r < 0) {
        LOG_WARN("request refused", LOG_FAULT(r));
        request->close = true;
    }
    return r;
}

void
request_reply(struct request *request, const void *response)
{
    wire_response_begin(&request->answer, request->api, request->version, request->correlation_id);
    int r = wire_write(&request->answer, request->api->response, request->version, response);
    if (r == 0) {
        r = wire_response_end(&request->answer);
    }
    if (r < 0) {
        LOG_ERROR("answer cannot be encoded", LOG_FAULT(r));
        request->close = true;
    }
}

void
request_ordered(struct request *request)
{
    request->ordered(request);
}

void *
request_alloc(struct request *request, size_t count, size_t size)
{
    return arena_alloc_array(&request->arena, count, size);
}

struct bytes
request_text(struct request *request, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK(n >= 0);
    return arena_dup(&request->arena, bytes_of(text, MIN((size_t)n, sizeof text - 1)));
}
