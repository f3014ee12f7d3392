/* S3's answers: expat calls back at each end of an element with its path and text. */
#include "objectstore/s3_xml.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "objectstore/internal.h"
#include "objectstore/s3_credentials.h"

#include <errno.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PATH_SIZE_MAX 256

struct reader;
/* An element ended: `path` is like /ListBucketResult/Contents/Key, `text` has no child elements.
 * Returns 0, or -errno with a fault, which ends the reading. */
typedef int (*element_fn)(void *arg, const char *path, const char *text);

struct reader {
    XML_Parser parser;
    element_fn element;
    void *arg;
    unsigned depth;
    char path[PATH_SIZE_MAX];
    size_t path_size;
    struct strbuf text;
    int error;
};

static void
reader_stop(struct reader *reader, int error)
{
    if (!reader->error) {
        reader->error = error;
    }
    XML_StopParser(reader->parser, XML_FALSE);
}

static void
element_starts(void *arg, const char *name, const char **attributes)
{
    (void)attributes;
    struct reader *reader = arg;
    size_t name_size = strlen(name);
    if (reader->depth == S3_XML_DEPTH_MAX ||
            reader->path_size + name_size + 2 > sizeof reader->path) {
        reader_stop(reader, fault(-EIO, "s3: XML nested too deeply"));
        return;
    }
    reader->path[reader->path_size] = '/';
    memcpy(reader->path + reader->path_size + 1, name, name_size + 1);
    reader->path_size += name_size + 1;
    reader->depth++;
    strbuf_clear(&reader->text);
}

static void
element_ends(void *arg, const char *name)
{
    struct reader *reader = arg;
    if (reader->error) {
        return;
    }
    int r = reader->element(reader->arg, reader->path, strbuf_cstring(&reader->text));
    if (r < 0) {
        reader_stop(reader, r);
        return;
    }
    reader->path_size -= strlen(name) + 1;
    reader->path[reader->path_size] = 0;
    reader->depth--;
    strbuf_clear(&reader->text);
}

static void
text_comes(void *arg, const char *text, int size)
{
    struct reader *reader = arg;
    strbuf_append(&reader->text, bytes_of(text, (size_t)size));
    if (reader->text.error) {
        reader_stop(reader, fault(-EIO, "s3: XML element %s is too long", reader->path));
    }
}

static void
doctype_starts(void *arg, const char *name, const char *system_id, const char *public_id,
        int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    reader_stop(arg, fault(-EIO, "s3: XML with a document type"));
}

/* X1 */
static int
read_xml(struct bytes xml, element_fn element, void *arg)
{
    struct reader reader = { .parser = XML_ParserCreate(NULL), .element = element, .arg = arg };
    if (!reader.parser) {
        return fault(-ENOMEM, "s3: no memory to read XML");
    }
    if (xml.size > INT32_MAX) {
        XML_ParserFree(reader.parser);
        return fault(-EIO, "s3: XML of %zu bytes", xml.size);
    }
    strbuf_init(&reader.text, S3_XML_TEXT_SIZE_MAX);
    XML_SetUserData(reader.parser, &reader);
    XML_SetElementHandler(reader.parser, element_starts, element_ends);
    XML_SetCharacterDataHandler(reader.parser, text_comes);
    XML_SetStartDoctypeDeclHandler(reader.parser, doctype_starts);
    enum XML_Status status =
            XML_Parse(reader.parser, (const char *)xml.data, (int)xml.size, XML_TRUE);
    int r = reader.error;
    if (r == 0 && status != XML_STATUS_OK) {
        r = fault(-EIO, "s3: not XML at line %lu: %s", XML_GetCurrentLineNumber(reader.parser),
                XML_ErrorString(XML_GetErrorCode(reader.parser)));
    }
    XML_ParserFree(reader.parser);
    strbuf_done(&reader.text);
    return r;
}

