/* Taking, renewing and releasing the lease.
 *
 *           lease_seize                lease_renew_start          lease_release
 *   (none) ------------> held, valid --------------------> ... --------------------> released
 *                          |   ^  deadline passed: not valid, still held until somebody takes it
 *                          v   |  a renewal that succeeds makes it valid again
 *                        another holder is seen: lost, on_lost */
#include "meta/lease.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "meta/codec.h"
#include "meta/mutants.h"
#include "reactor/clock.h"
#include "reactor/random.h"
#include "reactor/sync.h"

#include <errno.h>
#include <stdatomic.h>

#define LEASE_MAGIC 0x464c5345u /* "FLSE" */
#define LEASE_VERSION 1u
#define LEASE_RELEASED 1u
#define LEASE_PURGING 2u
#define REQUEST_NS (10 * (uint64_t)NS_PER_S)
#define RELEASE_NS (5 * (uint64_t)NS_PER_S)
#define RETRY_NS_MAX (1 * (uint64_t)NS_PER_S)
#define RAISE_TRIES 64

struct lease {
    struct lease_options options;
    char *key;
    struct mutex write_mutex;     /* one conditional write at a time */
    struct lease_content content; /* as last confirmed to be in the store, and ours */
    struct object_etag etag;
    uint64_t pending_ns; /* boot time at which the oldest unconfirmed write was sent; 0: none */
    _Atomic uint64_t deadline_ns; /* boot time; 0: not valid */
    atomic_bool is_void;
    struct fiber *renewer;
    void (*on_lost)(void *arg);
    void *on_lost_arg;
    uint64_t inherited_ns; /* granted by holders before us; 0: not longer than ours */
    uint64_t seized_ns;    /* boot time after which nobody else has granted */
    struct lease_stats stats;
};

void
lease_content_encode(const struct lease_content *content, uint8_t ret_bytes[LEASE_SIZE])
{
    uint8_t *p = ret_bytes;
    store_be32(p, LEASE_MAGIC);
    store_be16(p + 4, LEASE_VERSION);
    store_be16(p + 6, (uint16_t)((content->released ? LEASE_RELEASED : 0) |
                                 (content->purging ? LEASE_PURGING : 0)));
    memcpy(p + 8, content->cluster_id.bytes, 16);
    memcpy(p + 24, content->holder.bytes, 16);
    memcpy(p + 40, content->nonce.bytes, 16);
    store_be64(p + 56, (uint64_t)content->epoch);
    store_be64(p + 64, content->duration_ns);
    store_be32(p + 72, (uint32_t)content->broker_id);
    store_be64(p + 76, content->granted_ns);
    memset(p + 84, 0, 4);
    store_be32(p + 88, crc32c(bytes_of(p, 88)));
}

int
lease_content_decode(struct bytes object, const char *key, struct lease_content *ret_content)
{
    struct meta_reader in = meta_reader_of(object);
    uint32_t magic = meta_read_u32(&in);
    uint16_t version = meta_read_u16(&in);
    uint16_t flags = meta_read_u16(&in);
    if (in.error || magic != LEASE_MAGIC || version == 0) {
        return fault(-EBADMSG, "meta: %s: magic %08x version %u", key, magic, version);
    }
    if (version > LEASE_VERSION || flags > (LEASE_RELEASED | LEASE_PURGING)) {
        return fault(-EMEDIUMTYPE, "meta: %s: version %u flags %x was written by a newer Freshet",
                key, version, flags);
    }
    struct lease_content content = { .released = flags & LEASE_RELEASED,
        .purging = flags & LEASE_PURGING };
    content.cluster_id = meta_read_uuid(&in);
    content.holder = meta_read_uuid(&in);
    content.nonce = meta_read_uuid(&in);
    content.epoch = meta_read_i64(&in);
    content.duration_ns = meta_read_u64(&in);
    content.broker_id = meta_read_i32(&in);
    content.granted_ns = meta_read_u64(&in);
    (void)meta_read_raw(&in, 4);
    uint32_t crc = meta_read_u32(&in);
    if (meta_reader_end(&in) || crc != crc32c(bytes_of(object.data, LEASE_SIZE - 4)) ||
            content.epoch <= 0 || content.duration_ns > LEASE_DURATION_NS_MAX ||
            content.granted_ns > LEASE_DURATION_NS_MAX || uuid_is_zero(&content.cluster_id)) {
        return fault(-EBADMSG, "meta: %s: damaged, %zu bytes", key, object.size);
    }
    *ret_content = content;
    return 0;
}

