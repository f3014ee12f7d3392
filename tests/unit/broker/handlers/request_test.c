/* What a request may take. */
#include "base/endian.h"
#include "base/mark.h"
#include "base/mem.h"
#include "handlers/handlers.h"
#include "handlers/request.h"
#include "reactor/clock.h"
#include "unit/test.h"
#include "wire/messages/metadata.h"

#include <errno.h>

struct bench {
    struct broker *broker;
    struct request request;
};

static void
bench_open(struct bench *bench, struct bytes body)
{
    *bench = (struct bench){ .broker = mem_alloc(sizeof *bench->broker) };
    bench->request.broker = bench->broker;
    bench->request.api = wire_api_find(3);
    wire_reader_init(&bench->request.body, body);
    arena_init(&bench->request.arena, REQUEST_MEMORY_MAX);
    wire_writer_init(&bench->request.answer, GIB);
}

static void
bench_close(struct bench *bench)
{
    request_memory_give(&bench->broker->memory, bench->request.memory);
    arena_done(&bench->request.arena);
    wire_writer_done(&bench->request.answer);
    mem_free(bench->broker);
}

/* Metadata version 0 with so many empty names. */
static struct buf *
names(uint32_t count)
{
    struct buf *body = buf_new(4 + 2 * (size_t)count);
    memset(body->data, 0, 4 + 2 * (size_t)count);
    body->size = 4 + 2 * (size_t)count;
    store_be32(body->data, count);
    return body;
}

TEST(a_request_of_too_many_elements_closes_the_connection)
{
    struct metadata_request message;
    uint64_t marks = mark_count("requests: too many elements");
    for (uint32_t over = 0; over < 2; over++) {
        struct bench bench;
        struct buf *body = names(REQUEST_ELEMENTS_MAX + over);
        bench_open(&bench, buf_bytes(body));
        ASSERT_EQ(request_read(&bench.request, &message), over ? -EBADMSG : 0);
        ASSERT_EQ(bench.request.close, over);
        bench_close(&bench);
        buf_unref(body);
    }
    ASSERT_EQ(mark_count("requests: too many elements"), marks + 1);
}

TEST(bytes_that_are_no_message_close_the_connection)
{
    struct metadata_request message;
    struct bench bench;
    bench_open(&bench, BYTES_LITERAL("\x7f\xff\xff\xff"));
    ASSERT_EQ(request_read(&bench.request, &message), -EBADMSG);
    ASSERT(bench.request.close);
    bench_close(&bench);
}

TEST(an_answer_that_takes_too_much_memory_is_not_sent)
{
    struct metadata_response response = metadata_response_default;
    struct bench bench;
    uint64_t marks = mark_count("requests: too large an answer");
    bench_open(&bench, BYTES_NULL);
    request_alloc(&bench.request, 1, REQUEST_MEMORY_SOFT_MAX / 2);
    ASSERT(!request_is_too_large(&bench.request) && !bench.request.close);
    ASSERT_EQ(atomic_load(&bench.broker->memory.used), bench.request.memory);
    request_alloc(&bench.request, 1, REQUEST_MEMORY_SOFT_MAX / 2 + 16);
    ASSERT(request_is_too_large(&bench.request) && bench.request.close);
    ASSERT_EQ(mark_count("requests: too large an answer"), marks + 1);
    request_reply(&bench.request, &response);
    ASSERT_EQ(wire_writer_size(&bench.request.answer), 0);
    bench_close(&bench);
}

/* H1 */
FIBER_TEST(memory_for_requests_is_taken_up_to_the_limit_and_by_one_always)
{
    struct request_memory memory = { .limit = 100 };
    ASSERT_OK(request_memory_take(&memory, 1000, DEADLINE_NONE));
    ASSERT_EQ(request_memory_take(&memory, 1, clock_mono_ns() + 5000000), -ETIMEDOUT);
    request_memory_give(&memory, 1000);
    ASSERT_OK(request_memory_take(&memory, 60, DEADLINE_NONE));
    ASSERT_OK(request_memory_take(&memory, 40, DEADLINE_NONE));
    ASSERT_EQ(request_memory_take(&memory, 1, clock_mono_ns() + 5000000), -ETIMEDOUT);
    request_memory_add(&memory, 500);
    request_memory_give(&memory, 60);
    ASSERT_EQ(request_memory_take(&memory, 1, clock_mono_ns() + 5000000), -ETIMEDOUT);
    request_memory_give(&memory, 540);
    ASSERT_EQ(atomic_load(&memory.used), 0);
    ASSERT_EQ(atomic_load(&memory.waits), 3);
}
