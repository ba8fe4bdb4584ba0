/* The service itself: index, documentation, health, metrics. */
#include <string.h>

#include "api/assets.h"
#include "api/failure.h"
#include "api/routes_room.h"
#include "http/negotiate.h"

static void reply_asset(struct http_exchange *exchange, const char *type, const struct asset *asset)
{
    const struct http_answer answer = {
        .status = 200,
        .type = type,
        .body = asset->bytes,
        .size = (size_t)(asset->end - asset->bytes),
    };
    http_reply(exchange, &answer);
}

/* Programs ask whether the server is alive; people get a page. */
void route_index(struct http_exchange *exchange, void *api)
{
    static const char *const offered[] = {"application/json", "text/html"};
    (void)api;
    if (negotiate_type(http_header(exchange, "Accept"), offered, 2) == 1)
        reply_asset(exchange, "text/html; charset=utf-8", &asset_index);
    else
        http_reply_text(exchange, 200, "application/json", "{\"status\": \"alive\"}\n");
}

void route_docs(struct http_exchange *exchange, void *api)
{
    (void)api;
    reply_asset(exchange, "text/html; charset=utf-8", &asset_docs);
}

void route_openapi(struct http_exchange *exchange, void *api)
{
    (void)api;
    reply_asset(exchange, "application/yaml", &asset_openapi);
}

void route_livez(struct http_exchange *exchange, void *api)
{
    (void)api;
    http_reply_text(exchange, 200, "application/json", "{\"status\": \"alive\"}\n");
}

void route_readyz(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    const char *broken = failure_store();
    switch (atomic_load(&api->state)) {
    case API_READY:
        if (broken)
            http_reply_error(exchange, 503, "%s", broken);
        else
            http_reply_text(exchange, 200, "application/json", "{\"status\": \"ready\"}\n");
        break;
    case API_STARTING: http_reply_error(exchange, 503, "the server is starting"); break;
    default: http_reply_error(exchange, 503, "the server is shutting down"); break;
    }
}

void route_metrics(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    char *text = NULL;
    size_t size = 0;
    if (!api->options.settings->metrics) {
        http_reply_error(exchange, 404, "metrics are off; the option is metrics");
        return;
    }
    if (metrics_render(api->options.metrics, &text, &size, NULL) != LM_OK) {
        http_reply_error(exchange, 503, "out of memory");
        return;
    }
    const struct http_answer answer = {.status = 200,
                                       .type = METRICS_CONTENT_TYPE,
                                       .body = text,
                                       .size = size,
                                       .ownership = HTTP_BODY_FREE};
    http_reply(exchange, &answer);
}
