/* libmicrohttpd, in this file only: connections to exchanges, and answers to connections.
 *
 * A pool of threads, each with its own epoll.  An exchange whose answer is not there when its
 * handler returns is suspended, and resumed by exchange_wake.  What the library leaves to its users
 * is in watch.c: clients that leave while suspended, time limits, lingering ends. */
#include "http/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <microhttpd.h>
#include <netdb.h>

#include "http/plain.h"
#include "http/problem.h"
#include "http/watch.h"

/* The version whose way of taking heads apart check_head knows.  Later ones refuse more. */
#define KNOWN_VERSION "0.9.75"

struct transport {
    struct MHD_Daemon *daemon;
};

static struct watch_entry *entry_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void on_connection(void *argument, struct MHD_Connection *connection, void **entry,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = argument;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *entry = watch_add(server->watch, info->connect_fd,
                           exchange_now_ms() + server->config.request_timeout_ms);
    } else if (*entry) {
        watch_remove(server->watch, *entry);
        *entry = NULL;
    }
}

static void read_address(struct exchange *exchange, struct MHD_Connection *connection)
{
    char text[256] = "";
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr)
        return;
    socklen_t size = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                              : sizeof(struct sockaddr_in);
    if (getnameinfo(info->client_addr, size, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
        return;
    const char *plain = strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text;
    const char *copy = memory_copy(&exchange->memory, plain);
    exchange->public.address = copy ? copy : "";
}

/* The first line of a request has come. */
static void *on_target(void *argument, const char *target, struct MHD_Connection *connection)
{
    struct http_server *server = argument;
    struct watch_entry *entry = entry_of(connection);
    struct exchange *exchange = entry ? exchange_new(server, target) : NULL;
    if (!exchange)
        return NULL;
    exchange->connection = connection;
    exchange->entry = entry;
    read_address(exchange, connection);
    watch_deadline(server->watch, entry,
                   exchange->public.received_ms + server->config.request_timeout_ms);
    watch_attach(server->watch, entry, exchange);
    atomic_fetch_add(&server->open_requests, 1);
    return exchange;
}

/* A head as the library has taken it apart: its parts, one behind the other in memory. */
struct head_reader {
    struct exchange *exchange;
    const char *end; /* of the part before */
    bool has_gap;
};

static bool is_line_break(const char *from, const char *to)
{
    uintptr_t n = (uintptr_t)to - (uintptr_t)from;
    return n == 1 || n == 2;
}

static enum MHD_Result on_header(void *argument, enum MHD_ValueKind kind, const char *name,
                                 size_t name_size, const char *value, size_t value_size)
{
    struct head_reader *reader = argument;
    (void)kind, (void)name_size;
    intake_header(reader->exchange, name, value ? value : "");
    reader->has_gap |= !value || !is_line_break(reader->end, name);
    reader->end = value ? value + value_size : name;
    return MHD_YES;
}

/* Between two parts there is a line break and nothing else.  What the library skips, others may
 * read: what is behind a NUL, folded lines, and all that follows a line without a name, at which
 * it ends the head. */
static void read_headers(struct exchange *exchange, const char *method, const char *version)
{
    struct head_reader reader = {.exchange = exchange, .end = version + strlen(version)};
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, on_header, &reader);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (!info || strcmp(MHD_get_version(), KNOWN_VERSION) != 0)
        return;
    uintptr_t rest = (uintptr_t)(method + info->header_size) - (uintptr_t)reader.end;
    exchange->has_odd_header |= reader.has_gap || rest > 4 || version - 1 != exchange->target_end;
}

static ssize_t on_read(void *argument, uint64_t position, char *buffer, size_t capacity)
{
    struct exchange *exchange = argument;
    (void)position;
    pthread_mutex_lock(&exchange->lock);
    long n = exchange->connection ? stream_read(exchange, buffer, capacity) : -1;
    if (n == 0) {
        exchange->suspended = true;
        MHD_suspend_connection(exchange->connection);
        watch_gone(exchange->watch, exchange->entry, true);
    }
    bool failed = n < 0 && (exchange->gone || exchange->stream.dropped);
    pthread_mutex_unlock(&exchange->lock);
    if (n < 0)
        return failed ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    return n;
}

static void on_read_end(void *argument)
{
    exchange_drop(argument);
}

static struct MHD_Response *make_response(struct exchange *exchange)
{
    const struct exchange_answer *answer = &exchange->answer;
    if (!answer->is_stream) {
        void *body;
        memcpy(&body, &answer->body, sizeof body); /* only ever read */
        return MHD_create_response_from_buffer(answer->size, body, MHD_RESPMEM_PERSISTENT);
    }
    exchange_take(exchange);
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 8192, on_read, exchange, on_read_end);
    if (!response)
        exchange_drop(exchange);
    return response;
}

static void add_header(void *response, const char *name, const char *value)
{
    MHD_add_response_header(response, name, value);
}

