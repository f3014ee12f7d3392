/* Names and messages of the generator. */
#include "base/mem.h"
#include "generate/schema.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
schema_fail(const char *path, int line, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s:%d: error: ", path, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

const char *
text_of(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        schema_fail("generate", 0, "no memory");
    }
    return text;
}

/* A capital begins a word unless it goes on an acronym: KRaftVersion -> k_raft_version, ISRNodes ->
 * isr_nodes. */
static bool
begins_word(const char *name, size_t i)
{
    if (i == 0 || !isupper((unsigned char)name[i])) {
        return false;
    }
    bool after_capital = isupper((unsigned char)name[i - 1]);
    return !after_capital || islower((unsigned char)name[i + 1]);
}

const char *
snake_case(const char *name)
{
    char *out = mem_alloc(2 * strlen(name) + 1);
    size_t n = 0;
    for (size_t i = 0; name[i]; i++) {
        if (begins_word(name, i)) {
            out[n++] = '_';
        }
        out[n++] = (char)tolower((unsigned char)name[i]);
    }
    return out;
}

const char *
upper_case(const char *name)
{
    char *out = mem_strdup(name);
    for (char *p = out; *p; p++) {
        *p = (char)toupper((unsigned char)*p);
    }
    return out;
}