/* Copies, cut to size; control characters become '?': the text goes into messages. */
static void
copy_text(char *out, size_t out_size, const char *text)
{
    snprintf(out, out_size, "%s", text);
    for (char *c = out; *c; c++) {
        if ((unsigned char)*c < ' ') {
            *c = '?';
        }
    }
}

static const char *
last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int
error_element(void *arg, const char *path, const char *text)
{
    struct s3_error *error = arg;
    const char *name = last_name(path);
    if (strcmp(name, "Code") == 0) {
        copy_text(error->code, sizeof error->code, text);
    } else if (strcmp(name, "Message") == 0) {
        copy_text(error->message, sizeof error->message, text);
    } else if (strcmp(name, "RequestId") == 0) {
        copy_text(error->request_id, sizeof error->request_id, text);
    } else if (strcmp(name, "Region") == 0) {
        copy_text(error->region, sizeof error->region, text);
    }
    return 0;
}

void
s3_error_parse(struct bytes xml, struct s3_error *ret_error)
{
    *ret_error = (struct s3_error){ 0 };
    int r = xml.size ? read_xml(xml, error_element, ret_error) : 0;
    (void)r; /* half an error says more than none */
}

static int
error_root_element(void *arg, const char *path, const char *text)
{
    (void)text;
    bool *is_error = arg;
    *is_error = *is_error || strncmp(path, "/Error", strlen("/Error")) == 0;
    return 0;
}

bool
s3_is_error(struct bytes xml)
{
    bool is_error = false;
    int r = read_xml(xml, error_root_element, &is_error);
    return r == 0 && is_error;
}

static bool
parse_digits(const char **text, unsigned count, int *ret_number)
{
    int number = 0;
    for (unsigned i = 0; i < count; i++, *text += 1) {
        if (**text < '0' || **text > '9') {
            return false;
        }
        number = number * 10 + (**text - '0');
    }
    *ret_number = number;
    return true;
}

static bool
take_char(const char **text, char c)
{
    bool fits = **text == c;
    *text += fits;
    return fits;
}

int
s3_time_parse(const char *text, int64_t *ret_ms)
{
    struct tm tm = { 0 };
    int year = 0;
    int month = 0;
    const char *c = text;
    bool good = parse_digits(&c, 4, &year) && take_char(&c, '-') && parse_digits(&c, 2, &month) &&
                take_char(&c, '-') && parse_digits(&c, 2, &tm.tm_mday) && take_char(&c, 'T') &&
                parse_digits(&c, 2, &tm.tm_hour) && take_char(&c, ':') &&
                parse_digits(&c, 2, &tm.tm_min) && take_char(&c, ':') &&
                parse_digits(&c, 2, &tm.tm_sec);
    int64_t milliseconds = 0;
    if (good && *c == '.') {
        int64_t unit = 100;
        for (c++; *c >= '0' && *c <= '9'; c++) {
            milliseconds += (*c - '0') * unit;
            unit /= 10;
        }
    }
    good = good && take_char(&c, 'Z') && *c == 0 && year >= 1970 && month >= 1 && month <= 12 &&
           tm.tm_mday >= 1 && tm.tm_mday <= 31 && tm.tm_hour < 24 && tm.tm_min < 60 &&
           tm.tm_sec <= 60;
    if (!good) {
        return fault(-EIO, "s3: \"%.40s\" is not a time", text);
    }
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *ret_ms = (int64_t)timegm(&tm) * 1000 + milliseconds;
    return 0;
}

struct list_reader {
    const char *prefix;
    size_t max;
    struct s3_list_page *page;
    bool has_truncated;
    /* of the entry that is being read */
    bool has_key;
    bool has_size;
    char key[1025];
    uint64_t size;
    int64_t modified_ms;
};

static int
list_size(struct list_reader *reader, const char *text)
{
    char *end = NULL;
    errno = 0;
    /* check-text: allow strtoull: end and range are looked at */
    reader->size = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno) {
        return fault(-EIO, "s3: list: the size of %s is \"%.40s\"", reader->key, text);
    }
    reader->has_size = true;
    return 0;
}

