/* The provider: keeps credentials fresh; and the sources that need no network. */
#include "objectstore/s3_credentials.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/internal.h"
#include "reactor/clock.h"
#include "reactor/disk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Renew that long before the end; half the remaining life when that is shorter. */
#define RENEW_BEFORE_MS (5 * 60 * (int64_t)1000)
#define RENEW_PAUSE_NS (10 * (uint64_t)NS_PER_S)
#define WAIT_NS (10 * (uint64_t)NS_PER_MS)

struct s3_provider {
    struct http_client *client;
    char *region;
    pthread_mutex_t mutex; /* over what follows, for moments */
    struct s3_credentials *current;
    int64_t renew_ms; /* wall clock; 0: never */
    bool refused;
    bool renewing;
    uint64_t renew_not_before_ns;
};

void
s3_secret_free(char *text)
{
    if (text) {
        explicit_bzero(text, strlen(text));
        mem_free(text);
    }
}

void
s3_credentials_unref(struct s3_credentials *credentials)
{
    if (credentials && atomic_fetch_sub(&credentials->refs, 1) == 1) {
        s3_secret_free(credentials->access_key);
        s3_secret_free(credentials->secret_key);
        s3_secret_free(credentials->token);
        mem_free(credentials);
    }
}

/* Goes into a header, so it must be one line of plain characters. */
static int
check_text(const char *text, const char *what, const char *source)
{
    if (!text || !*text || strlen(text) > S3_CREDENTIAL_SIZE_MAX) {
        return fault(-EINVAL, "s3 credentials from %s: the %s is empty or too long", source, what);
    }
    for (const char *c = text; *c; c++) {
        if (*c <= ' ' || *c >= 0x7f) {
            return fault(-EINVAL,
                    "s3 credentials from %s: the %s has a blank or unprintable character", source,
                    what);
        }
    }
    return 0;
}

int
s3_credentials_new(const char *access_key, const char *secret_key, const char *token,
        int64_t expires_ms, const char *source, struct s3_credentials **ret_credentials)
{
    int r = check_text(access_key, "access key", source);
    if (r == 0) {
        r = check_text(secret_key, "secret key", source);
    }
    if (r == 0 && token) {
        r = check_text(token, "session token", source);
    }
    if (r < 0) {
        return r;
    }
    struct s3_credentials *credentials = mem_alloc(sizeof *credentials);
    atomic_init(&credentials->refs, 1);
    credentials->access_key = mem_strdup(access_key);
    credentials->secret_key = mem_strdup(secret_key);
    credentials->token = token ? mem_strdup(token) : NULL;
    credentials->expires_ms = expires_ms;
    *ret_credentials = credentials;
    return 0;
}

int
s3_source_environment(const struct s3_source *source, struct s3_credentials **ret_credentials)
{
    (void)source;
    const char *access_key = getenv("AWS_ACCESS_KEY_ID");
    const char *secret_key = getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = getenv("AWS_SESSION_TOKEN");
    bool has_access_key = access_key && *access_key;
    bool has_secret_key = secret_key && *secret_key;
    if (!has_access_key && !has_secret_key) {
        return fault(-ENOENT, "no AWS_ACCESS_KEY_ID");
    }
    if (!has_access_key || !has_secret_key) {
        return fault(-EINVAL, "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set");
    }
    return s3_credentials_new(access_key, secret_key, token && *token ? token : NULL, 0,
            "the environment", ret_credentials);
}

