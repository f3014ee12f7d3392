/* Making and naming actions. */
#include "act/action.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define NOTE_SIZE 400

struct action *
action_new(enum action_kind kind, int id)
{
    struct action *action = mem_alloc(sizeof *action);
    action->kind = kind;
    action->id = id;
    action->epoch = -1;
    list_init(&action->node);
    char **texts[] = { &action->name, &action->uid, &action->version, &action->text, &action->ip };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        *texts[i] = mem_strdup("");
    }
    return action;
}

void
action_free(struct action *action)
{
    list_remove(&action->node);
    cJSON_Delete(action->object);
    mem_free(action->name);
    mem_free(action->uid);
    mem_free(action->version);
    mem_free(action->text);
    mem_free(action->ip);
    mem_free(action->event_note);
    mem_free(action->failure_text);
    mem_free(action);
}

void
action_set(char **field, const char *text)
{
    mem_free(*field);
    *field = mem_strdup(text);
}

void
action_event(struct action *action, const char *reason, const char *verb, const char *format, ...)
{
    char note[NOTE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(note, sizeof note, format, args);
    va_end(args);
    action->event_reason = reason;
    action->event_action = verb;
    mem_free(action->event_note);
    action->event_note = mem_strdup(note);
}

const char *
action_name(enum action_kind kind)
{
    static const char *const names[] = { "apply", "seek child", "create claim", "create pod",
        "try pod", "delete pod", "delete claim", "delete child", "mark claim", "grow claim",
        "label pod", "drain", "undrain", "unregister", "unregister gone", "settings",
        "add finalizer", "remove finalizer" };
    return names[kind];
}
