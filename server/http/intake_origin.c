/* Cross-origin requests of browsers (CORS), by an allow list, and OPTIONS. */
#include "http/exchange.h"

#include <string.h>

/* The request's origin, "*", or NULL when it is not on the list.  Credentials are never allowed,
 * since keys are sent in a header and not as cookies. */
void intake_origin(struct exchange *exchange)
{
    const struct http_config *config = &exchange->server->config;
    const char *origin = http_header(&exchange->public, "Origin");
    for (size_t i = 0; i < config->n_cors_origins; i++) {
        const char *allowed = config->cors_origins[i];
        if (strcmp(allowed, "*") == 0)
            exchange->cors_origin = "*";
        else if (origin && !exchange->cors_origin && strcmp(allowed, origin) == 0)
            exchange->cors_origin = origin;
    }
    if (!origin)
        exchange->cors_origin = NULL;
    exchange->varies_by_origin = config->n_cors_origins > 0;
}

void intake_options(struct exchange *exchange, const char *allow)
{
    const struct http_pair headers[] = {
        {"Allow", allow},
        {"Access-Control-Allow-Methods", allow},
        {"Access-Control-Allow-Headers",
         "Authorization, Content-Type, Content-Encoding, Accept, Prefer, Idempotency-Key, "
         "Inference-Header-Content-Length, Request-Timeout, X-Request-Id, traceparent"},
        {"Access-Control-Max-Age", "600"},
    };
    bool is_preflight =
        exchange->cors_origin && http_header(&exchange->public, "Access-Control-Request-Method");
    struct http_answer answer = {
        .status = 204, .headers = headers, .n_headers = is_preflight ? 4 : 1};
    exchange_take(exchange);
    http_reply(&exchange->public, &answer);
}