struct lease *
lease_new(const struct lease_options *options)
{
    CHECK(options->duration_ns > 0 && options->duration_ns <= LEASE_DURATION_NS_MAX);
    struct lease *lease = mem_alloc(sizeof *lease);
    lease->options = *options;
    lease->key = mem_strdup(options->key);
    lease->options.key = lease->key;
    mutex_init(&lease->write_mutex);
    return lease;
}

void
lease_free(struct lease *lease)
{
    if (lease) {
        CHECK(!lease->renewer);
        mem_free(lease->key);
        mem_free(lease);
    }
}

int
lease_read(struct objectstore *objects, const char *key, struct lease_content *ret_content,
        struct object_etag *ret_etag)
{
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    struct object_info info;
    int r = objectstore_get(objects, key, (struct object_range){ 0, LEASE_SIZE + 1 },
            clock_mono_ns() + REQUEST_NS, &object, &info);
    if (r) {
        return r;
    }
    struct lease_content content;
    r = lease_content_decode(buf_bytes(object), key, &content);
    if (r) {
        return r;
    }
    *ret_content = content;
    *ret_etag = info.etag;
    return 0;
}

int
lease_look(struct objectstore *objects, const char *key, struct lease_content *ret_content,
        struct object_etag *ret_etag)
{
    struct lease_content content;
    int r = lease_read(objects, key, &content, ret_etag);
    if (r == 0 && content.purging) {
        MARK("lease: the bucket is being emptied");
        return fault(-EMEDIUMTYPE,
                "meta: %s: the bucket is being emptied by `freshet purge`; run that to its end",
                key);
    }
    if (r == 0) {
        *ret_content = content;
    }
    return r;
}

/* `content`, which is ours, is in the store: by a write that was sent at sent_ns or later. */
static void
lease_confirm(struct lease *lease, const struct lease_content *content,
        const struct object_etag *etag, uint64_t sent_ns)
{
    lease->content = *content;
    lease->etag = *etag;
    lease->pending_ns = 0;
    uint64_t duration = content->duration_ns;
    if (!content->released && !atomic_load(&lease->is_void)) {
        atomic_store(&lease->deadline_ns, sent_ns + duration - duration / 8);
    }
}

/* One conditional write of `content` with a new nonce. 0: ours, confirmed. Else lease_read_back
 * tells what is there: the write may have landed, may land yet, or can land no more because its
 * etag is gone. */
static int
lease_write(struct lease *lease, struct lease_content *content, const struct object_etag *replaces,
        uint64_t timeout_ns)
{
    uint8_t bytes[LEASE_SIZE];
    content->nonce = random_uuid();
    lease_content_encode(content, bytes);
    const struct iovec part = { bytes, sizeof bytes };
    struct object_put put = { .key = lease->key,
        .parts = &part,
        .part_count = 1,
        .condition = replaces ? OBJECT_REPLACE : OBJECT_CREATE,
        .deadline_ns = clock_mono_ns() + timeout_ns };
    if (replaces) {
        put.etag = *replaces;
    }
    uint64_t sent_ns = clock_boot_ns();
    lease->pending_ns = lease->pending_ns ? lease->pending_ns : sent_ns;
    struct object_etag etag;
    int r = objectstore_put(lease->options.objects, &put, &etag);
    if (r == 0) {
        lease_confirm(lease, content, &etag, sent_ns);
    }
    return r;
}

/* 0: a write of ours is there, confirmed as of when the oldest unconfirmed one was sent. -EAGAIN:
 * nothing of ours has landed since the last confirmation. -ESTALE: somebody else's. */
