/* One topic's next step. */
#include "plan/topic.h"

#include <stdarg.h>
#include <stdio.h>

const char *
topic_step_name(enum topic_step step)
{
    static const char *const names[] = { "done", "add finalizer", "remove finalizer", "adopt",
        "create", "alter", "grow", "delete" };
    return names[step];
}

PRINTF(4, 5)
static void
tell(struct topic_plan *plan, enum truth ready, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(plan->message, sizeof plan->message, format, args);
    va_end(args);
    plan->ready = ready;
    plan->reason = reason;
}

/* What keeps us from asking a broker; true: told. */
static bool
is_held_up(const struct topic_input *in, struct topic_plan *plan)
{
    const struct topic *topic = in->topic;
    if (!in->has_cluster) {
        tell(plan, TRUTH_FALSE, "NoCluster", "there is no FreshetCluster %s in this namespace",
                topic->cluster);
    } else if (topic->is_paused || in->is_cluster_paused) {
        tell(plan, TRUTH_UNKNOWN, "Paused", "an annotation pauses %s: nothing is done",
                topic->is_paused ? "this resource" : "the cluster");
    } else if (in->rival) {
        tell(plan, TRUTH_FALSE, "Conflict",
                "topic %s is FreshetTopic %s's, which is older; delete one of them", topic->name,
                in->rival);
    } else if (!in->has_broker) {
        tell(plan, TRUTH_FALSE, "NoBroker", "no broker of cluster %s is ready to be asked",
                topic->cluster);
    } else {
        return false;
    }
    plan->will_pass = true;
    return true;
}

/* P7 */
static bool
is_ours(const struct topic *topic, const struct topic_told *told)
{
    return told->exists && ((*topic->id && strcmp(topic->id, told->id) == 0) ||
                                   (*topic->pending && strcmp(topic->pending, told->id) == 0));
}

/* The resource is being deleted. Without its cluster there is nobody to delete the topic, and a
 * cluster that goes away keeps its bucket as it is. */
static void
end_plan(const struct topic_input *in, struct topic_plan *plan)
{
    const struct topic *topic = in->topic;
    if (!topic->has_finalizer) {
        tell(plan, TRUTH_FALSE, "Deleting", "the resource is being deleted");
        return;
    }
    plan->step = TOPIC_REMOVE_FINALIZER;
    bool is_nowhere = !in->has_cluster || in->is_cluster_deleting;
    if (is_nowhere || !topic->deletes || in->rival || (!*topic->id && !*topic->pending)) {
        return;
    }
    if (is_held_up(in, plan)) {
        plan->step = TOPIC_DONE;
        return;
    }
    plan->must_ask = !in->told;
    if (!in->told) {
        plan->step = TOPIC_DONE;
    } else if (is_ours(topic, in->told)) {
        plan->step = TOPIC_DELETE;
    }
}

/* A topic of the name is there and isn't ours. */
static void
foreign_plan(const struct topic_input *in, struct topic_plan *plan)
{
    const struct topic *topic = in->topic;
    if (topic->adopts) {
        plan->step = TOPIC_ADOPT;
    } else if (*topic->id) {
        tell(plan, TRUTH_FALSE, "TopicReplaced",
                "topic %s was deleted and made again by somebody else; set spec.adopt: true to "
                "take it over, or delete this resource",
                topic->name);
    } else {
        tell(plan, TRUTH_FALSE, "TopicExists",
                "topic %s exists already and was not made by this resource; set spec.adopt: true "
                "to take it over, or use another topicName",
                topic->name);
    }
}

static void
wish_plan(const struct topic_input *in, struct topic_plan *plan)
{
    const struct topic *topic = in->topic;
    const struct topic_told *told = in->told;
    if (!told->exists) {
        plan->step = TOPIC_CREATE;
    } else if (!is_ours(topic, told)) {
        foreign_plan(in, plan);
    } else if (topic->partitions < told->partitions) {
        tell(plan, TRUTH_FALSE, "PartitionsCannotShrink",
                "topic %s has %d partitions and %d are wished for; partitions can be added only: "
                "set spec.partitions to %d",
                topic->name, told->partitions, topic->partitions, told->partitions);
    } else if (topic->partitions > told->partitions) {
        plan->step = TOPIC_GROW;
    } else if (!topic_config_is(topic, told)) {
        plan->step = TOPIC_ALTER;
    } else {
        tell(plan, TRUTH_TRUE, "Ready", "topic %s has %d partitions", topic->name,
                told->partitions);
    }
}

void
topic_plan_make(const struct topic_input *input, struct topic_plan *ret_plan)
{
    const struct topic *topic = input->topic;
    *ret_plan = (struct topic_plan){ .step = TOPIC_DONE, .reason = "Reconciling" };
    if (topic->meta.is_deleting) {
        end_plan(input, ret_plan);
    } else if (topic->has_finalizer != topic->deletes && !topic->is_paused) {
        ret_plan->step = topic->deletes ? TOPIC_ADD_FINALIZER : TOPIC_REMOVE_FINALIZER;
    } else if (!is_held_up(input, ret_plan)) {
        ret_plan->must_ask = !input->told;
        if (input->told) {
            wish_plan(input, ret_plan);
        }
    }
}