/* Not locked, as the library reads streams with a lock of its own; a set answer does not change. */
static enum MHD_Result send_answer(struct exchange *exchange, bool close)
{
    struct http_server *server = exchange->server;
    struct MHD_Response *response = make_response(exchange);
    if (!response)
        return MHD_NO;
    bool is_stream = exchange->answer.is_stream;
    plain_headers(exchange, add_header, response);
    if (close || atomic_load(&server->quiesced))
        MHD_add_response_header(response, "Connection", "close");
    watch_deadline(server->watch, exchange->entry,
                   is_stream ? WATCH_NEVER : exchange_now_ms() + server->config.send_timeout_ms);
    if (is_stream)
        watch_ping(server->watch, exchange->entry, server->config.stream_ping_ms);
    enum MHD_Result result =
        MHD_queue_response(exchange->connection, (unsigned)exchange->answer.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result take_head(struct exchange *exchange, const char *method, const char *version)
{
    exchange->is_http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    read_headers(exchange, method, version);
    exchange->is_head_done = true;
    intake_head(exchange, method);
    watch_name(exchange->watch, exchange->entry, exchange->request_id);
    if (!exchange_is_answered(exchange) || !intake_is_hopeless(exchange))
        return MHD_YES;
    watch_linger(exchange->watch, exchange->entry);
    return send_answer(exchange, true);
}

static void call_handler(struct exchange *exchange)
{
    struct http_server *server = exchange->server;
    watch_complete(server->watch, exchange->entry);
    intake_end(exchange);
    exchange->is_complete = true;
    if (exchange_is_answered(exchange))
        return;
    if (atomic_load(&server->stopping)) {
        exchange_refuse_text(exchange, 503, "the server is shutting down");
        return;
    }
    pthread_mutex_lock(&exchange->lock);
    exchange->handed = true;
    pthread_mutex_unlock(&exchange->lock);
    exchange_take(exchange);
    exchange->public.route->handle(&exchange->public, server->context);
}

/* The request is complete; or the connection has been resumed. */
static enum MHD_Result answer_or_wait(struct exchange *exchange)
{
    if (!exchange->is_complete)
        call_handler(exchange);
    pthread_mutex_lock(&exchange->lock);
    if (exchange->answer.status == 0 && !exchange->gone && atomic_load(&exchange->server->stopping))
        exchange->answer.status = 503;
    bool answered = exchange->answer.status != 0, gone = exchange->gone;
    if (!answered && !gone) {
        exchange->suspended = true;
        MHD_suspend_connection(exchange->connection);
        watch_gone(exchange->watch, exchange->entry, true);
    }
    pthread_mutex_unlock(&exchange->lock);
    if (answered)
        return send_answer(exchange, exchange->must_close);
    return gone ? MHD_NO : MHD_YES;
}

/* A refusal in the middle of a body, for which the library takes answers only at its end.  Short
 * ends are waited for. */
static bool answer_early(struct exchange *exchange)
{
    if (!exchange_is_answered(exchange) || !intake_is_hopeless(exchange))
        return false;
    size_t size = 0;
    char *text = plain_answer(exchange, &size);
    bool sent = text && watch_answer(exchange->watch, exchange->entry, text, size);
    free(text);
    return sent;
}

static enum MHD_Result on_access(void *argument, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_size, void **request)
{
    struct exchange *exchange = *request;
    (void)argument, (void)connection, (void)url;
    if (!exchange)
        return MHD_NO;
    if (!exchange->is_head_done)
        return take_head(exchange, method, version);
    if (*upload_size == 0)
        return answer_or_wait(exchange);
    bool go_on = intake_body(exchange, upload, *upload_size);
    *upload_size = 0;
    return go_on && !answer_early(exchange) ? MHD_YES : MHD_NO;
}

static int final_status(struct exchange *exchange, bool done)
{
    pthread_mutex_lock(&exchange->lock);
    int status = exchange->answer.status;
    bool gone = exchange->gone;
    pthread_mutex_unlock(&exchange->lock);
    if (status != 0 && (done || !gone))
        return status;
    if (done)
        return 400; /* the library has answered it itself */
    return watch_timed_out(exchange->watch, exchange->entry) ? 408 : 499;
}

static void log_access(struct exchange *exchange, bool done)
{
    const struct http_config *config = &exchange->server->config;
    const struct http_exchange *public = &exchange->public;
    const struct exchange_answer *answer = &exchange->answer;
    if (!config->access)
        return;
    bool has_body = strcmp(public->method, "HEAD") != 0 && done;
    pthread_mutex_lock(&exchange->lock);
    uint64_t amount = exchange->amount;
    char subject[sizeof exchange->subject];
    memcpy(subject, exchange->subject, sizeof subject);
    pthread_mutex_unlock(&exchange->lock);
    struct http_access access = {
        .request_id = public->request_id,
        .trace_id = public->trace_id,
        .method = public->method,
        .route = public->route ? public->route->pattern : "",
        .path = public->path,
        .address = public->address,
        .key_id = public->key_id,
        .status = final_status(exchange, done),
        .bytes_in = exchange->bytes_in,
        .bytes_out = answer->is_stream ? exchange->stream.sent
                     : has_body        ? answer->size
                                       : 0,
        .ms = (double)(exchange_now_ns() - exchange->received_ns) / 1e6,
        .subject = subject,
        .amount = amount,
    };
    config->access(&access, config->log_context);
}

static void on_completed(void *argument, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode code)
{
    struct http_server *server = argument;
    struct exchange *exchange = *request;
    (void)connection;
    if (!exchange)
        return;
    *request = NULL;
    watch_deadline(server->watch, exchange->entry,
                   exchange_now_ms() + server->config.idle_timeout_ms +
                       server->config.request_timeout_ms);
    watch_attach(server->watch, exchange->entry, NULL);
    log_access(exchange, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    exchange_detach(exchange);
    exchange_drop(exchange);
    atomic_fetch_sub(&server->open_requests, 1);
}

__attribute__((format(printf, 2, 0))) static void on_message(void *argument, const char *format,
                                                             va_list arguments)
{
    struct http_server *server = argument;
    char text[500];
    if (!server->config.message)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    server->config.message(text, server->config.log_context);
}

/* Paths and queries are taken apart by uri.c, which needs them as they were sent. */
static size_t keep_escapes(void *argument, struct MHD_Connection *connection, char *text)
{
    (void)argument, (void)connection;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct http_server *server, const char *certificate,
                                       const char *key, bool is_ipv6)
{
    const struct http_config *config = &server->config;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     (certificate ? MHD_USE_TLS : 0u) | (is_ipv6 ? MHD_USE_IPv6 : 0u);
    struct MHD_OptionItem tls[] = {
        {certificate ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, NULL},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    memcpy(&tls[0].ptr_value, &certificate, sizeof certificate);
    memcpy(&tls[1].ptr_value, &key, sizeof key);
    struct MHD_OptionItem pool[] = {
        {config->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
         (intptr_t)config->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    /* Half of a connection's memory is for the head, the rest for its body's pieces. */
    size_t memory = 2 * (config->header_bytes_max + config->url_bytes_max) + 16384;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_message, server,
        MHD_OPTION_LISTEN_SOCKET, server->listener, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_URI_LOG_CALLBACK,
        on_target, server, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_CONNECTION_LIMIT, config->connections_max,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, config->connections_per_address_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(config->idle_timeout_ms / 1000),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory, MHD_OPTION_ARRAY, tls, MHD_OPTION_ARRAY, pool,
        MHD_OPTION_END);
}

/* While this thread is in transport_quiesce. */
static _Thread_local jmp_buf *quiescing;

/* What the library calls when it sees no way on; it must not return. */
static void on_panic(void *argument, const char *file, unsigned line, const char *reason)
{
    (void)argument;
    if (quiescing)
        longjmp(*quiescing, 1);
    fprintf(stderr, "libmicrohttpd, %s:%u: %s\n", file, line, reason ? reason : "");
    abort();
}

enum lm_status transport_start(struct http_server *server, const char *certificate, const char *key,
                               bool is_ipv6, struct lm_error *error)
{
    if (certificate && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return lm_fail(error, LM_UNSUPPORTED, "tls: libmicrohttpd is built without it");
    struct transport *transport = calloc(1, sizeof *transport);
    if (!transport)
        return lm_fail(error, LM_NOMEM, "out of memory");
    MHD_set_panic_func(on_panic, NULL);
    transport->daemon = start_daemon(server, certificate, key, is_ipv6);
    if (!transport->daemon) {
        server->listener = -1; /* the library has closed it */
        free(transport);
        return lm_fail(error, certificate ? LM_CORRUPT : LM_IO,
                       certificate ? "tls: the certificate and the key cannot be used together"
                                   : "libmicrohttpd does not start");
    }
    server->transport = transport;
    return LM_OK;
}

static bool quiesce(struct MHD_Daemon *daemon)
{
    jmp_buf before;
    quiescing = &before;
    bool done = setjmp(before) == 0 && MHD_quiesce_daemon(daemon) != MHD_INVALID_SOCKET;
    quiescing = NULL;
    return done;
}

/* The library takes the listening socket out of each thread's epoll.  A thread that is awake does
 * the same, and when it was quicker, the library panics, with nothing held or half done: it is
 * tried again, when that thread has finished. */
void transport_quiesce(struct transport *transport)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int tries = 0; tries < 1000 && !quiesce(transport->daemon); tries++)
        nanosleep(&pause, NULL);
}

void transport_stop(struct transport *transport)
{
    if (!transport)
        return;
    MHD_stop_daemon(transport->daemon);
    free(transport);
}

void transport_resume(void *connection)
{
    MHD_resume_connection(connection);
}
