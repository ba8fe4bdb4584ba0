/* The HTTP server: routes, requests, answers and event streams; nothing of the library below.
 *
 *     static void hello(struct http_exchange *exchange, void *context)
 *     {
 *         http_reply_text(exchange, 200, "text/plain", "hello\n");
 *     }
 *     static const struct http_route routes[] = {
 *         {.methods = "GET", .pattern = "/v1/models/{model}", .handle = hello},
 *     };
 *     struct http_config config = {.address = "127.0.0.1", .port = 8080, .threads = 2, ...};
 *     struct http_server *server = NULL;
 *     if (http_start(&config, routes, 1, NULL, &server, &error) != LM_OK) ...
 *     http_stop(server, 30000);
 *
 * Threads.  Handlers run on a few network threads that serve all connections, so they must not
 * block or compute: they hand the exchange on and return.  It is answered later, from any thread.
 *
 * Ownership.  From the moment a handler is called, the exchange is the application's until it calls
 * exactly one of the http_reply functions or http_stream_close; afterwards it must not be touched.
 * That holds even when the client is gone or the server stopped: the reply then goes nowhere, but
 * gives the exchange back.
 *
 * What happens before a handler is called: a path that no route has is a 404, a method that its
 * routes do not have a 405 with Allow; HEAD is answered by GET's route, OPTIONS and CORS preflights
 * by the server.  Bodies above the route's limit (after decoding of gzip and deflate) are a 413,
 * unknown content encodings a 415, missing or wrong keys a 401, keys without the route's scope a
 * 403, keys over their rate a 429.  All errors are problem+json (problem.h), and every answer has
 * X-Request-Id.  What is no HTTP/1 request at all (its first line, a header line without a colon, a
 * Content-Length that is no number, broken chunks, a head that is larger than twice the limits of
 * URL and headers) never becomes an exchange: the library below answers it, shortly and without
 * X-Request-Id, and closes the connection.
 *
 * One slash at the end of a path is ignored.  Paths with empty, "." or ".." segments match nothing.
 * SIGPIPE must be ignored by the program when TLS is used.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

struct http_server;
struct http_exchange;

/* What a key may do; a bit each.  No scope includes another. */
enum http_scope {
    HTTP_SCOPE_NONE = 0,
    HTTP_SCOPE_PREDICT = 1,
    HTTP_SCOPE_EXPLAIN = 2,
    HTTP_SCOPE_ADMIN = 4,
};

enum http_route_flags {
    HTTP_PUBLIC = 1, /* no key is asked for, and a wrong one does not matter */
    HTTP_BASIC = 2,  /* a 401 asks for Basic, too (browsers and annotation tools) */
};

/* How large a request's body may be; the sizes are in the configuration. */
enum http_body_class {
    HTTP_BODY_NONE = 0,
    HTTP_BODY_SMALL,
    HTTP_BODY_LARGE,
};

/* pattern: segments are literal, "{name}" or "{name}:verb", as in /v1/models/{model}:predict.  A
 * literal goes before a verb, a verb before a plain parameter, whatever the order of the routes.
 * Parameters are percent-decoded UTF-8 without slashes or control characters; a colon inside one
 * has to be sent as %3A.  At most HTTP_PARAMETERS_MAX of them.
 * methods: separated by spaces, such as "GET DELETE". */
struct http_route {
    const char *methods;
    const char *pattern;
    void (*handle)(struct http_exchange *exchange, void *context);
    enum http_scope scope; /* what the key needs */
    unsigned flags;        /* of enum http_route_flags */
    enum http_body_class body;
};

#define HTTP_PARAMETERS_MAX 4

struct http_pair {
    const char *name;
    const char *value;
};

/* A request, complete.  Strings are never NULL unless it says so, and live as long as the exchange
 * is the application's. */
struct http_exchange {
    const char *method;     /* HEAD for HEAD */
    const char *path;       /* as sent, without the query */
    const char *query_text; /* as sent, without the question mark */
    const struct http_route *route;
    struct http_pair parameters[HTTP_PARAMETERS_MAX]; /* of the path, decoded */
    size_t n_parameters;
    const struct http_pair *query; /* decoded, in their order, names may repeat */
    size_t n_query;
    const struct http_pair *headers;
    size_t n_headers;
    const uint8_t *body; /* content encoding undone */
    size_t body_size;
    const char *content_type; /* lower case without parameters: "image/png"; "" when not sent */
    const char *request_id;
    const char *trace_id; /* 32 hex digits of traceparent; "" when not sent */
    const char *address;  /* the client's, without the port */
    const char *key_id;   /* "" without a key */
    unsigned scopes;      /* of the key; all when the server has no keys */
    int64_t received_ms;  /* monotonic clock: when its first line had come */
};

/* One finished request, for logs and counters. */
struct http_access {
    const char *request_id;
    const char *trace_id;
    const char *method;
    const char *route; /* the pattern; "" when none matched */
    const char *path;
    const char *address;
    const char *key_id;
    int status; /* 499: the client left before the answer; 408: it was too slow */
    uint64_t bytes_in;
    uint64_t bytes_out; /* of the body */
    double ms;
    const char *subject; /* of http_note; "" without */
    uint64_t amount;
};

