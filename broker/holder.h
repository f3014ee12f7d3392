#pragma once
/* data.dir/holder: the writer uuids under which this data folder's broker has registered, or may
 * yet: a registration that was sent before a crash can be logged when later starts have come and
 * gone (a paused controller answers its old mail). So each start adds its uuid before it registers,
 * and none is dropped while there is room; the oldest go first, the registered one never.
 *
 * Whoever holds the folder's lock knows that all of them are dead: it need not wait for the leases
 * of the newest and the registered one (C1). A broker whose last registration is not among them has
 * another volume (C6). Lost or damaged it costs that knowledge. */

#include "base/attr.h"
#include "base/uuid.h"
#include "reactor/fiber.h"
#include "settings/settings.h"

#define HOLDER_WRITERS 64

struct holder {
    struct uuid writers[HOLDER_WRITERS]; /* newest first, then the registered one; zero: none */
};

/* Zero when there is none or it cannot be read. A file of fewer writers is as good. */
MAY_SUSPEND struct holder holder_read(const char *data_dir);
MUST_CHECK MAY_SUSPEND int holder_write(const char *data_dir, const struct holder *holder);

/* What holder_admit needs; lives as long as the start. */
struct holder_admission {
    const char *data_dir;
    const struct settings *settings;
    struct holder holder; /* as found, then as written */
};

/* meta_options.admit (C6), `arg` is the admission: refuses a volume that is not that of the last
 * registration, and writes our uuid onto ours. -EMEDIUMTYPE: another volume. */
MUST_CHECK MAY_SUSPEND int holder_admit(
        void *arg, const struct uuid *registered, bool has_tail, const struct uuid *writer);