static int
list_entry_ends(struct list_reader *reader)
{
    struct s3_list_page *page = reader->page;
    size_t prefix_size = strlen(reader->prefix);
    if (!reader->has_key || !reader->has_size) {
        return fault(-EIO, "s3: list: an entry without a key or a size");
    }
    if (strncmp(reader->key, reader->prefix, prefix_size) != 0) {
        return fault(-EIO, "s3: list: %.200s does not start with %s", reader->key, reader->prefix);
    }
    const char *key = reader->key + prefix_size;
    snprintf(page->last, sizeof page->last, "%s", key);
    if (object_key_check(key) == 0) {
        if (page->list.count == reader->max) {
            return fault(-EIO, "s3: list: more than %zu keys in one page", reader->max);
        }
        object_list_add(&page->list, reader->max, key, reader->size, reader->modified_ms);
    }
    reader->has_key = false;
    reader->has_size = false;
    reader->modified_ms = 0;
    return 0;
}

static int
list_element(void *arg, const char *path, const char *text)
{
    static const char contents[] = "/ListBucketResult/Contents";
    struct list_reader *reader = arg;
    if (strcmp(path, "/ListBucketResult/IsTruncated") == 0) {
        reader->page->truncated = strcmp(text, "true") == 0;
        reader->has_truncated = true;
        return 0;
    }
    if (strncmp(path, contents, sizeof contents - 1) != 0) {
        return 0;
    }
    const char *name = path + sizeof contents - 1;
    if (*name == 0) {
        return list_entry_ends(reader);
    }
    if (strcmp(name, "/Key") == 0) {
        if (strlen(text) >= sizeof reader->key) {
            return fault(-EIO, "s3: list: a key longer than S3 allows: %.64s...", text);
        }
        snprintf(reader->key, sizeof reader->key, "%s", text);
        reader->has_key = true;
        return 0;
    }
    if (strcmp(name, "/Size") == 0) {
        return list_size(reader, text);
    }
    return strcmp(name, "/LastModified") == 0 ? s3_time_parse(text, &reader->modified_ms) : 0;
}

int
s3_list_parse(struct bytes xml, const char *prefix, size_t max, struct s3_list_page *ret_page)
{
    struct list_reader *reader = mem_alloc(sizeof *reader);
    reader->prefix = prefix;
    reader->max = max;
    reader->page = ret_page;
    *ret_page = (struct s3_list_page){ 0 };
    int r = read_xml(xml, list_element, reader);
    if (r == 0 && !reader->has_truncated) {
        r = fault(-EIO, "s3: list: no IsTruncated in the answer");
    }
    mem_free(reader);
    if (r < 0) {
        object_list_done(&ret_page->list);
    }
    return r;
}

struct delete_reader {
    bool is_result;
    char *key;
    struct s3_error *error;
    struct s3_error current;
    char current_key[OBJECT_KEY_SIZE_MAX * 2];
};

static int
delete_element(void *arg, const char *path, const char *text)
{
    struct delete_reader *reader = arg;
    if (strcmp(path, "/DeleteResult") == 0) {
        reader->is_result = true;
    } else if (strcmp(path, "/DeleteResult/Error/Key") == 0) {
        copy_text(reader->current_key, sizeof reader->current_key, text);
    } else if (strncmp(path, "/DeleteResult/Error/", strlen("/DeleteResult/Error/")) == 0) {
        return error_element(&reader->current, path, text);
    } else if (strcmp(path, "/DeleteResult/Error") == 0) {
        bool matters = strcmp(reader->current.code, "NoSuchKey") != 0;
        if (matters && !reader->error->code[0]) {
            *reader->error = reader->current;
            snprintf(reader->key, sizeof reader->current_key, "%s", reader->current_key);
            if (!reader->error->code[0]) {
                return fault(-EIO, "s3: delete: an error without a code");
            }
        }
        reader->current = (struct s3_error){ 0 };
    }
    return 0;
}

