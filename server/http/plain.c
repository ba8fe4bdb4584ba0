/* Answers as bytes.  Headers are the same as those that the library is given. */
#include "http/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/exchange.h"
#include "http/problem.h"

void plain_headers(const struct exchange *exchange,
                   void (*add)(void *context, const char *name, const char *value), void *context)
{
    const struct exchange_answer *answer = &exchange->answer;
    for (size_t i = 0; i < answer->n_headers; i++)
        add(context, answer->headers[i].name, answer->headers[i].value);
    if (answer->type)
        add(context, "Content-Type", answer->type);
    add(context, "X-Request-Id", exchange->request_id);
    add(context, "X-Content-Type-Options", "nosniff");
    add(context, "Vary",
        exchange->varies_by_origin ? "Accept, Accept-Encoding, Origin" : "Accept, Accept-Encoding");
    if (answer->is_gzip)
        add(context, "Content-Encoding", "gzip");
    if (!exchange->cors_origin)
        return;
    add(context, "Access-Control-Allow-Origin", exchange->cors_origin);
    add(context, "Access-Control-Expose-Headers",
        "Location, Retry-After, X-Request-Id, Inference-Header-Content-Length");
}

static void put_header(void *context, const char *name, const char *value)
{
    fprintf(context, "%s: %s\r\n", name, value);
}

static void put_status(FILE *out, int status)
{
    fprintf(out, "HTTP/1.1 %d %s\r\nConnection: close\r\n", status, problem_title(status));
    char date[64];
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc) && strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc) > 0)
        put_header(out, "Date", date);
}

static void put_body(FILE *out, const void *body, size_t size)
{
    fprintf(out, "Content-Length: %zu\r\n\r\n", size);
    fwrite(body, 1, size, out);
}

/* Closes; NULL when something did not fit. */
static char *finish(FILE *out, char **text)
{
    bool failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return *text;
    free(*text);
    return NULL;
}

char *plain_answer(const struct exchange *exchange, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    put_status(out, exchange->answer.status);
    plain_headers(exchange, put_header, out);
    bool is_head = strcmp(exchange->public.method, "HEAD") == 0;
    put_body(out, exchange->answer.body, is_head ? 0 : exchange->answer.size);
    return finish(out, &text);
}

char *plain_timeout(const char *request_id, size_t *size)
{
    char own_id[TRACE_ID_SIZE];
    if (!request_id) {
        request_id_make(own_id);
        request_id = own_id;
    }
    struct problem problem = {.status = 408, .detail = "the request has not arrived in time"};
    char *json = problem_json(&problem, request_id), *text = NULL;
    FILE *out = json ? open_memstream(&text, size) : NULL;
    if (out) {
        put_status(out, 408);
        put_header(out, "Content-Type", PROBLEM_TYPE);
        put_header(out, "X-Request-Id", request_id);
        put_header(out, "X-Content-Type-Options", "nosniff");
        put_body(out, json, strlen(json));
        text = finish(out, &text);
    }
    free(json);
    return text;
}
