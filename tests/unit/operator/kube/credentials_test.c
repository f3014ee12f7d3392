/* kubeconfig files and the pod's folder: what is read, and what is refused with a reason. */
#include "base/fault.h"
#include "kube/credentials.h"
#include "kube/json.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const char *
put(const char *name, const char *text)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return path;
}

#define CONFIG(cluster, user)                                                                      \
    "current-context: here\n"                                                                      \
    "clusters: [{name: other, cluster: {server: 'http://no'}}, {name: c, cluster: {" cluster       \
    "}}]\n"                                                                                        \
    "contexts: [{name: here, context: {cluster: c, user: u}}]\n"                                   \
    "users: [{name: u, user: {" user "}}]\n"

static const struct {
    const char *config;
    int error;
    const char *says; /* the fault, or the authorization */
} cases[] = {
    { CONFIG("server: 'https://a:6443/'", "token: t"), 0, "Bearer t" },
    { CONFIG("server: 'https://a'", "token: t, tokenFile: tok"), 0, "Bearer file" },
    { CONFIG("server: 'https://a'", "username: me, password: secret"), 0, "Basic bWU6c2VjcmV0" },
    { CONFIG("server: 'ftp://a'", ""), -EINVAL, "no http(s) URL" },
    { CONFIG("server: 'https://a'", "exec: {command: x}"), -EINVAL, "apiVersion" },
    { CONFIG("server: 'https://a'", "auth-provider: {name: x}"), -ENOTSUP, "auth-provider" },
    { CONFIG("server: 'https://a'", "tokenFile: nowhere"), -ENOENT, "nowhere" },
    { CONFIG("server: 'https://a', certificate-authority-data: '!!'", ""), -EBADMSG, "base64" },
    { CONFIG("server: 'https://a', certificate-authority: gone.pem", ""), -ENOENT, "gone.pem" },
    { "current-context: none\n", -EINVAL, "names no context" },
    { "a: [\n", -EBADMSG, "line" },
};

TEST(each_kubeconfig_is_taken_or_refused_with_a_reason)
{
    json_setup();
    put("tok", "file\n");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct credentials *credentials = NULL;
        int r = credentials_open(put("config", cases[i].config), &credentials);
        ASSERT_EQ(r, cases[i].error);
        if (r < 0) {
            ASSERT(strstr(fault_text(), cases[i].says));
        } else {
            ASSERT_STRING(credentials->authorization, cases[i].says);
            ASSERT_STRING(credentials->namespace, "default");
        }
        credentials_free(credentials);
    }
}

TEST(data_beats_files_and_is_decoded)
{
    struct credentials *credentials = NULL;
    const char *config = CONFIG("server: 'https://a/', tls-server-name: api, "
                                "certificate-authority: gone.pem, certificate-authority-data: "
                                "aGVsbG8=",
            "client-certificate-data: YQ==, client-key-data: 'YWI='");
    ASSERT_OK(credentials_open(put("config", config), &credentials));
    ASSERT_STRING(credentials->server, "https://a");
    ASSERT_STRING(credentials->tls.server_name, "api");
    ASSERT_BYTES(credentials->tls.ca, BYTES_LITERAL("hello"));
    ASSERT_BYTES(credentials->tls.certificate, BYTES_LITERAL("a"));
    ASSERT_BYTES(credentials->tls.key, BYTES_LITERAL("ab"));
    ASSERT(!credentials->authorization);
    credentials_free(credentials);
}

/* K3 */
TEST(k3_the_pods_token_and_authority_are_read_again)
{
    struct credentials *credentials = NULL;
    put("ca.crt", "one");
    put("namespace", "prod\n");
    put("token", "first\n");
    ASSERT_OK(credentials_open_pod("fd00::1", "443", test_directory(), &credentials));
    ASSERT_STRING(credentials->server, "https://[fd00::1]:443");
    ASSERT_STRING(credentials->namespace, "prod");
    ASSERT_STRING(credentials->authorization, "Bearer first");
    ASSERT_EQ(credentials_refresh(credentials, true), 0);
    put("ca.crt", "one and two");
    ASSERT_EQ(credentials_refresh(credentials, true), 1);
    ASSERT_BYTES(credentials->tls.ca, BYTES_LITERAL("one and two"));
    put("token", "");
    ASSERT_EQ(credentials_refresh(credentials, true), 0);
    ASSERT_STRING(credentials->authorization, "Bearer first");
    put("token", "second");
    ASSERT_EQ(credentials_refresh(credentials, false), 0); /* not before a minute has gone */
    ASSERT_EQ(credentials_refresh(credentials, true), 1);
    ASSERT_STRING(credentials->authorization, "Bearer second");
    credentials_free(credentials);
}
