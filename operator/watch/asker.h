#pragma once
/* Questions to brokers' admin ports: GET of one path, each with the pod that it went to. Answers
 * come one by one; whoever waits for none goes on. */

#include "cache/cache.h"
#include "kube/http.h"

struct question {
    struct list node;
    struct asker *asker;
    struct http_transfer *transfer;
    char uid[64]; /* of the pod */
    int id;       /* of its broker */
    char cluster[QUEUE_KEY_SIZE];
};

/* Called once for each question that was sent, unless asker_stop comes before. */
typedef void (*asker_fn)(
        void *arg, const struct question *question, const struct http_answer *answer);

struct asker {
    struct http *http;
    const char *path; /* static */
    size_t answer_max;
    asker_fn answered;
    void *arg;
    struct list questions; /* under way */
    size_t count;
};

/* The caller has set the first five fields. */
void asker_init(struct asker *asker);
/* What cannot be sent is not asked; the next time comes. */
void asker_ask(struct asker *asker, const struct pod *pod, const char *cluster_key);
bool asker_has_asked(const struct asker *asker, const char *uid);
/* Drops what is under way. */
void asker_stop(struct asker *asker);
