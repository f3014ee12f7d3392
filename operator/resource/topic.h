#pragma once
/* FreshetTopic and FreshetUser: what their owners wish, and what was noted of it in their status.
 * A topic as a broker shows it: TOPIC of docs/admin-api.md. */

#include "base/uuid.h"
#include "resource/meta.h"

#define TOPIC_PARTITIONS_MAX 100000

struct topic {
    struct meta meta;
    cJSON *spec;         /* owned; what follows borrows from it */
    cJSON *conditions;   /* of the status, owned, or NULL */
    char *created;       /* creationTimestamp: who came first */
    const char *cluster; /* its name */
    const char *name;    /* in Kafka */
    const cJSON *config; /* or NULL */
    int partitions;
    bool adopts;  /* a topic that is there already is taken over */
    bool deletes; /* the topic goes with the resource */
    bool has_finalizer;
    bool is_paused;
    /* Of the status. "" : none. */
    char id[UUID_TEXT_SIZE];      /* of the topic that is ours */
    char pending[UUID_TEXT_SIZE]; /* that was chosen for one that we were about to create */
    int partitions_told;          /* 0: none */
};

/* -EBADMSG: what is wrong, with the field's path. */
MUST_CHECK int topic_parse(const cJSON *object, struct topic **ret_topic);
void topic_free(struct topic *topic);
/* An owned copy. */
struct topic *topic_dup(const struct topic *topic);

/* What a broker says of the topic of a name. */
struct topic_told {
    bool exists;
    char id[UUID_TEXT_SIZE];
    int partitions;
    cJSON *config; /* owned; what is set for it: names and texts */
};

/* -EBADMSG: no id or no partitions. topic_told_done. */
MUST_CHECK int topic_told_parse(const cJSON *object, struct topic_told *ret_told);
void topic_told_done(struct topic_told *told);
/* Whether the topic's config is what the resource says, all of it and nothing else. */
bool topic_config_is(const struct topic *topic, const struct topic_told *told);

struct user {
    struct meta meta;
    cJSON *conditions; /* owned, or NULL */
};

MUST_CHECK int user_parse(const cJSON *object, struct user **ret_user);
void user_free(struct user *user);
