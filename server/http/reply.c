/* Answers: set once, by whoever comes first; the connection sends them.  None is set once the
 * client has left, as what ends because of that would be logged as if it had been read. */
#include "http/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/problem.h"

static bool is_text(const char *type)
{
    static const char *const starts[] = {"text/", "application/json", "application/problem+json",
                                         "application/yaml", "image/svg+xml"};
    for (size_t i = 0; type && i < sizeof starts / sizeof *starts; i++)
        if (strncmp(type, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static bool copy_body(const struct http_answer *answer, struct exchange_answer *out)
{
    out->body = answer->body;
    out->size = answer->size;
    if (answer->ownership == HTTP_BODY_FREE)
        memcpy(&out->owned, &answer->body, sizeof out->owned);
    if (answer->ownership != HTTP_BODY_COPY || answer->size == 0)
        return true;
    out->owned = malloc(answer->size);
    if (!out->owned)
        return false;
    out->body = memcpy(out->owned, answer->body, answer->size);
    return true;
}

static void compress(const struct exchange *exchange, struct exchange_answer *answer)
{
    void *packed = NULL;
    size_t size = 0;
    if (!exchange->accepts_gzip || answer->size < exchange->gzip_bytes_min ||
        !is_text(answer->type) || !encoding_gzip(answer->body, answer->size, &packed, &size))
        return;
    free(answer->owned);
    answer->body = answer->owned = packed;
    answer->size = size;
    answer->is_gzip = true;
}

/* Copies type and headers into the exchange's memory.  Locked. */
static bool copy_headers(struct exchange *exchange, const struct http_answer *from,
                         struct exchange_answer *to)
{
    struct memory *memory = &exchange->memory;
    if (from->type && !(to->type = memory_copy(memory, from->type)))
        return false;
    struct http_pair *pairs = memory_alloc(memory, from->n_headers * sizeof *pairs);
    for (size_t i = 0; pairs && i < from->n_headers; i++) {
        pairs[i].name = memory_copy(memory, from->headers[i].name);
        pairs[i].value = memory_copy(memory, from->headers[i].value);
        if (!pairs[i].name || !pairs[i].value)
            return false;
    }
    to->headers = pairs;
    to->n_headers = from->n_headers;
    return pairs;
}

static void set_answer(struct exchange *exchange, const struct http_answer *from)
{
    struct exchange_answer answer = {.type = from->type};
    bool whole = copy_body(from, &answer);
    if (whole)
        compress(exchange, &answer);
    pthread_mutex_lock(&exchange->lock);
    if (exchange->answer.status == 0 && exchange->connection && !exchange->gone) {
        whole = whole && copy_headers(exchange, from, &answer);
        answer.status = from->status;
        if (!whole) {
            free(answer.owned);
            answer = (struct exchange_answer){.status = 503};
        }
        exchange->answer = answer;
        answer.owned = NULL;
        exchange_wake(exchange);
    }
    pthread_mutex_unlock(&exchange->lock);
    free(answer.owned);
}

void http_reply(struct http_exchange *public, const struct http_answer *answer)
{
    struct exchange *exchange = exchange_of(public);
    set_answer(exchange, answer);
    exchange_drop(exchange);
}

/* Whatever is answered with 503 may be asked again. */
static void reply_whole(struct http_exchange *exchange, struct http_answer *answer)
{
    static const struct http_pair later = {"Retry-After", "1"};
    if (answer->status == 503) {
        answer->headers = &later;
        answer->n_headers = 1;
    }
    http_reply(exchange, answer);
}

void http_reply_text(struct http_exchange *exchange, int status, const char *type, const char *text)
{
    struct http_answer answer = {.status = status,
                                 .type = type,
                                 .body = text,
                                 .size = strlen(text),
                                 .ownership = HTTP_BODY_COPY};
    reply_whole(exchange, &answer);
}

void http_reply_json(struct http_exchange *exchange, int status, char *json)
{
    if (!json) {
        http_reply_error(exchange, 503, "out of memory");
        return;
    }
    struct http_answer answer = {.status = status,
                                 .type = "application/json",
                                 .body = json,
                                 .size = strlen(json),
                                 .ownership = HTTP_BODY_FREE};
    reply_whole(exchange, &answer);
}

static void reply_detail(struct http_exchange *exchange, int status, const char *detail)
{
    bool later = status == 503 || status == 429;
    struct problem problem = {.status = status, .detail = detail, .retry_after_s = later ? 1 : 0};
    problem_reply(exchange, &problem);
}

void http_reply_error(struct http_exchange *exchange, int status, const char *format, ...)
{
    char detail[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    reply_detail(exchange, status, detail);
}

void exchange_refuse(struct exchange *exchange, const struct problem *problem)
{
    exchange_take(exchange);
    problem_reply(&exchange->public, problem);
}

void exchange_refuse_text(struct exchange *exchange, int status, const char *format, ...)
{
    char detail[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    exchange_take(exchange);
    reply_detail(&exchange->public, status, detail);
}