static struct bytes
trim(struct bytes text)
{
    while (text.size && strchr(" \t\r", text.data[0])) {
        text = bytes_of(text.data + 1, text.size - 1);
    }
    while (text.size && strchr(" \t\r", text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

/* The keys of one profile as far as they were read. */
struct profile {
    bool found;
    char *access_key;
    char *secret_key;
    char *token;
};

static void
profile_done(struct profile *profile)
{
    s3_secret_free(profile->access_key);
    s3_secret_free(profile->secret_key);
    s3_secret_free(profile->token);
}

static void
profile_set(char **place, struct bytes value)
{
    s3_secret_free(*place);
    *place = mem_alloc(value.size + 1);
    memcpy(*place, value.data, value.size);
}

/* One line of a section that counts. */
static void
profile_line(struct profile *profile, struct bytes line)
{
    const uint8_t *equals = memchr(line.data, '=', line.size);
    if (!equals) {
        return;
    }
    struct bytes name = trim(bytes_of(line.data, (size_t)(equals - line.data)));
    struct bytes value = trim(bytes_of(equals + 1, line.size - (size_t)(equals - line.data) - 1));
    if (value.size == 0) {
        return;
    }
    if (bytes_equal(name, BYTES_LITERAL("aws_access_key_id"))) {
        profile_set(&profile->access_key, value);
    } else if (bytes_equal(name, BYTES_LITERAL("aws_secret_access_key"))) {
        profile_set(&profile->secret_key, value);
    } else if (bytes_equal(name, BYTES_LITERAL("aws_session_token"))) {
        profile_set(&profile->token, value);
    }
}

int
s3_profile_parse(
        struct bytes text, const char *profile_name, struct s3_credentials **ret_credentials)
{
    struct profile profile = { 0 };
    bool inside = false;
    while (text.size) {
        const uint8_t *newline = memchr(text.data, '\n', text.size);
        size_t size = newline ? (size_t)(newline - text.data) : text.size;
        struct bytes line = trim(bytes_of(text.data, size));
        size_t skip = newline ? size + 1 : size;
        text = bytes_of(text.data + skip, text.size - skip);
        if (line.size == 0 || line.data[0] == '#' || line.data[0] == ';') {
            continue;
        }
        if (line.data[0] == '[' && line.data[line.size - 1] == ']') {
            struct bytes name = trim(bytes_of(line.data + 1, line.size - 2));
            inside = bytes_equal(name, bytes_of_string(profile_name));
            profile.found = profile.found || inside;
        } else if (inside) {
            profile_line(&profile, line);
        }
    }
    int r;
    if (!profile.found) {
        r = fault(-ENOENT, "no profile [%s]", profile_name);
    } else if (!profile.access_key || !profile.secret_key) {
        r = fault(-ENOENT, "no aws_access_key_id and aws_secret_access_key in [%s]", profile_name);
    } else {
        r = s3_credentials_new(profile.access_key, profile.secret_key, profile.token, 0,
                "the credentials file", ret_credentials);
    }
    profile_done(&profile);
    return r;
}

int
s3_source_file(const struct s3_source *source, struct s3_credentials **ret_credentials)
{
    (void)source;
    char path[FILE_PATH_MAX];
    const char *given = getenv("AWS_SHARED_CREDENTIALS_FILE");
    const char *home = getenv("HOME");
    const char *profile = getenv("AWS_PROFILE");
    bool is_asked_for = (given && *given) || (profile && *profile);
    int n;
    if (given && *given) {
        n = snprintf(path, sizeof path, "%s", given);
    } else {
        n = snprintf(path, sizeof path, "%s/.aws/credentials", home ? home : "");
    }
    if (n >= (int)sizeof path) {
        return fault(-EINVAL, "the path of the credentials file is too long");
    }
    CLEANUP(buf_unrefp) struct buf *text = NULL;
    int r = disk_read_file(path, S3_CREDENTIALS_FILE_SIZE_MAX, &text);
    if (r == 0) {
        r = s3_profile_parse(
                buf_bytes(text), profile && *profile ? profile : "default", ret_credentials);
        explicit_bzero(text->data, text->size);
    }
    if (r == -ENOENT && is_asked_for) {
        r = -EACCES; /* C3 */
    }
    return r < 0 ? fault_note(r, "credentials file %s", path) : 0;
}

struct s3_provider *
s3_provider_new(struct http_client *client, const char *region)
{
    struct s3_provider *provider = mem_alloc(sizeof *provider);
    provider->client = client;
    provider->region = mem_strdup(region);
    pthread_mutex_init(&provider->mutex, NULL);
    return provider;
}

void
s3_provider_free(struct s3_provider *provider)
{
    s3_credentials_unref(provider->current);
    pthread_mutex_destroy(&provider->mutex);
    mem_free(provider->region);
    mem_free(provider);
}

static int
search(struct s3_provider *provider, uint64_t deadline_ns, struct s3_credentials **ret_credentials)
{
    static const struct {
        const char *name;
        int (*fn)(const struct s3_source *source, struct s3_credentials **ret_credentials);
    } sources[] = {
        { "environment", s3_source_environment },
        { "web identity", s3_source_web_identity },
        { "file", s3_source_file },
        { "container", s3_source_container },
        { "instance metadata", s3_source_instance },
    };
    struct s3_source source = { provider->client, provider->region, deadline_ns };
    struct strbuf tried;
    strbuf_init(&tried, 1024);
    int r = -ENOENT;
    for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(sources); i++) {
        r = sources[i].fn(&source, ret_credentials);
        if (r == -ENOENT) {
            strbuf_printf(&tried, "%s%s: %.90s", i ? "; " : "", sources[i].name, fault_text());
        } else if (r < 0) {
            r = fault_note(r, "s3 credentials from %s", sources[i].name);
        }
    }
    if (r == -ENOENT) {
        r = fault(-EACCES, "s3: no credentials found: %s", strbuf_cstring(&tried));
    }
    strbuf_done(&tried);
    return r;
}

static int64_t
renew_time(const struct s3_credentials *credentials, int64_t now_ms)
{
    if (credentials->expires_ms == 0) {
        return 0;
    }
    int64_t left_ms = credentials->expires_ms - now_ms;
    return credentials->expires_ms - MIN(RENEW_BEFORE_MS, left_ms / 2);
}

enum decision { USE, RENEW, WAIT };

/* Called with the lock. */
static enum decision
decide(struct s3_provider *provider)
{
    int64_t now_ms = clock_wall_ms();
    const struct s3_credentials *current = provider->current;
    bool is_good = current && !provider->refused &&
                   (current->expires_ms == 0 || now_ms < current->expires_ms);
    bool is_fresh = is_good && (provider->renew_ms == 0 || now_ms < provider->renew_ms);
    if (is_fresh ||
            (is_good && (provider->renewing || clock_mono_ns() < provider->renew_not_before_ns))) {
        return USE; /* C2 */
    }
    if (provider->renewing) {
        return WAIT;
    }
    provider->renewing = true;
    return RENEW;
}

/* Takes the result of a search; returns whether the old ones can still be used. */
static bool
renewed(struct s3_provider *provider, int r, struct s3_credentials *credentials)
{
    pthread_mutex_lock(&provider->mutex);
    int64_t now_ms = clock_wall_ms();
    provider->renewing = false;
    if (r == 0) {
        s3_credentials_unref(provider->current);
        provider->current = credentials;
        provider->renew_ms = renew_time(credentials, now_ms);
        provider->refused = false;
    } else {
        provider->renew_not_before_ns = clock_mono_ns() + RENEW_PAUSE_NS;
    }
    const struct s3_credentials *current = provider->current;
    bool usable = current && !provider->refused &&
                  (current->expires_ms == 0 || now_ms < current->expires_ms);
    pthread_mutex_unlock(&provider->mutex);
    return usable;
}

int
s3_provider_get(
        struct s3_provider *provider, uint64_t deadline_ns, struct s3_credentials **ret_credentials)
{
    for (;;) {
        pthread_mutex_lock(&provider->mutex);
        enum decision decision = decide(provider);
        if (decision == USE) {
            atomic_fetch_add(&provider->current->refs, 1);
            *ret_credentials = provider->current;
        }
        pthread_mutex_unlock(&provider->mutex);
        if (decision == USE) {
            return 0;
        }
        int r = 0;
        if (decision == RENEW) {
            struct s3_credentials *found = NULL;
            r = search(provider, deadline_ns, &found);
            if (r < 0 && renewed(provider, r, NULL)) {
                MARK("s3 credentials: renewal failed, the old ones go on");
                LOG_WARN("s3 credentials could not be renewed yet", LOG_FAULT(r));
                continue;
            }
            if (r == 0) {
                (void)renewed(provider, 0, found);
            }
        } else {
            r = clock_mono_ns() >= deadline_ns
                        ? fault(-ETIMEDOUT, "s3: credentials did not come in time")
                        : fiber_sleep_ns(WAIT_NS);
        }
        if (r < 0) {
            return r;
        }
    }
}

void
s3_provider_refuse(struct s3_provider *provider, const struct s3_credentials *credentials)
{
    pthread_mutex_lock(&provider->mutex);
    if (provider->current == credentials) {
        provider->refused = true;
    }
    pthread_mutex_unlock(&provider->mutex);
}
