/* Sources of credentials that are asked over HTTP: STS with a web identity, the container's agent,
 * the instance's metadata service (version 2 only: version 1 hands credentials to anybody who can
 * make the broker fetch a URL). */
#include "base/fault.h"
#include "base/mem.h"
#include "objectstore/s3_credentials.h"
#include "objectstore/s3_sign.h"
#include "objectstore/s3_xml.h"
#include "reactor/clock.h"
#include "reactor/disk.h"
#include "reactor/random.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_NS_MAX (10 * (uint64_t)NS_PER_S)
/* Off AWS nobody answers at the metadata address: do not wait long to find out. */
#define INSTANCE_NS_MAX (2 * (uint64_t)NS_PER_S)
#define JSON_DEPTH_MAX 8
#define URL_SIZE_MAX 1024

static uint64_t
answer_deadline(const struct s3_source *source, uint64_t patience_ns)
{
    return MIN(source->deadline_ns, clock_mono_ns() + patience_ns);
}

/* cJSON reads nested arrays by recursion, and a fiber's stack is small. */
static bool
is_nested_deeply(struct bytes json)
{
    unsigned depth = 0;
    for (size_t i = 0; i < json.size; i++) {
        if (json.data[i] == '[' || json.data[i] == '{') {
            depth++; /* brackets inside strings count too: credentials have none */
        }
    }
    return depth > JSON_DEPTH_MAX;
}

static const char *
json_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

int
s3_credentials_json_parse(
        struct bytes json, const char *source, struct s3_credentials **ret_credentials)
{
    cJSON *object = is_nested_deeply(json)
                            ? NULL
                            : cJSON_ParseWithLength((const char *)json.data, json.size);
    if (!cJSON_IsObject(object)) {
        cJSON_Delete(object);
        return fault(-EIO, "%s: the answer is not a JSON object", source);
    }
    int64_t expires_ms = 0;
    const char *expiration = json_text(object, "Expiration");
    const char *access_key = json_text(object, "AccessKeyId");
    const char *secret_key = json_text(object, "SecretAccessKey");
    int r = expiration ? s3_time_parse(expiration, &expires_ms) : 0;
    if (r == 0 && (!access_key || !secret_key)) {
        const char *code = json_text(object, "Code");
        r = fault(-EIO, "%s: no AccessKeyId and SecretAccessKey in the answer (code %.40s)", source,
                code ? code : "-");
    }
    if (r == 0) {
        r = s3_credentials_new(access_key, secret_key, json_text(object, "Token"), expires_ms,
                source, ret_credentials);
    }
    cJSON_Delete(object);
    return r;
}

/* One request; a status other than 200 is -EACCES (4xx) or -EAGAIN. Returns the owned body. */
static int
fetch(const struct s3_source *source, const struct http_request *request, struct buf **ret_body)
{
    struct http_response response;
    int r = http_do(source->client, request, &response, NULL);
    if (r < 0) {
        return r;
    }
    if (response.status == 200 && response.body) {
        *ret_body = TAKE_PTR(response.body);
    } else {
        struct s3_error error;
        s3_error_parse(response.body ? buf_bytes(response.body) : BYTES_NULL, &error);
        bool refused = response.status >= 400 && response.status < 500;
        r = fault(refused ? -EACCES : -EAGAIN, "%s %s: status %d %s %s", request->method,
                request->url, response.status, error.code, error.message);
    }
    http_response_done(&response);
    return r;
}

/* A small file that holds one token; the trailing newline is cut. */
static int
read_token(const char *path, char **ret_token)
{
    CLEANUP(buf_unrefp) struct buf *text = NULL;
    int r = disk_read_file(path, S3_CREDENTIAL_SIZE_MAX, &text);
    if (r < 0) {
        return fault_note(r == -ENOENT ? -EACCES : r, "token file %s", path);
    }
    size_t size = text->size;
    while (size && (text->data[size - 1] == '\n' || text->data[size - 1] == '\r' ||
                           text->data[size - 1] == ' ')) {
        size--;
    }
    if (size == 0) {
        return fault(-EACCES, "token file %s is empty", path);
    }
    *ret_token = mem_alloc(size + 1);
    memcpy(*ret_token, text->data, size);
    return 0;
}