static int
lease_read_back(struct lease *lease)
{
    struct lease_content content;
    struct object_etag etag;
    int r = lease_look(lease->options.objects, lease->key, &content, &etag);
    if (r == -ENOENT) {
        return lease->content.epoch ? fault(-ESTALE, "meta: %s was removed", lease->key) : -EAGAIN;
    }
    if (r == -EMEDIUMTYPE) {
        return fault_note(-ESTALE, "the lease is not ours any more");
    }
    if (r) {
        return r;
    }
    if (!uuid_equal(&content.holder, &lease->options.holder)) {
        return fault(-ESTALE, "meta: %s is held by broker %d in epoch %lld", lease->key,
                content.broker_id, (long long)content.epoch);
    }
    if (uuid_equal(&content.nonce, &lease->content.nonce)) {
        return -EAGAIN;
    }
    MARK("lease: a write landed whose answer was lost");
    CHECK(lease->pending_ns);
    lease_confirm(lease, &content, &etag, lease->pending_ns);
    return 0;
}

/* After this time without a change nobody can believe in the lease. */
static uint64_t
lease_patience_ns(const struct lease *lease, const struct lease_content *seen)
{
    bool impatient = lease->options.mutants & META_MUTANT_IMPATIENT;
    return impatient ? seen->duration_ns / 2 : seen->duration_ns + seen->duration_ns / 8;
}

static bool
lease_is_free(const struct lease *lease, const struct lease_content *seen)
{
    return seen->released || uuid_equal(&seen->holder, &lease->options.holder) ||
           (!uuid_is_zero(&lease->options.former_holder) &&
                   uuid_equal(&seen->holder, &lease->options.former_holder)) ||
           (!uuid_is_zero(&lease->options.elder_holder) &&
                   uuid_equal(&seen->holder, &lease->options.elder_holder));
}

/* The lease as it is now; `exists` says whether it is. */
static int
lease_see(struct lease *lease, struct lease_watch *ret_now)
{
    struct lease_watch now = { 0 };
    int r = lease_look(lease->options.objects, lease->key, &now.content, &now.etag);
    if (r && r != -ENOENT) {
        return r;
    }
    /* After the look: a renewal may have landed during it. */
    now.since_ns = clock_boot_ns();
    now.exists = r == 0;
    if (now.exists && !uuid_equal(&now.content.cluster_id, &lease->options.cluster_id)) {
        char text[UUID_TEXT_SIZE];
        return fault(-EMEDIUMTYPE, "meta: %s belongs to cluster %s", lease->key,
                uuid_format(&now.content.cluster_id, text));
    }
    *ret_now = now;
    return 0;
}

int
lease_look_out(struct lease *lease, struct lease_watch *watch)
{
    struct lease_watch now;
    int r = lease_see(lease, &now);
    if (r) {
        return r;
    }
    if (watch->exists && !now.exists) {
        return fault(-ESTALE, "meta: %s was removed: the bucket was emptied, or is another one",
                lease->key);
    }
    if (watch->exists && uuid_equal(&watch->content.nonce, &now.content.nonce)) {
        now.since_ns = watch->since_ns;
    }
    if (watch->exists && !watch->content.released && now.content.released) {
        MARK("lease: released while watched");
    }
    *watch = now;
    if (!now.exists || lease_is_free(lease, &now.content) ||
            clock_boot_ns() - now.since_ns > lease_patience_ns(lease, &now.content)) {
        return 0;
    }
    return fault(-EBUSY, "meta: %s is held by broker %d", lease->key, now.content.broker_id);
}

uint64_t
lease_granted_until(const struct lease *lease)
{
    /* Those who hold it stop an eighth earlier, by clocks of their own. */
    return lease->inherited_ns ? lease->seized_ns + lease->inherited_ns + lease->inherited_ns / 4
                               : 0;
}

/* What the next holder has to wait for. */
static uint64_t
lease_granted(const struct lease *lease)
{
    bool inherited = clock_boot_ns() < lease_granted_until(lease);
    return inherited ? lease->inherited_ns : lease->options.duration_ns;
}

/* The earlier lease of our own former self counts too: it may have granted. */
static void
lease_inherit(struct lease *lease, const struct lease_watch *watch)
{
    uint64_t granted = MAX(watch->content.granted_ns, watch->content.duration_ns);
    lease->inherited_ns = watch->exists && granted > lease->options.duration_ns ? granted : 0;
    lease->seized_ns = clock_boot_ns();
    if (lease->inherited_ns) {
        MARK("lease: a longer one may be held from a former controller");
    }
}

