/* See asker.h. */
#include "watch/asker.h"

#include "base/mem.h"
#include "resource/names.h"

#include <stdio.h>

#define TIMEOUT_MS 3000

void
asker_init(struct asker *asker)
{
    list_init(&asker->questions);
    asker->count = 0;
}

static void
on_answer(void *arg, const struct http_answer *answer)
{
    struct question *question = arg;
    struct asker *asker = question->asker;
    asker->answered(asker->arg, question, answer);
    list_remove(&question->node);
    asker->count--;
    mem_free(question);
}

void
asker_ask(struct asker *asker, const struct pod *pod, const char *cluster_key)
{
    char url[160];
    bool is_v6 = strchr(pod->ip, ':') != NULL;
    struct question *question = mem_alloc(sizeof *question);
    question->asker = asker;
    question->id = pod->id;
    snprintf(question->uid, sizeof question->uid, "%s", pod->meta.uid);
    snprintf(question->cluster, sizeof question->cluster, "%s", cluster_key);
    snprintf(url, sizeof url, is_v6 ? "http://[%.60s]:%d%s" : "http://%.60s:%d%s", pod->ip,
            ADMIN_PORT, asker->path);
    struct http_request request = {
        .method = "GET",
        .url = url,
        .timeout_ms = TIMEOUT_MS,
        .answer_max = asker->answer_max,
        .done = on_answer,
        .arg = question,
    };
    if (http_start(asker->http, &request, &question->transfer) < 0) {
        mem_free(question);
        return;
    }
    list_push_back(&asker->questions, &question->node);
    asker->count++;
}

bool
asker_has_asked(const struct asker *asker, const char *uid)
{
    LIST_FOREACH (node, &asker->questions) {
        if (strcmp(CONTAINER_OF(node, struct question, node)->uid, uid) == 0) {
            return true;
        }
    }
    return false;
}

void
asker_stop(struct asker *asker)
{
    LIST_FOREACH_SAFE (node, &asker->questions) {
        struct question *question = CONTAINER_OF(node, struct question, node);
        http_cancel(question->transfer);
        mem_free(question);
    }
    asker_init(asker);
}
