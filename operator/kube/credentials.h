#pragma once
/* Where the API server is and who we are: from the pod's service account, or from a kubeconfig
 * file.
 *
 * K3  Rotated credentials are seen without a restart: everything is read again once a minute and
 * after a 401, and what cannot be read leaves the old one in force. Crash scenario: kubelet swaps
 * the token while we read; the operator that kept the old one for ever is locked out an hour later.
 *
 * Users of a kubeconfig may have a program that tells their credentials (exec.h). Not supported,
 * and said so at the start: auth-provider plugins. */

#include "kube/http.h"

#define CREDENTIALS_REFRESH_MS 60000
#define CREDENTIALS_FILE_SIZE_MAX ((size_t)1 << 20)
#define CREDENTIALS_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

struct exec_told;

struct credentials {
    char *server;        /* "https://10.96.0.1:443", without a '/' at its end */
    char *namespace;     /* of the pod, or of the kubeconfig's context */
    char *authorization; /* "Bearer ...", "Basic ...", or NULL */
    struct http_tls tls; /* owns what it points to */
    char *server_name;
    /* Where they come from. */
    char *kubeconfig; /* path, or NULL: in the cluster */
    char *folder;     /* of the service account */
    struct exec_told
            *told; /* by the program of a kubeconfig user; owned, or NULL: in the cluster */
    int64_t read_ms;
};

/* A kubeconfig path (of one file), else the variables of a pod (KUBERNETES_SERVICE_HOST), else
 * $KUBECONFIG, else ~/.kube/config. -ENOENT: nothing of that. */
MUST_CHECK int credentials_open(const char *kubeconfig, struct credentials **ret_credentials);
/* In the cluster, with the account in `folder`. For tests; credentials_open uses
 * CREDENTIALS_FOLDER.
 */
MUST_CHECK int credentials_open_pod(const char *host, const char *port, const char *folder,
        struct credentials **ret_credentials);
void credentials_free(struct credentials *credentials);
/* Reads again when a minute has gone, or at once with `is_forced`. 1: something changed, 0: nothing
 * did, or reading failed and the old ones stay (the fault says why). */
int credentials_refresh(struct credentials *credentials, bool is_forced);
