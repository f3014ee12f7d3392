/* Asking the program of a kubeconfig user. */
#include "kube/exec.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "kube/clock.h"
#include "kube/credentials_internal.h"
#include "kube/process.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define GROUP_V1 "client.authentication.k8s.io/v1"
#define GROUP_V1BETA1 "client.authentication.k8s.io/v1beta1"
#define ARGUMENTS_MAX 200
#define CLUSTER_EXTENSION "client.authentication.k8s.io/exec"

/* Owned texts, and a NULL at the end. */
struct texts {
    char *list[ARGUMENTS_MAX + 1];
    size_t count;
};

static void
texts_free(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        mem_free(texts->list[i]);
    }
}

static int
texts_add(struct texts *texts, const char *text)
{
    if (texts->count == ARGUMENTS_MAX) {
        return fault(-E2BIG, "exec: more than %d arguments or variables", ARGUMENTS_MAX);
    }
    texts->list[texts->count++] = mem_strdup(text);
    return 0;
}

static int
variable_add(struct texts *texts, const char *name, const char *value)
{
    struct strbuf line;
    strbuf_init(&line, CREDENTIALS_FILE_SIZE_MAX);
    strbuf_printf(&line, "%s=%s", name, value);
    int r = line.error ? fault(-E2BIG, "exec: the value of %s is too large", name)
                       : texts_add(texts, strbuf_cstring(&line));
    strbuf_done(&line);
    return r;
}

static void
told_clear(struct exec_told *told)
{
    mem_free(told->token);
    bytes_free(&told->certificate);
    bytes_free(&told->key);
    told->token = NULL;
    told->config = 0;
}

void
exec_told_free(struct exec_told *told)
{
    if (told) {
        told_clear(told);
        mem_free(told);
    }
}

/* As kubectl looks it up: with a '/' in it relative to the kubeconfig, else in PATH. */
static void
command_path(const char *kubeconfig, const char *command, char *out, size_t out_size)
{
    const char *slash = strrchr(kubeconfig, '/');
    if (*command != '/' && strchr(command, '/') && slash) {
        snprintf(out, out_size, "%.*s/%s", (int)(slash - kubeconfig), kubeconfig, command);
    } else {
        snprintf(out, out_size, "%s", command);
    }
}

static const cJSON *
extension_of(const cJSON *cluster)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(cluster, "extensions"))
    {
        if (strcmp(json_text(item, "name"), CLUSTER_EXTENSION) == 0) {
            return json_at(item, "extension");
        }
    }
    return NULL;
}

static void
cluster_info(const struct credentials *credentials, const cJSON *cluster, cJSON *info)
{
    const cJSON *extension = extension_of(cluster);
    json_set(info, "server", credentials->server);
    if (*credentials->server_name) {
        json_set(info, "tls-server-name", credentials->server_name);
    }
    if (credentials->tls.is_insecure) {
        json_set_bool(info, "insecure-skip-tls-verify", true);
    }
    if (credentials->tls.ca.size) {
        CLEANUP(mem_freep) char *encoded = base64_encode(credentials->tls.ca);
        json_set(info, "certificate-authority-data", encoded);
    }
    if (extension) {
        cJSON_AddItemToObject(info, "config", cJSON_Duplicate(extension, true));
    }
}

/* KUBERNETES_EXEC_INFO. */
static int
question_add(struct texts *env, const struct credentials *credentials, const cJSON *exec,
        const cJSON *cluster)
{
    CLEANUP(json_freep) cJSON *question = cJSON_CreateObject();
    json_set(question, "apiVersion", json_text(exec, "apiVersion"));
    json_set(question, "kind", "ExecCredential");
    cJSON *spec = json_object(question, "spec");
    json_set_bool(spec, "interactive", false);
    if (json_bool(exec, "provideClusterInfo", false)) {
        cluster_info(credentials, cluster, json_object(spec, "cluster"));
    }
    CLEANUP(mem_freep) char *text = json_print(question);
    return variable_add(env, "KUBERNETES_EXEC_INFO", text);
}

/* The user's variables first: of two of one name the first one counts. */
static int
environment_make(struct texts *env, const struct credentials *credentials, const cJSON *exec,
        const cJSON *cluster)
{
    const cJSON *item;
    int r = question_add(env, credentials, exec, cluster);
    cJSON_ArrayForEach(item, json_at(exec, "env"))
    {
        r = r < 0 ? r : variable_add(env, json_text(item, "name"), json_text(item, "value"));
    }
    for (char **inherited = environ; *inherited && r == 0; inherited++) {
        size_t name_size = strcspn(*inherited, "=") + 1;
        bool is_set = false;
        for (size_t i = 0; i < env->count; i++) {
            is_set = is_set || strncmp(env->list[i], *inherited, name_size) == 0;
        }
        r = is_set ? 0 : texts_add(env, *inherited);
    }
    return r;
}

static int
arguments_make(struct texts *arguments, const char *path, const cJSON *exec)
{
    const cJSON *item;
    int r = texts_add(arguments, path);
    cJSON_ArrayForEach(item, json_at(exec, "args"))
    {
        const char *text = cJSON_GetStringValue(item);
        r = r < 0 ? r : texts_add(arguments, text ? text : "");
    }
    return r;
}

