/* Watched lists against a server that cuts, lies, forgets and hangs. */
#include "base/mark.h"
#include "base/mem.h"
#include "kube/clock.h"
#include "kube/watch.h"
#include "unit/operator/kube/support_server.h"
#include "unit/test.h"

#include <poll.h>
#include <stdio.h>

#define PATIENCE_MS 20000

/* What the sink was told, in order: "R" restart, "+name@version", "-name", "S" synced. */
struct story {
    char text[8192];
};

static void
tell(struct story *story, const char *what, const cJSON *object)
{
    size_t used = strlen(story->text);
    snprintf(story->text + used, sizeof story->text - used, "%s%s%s%s ", what,
            json_text(object, "metadata/name"), object ? "@" : "",
            json_text(object, "metadata/resourceVersion"));
}

static void
on_restart(void *arg)
{
    tell(arg, "R", NULL);
}

static void
on_upsert(void *arg, const cJSON *object)
{
    tell(arg, "+", object);
}

static void
on_remove(void *arg, const cJSON *object)
{
    tell(arg, "-", object);
}

static void
on_synced(void *arg)
{
    tell(arg, "S", NULL);
}

static const struct watch_sink sink = { on_restart, on_upsert, on_remove, on_synced };

#define OBJECT(name, version)                                                                      \
    "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" OBJECT(name, version) "}\n"
#define LIST(version, token, items)                                                                \
    "{\"metadata\":{\"resourceVersion\":\"" version "\",\"continue\":\"" token                     \
    "\"},\"items\":[" items "]}"
#define GONE_EVENT                                                                                 \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}}\n"

static bool
is_watch(const struct server_request *request)
{
    return strstr(request->path, "watch=1") != NULL;
}

static bool
asks_from(const struct server_request *request, const char *version)
{
    char text[64];
    snprintf(text, sizeof text, "resourceVersion=%s&", version);
    return strstr(request->path, text) != NULL;
}

/* What a watch of that server tells until it has told of z; the server's answers come in pieces of
 * so many bytes (0: whole). Valid until the next call. */
static const char *
story_of(server_handler handler, size_t piece)
{
    static struct story story;
    struct api api;
    struct watch watch;
    memset(&story, 0, sizeof story);
    api_begin(&api, handler, NULL);
    atomic_store(&api.server->piece, piece);
    watch_init(&watch, api.kube, &KUBE_PODS, &sink, &story);
    watch.pause_ms_min = 10;
    watch.seconds_min = 1;
    watch.seconds_max = 1;
    watch_start(&watch);
    int64_t end_ms = clock_now_ms() + PATIENCE_MS;
    while (!strstr(story.text, "+z") && clock_now_ms() < end_ms) {
        http_run(api.http, 50);
    }
    watch_stop(&watch);
    api_end(&api);
    return story.text;
}

/* One event, then silence. */
static void
stream_one(struct server_request *request, const char *event)
{
    server_stream_begin(request);
    server_chunk(request, event);
    server_hang(request);
}

static void
pages(struct server_request *request, void *arg)
{
    (void)arg;
    if (!is_watch(request)) {
        bool is_second = strstr(request->path, "continue=t%2F1") != NULL;
        server_json(request, 200,
                is_second ? LIST("7", "", OBJECT("c", "6"))
                          : LIST("7", "t/1", OBJECT("a", "1") "," OBJECT("b", "2")));
        return;
    }
    if (asks_from(request, "7")) {
        server_stream_begin(request);
        server_chunk(request, EVENT("MODIFIED", "b", "8") EVENT("DELETED", "a", "9"));
        server_chunk(request, EVENT("BOOKMARK", "", "12"));
        server_chunk(request, "");
    } else if (asks_from(request, "12")) {
        stream_one(request, EVENT("ADDED", "z", "13"));
    } else {
        server_json(request, 500, "{}");
    }
}

/* K7 */
TEST(k7_pages_events_bookmarks_and_the_next_watch_from_the_last_version)
{
    ASSERT_STRING(story_of(pages, 0), "R +a@1 +b@2 +c@6 S +b@8 -a@9 +z@13 ");
}

TEST(chunks_cut_at_every_byte_give_the_same_story)
{
    for (size_t piece = 1; piece < 8; piece += 3) {
        ASSERT_STRING(story_of(pages, piece), "R +a@1 +b@2 +c@6 S +b@8 -a@9 +z@13 ");
    }
}

