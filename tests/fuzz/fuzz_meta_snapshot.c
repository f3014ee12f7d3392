/* The decoder of the state. What decodes is a state that can be written, read again, and be
 * changed. */
#include "base/check.h"
#include "meta/state.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
delete_all_topics(struct meta_state *state)
{
    const struct meta_topic *topic;
    while ((topic = meta_topic_next(state, NULL)) && meta_state_sequence(state) < UINT64_MAX) {
        const struct meta_record gone = { .type = META_TOPIC_DELETE,
            .topic_delete = { topic->id } };
        CHECK(meta_state_apply(state, &gone, meta_state_sequence(state) + 1).error == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct meta_state *state;
    int r = meta_state_decode(bytes_of(data, size), &state);
    if (r) {
        CHECK(r == -EBADMSG || r == -EMEDIUMTYPE);
        return 0;
    }
    struct strbuf once;
    struct strbuf twice;
    struct meta_state *copy;
    strbuf_init(&once, META_SNAPSHOT_SIZE_MAX);
    strbuf_init(&twice, META_SNAPSHOT_SIZE_MAX);
    CHECK(meta_state_encode(state, &once) == 0);
    CHECK(meta_state_decode(strbuf_bytes(&once), &copy) == 0);
    CHECK(meta_state_encode(copy, &twice) == 0);
    CHECK(bytes_equal(strbuf_bytes(&once), strbuf_bytes(&twice)));
    delete_all_topics(copy);
    meta_state_free(copy);
    meta_state_free(state);
    strbuf_done(&once);
    strbuf_done(&twice);
    return 0;
}