int
s3_delete_parse(struct bytes xml, char ret_key[OBJECT_KEY_SIZE_MAX * 2], struct s3_error *ret_error)
{
    struct delete_reader *reader = mem_alloc(sizeof *reader);
    *ret_error = (struct s3_error){ 0 };
    ret_key[0] = 0;
    reader->key = ret_key;
    reader->error = ret_error;
    int r = read_xml(xml, delete_element, reader);
    if (r == 0 && !reader->is_result) {
        r = fault(-EIO, "s3: delete: the answer is no DeleteResult");
    }
    mem_free(reader);
    return r;
}

/* One element's text, wherever it comes first. */
struct text_reader {
    const char *path;
    char *text;
};

static int
text_element(void *arg, const char *path, const char *text)
{
    struct text_reader *reader = arg;
    if (!reader->text && strcmp(path, reader->path) == 0) {
        reader->text = mem_strdup(text);
    }
    return 0;
}

static int
read_text(struct bytes xml, const char *path, char **ret_text)
{
    struct text_reader reader = { .path = path };
    int r = read_xml(xml, text_element, &reader);
    if (r == 0 && (!reader.text || !reader.text[0])) {
        r = fault(-EIO, "s3: no %s in the answer", path);
    }
    if (r < 0) {
        mem_free(reader.text);
        return r;
    }
    *ret_text = reader.text;
    return 0;
}

int
s3_upload_id_parse(struct bytes xml, char **ret_id)
{
    return read_text(xml, "/InitiateMultipartUploadResult/UploadId", ret_id);
}

int
s3_complete_parse(struct bytes xml, struct object_etag *ret_etag)
{
    CLEANUP(mem_freep) char *text = NULL;
    int r = read_text(xml, "/CompleteMultipartUploadResult/ETag", &text);
    if (r < 0) {
        return r;
    }
    if (strlen(text) >= sizeof ret_etag->text) {
        return fault(-EIO, "s3: an ETag of %zu bytes", strlen(text));
    }
    snprintf(ret_etag->text, sizeof ret_etag->text, "%s", text);
    return 0;
}

static int
sts_element(void *arg, const char *path, const char *text)
{
    static const char credentials[] =
            "/AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/";
    struct s3_sts *sts = arg;
    if (strncmp(path, credentials, sizeof credentials - 1) != 0) {
        return 0;
    }
    const char *name = path + sizeof credentials - 1;
    if (strcmp(name, "AccessKeyId") == 0 && !sts->access_key) {
        sts->access_key = mem_strdup(text);
    } else if (strcmp(name, "SecretAccessKey") == 0 && !sts->secret_key) {
        sts->secret_key = mem_strdup(text);
    } else if (strcmp(name, "SessionToken") == 0 && !sts->token) {
        sts->token = mem_strdup(text);
    } else if (strcmp(name, "Expiration") == 0) {
        return s3_time_parse(text, &sts->expires_ms);
    }
    return 0;
}

int
s3_sts_parse(struct bytes xml, struct s3_sts *ret_sts)
{
    struct s3_sts sts = { 0 };
    int r = read_xml(xml, sts_element, &sts);
    if (r == 0 && (!sts.access_key || !sts.secret_key || !sts.token || !sts.expires_ms)) {
        r = fault(-EIO, "s3: the answer of STS lacks credentials");
    }
    if (r < 0) {
        s3_sts_done(&sts);
        return r;
    }
    *ret_sts = sts;
    return 0;
}

void
s3_sts_done(struct s3_sts *sts)
{
    s3_secret_free(sts->access_key);
    s3_secret_free(sts->secret_key);
    s3_secret_free(sts->token);
    *sts = (struct s3_sts){ 0 };
}