static void
gone_in_stream(struct server_request *request, void *arg)
{
    (void)arg;
    if (!is_watch(request)) {
        server_json(request, 200,
                request->number == 0 ? LIST("7", "", OBJECT("a", "1"))
                                     : LIST("90", "", OBJECT("b", "80")));
    } else if (asks_from(request, "7")) {
        server_stream_begin(request);
        server_chunk(request, GONE_EVENT);
        server_chunk(request, "");
    } else {
        stream_one(request, EVENT("ADDED", "z", "91"));
    }
}

/* K6 */
TEST(k6_an_expired_version_inside_the_stream_is_followed_by_a_whole_list)
{
    uint64_t before = mark_count("watch: expired version");
    ASSERT_STRING(story_of(gone_in_stream, 0), "R +a@1 S R +b@80 S +z@91 ");
    ASSERT_EQ(mark_count("watch: expired version"), before + 1);
}

static void
gone_as_answer(struct server_request *request, void *arg)
{
    (void)arg;
    if (is_watch(request) && asks_from(request, "7")) {
        server_json(request, 410, "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Gone\"}");
    } else {
        gone_in_stream(request, arg);
    }
}

/* K6 */
TEST(k6_an_expired_version_as_the_answer_is_the_same)
{
    ASSERT_STRING(story_of(gone_as_answer, 0), "R +a@1 S R +b@80 S +z@91 ");
}

static void
page_breaks(struct server_request *request, void *arg)
{
    (void)arg;
    if (is_watch(request)) {
        stream_one(request, EVENT("ADDED", "z", "91"));
    } else if (request->number == 0 || request->number == 2) {
        server_json(request, 200, LIST("7", "t", OBJECT("a", "1")));
    } else if (request->number == 1) {
        server_json(request, 410, "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}");
    } else {
        server_json(request, 200, LIST("7", "", OBJECT("b", "2")));
    }
}

/* K6 */
TEST(k6_a_list_that_breaks_off_begins_again_and_is_never_taken_for_whole)
{
    uint64_t before = mark_count("watch: expired page");
    ASSERT_STRING(story_of(page_breaks, 0), "R +a@1 R +a@1 +b@2 S +z@91 ");
    ASSERT_EQ(mark_count("watch: expired page"), before + 1);
}

/* The first watch hears nothing although it lasts its whole second. */
static void
silent(struct server_request *request, void *arg)
{
    (void)arg;
    if (!is_watch(request)) {
        server_json(request, 200,
                request->number == 0 ? LIST("1000", "", OBJECT("a", "1"))
                                     : LIST("5", "", OBJECT("a", "1")));
    } else if (asks_from(request, "1000")) {
        server_stream_begin(request);
        poll(NULL, 0, 1100);
        server_chunk(request, "");
    } else {
        stream_one(request, EVENT("ADDED", "z", "6"));
    }
}

/* K7 */
TEST(k7_a_watch_that_heard_nothing_is_followed_by_a_list)
{
    uint64_t before = mark_count("watch: silent to its end");
    ASSERT_STRING(story_of(silent, 0), "R +a@1 S R +a@1 S +z@6 ");
    ASSERT_EQ(mark_count("watch: silent to its end"), before + 1);
}

static void
closes_at_once(struct server_request *request, void *arg)
{
    (void)arg;
    if (!is_watch(request)) {
        server_json(request, 200, LIST("7", "", ""));
    } else if (request->number < 3) {
        server_stream_begin(request);
        server_chunk(request, "");
    } else if (request->number == 3) {
        server_json(request, 429, "{}");
    } else {
        stream_one(request, asks_from(request, "7") ? EVENT("ADDED", "z", "8") : "{}\n");
    }
}

TEST(a_watch_that_is_closed_or_refused_at_once_goes_on_from_its_version_after_a_pause)
{
    uint64_t before = mark_count("watch: closed at once");
    ASSERT_STRING(story_of(closes_at_once, 0), "R S +z@8 ");
    ASSERT_EQ(mark_count("watch: closed at once"), before + 2);
}

static void
nonsense(struct server_request *request, void *arg)
{
    (void)arg;
    static const char *const lines[] = { "{\"type\":\"ADDED\"}\n", "not json\n", "[]\n",
        EVENT("SURPRISE", "x", "8"), "{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}\n" };
    if (!is_watch(request)) {
        server_json(request, 200, request->number == 0 ? "{\"items\":7}" : LIST("7", "", ""));
        return;
    }
    unsigned which = request->number - 2;
    stream_one(request, which < ARRAY_SIZE(lines) ? lines[which] : EVENT("ADDED", "z", "8"));
}

TEST(nonsense_is_no_event_and_the_watch_recovers)
{
    ASSERT_STRING(story_of(nonsense, 0), "R R S +z@8 ");
}
