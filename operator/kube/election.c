/* The Lease: look, wait, take, renew, release. */
#include "kube/election.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/mark.h"
#include "kube/clock.h"

#include <errno.h>

void
election_init(struct election *election, struct kube *kube, const struct election_options *options)
{
    CHECK(options->lease_ms > options->renew_ms && options->renew_ms > options->retry_ms);
    *election = (struct election){ .kube = kube, .options = *options };
}

void
election_done(struct election *election)
{
    cJSON_Delete(election->record);
    election->record = NULL;
}

bool
election_is_leader(const struct election *election)
{
    return election->is_leader &&
           clock_now_ms() - election->renewed_ms < election->options.renew_ms;
}

/* Remembers the record; the time only when it says something new. */
static void
record_take(struct election *election, cJSON *record)
{
    uint64_t hash = json_hash(json_at(record, "spec"));
    if (hash != election->seen_hash) {
        election->seen_hash = hash;
        election->seen_ms = clock_now_ms();
    }
    cJSON_Delete(election->record);
    election->record = record;
}

static int
record_read(struct election *election)
{
    cJSON *record = NULL;
    int r = kube_get(election->kube, &KUBE_LEASES, election->options.namespace,
            election->options.name, &record);
    if (r < 0) {
        return r;
    }
    record_take(election, record);
    return 0;
}

static bool
is_ours(const struct election *election)
{
    const char *holder = json_text(election->record, "spec/holderIdentity");
    return strcmp(holder, election->options.identity) == 0;
}

static bool
is_free(const struct election *election)
{
    const char *holder = json_text(election->record, "spec/holderIdentity");
    return *holder == 0 || is_ours(election) ||
           clock_now_ms() - election->seen_ms >= election->options.lease_ms;
}

/* The record with us as its holder, or with nobody. */
static cJSON *
record_next(const struct election *election, bool is_release)
{
    cJSON *lease =
            election->record ? cJSON_Duplicate(election->record, true) : cJSON_CreateObject();
    cJSON *spec = json_object(lease, "spec");
    char now[KUBE_MICROTIME_SIZE];
    clock_microtime(now);
    json_set(lease, "apiVersion", KUBE_LEASES.version);
    json_set(lease, "kind", KUBE_LEASES.kind);
    json_set(json_object(lease, "metadata"), "name", election->options.name);
    json_set(json_object(lease, "metadata"), "namespace", election->options.namespace);
    if (!is_ours(election)) {
        json_set(spec, "acquireTime", now);
        json_set_int(spec, "leaseTransitions",
                json_int(spec, "leaseTransitions", election->record ? 0 : -1) + 1);
    }
    json_set(spec, "renewTime", now);
    json_set(spec, "holderIdentity", is_release ? "" : election->options.identity);
    /* Zero is refused by the server. */
    json_set_int(spec, "leaseDurationSeconds",
            is_release ? 1 : (election->options.lease_ms + 999) / 1000);
    return lease;
}

static int
record_write(struct election *election, bool is_release)
{
    CLEANUP(json_freep) cJSON *lease = record_next(election, is_release);
    int64_t began_ms = clock_now_ms();
    cJSON *written = NULL;
    const char *namespace = election->options.namespace;
    int r = election->record
                    ? kube_replace(election->kube, &KUBE_LEASES, namespace, lease, &written)
                    : kube_create(election->kube, &KUBE_LEASES, namespace, lease, &written);
    if (r < 0) {
        return r;
    }
    record_take(election, written);
    election->renewed_ms = began_ms;
    election->is_leader = !is_release;
    election->transitions = (uint64_t)json_int(written, "spec/leaseTransitions", 0);
    return is_release ? 0 : 1;
}

static void
look_at_the_clock(struct election *election)
{
    if (election->is_leader && !election_is_leader(election)) {
        MARK("election: renewed too late");
        election->is_leader = false;
    }
}

/* The leader's short way: no read before the write. */
static int
renew(struct election *election)
{
    int r = record_write(election, false);
    if (r < 0) {
        look_at_the_clock(election);
    }
    return r;
}

int
election_step(struct election *election)
{
    look_at_the_clock(election);
    if (election->is_leader) {
        int r = renew(election);
        if (r >= 0 || !election->is_leader) {
            return r;
        }
    }
    int r = record_read(election);
    if (r == -ENOENT) {
        cJSON_Delete(election->record);
        election->record = NULL;
    } else if (r < 0) {
        look_at_the_clock(election);
        return r;
    } else if (!is_free(election)) {
        election->is_leader = false;
        return 0;
    }
    r = record_write(election, false);
    look_at_the_clock(election);
    if ((r == -ESTALE || r == -EEXIST) && !election->is_leader) {
        MARK("election: somebody else was faster");
        return 0;
    }
    return r;
}

int
election_release(struct election *election)
{
    if (!election->is_leader) {
        return 0;
    }
    int r = record_write(election, true);
    if (r == -ESTALE && record_read(election) == 0 && is_ours(election)) {
        r = record_write(election, true);
    }
    election->is_leader = false;
    return r;
}
