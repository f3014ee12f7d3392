/* See scheduler.h. The texts are those of the scheduler's plug-ins, of 1.31 and newer. */
#include "resource/scheduler.h"

#include "base/attr.h"
#include "base/bytes.h"

#include <string.h>

/* The volume is somewhere else. */
static const char *const elsewhere[] = { "node(s) didn't match PersistentVolume's node affinity",
    "node(s) had volume node affinity conflict", "node(s) had no available volume zone" };
/* Nodes that the pod is not meant for at all. */
static const char *const never[] = { "node(s) didn't match Pod's node affinity/selector",
    "node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }",
    "node(s) had untolerated taint {node-role.kubernetes.io/master: }" };
/* Words about storage that are about room on nodes. */
static const char *const room[] = { "ephemeral-storage", "max volume count" };

static bool
is_one_of(struct bytes item, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(item, bytes_of_string(texts[i]))) {
            return true;
        }
    }
    return false;
}

/* "2 node(s) ..." without its number; empty: it is none. */
static struct bytes
reason_of(const char *item, size_t size)
{
    size_t digits = strspn(item, "0123456789");
    bool is_counted = digits && digits < size && item[digits] == ' ';
    return is_counted ? bytes_of(item + digits + 1, size - digits - 1) : BYTES_NULL;
}

bool
scheduler_ties_volume(const char *message)
{
    const char *list = strstr(message, " nodes are available: ");
    bool is_tied = false;
    if (!list) {
        return false;
    }
    list += strlen(" nodes are available: ");
    const char *end = strstr(list, ". ");
    size_t left = end ? (size_t)(end - list) : strlen(list);
    left -= left && list[left - 1] == '.';
    while (left) {
        const char *comma = memmem(list, left, ", ", 2);
        size_t size = comma ? (size_t)(comma - list) : left;
        struct bytes reason = reason_of(list, size);
        bool is_elsewhere = is_one_of(reason, elsewhere, ARRAY_SIZE(elsewhere));
        if (!is_elsewhere && !is_one_of(reason, never, ARRAY_SIZE(never))) {
            return false;
        }
        is_tied = is_tied || is_elsewhere;
        size += comma ? 2 : 0;
        list += size;
        left -= size;
    }
    return is_tied;
}

static bool
is_about_room(const char *message, const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(room); i++) {
        const char *at = strstr(message, room[i]);
        for (; at && at <= word; at = strstr(at + 1, room[i])) {
            if (word < at + strlen(room[i])) {
                return true;
            }
        }
    }
    return false;
}

bool
scheduler_misses_volume(const char *message)
{
    static const char *const words[] = { "volume", "storage" };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        const char *word = strcasestr(message, words[i]);
        for (; word; word = strcasestr(word + 1, words[i])) {
            if (!is_about_room(message, word)) {
                return true;
            }
        }
    }
    return false;
}
