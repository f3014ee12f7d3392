#pragma once
/* Users of a kubeconfig whose credentials a program tells: client.authentication.k8s.io. Private to
 * this room: kubeconfig.c.
 *
 * K10  A program that hangs, floods, fails or writes nonsense leaves the credentials in force that
 * there are, and costs a bounded time; it is run again when what it told has ended or was refused,
 * and never more often than EXEC_PAUSE_MS. Crash scenario: a helper waits for a terminal that isn't
 * there, and the thread that renews the lease waits for it. */

#include "kube/credentials.h"
#include "kube/json.h"

#define EXEC_FIRST_MS 60000 /* at the start nothing waits */
#define EXEC_AGAIN_MS 5000
#define EXEC_PAUSE_MS 5000
#define EXEC_EARLY_MS 90000 /* before its end; looked at once a minute */

/* What was told last. */
struct exec_told {
    uint64_t config; /* hash of what it was told for; 0: nothing was told */
    char *token;     /* or NULL */
    struct bytes certificate;
    struct bytes key;
    int64_t end_ms; /* of our clock; -1: until it is refused */
    int64_t ran_ms; /* when the program was run last */
    bool is_refused;
};

void exec_told_free(struct exec_told *told);
/* Fills in token, certificate and key from what was told, after running the program where that is
 * due. `exec` is the user's, `cluster` the context's. */
MUST_CHECK int exec_read(struct credentials *credentials, const cJSON *exec, const cJSON *cluster);