struct http_config {
    const char *address; /* name or number, IPv4 or IPv6 */
    uint16_t port;       /* 0: a free one, see http_port */
    unsigned threads;
    unsigned connections_max; /* near it, the one that has been idle longest is closed for a new
                               * one; when all have requests, more wait until one is closed */
    unsigned connections_per_address_max; /* 0: no limit; more are closed at once */
    size_t url_bytes_max;
    size_t header_bytes_max; /* all header lines together */
    unsigned headers_max;
    size_t small_body_bytes_max;
    size_t large_body_bytes_max;
    size_t all_bodies_bytes_max; /* of all requests in progress: more are a 503 */
    int64_t idle_timeout_ms;     /* between requests, and without progress in one; >= 1000 */
    int64_t
        request_timeout_ms;  /* from a request's first line to its last byte, however it trickles */
    int64_t send_timeout_ms; /* for the client to take the answer */
    size_t gzip_bytes_min;   /* text answers from this size on are compressed if the client can */
    size_t stream_bytes_max; /* waiting for a slow reader of events; more and it is dropped */
    int64_t stream_ping_ms;  /* a comment line keeps silent streams open through proxies */
    const char *keys_file;   /* NULL: everything is public.  Format in auth.h */
    double key_rate;         /* requests a second of keys that say none themselves; 0: any number */
    const char *tls_certificate_file; /* PEM, with the chain; NULL: no TLS */
    const char *tls_key_file;
    const char *const *cors_origins; /* such as "https://app.example"; "*" allows all */
    size_t n_cors_origins;
    /* Both may be NULL, and are called from several threads. */
    void (*access)(const struct http_access *access, void *log_context);
    void (*message)(const char *text, void *log_context); /* of the library, for debugging */
    void *log_context;
};

/* Reads keys and certificates, listens, and serves until http_stop.  config and routes are copied
 * (the strings of the routes are not).  context is given to every handler. Errors: LM_INVALID (a
 * setting or route), LM_IO (files, address in use), LM_CORRUPT (keys, TLS), LM_NOMEM. */
enum lm_status http_start(const struct http_config *config, const struct http_route *routes,
                          size_t n_routes, void *context, struct http_server **server,
                          struct lm_error *error);

/* The port that it listens on. */
uint16_t http_port(const struct http_server *server);

/* connections_max, or less if the system's limit of open files (which is raised if it can be) does
 * not allow as many. */
unsigned http_connections_max(const struct http_server *server);

/* Reads the keys file again; on failure the old keys stay. */
enum lm_status http_reload_keys(struct http_server *server, struct lm_error *error);

/* Requests whose answers are not out yet. */
size_t http_open_requests(struct http_server *server);

/* Refuses new connections from now on; open ones are closed after their next answer. */
void http_quiesce(struct http_server *server);

/* Quiesces, ends event streams, waits up to drain_ms for open requests, answers what is left with
 * 503 and frees the server.  Exchanges that the application still has then are only good for giving
 * back.  NULL is allowed.  Not from a handler. */
void http_stop(struct http_server *server, int64_t drain_ms);

/* NULL when there is none.  Names of headers in any case; of several, the first. */
const char *http_parameter(const struct http_exchange *exchange, const char *name);
const char *http_query(const struct http_exchange *exchange, const char *name);
const char *http_header(const struct http_exchange *exchange, const char *name);

enum http_body_ownership {
    HTTP_BODY_STATIC = 0, /* stays valid for ever */
    HTTP_BODY_COPY,
    HTTP_BODY_FREE, /* malloc'ed; the exchange frees it, whatever happens */
};

struct http_answer {
    int status;
    const char *type; /* NULL without a body */
    const void *body;
    size_t size;
    enum http_body_ownership ownership;
    const struct http_pair *headers; /* copied; names and values are single lines */
    size_t n_headers;
};

/* Answers; thread-safe; the exchange is not the caller's any more.  Compresses large texts, so it
 * costs time in the thread that calls it. */
void http_reply(struct http_exchange *exchange, const struct http_answer *answer);

/* The same for a constant text, and for malloc'ed JSON that is taken (NULL: out of memory, 503). */
void http_reply_text(struct http_exchange *exchange, int status, const char *type,
                     const char *text);
void http_reply_json(struct http_exchange *exchange, int status, char *json);

/* For the access log: what it was about (a model's name, 100 bytes at most) and how much of it.
 * Before the answer. */
void http_note(struct http_exchange *exchange, const char *subject, uint64_t amount);

/* An error with a detail, printf-like; problem.h has all that can be said. */
__attribute__((format(printf, 3, 4))) void http_reply_error(struct http_exchange *exchange,
                                                            int status, const char *format, ...);

/* `gone` is called (at most once, on another thread, without blocking) when the client leaves
 * before it has been answered, or the server gives up on it.  It may run at the same time as a
 * reply from elsewhere, so what it uses is kept until `release` is called (exactly once, after
 * which `gone` is not called any more; may be NULL).  Call it from the handler, once. false: it has
 * left already; neither was or will be called. */
bool http_on_gone(struct http_exchange *exchange, void (*gone)(void *context),
                  void (*release)(void *context), void *context);

/* Server-sent events.  open instead of a reply, then events from any thread, then close.
 * Nothing blocks: events wait in memory up to stream_bytes_max; a reader slower than that is
 * disconnected.  false from send: nobody is listening any more; close it. */
void http_stream_open(struct http_exchange *exchange);
bool http_stream_send(struct http_exchange *exchange, const char *event, const char *id,
                      const char *data);
bool http_stream_is_open(struct http_exchange *exchange); /* what send would say */
void http_stream_close(struct http_exchange *exchange);

#endif
