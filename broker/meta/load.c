/* A broker's load, as it is sent and as the controller keeps it. */
#include "meta/load.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "meta/codec.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>

#define FIRST_REPORT_NS (10ull * NS_PER_S) /* so long a new broker's first report is waited for */
#define LOAD_ENTRY_SIZE (META_KEY_SIZE + 16u)
#define LOAD_SIZE_MAX (64u + META_LOAD_PARTITIONS_MAX * LOAD_ENTRY_SIZE)

void
load_encode(const struct meta_load *load, struct strbuf *out)
{
    CHECK(load->count <= META_LOAD_PARTITIONS_MAX);
    meta_write_u64(out, load->in);
    meta_write_u64(out, load->out);
    meta_write_i32(out, (int32_t)load->count);
    for (size_t i = 0; i < load->count; i++) {
        meta_write_key(out, load->partitions[i].key);
        meta_write_u64(out, load->partitions[i].in);
        meta_write_u64(out, load->partitions[i].out);
    }
}

int
load_decode(
        struct bytes bytes, struct meta_partition_load *ret_partitions, struct meta_load *ret_load)
{
    struct meta_reader in = meta_reader_of(bytes);
    struct meta_load load = { .partitions = ret_partitions };
    load.in = meta_read_u64(&in);
    load.out = meta_read_u64(&in);
    int32_t count = meta_read_count(&in, LOAD_ENTRY_SIZE);
    if (count > META_LOAD_PARTITIONS_MAX) {
        return fault(-EBADMSG, "internal: a report of %d partitions", count);
    }
    for (int32_t i = 0; i < count; i++) {
        ret_partitions[i].key = meta_read_key(&in);
        ret_partitions[i].in = meta_read_u64(&in);
        ret_partitions[i].out = meta_read_u64(&in);
    }
    load.count = (size_t)count;
    if (meta_reader_end(&in)) {
        return fault(-EBADMSG, "internal: a report of loads is damaged");
    }
    *ret_load = load;
    return 0;
}

int
member_take_load(struct member *member, struct bytes bytes)
{
    struct member_load *load = mem_alloc(sizeof *load);
    int r = load_decode(bytes, load->partitions, &load->sum);
    if (r < 0) {
        mem_free(load);
        return r;
    }
    load->at_ns = clock_boot_ns();
    mem_free(member->load);
    member->load = load;
    return 0;
}

const struct member_load *
member_recent_load(const struct member *member)
{
    const struct member_load *load = member ? member->load : NULL;
    return load && clock_boot_ns() - load->at_ns < 4 * META_LOAD_INTERVAL_NS ? load : NULL;
}

void
meta_report_load(struct meta *meta, const struct meta_load *load)
{
    struct strbuf encoded;
    strbuf_init(&encoded, LOAD_SIZE_MAX);
    load_encode(load, &encoded);
    CHECK(!encoded.error);
    if (meta->role == META_CONTROLS) {
        struct member *self = member_get(meta, meta->broker_id);
        CHECK(member_take_load(self, strbuf_bytes(&encoded)) == 0);
        balancer_hear(meta);
    } else {
        buf_unref(meta->load);
        meta->load = buf_of_bytes(strbuf_bytes(&encoded));
        follower_wake(meta);
    }
    strbuf_done(&encoded);
}

bool
member_owes_report(struct meta *meta, int32_t id)
{
    const struct member *member = member_find(meta, id);
    uint64_t since = MAX(member ? member->registered_ns : 0, meta->office_ns);
    return !member_recent_load(member) && clock_boot_ns() - since < FIRST_REPORT_NS;
}
