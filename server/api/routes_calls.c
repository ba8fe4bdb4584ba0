/* POST of predict, explain and missingness. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/routes_room.h"
#include "http/negotiate.h"

static const unsigned forms[] = {CALL_JSON, CALL_PNG, CALL_JPEG};
static const char *const form_types[] = {"application/json", "image/png", "image/jpeg"};

bool route_wants(struct http_exchange *exchange, unsigned possible, unsigned *out)
{
    const char *offered[sizeof forms / sizeof forms[0]];
    unsigned bits[sizeof forms / sizeof forms[0]];
    size_t n = 0;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (possible & forms[i]) {
            offered[n] = form_types[i];
            bits[n++] = forms[i];
        }
    int best = negotiate_type(http_header(exchange, "Accept"), offered, n);
    if (best >= 0) {
        *out = bits[best];
        return true;
    }
    http_reply_error(exchange, 406, "Accept excludes all that there is: %s%s%s%s%s",
                     n > 0 ? offered[0] : "nothing", n > 1 ? ", " : "", n > 1 ? offered[1] : "",
                     n > 2 ? ", " : "", n > 2 ? offered[2] : "");
    return false;
}

const struct model_entry *route_model_entry(struct http_exchange *exchange, struct api *api)
{
    const char *name = http_parameter(exchange, "model");
    const struct model_entry *entry = registry_find(api->options.registry, name);
    if (entry)
        return entry;
    struct model_status status;
    if (!registry_look(api->options.registry, name, &status))
        http_reply_error(exchange, 404,
                         "there is no model called \"%.100s\"; GET /v1/models lists them", name);
    else if (status.state == MODEL_LOADING || status.state == MODEL_READY) /* since just now */
        http_reply_error(exchange, 503, "the model %s is loading", name);
    else if (status.state == MODEL_UNLOADED)
        http_reply_error(exchange, 503, "the model %s is unloaded", name);
    else
        http_reply_error(exchange, 503, "the model %s did not load: %s", name, status.error.text);
    return NULL;
}

bool route_is_open(struct http_exchange *exchange, struct api *api)
{
    int state = atomic_load(&api->state);
    if (state == API_READY || state == API_LEAVING)
        return true;
    http_reply_error(exchange, 503,
                     state == API_STARTING ? "the server is starting"
                                           : "the server is shutting down");
    return false;
}

/* Request-Timeout, in seconds; *ms: 0 without one. */
static bool read_timeout(struct http_exchange *exchange, uint64_t *ms)
{
    const char *text = http_header(exchange, "Request-Timeout");
    char *end = NULL;
    *ms = 0;
    if (!text)
        return true;
    double seconds = strtod(text, &end);
    bool plain = strspn(text, "0123456789.") == strlen(text);
    if (plain && end != text && *end == '\0' && isfinite(seconds) && seconds > 0 &&
        seconds <= 1e6) {
        *ms = (uint64_t)ceil(seconds * 1000);
        return true;
    }
    http_reply_error(exchange, 400,
                     "Request-Timeout is \"%.60s\"; must be a number of seconds above 0, at most "
                     "1000000",
                     text);
    return false;
}

bool route_deadline(struct http_exchange *exchange, struct api *api, uint64_t *deadline_ns)
{
    uint64_t asked_ms, limit_ms = api->options.settings->compute_deadline_ms;
    if (!read_timeout(exchange, &asked_ms))
        return false;
    if (asked_ms == 0 || (limit_ms > 0 && limit_ms < asked_ms))
        asked_ms = limit_ms;
    *deadline_ns = asked_ms ? jobs_now_ns(api->options.jobs) + asked_ms * 1000000 : 0;
    return true;
}

struct serving *route_serving(struct http_exchange *exchange, struct api *api,
                              const struct call_kind *kind, const struct model_entry *entry,
                              uint64_t deadline_ns)
{
    struct serving *serving = entry ? serving_new(api, kind, entry) : NULL;
    if (serving) {
        serving->exchange = exchange;
        serving->deadline_ns = deadline_ns;
    } else if (entry) {
        http_reply_error(exchange, 503, "out of memory");
    }
    return serving;
}

/* Everything that can be said without looking at the body. */
static bool check_head(struct http_exchange *exchange, struct api *api,
                       const struct call_kind *kind, unsigned *wants)
{
    const char *type = http_header(exchange, "Content-Type");
    if (!route_is_open(exchange, api))
        return false;
    if (!content_is_known(type ? type : "")) {
        http_reply_error(exchange, 415, "cannot read a body of type %.100s; send %s", type,
                         CONTENT_TYPES);
        return false;
    }
    return route_wants(exchange, kind->forms, wants);
}

static void serve(struct http_exchange *exchange, struct api *api, const struct call_kind *kind)
{
    unsigned wants;
    uint64_t deadline_ns;
    if (!check_head(exchange, api, kind, &wants) || !route_deadline(exchange, api, &deadline_ns))
        return;
    const struct model_entry *entry = route_model_entry(exchange, api);
    struct serving *serving = route_serving(exchange, api, kind, entry, deadline_ns);
    if (!serving)
        return;
    const char *type = http_header(exchange, "Content-Type");
    serving->is_async = negotiate_prefer(http_header(exchange, "Prefer")).respond_async;
    serving->wants = serving->is_async ? kind->forms & (CALL_JSON | CALL_PNG) : wants;
    serving->content = (struct content){
        .type = type ? type : "",
        .query = exchange->query_text,
        .body = exchange->body,
        .size = exchange->body_size,
    };
    serving_begin(serving);
}

void route_predict(struct http_exchange *exchange, void *api)
{
    serve(exchange, api, &call_predict);
}

void route_explain(struct http_exchange *exchange, void *api)
{
    serve(exchange, api, &call_explain);
}

void route_missingness(struct http_exchange *exchange, void *context)
{
    const struct model_entry *entry = route_model_entry(exchange, context);
    if (!entry)
        return;
    model_entry_release(entry);
    http_reply_error(exchange, 501, "missingness reports are not available yet");
}
