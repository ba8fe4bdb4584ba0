/* For tests of the HTTP room: a server with a few routes, and a client of plain sockets. */
#ifndef HTTP_SUPPORT_H
#define HTTP_SUPPORT_H

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "sockets.h"

static atomic_int gone_calls, release_calls, streams_refused, n_waiting;
static atomic_int accesses;
static _Atomic(int) last_status;
static struct http_exchange *_Atomic held;

/* Waits until *value is at least `want`; false after 5 seconds. */
static inline bool wait_for(atomic_int *value, int want)
{
    for (int i = 0; i < 1000 && atomic_load(value) < want; i++)
        sleep_ms(5);
    return atomic_load(value) >= want;
}

/* Says what has arrived. */
static inline void handle_echo(struct http_exchange *exchange, void *context)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    (void)context;
    fprintf(out, "%s %s type=%s size=%zu", exchange->method, exchange->route->pattern,
            exchange->content_type, exchange->body_size);
    for (size_t i = 0; i < exchange->n_parameters; i++)
        fprintf(out, " {%s=%s}", exchange->parameters[i].name, exchange->parameters[i].value);
    for (size_t i = 0; i < exchange->n_query; i++)
        fprintf(out, " ?%s=%s", exchange->query[i].name, exchange->query[i].value);
    if (exchange->body_size < 100)
        fprintf(out, " body=%.*s", (int)exchange->body_size, (const char *)exchange->body);
    fprintf(out, " address=%s key=%s trace=%s\n", exchange->address, exchange->key_id,
            exchange->trace_id);
    fclose(out);
    struct http_pair extra = {"X-Extra", "yes"};
    struct http_answer answer = {.status = 200,
                                 .type = "text/plain",
                                 .body = text,
                                 .size = size,
                                 .ownership = HTTP_BODY_FREE,
                                 .headers = &extra,
                                 .n_headers = 1};
    http_reply(exchange, &answer);
}

/* Says which host was asked. */
static inline void handle_host(struct http_exchange *exchange, void *context)
{
    char text[300];
    const char *host = http_header(exchange, "Host");
    int n = snprintf(text, sizeof text, "host=%s", host ? host : "none");
    (void)context;
    for (size_t i = 0; i < exchange->n_query; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " ?%s=%s", exchange->query[i].name,
                      exchange->query[i].value);
    snprintf(text + n, sizeof text - (size_t)n, "\n");
    http_reply_text(exchange, 200, "text/plain", text);
}

static inline void handle_big(struct http_exchange *exchange, void *context)
{
    size_t n = 200000;
    char *json = malloc(n + 3);
    (void)context;
    json[0] = '[';
    for (size_t i = 1; i <= n; i++)
        json[i] = i % 2 ? (char)('0' + i * 7 % 10) : ',';
    memcpy(json + n, "1]", 3);
    http_reply_json(exchange, 200, json);
}

static inline void *reply_later(void *argument)
{
    sleep_ms(20);
    http_reply_text(argument, 200, "text/plain", "later\n");
    return NULL;
}

static inline void handle_later(struct http_exchange *exchange, void *context)
{
    pthread_t thread;
    (void)context;
    pthread_create(&thread, NULL, reply_later, exchange);
    pthread_detach(thread);
}

static inline void note_gone(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

static inline void note_release(void *context)
{
    (void)context;
    atomic_fetch_add(&release_calls, 1);
}

/* Keeps the exchange for the test to answer. */
static inline void handle_hold(struct http_exchange *exchange, void *context)
{
    (void)context;
    http_on_gone(exchange, note_gone, note_release, &gone_calls);
    atomic_store(&held, exchange);
}

/* As a call does that ends when its client leaves. */
static inline void answer_gone(void *exchange)
{
    http_reply_error(exchange, 503, "the client has gone");
}

/* Is answered when its client leaves, and not before. */
static inline void handle_until_gone(struct http_exchange *exchange, void *context)
{
    (void)context;
    http_on_gone(exchange, answer_gone, note_release, exchange);
    atomic_fetch_add(&n_waiting, 1);
}

static inline struct http_exchange *take_held(void)
{
    struct http_exchange *exchange = NULL;
    for (int i = 0; i < 1000 && !exchange; i++) {
        exchange = atomic_exchange(&held, NULL);
        if (!exchange)
            sleep_ms(5);
    }
    return exchange;
}

static inline void *stream_events(void *argument)
{
    struct http_exchange *exchange = argument;
    for (int i = 0; i < 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "{\"done\": %d}\nline 2", i);
        http_stream_send(exchange, "progress", i == 1 ? "7" : NULL, text);
        sleep_ms(10);
    }
    http_stream_send(exchange, "done", NULL, "");
    http_stream_close(exchange);
    return NULL;
}

static inline void handle_events(struct http_exchange *exchange, void *context)
{
    pthread_t thread;
    (void)context;
    http_stream_open(exchange);
    pthread_create(&thread, NULL, stream_events, exchange);
    pthread_detach(thread);
}