int
lease_seize(struct lease *lease, const struct lease_watch *watch)
{
    lease_inherit(lease, watch);
    struct lease_content ours = { .cluster_id = lease->options.cluster_id,
        .holder = lease->options.holder,
        .epoch = watch->content.epoch + 1,
        .duration_ns = lease->options.duration_ns,
        .broker_id = lease->options.broker_id,
        .granted_ns = lease_granted(lease) };
    int r = lease_write(lease, &ours, watch->exists ? &watch->etag : NULL, REQUEST_NS);
    if (r && r != -ECANCELED && r != -EACCES) {
        /* The write may have landed although its answer said otherwise. */
        return lease_read_back(lease) == 0 ? 0 : -EAGAIN;
    }
    return r;
}

int64_t
lease_epoch(const struct lease *lease)
{
    return lease->content.epoch;
}

/* Writes our lease once more, with at least that epoch; 0, -ESTALE, or an error after which nothing
 * is known. */
static int
lease_update(struct lease *lease, int64_t epoch, bool released, uint64_t timeout_ns)
{
    int r = mutex_lock(&lease->write_mutex);
    if (r) {
        return r;
    }
    struct lease_content content = lease->content;
    content.epoch = MAX(content.epoch, epoch);
    content.released = released;
    content.granted_ns = lease_granted(lease);
    r = lease_write(lease, &content, &lease->etag, timeout_ns);
    if (r && r != -ECANCELED) {
        lease->stats.failures++;
        r = lease_read_back(lease);
    }
    mutex_unlock(&lease->write_mutex);
    return r;
}

int
lease_raise_epoch(struct lease *lease, int64_t epoch)
{
    for (int i = 0; i < RAISE_TRIES; i++) {
        if (lease->content.epoch >= epoch) {
            return 0;
        }
        int r = lease_update(lease, epoch, false, REQUEST_NS);
        if (r == -ECANCELED || r == -ESTALE) {
            return r;
        }
        if (r) {
            r = fiber_sleep_ns(50 * (uint64_t)NS_PER_MS);
            if (r) {
                return r;
            }
        }
    }
    return fault(-EIO, "meta: %s: epoch %lld could not be written", lease->key, (long long)epoch);
}

static void
lease_renewer(void *arg)
{
    struct lease *lease = arg;
    uint64_t duration = lease->options.duration_ns;
    uint64_t pause = duration / 3;
    while (fiber_sleep_ns(pause) == 0) {
        int r = lease_update(lease, 0, false, duration / 3);
        if (r == -ECANCELED) {
            return;
        }
        if (r == -ESTALE) {
            lease_void(lease);
            lease->on_lost(lease->on_lost_arg);
            return;
        }
        lease->stats.renewals += r == 0;
        pause = r == 0 ? duration / 3 : MIN(duration / 16, RETRY_NS_MAX);
    }
}

int
lease_renew_start(struct lease *lease, void (*on_lost)(void *arg), void *arg)
{
    lease->on_lost = on_lost;
    lease->on_lost_arg = arg;
    return fiber_spawn("meta lease", lease_renewer, lease, &lease->renewer);
}

void
lease_renew_stop(struct lease *lease)
{
    if (lease->renewer) {
        fiber_cancel(lease->renewer);
        fiber_join(TAKE_PTR(lease->renewer));
    }
}

int
lease_release(struct lease *lease)
{
    CHECK(!lease->renewer);
    /* First: whatever happens to the write, nothing is acknowledged any more. */
    lease_void(lease);
    uint64_t deadline_ns = clock_mono_ns() + RELEASE_NS;
    for (;;) {
        int r = lease_update(lease, 0, true, RELEASE_NS);
        if (r == 0 && lease->content.released) {
            return 0;
        }
        if (r == -ECANCELED || r == -ESTALE || clock_mono_ns() >= deadline_ns) {
            return r;
        }
        r = fiber_sleep_ns(50 * (uint64_t)NS_PER_MS);
        if (r) {
            return r;
        }
    }
}

bool
lease_is_valid(const struct lease *lease)
{
    return clock_boot_ns() < atomic_load_explicit(&lease->deadline_ns, memory_order_acquire);
}

void
lease_void(struct lease *lease)
{
    atomic_store(&lease->is_void, true);
    atomic_store(&lease->deadline_ns, 0);
}

void
lease_stats_get(const struct lease *lease, struct lease_stats *ret_stats)
{
    *ret_stats = lease->stats;
}
