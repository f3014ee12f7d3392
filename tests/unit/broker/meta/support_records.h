#pragma once
/* Records for the tests of meta/: short to write, with the fields that matter as parameters. */

#include "meta/record.h"
#include "meta/state.h"

/* Deterministic ids: topic n, broker n's incarnation n. */
struct uuid test_uuid(uint32_t n);
struct partition_key test_key(uint32_t topic, int32_t index);

/* A state with a cluster and broker 1 alive; *ret_epoch is its broker epoch. */
struct meta_state *test_state(int64_t *ret_epoch);
/* Applies at the next sequence. */
struct meta_result test_apply(struct meta_state *state, const struct meta_record *record);

/* At localhost:9092, and what one other listener is told. */
extern const struct meta_endpoint test_endpoints[2];

struct meta_record test_broker(int32_t id, uint32_t incarnation);
/* One whose WAL is in the bucket. */
struct meta_record test_bucket_broker(int32_t id, uint32_t incarnation);
/* Topic n, named "topic-<n>", all partitions owned by broker 1. The arrays are static. */
struct meta_record test_topic(uint32_t n, int32_t partitions);
struct meta_record test_open(
        uint32_t topic, int32_t index, int32_t broker_id, int64_t broker_epoch);
struct meta_record test_intent(int32_t broker_id, int64_t broker_epoch, int32_t count);
struct meta_commit_range test_range(uint32_t topic, int32_t index, uint64_t object_id, int64_t base,
        int64_t end, int32_t leader_epoch);
struct meta_record test_commit(int32_t broker_id, int64_t broker_epoch, uint64_t object_id,
        const struct meta_commit_range *ranges, int32_t count);
/* The state as bytes, for comparing; strbuf_done. */
struct strbuf test_bytes(const struct meta_state *state);
bool test_states_equal(const struct meta_state *a, const struct meta_state *b);
