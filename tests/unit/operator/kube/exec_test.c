/* Programs that tell credentials: what they are asked, what is taken, what is refused, and that
 * none holds up anything. */
#include "base/fault.h"
#include "kube/clock.h"
#include "kube/exec.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define V1 "client.authentication.k8s.io/v1"
#define CREDENTIAL "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"status\":{"

static const char *
path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    return path;
}

static void
put(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(path_of(name), "w");
    fputs(text, file);
    fclose(file);
    chmod(path_of(name), mode);
}

/* The program's script, and a kubeconfig beside it whose user has it; `more` of exec. */
static int
open_with(const char *script, const char *more, struct credentials **ret_credentials)
{
    char text[2048];
    snprintf(text, sizeof text, "#!/bin/sh\necho run >>%s\n%s\n", path_of("runs"), script);
    put("helper", text, 0700);
    snprintf(text, sizeof text,
            "current-context: here\n"
            "clusters: [{name: c, cluster: {server: 'https://a', tls-server-name: api, extensions: "
            "[{name: client.authentication.k8s.io/exec, extension: {audience: us}}]}}]\n"
            "contexts: [{name: here, context: {cluster: c, user: u}}]\n"
            "users: [{name: u, user: {exec: {command: ./helper, apiVersion: " V1 ", "
            "interactiveMode: Never%s}}}]\n",
            more);
    put("config", text, 0600);
    return credentials_open(path_of("config"), ret_credentials);
}

static unsigned
runs(void)
{
    struct stat info;
    return stat(path_of("runs"), &info) == 0 ? (unsigned)info.st_size / 4 : 0;
}

static void
begin(void)
{
    json_setup();
    unlink(path_of("runs"));
}

TEST(a_token_is_taken_and_the_program_is_asked_as_kubectl_does)
{
    struct credentials *credentials = NULL;
    begin();
    ASSERT_OK(open_with("test \"$1\" = one && test \"$KIND\" = dev && test -z \"$(cat)\" &&\n"
                        "printf %s \"$KUBERNETES_EXEC_INFO\" >$(dirname $0)/asked &&\n"
                        "echo '" CREDENTIAL "\"token\":\"t1\"}}'",
            ", args: [one], env: [{name: KIND, value: dev}], provideClusterInfo: true",
            &credentials));
    ASSERT_STRING(credentials->authorization, "Bearer t1");
    char asked[1024] = "";
    FILE *file = fopen(path_of("asked"), "r");
    ASSERT(file && fgets(asked, sizeof asked, file));
    fclose(file);
    ASSERT_STRING(asked, "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"spec\":{"
                         "\"interactive\":false,\"cluster\":{\"server\":\"https://a\","
                         "\"tls-server-name\":\"api\",\"config\":{\"audience\":\"us\"}}}}");
    credentials_free(credentials);
}

TEST(a_certificate_comes_with_its_key)
{
    struct credentials *credentials = NULL;
    begin();
    ASSERT_OK(open_with("echo '" CREDENTIAL
                        "\"clientCertificateData\":\"pem\",\"clientKeyData\":\"key\"}}'",
            "", &credentials));
    ASSERT_BYTES(credentials->tls.certificate, BYTES_LITERAL("pem"));
    ASSERT_BYTES(credentials->tls.key, BYTES_LITERAL("key"));
    ASSERT(!credentials->authorization);
    credentials_free(credentials);
}

static const struct {
    const char *script;
    const char *more;
    int error;
    const char *says;
} refused[] = {
    { "exit 3", "", -EIO, "ended with status 3" },
    { "kill -9 $$", "", -EIO, "ended with signal 9" },
    { "echo garbage", "", -EBADMSG, "" },
    { "true", "", -EBADMSG, "" },
    { "yes", "", -EFBIG, "wrote more than" },
    { "echo '{\"apiVersion\":\"v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\"}}'", "",
            -EBADMSG, "no ExecCredential of" },
    { "echo '" CREDENTIAL "}}'", "", -EBADMSG, "neither a token nor" },
    { "echo '" CREDENTIAL "\"token\":\"t\",\"clientKeyData\":\"k\"}}'", "", -EBADMSG, "neither" },
    { "echo '" CREDENTIAL "\"token\":\"t\",\"expirationTimestamp\":\"soon\"}}'", "", -EBADMSG,
            "is no time" },
    { "echo '" CREDENTIAL
      "\"token\":\"t\",\"expirationTimestamp\":\"2020-01-01T00:00:00+01:00\"}}'",
            "", -EBADMSG, "has ended already" },
    { "true", ", command: ./nowhere, installHint: get it at the market", -ENOENT, "at the market" },
    { "true", ", apiVersion: client.authentication.k8s.io/v1alpha1", -EINVAL, "v1beta1" },
    { "true", ", interactiveMode: Always", -ENOTSUP, "no terminal" },
    { "true", ", command: ''", -EINVAL, "no command" },
};