static void
web_identity_form(struct strbuf *form, const char *role, const char *token)
{
    char session[48];
    const char *name = getenv("AWS_ROLE_SESSION_NAME");
    snprintf(session, sizeof session, "freshet-%016" PRIx64, random_u64());
    strbuf_append_string(form, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=");
    s3_encode(form, role, false);
    strbuf_append_string(form, "&RoleSessionName=");
    s3_encode(form, name && *name ? name : session, false);
    strbuf_append_string(form, "&WebIdentityToken=");
    s3_encode(form, token, false);
}

static int
ask_sts(const struct s3_source *source, struct bytes form, struct s3_credentials **ret_credentials)
{
    char url[URL_SIZE_MAX];
    const char *endpoint = getenv("AWS_ENDPOINT_URL_STS");
    if (endpoint && *endpoint) {
        bool has_slash = endpoint[strlen(endpoint) - 1] == '/';
        snprintf(url, sizeof url, "%s%s", endpoint, has_slash ? "" : "/");
    } else {
        snprintf(url, sizeof url, "https://sts.%s.amazonaws.com/", source->region);
    }
    const char *headers[] = { "content-type: application/x-www-form-urlencoded" };
    struct iovec part = { (void *)(uintptr_t)form.data, form.size };
    struct http_body body = { &part, 1, 0, form.size };
    struct http_request request = { "POST", url, headers, 1, &body,
        .deadline_ns = answer_deadline(source, ANSWER_NS_MAX),
        .response_size_max = S3_CREDENTIALS_ANSWER_SIZE_MAX };
    CLEANUP(buf_unrefp) struct buf *answer = NULL;
    struct s3_sts sts;
    int r = fetch(source, &request, &answer);
    r = r < 0 ? r : s3_sts_parse(buf_bytes(answer), &sts);
    if (r < 0) {
        return r == -EIO ? fault_note(-EAGAIN, "%s", url) : r;
    }
    r = s3_credentials_new(
            sts.access_key, sts.secret_key, sts.token, sts.expires_ms, "STS", ret_credentials);
    s3_sts_done(&sts);
    return r;
}

int
s3_source_web_identity(const struct s3_source *source, struct s3_credentials **ret_credentials)
{
    const char *path = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *role = getenv("AWS_ROLE_ARN");
    CLEANUP(mem_freep) char *token = NULL;
    if (!path || !*path) {
        return fault(-ENOENT, "no AWS_WEB_IDENTITY_TOKEN_FILE");
    }
    if (!role || !*role) {
        return fault(-EINVAL, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
    }
    int r = read_token(path, &token);
    if (r < 0) {
        return r;
    }
    struct strbuf form;
    strbuf_init(&form, 4 * S3_CREDENTIAL_SIZE_MAX);
    web_identity_form(&form, role, token);
    explicit_bzero(token, strlen(token));
    r = form.error ? fault(-EINVAL, "the web identity token is too long") : 0;
    if (r == 0) {
        r = ask_sts(source, strbuf_bytes(&form), ret_credentials);
    }
    explicit_bzero(form.data, form.size);
    strbuf_done(&form);
    return r;
}

static bool
starts_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* The agent's answer holds secrets, so plain HTTP only to this machine and to the known link-local
 * addresses. */
static bool
agent_url_is_safe(const char *url)
{
    static const char *const hosts[] = { "127.", "localhost", "[::1]", "169.254.170.2",
        "169.254.170.23", "[fd00:ec2::23]" };
    if (starts_with(url, "https://")) {
        return true;
    }
    if (!starts_with(url, "http://")) {
        return false;
    }
    const char *host = url + strlen("http://");
    size_t size = strcspn(host, "/?#");
    if (memchr(host, '@', size)) {
        return false;
    }
    size = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        size_t known = strlen(hosts[i]);
        bool is_prefix = hosts[i][known - 1] == '.';
        if (strncmp(host, hosts[i], known) == 0 &&
                (size == known || (is_prefix && strspn(host, "0123456789.") == size))) {
            return true;
        }
    }
    return false;
}

/* "Authorization: ..." of the agent, or NULL. -EACCES: the file that holds it cannot be read. */
static int
agent_authorization(char **ret_header)
{
    const char *path = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *plain = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    CLEANUP(mem_freep) char *from_file = NULL;
    if (path && *path) {
        int r = read_token(path, &from_file);
        if (r < 0) {
            return r;
        }
    }
    const char *token = from_file ? from_file : plain;
    if (token && *token) {
        size_t size = strlen(token) + sizeof "authorization: ";
        *ret_header = mem_alloc(size);
        snprintf(*ret_header, size, "authorization: %s", token);
    }
    return 0;
}

int
s3_source_container(const struct s3_source *source, struct s3_credentials **ret_credentials)
{
    char url[URL_SIZE_MAX];
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative && *relative) {
        snprintf(url, sizeof url, "http://169.254.170.2%s", relative);
    } else if (full && *full) {
        snprintf(url, sizeof url, "%s", full);
    } else {
        return fault(-ENOENT, "no AWS_CONTAINER_CREDENTIALS_FULL_URI");
    }
    if (!agent_url_is_safe(url)) {
        return fault(-EINVAL, "%s is neither https nor an address of this machine", url);
    }
    CLEANUP(mem_freep) char *authorization = NULL;
    CLEANUP(buf_unrefp) struct buf *answer = NULL;
    int r = agent_authorization(&authorization);
    if (r < 0) {
        return r;
    }
    const char *headers[] = { "accept: application/json", authorization };
    struct http_request request = { "GET", url, headers, authorization ? 2 : 1, .direct = true,
        .deadline_ns = answer_deadline(source, ANSWER_NS_MAX),
        .response_size_max = S3_CREDENTIALS_ANSWER_SIZE_MAX };
    r = fetch(source, &request, &answer);
    return r < 0 ? r
                 : s3_credentials_json_parse(
                           buf_bytes(answer), "the container's agent", ret_credentials);
}