/* Sends as fast as it can, until it is told that nobody reads. */
static inline void *stream_flood(void *argument)
{
    struct http_exchange *exchange = argument;
    char text[4001];
    memset(text, 'x', 4000);
    text[4000] = '\0';
    while (http_stream_send(exchange, "flood", NULL, text))
        ;
    http_stream_close(exchange);
    atomic_fetch_add(&streams_refused, 1);
    return NULL;
}

static inline void handle_flood(struct http_exchange *exchange, void *context)
{
    pthread_t thread;
    (void)context;
    http_stream_open(exchange);
    pthread_create(&thread, NULL, stream_flood, exchange);
    pthread_detach(thread);
}

static inline void handle_silence(struct http_exchange *exchange, void *context)
{
    http_stream_open(exchange);
    handle_hold(exchange, context);
}

static const struct http_route support_routes[] = {
    {"GET", "/", handle_echo, HTTP_SCOPE_NONE, HTTP_PUBLIC, HTTP_BODY_NONE},
    {"GET", "/host", handle_host, HTTP_SCOPE_NONE, HTTP_PUBLIC, HTTP_BODY_NONE},
    {"GET", "/v1/models/{model}", handle_echo, HTTP_SCOPE_NONE, 0, HTTP_BODY_NONE},
    {"POST", "/v1/models/{model}:predict", handle_echo, HTTP_SCOPE_PREDICT, 0, HTTP_BODY_LARGE},
    {"POST", "/small", handle_echo, HTTP_SCOPE_ADMIN, 0, HTTP_BODY_SMALL},
    {"POST", "/basic", handle_echo, HTTP_SCOPE_NONE, HTTP_BASIC, HTTP_BODY_SMALL},
    {"GET", "/big", handle_big, HTTP_SCOPE_NONE, HTTP_PUBLIC, HTTP_BODY_NONE},
    {"GET POST", "/later", handle_later, HTTP_SCOPE_NONE, HTTP_PUBLIC, HTTP_BODY_SMALL},
    {"GET POST", "/hold", handle_hold, HTTP_SCOPE_NONE, HTTP_PUBLIC, HTTP_BODY_SMALL},
    {"GET", "/until-gone", handle_until_gone, HTTP_SCOPE_NONE, HTTP_PUBLIC, HTTP_BODY_NONE},
    {"GET", "/events", handle_events, HTTP_SCOPE_NONE, HTTP_PUBLIC, HTTP_BODY_NONE},
    {"GET", "/flood", handle_flood, HTTP_SCOPE_NONE, HTTP_PUBLIC, HTTP_BODY_NONE},
    {"GET", "/silence", handle_silence, HTTP_SCOPE_NONE, HTTP_PUBLIC, HTTP_BODY_NONE},
};

static inline void note_access(const struct http_access *access, void *context)
{
    (void)context;
    atomic_store(&last_status, access->status);
    atomic_fetch_add(&accesses, 1);
}

static inline struct http_config support_config(void)
{
    return (struct http_config){
        .address = "127.0.0.1",
        .threads = 2,
        .connections_max = 2048,
        .url_bytes_max = 4096,
        .header_bytes_max = 16384,
        .headers_max = 100,
        .small_body_bytes_max = 1000,
        .large_body_bytes_max = 1 << 20,
        .all_bodies_bytes_max = 512u << 20,
        .idle_timeout_ms = 60000,
        .request_timeout_ms = 30000,
        .send_timeout_ms = 120000,
        .gzip_bytes_min = 8192,
        .stream_bytes_max = 256u << 10,
        .stream_ping_ms = 15000,
        .access = note_access,
    };
}

static inline struct http_server *support_start(const struct http_config *config)
{
    struct http_server *server = NULL;
    struct lm_error error = {0};
    if (http_start(config, support_routes, sizeof support_routes / sizeof *support_routes, NULL,
                   &server, &error) != LM_OK)
        fprintf(stderr, "%s\n", error.text);
    return server;
}

static inline int client_connect(const struct http_server *server)
{
    return socket_connect(http_port(server));
}

static inline bool client_send(int fd, const void *bytes, size_t size)
{
    return socket_send(fd, bytes, size);
}

static inline bool client_say(int fd, const char *text)
{
    return client_send(fd, text, strlen(text));
}

/* Reads until the end, or until `stop` has come.  malloc'ed text. */
static inline char *client_read(int fd, const char *stop)
{
    return socket_read(fd, 1 << 20, stop);
}

/* Sends a whole request on a connection of its own and reads to the end. */
static inline char *client_ask_bytes(const struct http_server *server, const void *bytes,
                                     size_t size)
{
    int fd = client_connect(server);
    client_send(fd, bytes, size);
    char *text = client_read(fd, NULL);
    close(fd);
    return text;
}

static inline char *client_ask(const struct http_server *server, const char *request)
{
    return client_ask_bytes(server, request, strlen(request));
}

#endif