/* K10 */
TEST(k10_what_a_program_does_wrong_is_told)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct credentials *credentials = NULL;
        begin();
        int r = open_with(refused[i].script, refused[i].more, &credentials);
        ASSERT_EQ(r, refused[i].error);
        ASSERT(strstr(fault_text(), refused[i].says));
    }
}

/* Lets the pause between two runs be over. */
static void
time_passes(struct credentials *credentials)
{
    credentials->told->ran_ms -= EXEC_PAUSE_MS;
}

/* K10 */
TEST(k10_it_is_run_again_when_what_it_told_is_refused_and_not_too_often)
{
    struct credentials *credentials = NULL;
    begin();
    ASSERT_OK(open_with("echo '" CREDENTIAL "\"token\":\"t'$(wc -l <$(dirname $0)/runs)'\"}}'", "",
            &credentials));
    ASSERT_STRING(credentials->authorization, "Bearer t1");
    credentials->read_ms -= CREDENTIALS_REFRESH_MS;
    ASSERT_EQ(credentials_refresh(credentials, false), 0); /* it has no end */
    ASSERT_EQ(credentials_refresh(credentials, true), 0);  /* it ran just now */
    ASSERT_EQ(runs(), 1);
    time_passes(credentials);
    ASSERT_EQ(credentials_refresh(credentials, true), 1);
    ASSERT_STRING(credentials->authorization, "Bearer t2");
    put("helper", "#!/bin/sh\nexit 1\n", 0700);
    time_passes(credentials);
    ASSERT_EQ(credentials_refresh(credentials, true), 0);
    ASSERT_STRING(credentials->authorization, "Bearer t2");
    credentials_free(credentials);
}

/* K10 */
TEST(k10_it_is_run_again_before_what_it_told_ends)
{
    struct credentials *credentials = NULL;
    begin();
    ASSERT_OK(open_with("end=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%S.5Z)\n"
                        "echo '" CREDENTIAL "\"token\":\"t'$(wc -l <$(dirname $0)/runs)'\","
                        "\"expirationTimestamp\":\"'$end'\"}}'",
            "", &credentials));
    time_passes(credentials);
    credentials->read_ms -= CREDENTIALS_REFRESH_MS;
    ASSERT_EQ(credentials_refresh(credentials, false), 0);
    ASSERT_EQ(runs(), 1);
    int64_t left_ms = credentials->told->end_ms - clock_now_ms();
    ASSERT(left_ms > 3000000 && left_ms <= 3600000);
    credentials->told->end_ms = clock_now_ms() + EXEC_EARLY_MS;
    credentials->read_ms -= CREDENTIALS_REFRESH_MS;
    ASSERT_EQ(credentials_refresh(credentials, false), 1);
    ASSERT_STRING(credentials->authorization, "Bearer t2");
    credentials_free(credentials);
}

/* K10: it never ends, and its child holds the output open. */
TEST(k10_one_that_hangs_is_killed_with_what_it_started)
{
    struct credentials *credentials = NULL;
    begin();
    ASSERT_OK(open_with("echo '" CREDENTIAL "\"token\":\"t\"}}'", "", &credentials));
    char script[700];
    snprintf(script, sizeof script, "#!/bin/sh\nsleep 1000 &\necho $! >%s\nwait\n",
            path_of("child"));
    put("helper", script, 0700);
    time_passes(credentials);
    int64_t began_ms = clock_now_ms();
    ASSERT_EQ(credentials_refresh(credentials, true), 0);
    ASSERT(clock_now_ms() - began_ms >= EXEC_AGAIN_MS);
    ASSERT_STRING(credentials->authorization, "Bearer t");
    char state[64] = "";
    char path[64];
    int child = 0;
    FILE *file = fopen(path_of("child"), "r");
    ASSERT(file && fscanf(file, "%d", &child) == 1);
    fclose(file);
    /* Gone, or not waited for yet by whoever inherited it. */
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "/proc/%d/stat", child);
        file = fopen(path, "r");
        *state = 0;
        if (file) {
            ASSERT(fscanf(file, "%*d %*s %63s", state) == 1);
            fclose(file);
        }
        if (!*state || *state == 'Z') {
            break;
        }
        usleep(50000);
    }
    ASSERT(!*state || *state == 'Z');
    credentials_free(credentials);
}