static int
program_run(const struct credentials *credentials, const cJSON *exec, const cJSON *cluster,
        struct bytes *ret_output)
{
    char path[1024];
    struct texts *arguments = mem_alloc(sizeof *arguments);
    struct texts *env = mem_alloc(sizeof *env);
    command_path(credentials->kubeconfig, json_text(exec, "command"), path, sizeof path);
    int r = arguments_make(arguments, path, exec);
    r = r < 0 ? r : environment_make(env, credentials, exec, cluster);
    if (r == 0) {
        const struct process process = { .path = path,
            .argv = arguments->list,
            .envp = env->list,
            .limit_ms = credentials->told->ran_ms ? EXEC_AGAIN_MS : EXEC_FIRST_MS,
            .output_max = CREDENTIALS_FILE_SIZE_MAX };
        credentials->told->ran_ms = clock_now_ms();
        r = process_run(&process, ret_output);
    }
    texts_free(arguments);
    texts_free(env);
    mem_free(arguments);
    mem_free(env);
    const char *hint = json_text(exec, "installHint");
    return r == -ENOENT && *hint ? fault_note(r, "%s", hint) : r;
}

static struct bytes
text_bytes(const char *text)
{
    return *text ? bytes_of(mem_dup(text, strlen(text)), strlen(text)) : BYTES_NULL;
}

static int
answer_take(struct exec_told *told, const cJSON *answer, const cJSON *exec)
{
    const char *token = json_text(answer, "status/token");
    const char *certificate = json_text(answer, "status/clientCertificateData");
    const char *key = json_text(answer, "status/clientKeyData");
    const char *end = json_text(answer, "status/expirationTimestamp");
    int64_t left_ms = 0;
    if (strcmp(json_text(answer, "kind"), "ExecCredential") != 0 ||
            strcmp(json_text(answer, "apiVersion"), json_text(exec, "apiVersion")) != 0) {
        return fault(-EBADMSG, "exec: the answer is no ExecCredential of %s",
                json_text(exec, "apiVersion"));
    }
    if (!*certificate != !*key || (!*token && !*key)) {
        return fault(
                -EBADMSG, "exec: the answer has neither a token nor a certificate with its key");
    }
    if (*end && clock_left_ms(end, &left_ms) < 0) {
        return fault(-EBADMSG, "exec: expirationTimestamp \"%.40s\" is no time", end);
    }
    if (*end && left_ms <= 0) {
        return fault(-EBADMSG, "exec: what it tells has ended already, at %.40s", end);
    }
    told_clear(told);
    told->token = *token ? mem_strdup(token) : NULL;
    told->certificate = text_bytes(certificate);
    told->key = text_bytes(key);
    told->end_ms = *end ? clock_now_ms() + left_ms : -1;
    told->is_refused = false;
    return 0;
}

static int
ask(const struct credentials *credentials, const cJSON *exec, const cJSON *cluster)
{
    struct bytes output = BYTES_NULL;
    CLEANUP(json_freep) cJSON *answer = NULL;
    int r = program_run(credentials, exec, cluster, &output);
    r = r < 0 ? r : json_parse(output, &answer);
    bytes_free(&output);
    return r < 0 ? r : answer_take(credentials->told, answer, exec);
}

static int
check(const struct credentials *credentials, const cJSON *exec)
{
    const char *version = json_text(exec, "apiVersion");
    if (!*json_text(exec, "command")) {
        return fault(-EINVAL, "%s: exec names no command", credentials->kubeconfig);
    }
    if (strcmp(version, GROUP_V1) != 0 && strcmp(version, GROUP_V1BETA1) != 0) {
        return fault(-EINVAL, "%s: exec: apiVersion \"%s\" is neither " GROUP_V1 " nor v1beta1",
                credentials->kubeconfig, version);
    }
    if (strcmp(json_text(exec, "interactiveMode"), "Always") == 0) {
        return fault(-ENOTSUP, "%s: exec: interactiveMode is Always, and there is no terminal",
                credentials->kubeconfig);
    }
    return 0;
}

/* Whether the program has to be run for what is there. */
static bool
is_due(const struct exec_told *told, uint64_t config)
{
    int64_t now_ms = clock_now_ms();
    bool has_ended = told->end_ms >= 0 && now_ms >= told->end_ms - EXEC_EARLY_MS;
    if (told->config != config) {
        return true;
    }
    return (told->is_refused || has_ended) && now_ms - told->ran_ms >= EXEC_PAUSE_MS;
}

int
exec_read(struct credentials *credentials, const cJSON *exec, const cJSON *cluster)
{
    struct exec_told *told = credentials->told;
    uint64_t config = json_hash(exec) | 1;
    int r = check(credentials, exec);
    if (r == 0 && is_due(told, config)) {
        r = ask(credentials, exec, cluster);
        told->config = r == 0 ? config : told->config;
    }
    if (r < 0) {
        return r;
    }
    if (told->token) {
        credentials->authorization = authorization_new("Bearer", told->token);
    }
    if (told->key.size) {
        bytes_free(&credentials->tls.certificate);
        bytes_free(&credentials->tls.key);
        credentials->tls.certificate = bytes_of(
                mem_dup(told->certificate.data, told->certificate.size), told->certificate.size);
        credentials->tls.key = bytes_of(mem_dup(told->key.data, told->key.size), told->key.size);
    }
    return 0;
}