/* One request to the metadata service; the answer as a line of text, owned. */
static int
instance_ask(const struct s3_source *source, const char *method, const char *path,
        const char *header, struct buf **ret_body)
{
    char url[URL_SIZE_MAX];
    const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    snprintf(url, sizeof url, "%s%s", endpoint && *endpoint ? endpoint : "http://169.254.169.254",
            path);
    struct http_body empty = { NULL, 0, 0, 0 };
    struct http_request request = { method, url, &header, 1,
        strcmp(method, "PUT") == 0 ? &empty : NULL, .direct = true,
        .deadline_ns = answer_deadline(source, INSTANCE_NS_MAX),
        .response_size_max = S3_CREDENTIALS_ANSWER_SIZE_MAX };
    return fetch(source, &request, ret_body);
}

/* The first line, as a string of at most out_size. -EIO: empty, too long or not plain. */
static int
first_line(const struct buf *body, const char *what, char *out, size_t out_size)
{
    size_t size = 0;
    while (size < body->size && body->data[size] > ' ' && body->data[size] < 0x7f) {
        size++;
    }
    if (size == 0 || size >= out_size) {
        return fault(-EIO, "instance metadata: no usable %s in the answer", what);
    }
    bytes_to_string(bytes_of(body->data, size), out, out_size);
    return 0;
}

int
s3_source_instance(const struct s3_source *source, struct s3_credentials **ret_credentials)
{
    static const char folder[] = "/latest/meta-data/iam/security-credentials/";
    const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
    if (disabled && strcmp(disabled, "true") == 0) {
        return fault(-ENOENT, "AWS_EC2_METADATA_DISABLED");
    }
    CLEANUP(buf_unrefp) struct buf *token = NULL;
    CLEANUP(buf_unrefp) struct buf *role = NULL;
    CLEANUP(buf_unrefp) struct buf *answer = NULL;
    char text[512];
    char header[560];
    char path[320];
    int r = instance_ask(source, "PUT", "/latest/api/token",
            "x-aws-ec2-metadata-token-ttl-seconds: 21600", &token);
    if (r < 0) {
        return r == -ECANCELED ? r : fault_note(-ENOENT, "nobody answers");
    }
    r = first_line(token, "token", text, sizeof text);
    if (r < 0) {
        return r;
    }
    snprintf(header, sizeof header, "x-aws-ec2-metadata-token: %s", text);
    r = instance_ask(source, "GET", folder, header, &role);
    if (r == -EACCES) {
        return fault(-ENOENT, "the instance has no role");
    }
    if (r == 0) {
        r = first_line(role, "role", text, 200);
    }
    if (r < 0) {
        return r;
    }
    snprintf(path, sizeof path, "%s%.200s", folder, text);
    r = instance_ask(source, "GET", path, header, &answer);
    return r < 0 ? r
                 : s3_credentials_json_parse(
                           buf_bytes(answer), "instance metadata", ret_credentials);
}
