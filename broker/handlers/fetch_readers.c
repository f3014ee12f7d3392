/* Read-ahead state by partition, for as long as the connection lives. */
#include "handlers/fetch_readers.h"

#include "base/map.h"
#include "base/mem.h"
#include "handlers/fetch_session.h"
#include "handlers/telemetry.h"
#include "reactor/call.h"

struct fetch_reader {
    struct map_node node;
    struct partition_key key;
    struct store_reader reader;
};

struct fetch_readers {
    struct map by_key;
};

static bool
reader_has_key(const struct map_node *node, const void *key)
{
    const struct fetch_reader *reader = CONTAINER_OF(node, struct fetch_reader, node);
    const struct partition_key *wanted = key;
    return reader->key.index == wanted->index &&
           uuid_equal(&reader->key.topic_id, &wanted->topic_id);
}

struct store_reader *
fetch_readers_get(struct connection_state *state, struct partition_key key)
{
    if (!state->readers) {
        state->readers = mem_alloc(sizeof *state->readers);
        map_init(&state->readers->by_key);
    }
    struct map *map = &state->readers->by_key;
    uint64_t hash = hash_u64(uuid_hash(&key.topic_id) ^ (uint64_t)(uint32_t)key.index);
    struct map_node *node = map_find(map, hash, reader_has_key, &key);
    if (!node && map->count < FETCH_READERS_MAX) {
        struct fetch_reader *made = mem_alloc(sizeof *made);
        made->key = key;
        map_insert(map, &made->node, hash);
        node = &made->node;
    }
    return node ? &CONTAINER_OF(node, struct fetch_reader, node)->reader : NULL;
}

struct reader_end {
    struct store *store;
    struct store_reader *reader;
};

static int
reader_end_here(void *arg)
{
    struct reader_end *end = arg;
    store_reader_done(end->store, end->reader);
    return 0;
}

void
connection_state_done(struct broker *broker, struct connection_state *state)
{
    fetch_session_free(state->fetch_session);
    state->fetch_session = NULL;
    if (!uuid_is_zero(&state->telemetry_instance)) {
        telemetry_forget(broker->telemetry, &state->telemetry_instance);
    }
    if (!state->readers) {
        return;
    }
    MAP_FOREACH_SAFE(node, &state->readers->by_key)
    {
        struct fetch_reader *reader = CONTAINER_OF(node, struct fetch_reader, node);
        unsigned target = partition_reactor(reader->key);
        struct reader_end end = { broker->stores[target], &reader->reader };
        map_remove(&state->readers->by_key, node);
        if (reactor_call(target, reader_end_here, &end) == 0) {
            mem_free(reader);
        }
    }
    map_done(&state->readers->by_key);
    mem_free(state->readers);
    state->readers = NULL;
}
