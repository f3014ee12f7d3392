/* The rules of the fault proxy. One lock: requests are few. */
#include "faultproxy.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 64

struct rule {
    char method[16];
    char path[512];
    char kind_name[16];
    regex_t regex;
    struct fault_choice choice;
    double probability;
    int count; /* how often still; negative: no end */
    int hits;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static size_t rule_count;
static long total;
static uint64_t random_state = 0x853c49e6748fea9bu;

static double
random_unit(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / (double)(1ull << 53);
}

static bool
rule_fits(const struct rule *rule, const char *method, const char *target)
{
    return rule->count != 0 && (!rule->method[0] || strcmp(rule->method, method) == 0) &&
           regexec(&rule->regex, target, 0, NULL, 0) == 0 && random_unit() < rule->probability;
}

struct fault_choice
fault_pick(const char *method, const char *target)
{
    struct fault_choice choice = { .kind = FAULT_NONE };
    pthread_mutex_lock(&lock);
    total++;
    for (size_t i = 0; i < rule_count; i++) {
        struct rule *rule = &rules[i];
        if (rule_fits(rule, method, target)) {
            rule->count -= rule->count > 0 ? 1 : 0;
            rule->hits++;
            choice = rule->choice;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return choice;
}

static bool
kind_parse(const char *name, struct fault_choice *ret_choice)
{
    static const struct {
        const char *name;
        enum fault_kind kind;
    } kinds[] = {
        { "lost", FAULT_LOST },
        { "late", FAULT_LATE },
        { "drop", FAULT_DROP },
        { "close", FAULT_CLOSE },
        { "hang", FAULT_HANG },
        { "delay", FAULT_DELAY },
        { "truncate", FAULT_TRUNCATE },
        { "wrong", FAULT_WRONG },
        { "slow", FAULT_SLOW },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            ret_choice->kind = kinds[i].kind;
            return true;
        }
    }
    bool is_lie = strncmp(name, "lie-", 4) == 0;
    char *end = NULL;
    long status = strtol(is_lie ? name + 4 : name, &end, 10);
    if (*end || status < 300 || status > 599) {
        return false;
    }
    ret_choice->kind = is_lie ? FAULT_LIE_STATUS : FAULT_STATUS;
    ret_choice->status = (int)status;
    return true;
}

static const char *
text_of(const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
    return text ? text : "";
}

static double
number_of(const cJSON *json, const char *name, double missing)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    return cJSON_IsNumber(item) ? item->valuedouble : missing;
}

static bool
rule_add(const cJSON *json)
{
    if (rule_count == RULES_MAX) {
        return false;
    }
    struct rule *rule = &rules[rule_count];
    memset(rule, 0, sizeof *rule);
    snprintf(rule->method, sizeof rule->method, "%s", text_of(json, "method"));
    snprintf(rule->path, sizeof rule->path, "%s", text_of(json, "path"));
    snprintf(rule->kind_name, sizeof rule->kind_name, "%s", text_of(json, "kind"));
    rule->probability = number_of(json, "probability", 1);
    rule->count = (int)number_of(json, "count", -1);
    rule->choice.ms = (int)number_of(json, "ms", 0);
    if (!kind_parse(rule->kind_name, &rule->choice) ||
            regcomp(&rule->regex, rule->path, REG_EXTENDED | REG_NOSUB)) {
        return false;
    }
    rule_count++;
    return true;
}

static char *
rules_print(void)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "total", (double)total);
    cJSON *list = cJSON_AddArrayToObject(json, "faults");
    for (size_t i = 0; i < rule_count; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "method", rules[i].method);
        cJSON_AddStringToObject(item, "path", rules[i].path);
        cJSON_AddStringToObject(item, "kind", rules[i].kind_name);
        cJSON_AddNumberToObject(item, "count", rules[i].count);
        cJSON_AddNumberToObject(item, "hits", rules[i].hits);
        cJSON_AddItemToArray(list, item);
    }
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return text;
}

char *
fault_control(const char *method, const char *body, int *ret_status)
{
    *ret_status = 200;
    pthread_mutex_lock(&lock);
    if (strcmp(method, "PUT") == 0) {
        cJSON *json = cJSON_Parse(body);
        if (!json || !rule_add(json)) {
            *ret_status = 400;
        }
        cJSON_Delete(json);
    } else if (strcmp(method, "DELETE") == 0) {
        for (size_t i = 0; i < rule_count; i++) {
            regfree(&rules[i].regex);
        }
        rule_count = 0;
    }
    char *text = rules_print();
    pthread_mutex_unlock(&lock);
    return text;
}
