/* What all handlers share: reading, answering, memory. */
#include "handlers/request.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "handlers/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* H1 */
static void
request_charge(struct request *request, uint64_t size)
{
    request_memory_add(&request->broker->memory, size);
    request->memory += size;
}

int
request_read(struct request *request, void *ret_message)
{
    int r = wire_read(&request->body, request->api->request, request->version, ret_message);
    if (r < 0) {
        LOG_WARN("request refused", LOG_FAULT(r));
        request->close = true;
        return r;
    }
    if (request->body.elements > REQUEST_ELEMENTS_MAX) {
        MARK("requests: too many elements");
        LOG_WARN("request refused: it has too many elements",
                LOG_INT("elements", request->body.elements),
                LOG_INT("elements_max", REQUEST_ELEMENTS_MAX));
        request->close = true;
        return -EBADMSG;
    }
    return 0;
}

void
request_reply(struct request *request, const void *response)
{
    if (request_is_too_large(request)) {
        return;
    }
    wire_response_begin(&request->answer, request->api, request->version, request->correlation_id);
    int r = wire_write(&request->answer, request->api->response, request->version, response);
    if (r == 0) {
        r = wire_response_end(&request->answer);
    }
    if (r < 0) {
        LOG_ERROR("answer cannot be encoded", LOG_FAULT(r));
        request->close = true;
    }
    request_charge(request, wire_writer_size(&request->answer));
}

void
request_ordered(struct request *request)
{
    request->ordered(request);
}

void *
request_alloc(struct request *request, size_t count, size_t size)
{
    size_t before = request->arena.used;
    void *memory = arena_alloc_array(&request->arena, count, size);
    request_charge(request, request->arena.used - before);
    if (!request->close && request->arena.used > REQUEST_MEMORY_SOFT_MAX) {
        MARK("requests: too large an answer");
        LOG_WARN("request refused: its answer takes too much memory",
                LOG_INT("bytes_max", REQUEST_MEMORY_SOFT_MAX));
        request->close = true;
    }
    return memory;
}

bool
request_is_too_large(const struct request *request)
{
    return request->arena.used > REQUEST_MEMORY_SOFT_MAX;
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

void
request_begin_own(struct request *request, struct broker *broker)
{
    *request = (struct request){ .broker = broker };
    arena_init(&request->arena, REQUEST_MEMORY_MAX);
}

void
request_end_own(struct request *request)
{
    request_memory_give(&request->broker->memory, request->memory);
    arena_done(&request->arena);
}
