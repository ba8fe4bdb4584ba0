/* Who may do what: keys, scopes and rates. */
#include "http/exchange.h"

#include "http/problem.h"

#define EVERY_SCOPE (HTTP_SCOPE_PREDICT | HTTP_SCOPE_EXPLAIN | HTTP_SCOPE_ADMIN)

static void refuse_key(struct exchange *exchange, enum auth_result result)
{
    static const struct http_pair challenges[] = {
        {"WWW-Authenticate", "Bearer realm=\"layermask\""},
        {"WWW-Authenticate", "Basic realm=\"layermask\", charset=\"UTF-8\""},
    };
    struct problem problem = {
        .status = 401,
        .detail = result == AUTH_MISSING ? "this needs a key: Authorization: Bearer KEY"
                                         : "the key in Authorization is not known",
        .headers = challenges,
        .n_headers = exchange->public.route->flags & HTTP_BASIC ? 2 : 1,
    };
    exchange_refuse(exchange, &problem);
}

static const char *scope_name(enum http_scope scope)
{
    switch (scope) {
    case HTTP_SCOPE_NONE: break;
    case HTTP_SCOPE_PREDICT: return "predict";
    case HTTP_SCOPE_EXPLAIN: return "explain";
    case HTTP_SCOPE_ADMIN: return "admin";
    }
    return "";
}

static bool check_rate(struct exchange *exchange, struct auth_keys *keys)
{
    unsigned retry_after_s = 1;
    if (auth_take(keys, exchange->identity.index, exchange->public.received_ms, &retry_after_s))
        return true;
    struct problem problem = {
        .status = 429, .detail = "this key is over its rate", .retry_after_s = retry_after_s};
    exchange_refuse(exchange, &problem);
    return false;
}

static bool check_key(struct exchange *exchange, struct auth_keys *keys)
{
    struct http_exchange *public = &exchange->public;
    const struct http_route *route = public->route;
    enum auth_result result =
        auth_check(keys, http_header(public, "Authorization"), &exchange->identity);
    public->scopes = result == AUTH_OK ? exchange->identity.scopes : 0;
    if (route->flags & HTTP_PUBLIC)
        return true;
    if (result != AUTH_OK) {
        refuse_key(exchange, result);
        return false;
    }
    if (!check_rate(exchange, keys))
        return false;
    if ((public->scopes & route->scope) == route->scope)
        return true;
    exchange_refuse_text(exchange, 403, "this key does not have the scope %s",
                         scope_name(route->scope));
    return false;
}

bool intake_access(struct exchange *exchange)
{
    struct http_server *server = exchange->server;
    pthread_rwlock_rdlock(&server->keys_lock);
    bool allowed = true;
    exchange->public.scopes = EVERY_SCOPE;
    if (server->keys)
        allowed = check_key(exchange, server->keys);
    pthread_rwlock_unlock(&server->keys_lock);
    return allowed;
}
