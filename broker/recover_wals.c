/* WAL folders at start: of our reactors, of reactors that are no more, and those kept aside. */
#include "recover_wals.h"

#include "base/fault.h"
#include "base/log.h"
#include "reactor/disk.h"

#include <errno.h>
#include <stdio.h>

static void
wal_folder(const struct recover_wals *p, unsigned index, char path[FILE_PATH_MAX])
{
    snprintf(path, FILE_PATH_MAX, "%s/wal/%u", p->data_dir, index);
}

/* Opens a WAL folder on this reactor and brings its content into objects. *ret_wal is NULL when it
 * holds what must be kept (Q15). */
static int
recover_wal(const struct recover_wals *p, const char *folder, struct wal **ret_wal)
{
    struct wal_options options = {
        .folder = folder,
        .cluster_id = meta_cluster_id(p->meta),
        .broker_id = meta_broker_id(p->meta),
        .incarnation = (uint64_t)meta_broker_epoch(p->meta),
        .capacity = (uint64_t)settings_long(p->settings, "wal.capacity.bytes") / reactor_count(),
    };
    struct wal *wal;
    int r = wal_open(&options, &wal);
    if (r < 0) {
        return r;
    }
    struct recover_options recover = {
        .meta = p->meta,
        .store = p->store,
        .wal = wal,
        .quarantine = p->quarantine,
        .object_size_max = RECOVER_OBJECT_SIZE,
        .accept_loss = settings_bool(p->settings, "wal.recovery.accept.loss"),
        .name = folder,
        .progress = p->progress,
    };
    struct recover_result result;
    r = wal_recover(&recover, &result);
    bool kept = r == 0 && result.quarantined_partitions > 0;
    if (r < 0 || kept) {
        int closed = wal_close(wal);
        wal = NULL;
        r = r < 0 ? r : closed;
    }
    if (r < 0) {
        return r;
    }
    if (p->sum) {
        recover_result_add(p->sum, &result);
    }
    if (result.wal.records || result.wal.torn_bytes || kept) {
        LOG_INFO("wal recovered", LOG_STR("folder", folder), LOG_INT("records", result.wal.records),
                LOG_INT("committed", result.records_committed),
                LOG_INT("skipped", result.records_skipped), LOG_INT("held", result.records_held),
                LOG_INT("objects", result.objects), LOG_INT("torn_bytes", result.wal.torn_bytes),
                LOG_INT("quarantined_partitions", result.quarantined_partitions));
    }
    *ret_wal = wal;
    return 0;
}

/* Gives a WAL folder the name under which it is kept. */
static int
keep_wal(const struct recover_wals *p, const char *folder, unsigned index, const char *why)
{
    char parent[FILE_PATH_MAX];
    char kept[FILE_PATH_MAX];
    snprintf(parent, sizeof parent, "%s/wal", p->data_dir);
    int n = snprintf(kept, sizeof kept, "%s/wal/%u.%s-%lld", p->data_dir, index, why,
            (long long)meta_broker_epoch(p->meta));
    if (n < 0 || (size_t)n >= sizeof kept) {
        return fault(-ENAMETOOLONG, "data.dir is too long a path");
    }
    int r = disk_rename(folder, kept);
    if (r == 0) {
        r = disk_sync_folder(parent);
    }
    if (r == 0) {
        LOG_WARN("a damaged wal is kept", LOG_STR("folder", kept));
    }
    return r;
}

/* The WAL of one reactor: a damaged one makes room for a new one. */
int
recover_wal_of(const struct recover_wals *p, unsigned index, struct wal **ret_wal)
{
    char path[FILE_PATH_MAX];
    wal_folder(p, index, path);
    int r = recover_wal(p, path, ret_wal);
    if (r < 0 || *ret_wal) {
        return r;
    }
    r = keep_wal(p, path, index, "damaged");
    return r < 0 ? r : recover_wal(p, path, ret_wal);
}

/* Looks again at WALs that an earlier start has put aside. */
static int
recover_kept_wal(const struct recover_wals *p, const char *name, unsigned index)
{
    char path[FILE_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/wal/%s", p->data_dir, name);
    if (n < 0 || (size_t)n >= sizeof path) {
        return fault(-ENAMETOOLONG, "data.dir is too long a path");
    }
    struct wal *wal;
    int r = recover_wal(p, path, &wal);
    if (r < 0 || !wal) {
        return r;
    }
    r = wal_close(wal);
    return r < 0 ? r : keep_wal(p, path, index, "accepted");
}

int
recover_kept_wals(const struct recover_wals *p)
{
    char path[FILE_PATH_MAX];
    struct disk_names names;
    snprintf(path, sizeof path, "%s/wal", p->data_dir);
    int r = disk_make_folder(path);
    r = r < 0 ? r : disk_list(path, &names);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < names.count && r == 0; i++) {
        unsigned index;
        char first;
        /* check-text: allow sscanf: fixed text, result looked at */
        if (sscanf(names.names[i], "%u.damaged-%c", &index, &first) == 2) {
            r = recover_kept_wal(p, names.names[i], index);
        }
    }
    disk_names_free(&names);
    return r;
}

int
recover_other_wals(const struct recover_wals *p)
{
    char path[FILE_PATH_MAX];
    struct disk_names names;
    unsigned ours = p->in_bucket ? 0 : reactor_count();
    snprintf(path, sizeof path, "%s/wal", p->data_dir);
    int r = disk_list(path, &names);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < names.count && r == 0; i++) {
        unsigned index;
        char rest;
        /* check-text: allow sscanf: fixed text, result looked at */
        if (sscanf(names.names[i], "%u%c", &index, &rest) == 1 && index >= ours) {
            struct wal *wal;
            r = recover_wal_of(p, index, &wal);
            if (r == 0) {
                r = wal_close(wal);
            }
        }
    }
    disk_names_free(&names);
    return r;
}
