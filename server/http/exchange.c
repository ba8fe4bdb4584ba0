/* Exchanges: their life, and what is known of the client's. */
#include "http/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "http/problem.h"
#include "http/watch.h"

int64_t exchange_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t exchange_now_ms(void)
{
    return exchange_now_ns() / 1000000;
}

/* "http://host:port/path?query" (RFC 9112, 3.2.2): what is behind the authority, which is kept. */
static const char *skip_authority(struct exchange *exchange, const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t scheme = strlen(schemes[i]);
        if (strncasecmp(target, schemes[i], scheme) != 0)
            continue;
        size_t length = strcspn(target + scheme, "/?");
        char *authority = memory_alloc(&exchange->memory, length + 1);
        if (!authority)
            return NULL;
        memcpy(authority, target + scheme, length);
        authority[length] = '\0';
        exchange->authority = authority;
        return target + scheme + length;
    }
    return target;
}

static bool split_target(struct exchange *exchange, const char *target)
{
    exchange->target_end = target + strlen(target);
    const char *rest = skip_authority(exchange, target);
    char *copy = rest ? memory_copy(&exchange->memory, rest) : NULL;
    if (!copy)
        return false;
    char *question = strchr(copy, '?');
    exchange->public.path = exchange->authority && (!*copy || question == copy) ? "/" : copy;
    if (question) {
        *question = '\0';
        exchange->public.query_text = question + 1;
    }
    return true;
}

/* A quarter, but the largest body always fits when there is no other. */
static size_t body_reserve_of(const struct http_config *config)
{
    size_t rest = config->all_bodies_bytes_max > config->large_body_bytes_max
                      ? config->all_bodies_bytes_max - config->large_body_bytes_max
                      : 0;
    return rest < config->all_bodies_bytes_max / 4 ? rest : config->all_bodies_bytes_max / 4;
}

struct exchange *exchange_new(struct http_server *server, const char *target)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->public = (struct http_exchange){
        .method = "",
        .query_text = "",
        .content_type = exchange->type,
        .request_id = exchange->request_id,
        .trace_id = exchange->trace_id,
        .address = "",
        .key_id = exchange->identity.id,
        .received_ms = exchange_now_ms(),
    };
    exchange->received_ns = exchange_now_ns();
    exchange->server = server;
    exchange->watch = server->watch;
    exchange->gzip_bytes_min = server->config.gzip_bytes_min;
    exchange->stream_bytes_max = server->config.stream_bytes_max;
    exchange->body.budget = &server->body_budget;
    exchange->body.reserve = body_reserve_of(&server->config);
    atomic_init(&exchange->references, 1);
    pthread_mutex_init(&exchange->lock, NULL);
    if (!split_target(exchange, target)) {
        exchange_drop(exchange);
        return NULL;
    }
    return exchange;
}

void exchange_take(struct exchange *exchange)
{
    atomic_fetch_add(&exchange->references, 1);
}

void exchange_drop(struct exchange *exchange)
{
    if (atomic_fetch_sub(&exchange->references, 1) != 1)
        return;
    if (exchange->on_release)
        exchange->on_release(exchange->gone_context);
    encoding_inflater_free(exchange->inflater);
    encoding_body_free(&exchange->body);
    free(exchange->answer.owned);
    free(exchange->stream.bytes);
    memory_free(&exchange->memory);
    pthread_mutex_destroy(&exchange->lock);
    free(exchange);
}

bool exchange_is_answered(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    bool answered = exchange->answer.status != 0;
    pthread_mutex_unlock(&exchange->lock);
    return answered;
}

void exchange_wake(struct exchange *exchange)
{
    if (!exchange->suspended)
        return;
    exchange->suspended = false;
    watch_gone(exchange->watch, exchange->entry, false);
    transport_resume(exchange->connection);
}

/* Tells the application, once.  Not locked. */
static void tell_gone(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    void (*on_gone)(void *) = exchange->on_gone;
    exchange->on_gone = NULL;
    exchange->gone = true;
    pthread_mutex_unlock(&exchange->lock);
    if (on_gone)
        on_gone(exchange->gone_context);
}

void exchange_gone(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    bool waiting = exchange->suspended;
    pthread_mutex_unlock(&exchange->lock);
    if (!waiting)
        return;
    tell_gone(exchange);
    pthread_mutex_lock(&exchange->lock);
    exchange_wake(exchange);
    pthread_mutex_unlock(&exchange->lock);
}

void exchange_detach(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    bool unanswered = exchange->answer.status == 0 || exchange->answer.is_stream;
    exchange->connection = NULL;
    exchange->entry = NULL;
    exchange->server = NULL;
    encoding_body_settle(&exchange->body); /* the application may still read it */
    pthread_mutex_unlock(&exchange->lock);
    if (unanswered)
        tell_gone(exchange);
}

void exchange_abort(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    bool handed = exchange->handed, is_stream = exchange->answer.is_stream;
    exchange->stream.closed = true;
    if (is_stream)
        exchange_wake(exchange);
    pthread_mutex_unlock(&exchange->lock);
    if (is_stream || !handed)
        return;
    struct problem problem = {
        .status = 503, .detail = "the server is shutting down", .retry_after_s = 1};
    exchange_refuse(exchange, &problem);
    tell_gone(exchange);
}

static const char *find_pair(const struct http_pair *pairs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    return NULL;
}

const char *http_parameter(const struct http_exchange *exchange, const char *name)
{
    return find_pair(exchange->parameters, exchange->n_parameters, name);
}

const char *http_query(const struct http_exchange *exchange, const char *name)
{
    return find_pair(exchange->query, exchange->n_query, name);
}

const char *http_header(const struct http_exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->n_headers; i++)
        if (strcasecmp(exchange->headers[i].name, name) == 0)
            return exchange->headers[i].value;
    return NULL;
}

bool http_on_gone(struct http_exchange *public, void (*gone)(void *context),
                  void (*release)(void *context), void *context)
{
    struct exchange *exchange = exchange_of(public);
    pthread_mutex_lock(&exchange->lock);
    bool here = !exchange->gone;
    if (here) {
        exchange->on_gone = gone;
        exchange->on_release = release;
        exchange->gone_context = context;
    }
    pthread_mutex_unlock(&exchange->lock);
    return here;
}

void http_note(struct http_exchange *public, const char *subject, uint64_t amount)
{
    struct exchange *exchange = exchange_of(public);
    pthread_mutex_lock(&exchange->lock);
    snprintf(exchange->subject, sizeof exchange->subject, "%s", subject);
    exchange->amount = amount;
    pthread_mutex_unlock(&exchange->lock);
}
