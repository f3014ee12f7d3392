/* GET /v1/balancer: what the balancer did last, why, and when it looks again. */
#include "api_json.h"
#include "base/mem.h"
#include "broker_api.h"
#include "meta/balancer.h"

static const char *const state_names[] = {
    [BALANCER_ELSEWHERE] = "elsewhere",
    [BALANCER_OFF] = "off",
    [BALANCER_WAITING] = "waiting",
    [BALANCER_MOVING] = "moving",
    [BALANCER_BALANCED] = "balanced",
};

/* Where to ask. */
static void
put_controller(const struct meta_state *state, struct strbuf *out)
{
    int32_t id = meta_state_controller(state);
    const struct meta_broker *controller = meta_broker_find(state, id);
    strbuf_printf(out, "{\"controllerId\": %d, \"controllerAdmin\": ", id);
    if (controller && controller->admin_host) {
        struct strbuf address;
        strbuf_init(&address, 512);
        strbuf_printf(&address, "%s:%d", controller->admin_host, controller->admin_port);
        api_put_text(out, strbuf_cstring(&address));
        strbuf_done(&address);
    } else {
        strbuf_append_string(out, "null");
    }
}

static void
put_brokers(struct broker_api *api, struct strbuf *out)
{
    struct meta *meta = api->broker->meta;
    const struct meta_state *state = meta_state(meta);
    const struct meta_broker *broker;
    const char *comma = "";
    strbuf_append_string(out, ", \"brokers\": [");
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        uint64_t in = 0;
        uint64_t sent = 0;
        uint64_t age_ms = 0;
        bool reports = meta_broker_load(meta, broker->id, &in, &sent, &age_ms);
        strbuf_printf(out, "%s{\"id\": %d, \"rack\": ", comma, broker->id);
        api_put_text(out, broker->rack ? broker->rack : "");
        strbuf_printf(out,
                ", \"takes\": %s, \"bytesInPerSecond\": %llu, "
                "\"bytesOutPerSecond\": %llu, \"reportAgeMs\": ",
                reports && meta_broker_takes(broker) ? "true" : "false", (unsigned long long)in,
                (unsigned long long)sent);
        if (reports) {
            strbuf_printf(out, "%llu}", (unsigned long long)age_ms);
        } else {
            strbuf_append_string(out, "null}");
        }
        comma = ", ";
    }
    strbuf_append_string(out, "]");
}

static void
put_moves(struct broker_api *api, const struct balancer_view *view, struct strbuf *out)
{
    const struct meta_state *state = meta_state(api->broker->meta);
    strbuf_printf(out, ", \"lastPlan\": {\"atMs\": %lld, \"moves\": %zu, \"shown\": [",
            (long long)view->planned_at_ms, view->planned);
    for (size_t i = 0; i < view->shown; i++) {
        const struct balancer_move *move = &view->shown_moves[i];
        const struct meta_topic *topic = meta_topic_by_id(state, &move->key.topic_id);
        strbuf_append_string(out, i ? ", {\"topic\": " : "{\"topic\": ");
        api_put_text(out, topic ? topic->name : "");
        strbuf_printf(out,
                ", \"partition\": %d, \"from\": %d, \"to\": %d, \"why\": ", move->key.index,
                move->from, move->to);
        api_put_text(out, balance_reason_text(move->reason));
        strbuf_append_string(out, "}");
    }
    strbuf_append_string(out, "]}");
}

unsigned
balancer_api_answer(struct broker_api *api, struct strbuf *out)
{
    struct balancer_view *view = mem_alloc(sizeof *view);
    meta_balancer_view(api->broker->meta, view);
    put_controller(meta_state(api->broker->meta), out);
    strbuf_printf(out, ", \"state\": \"%s\"", state_names[view->state]);
    if (view->state != BALANCER_ELSEWHERE) {
        strbuf_append_string(out, ", \"reason\": ");
        api_put_text(out, view->reason);
        strbuf_printf(out,
                ", \"enabled\": %s, \"imbalancePercent\": %u, \"movesMax\": %u, "
                "\"nextRunMs\": %llu, \"runs\": %llu, \"moves\": %llu, \"movesDone\": %llu, "
                "\"underWay\": %llu, \"partitionSpread\": %u, \"trafficPercent\": %u",
                view->options.is_enabled ? "true" : "false", view->options.imbalance_percent,
                view->options.moves_max, (unsigned long long)view->next_run_ms,
                (unsigned long long)view->runs, (unsigned long long)view->moves,
                (unsigned long long)view->done, (unsigned long long)view->under_way,
                view->count_spread, view->load_percent);
        put_brokers(api, out);
        put_moves(api, view, out);
    }
    strbuf_append_string(out, "}");
    mem_free(view);
    return 200;
}
