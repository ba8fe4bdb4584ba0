/* Inside of the http room: an exchange with all that belongs to it, and the server's parts.
 *
 * Life of an exchange: made when its first line has come, filled by intake.c while it arrives,
 * handed to its handler, answered (reply.c) or made a stream (stream.c) by the application, sent
 * by transport.c, detached from its connection when that is over, freed with its last reference:
 * the connection has one, the application has one from handler to reply, the watch takes one for
 * each look.
 *
 * Locks, in this order: exchange->lock, then the watch's.  The application's callbacks are called
 * without any.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "http/auth.h"
#include "http/encoding.h"
#include "http/http.h"
#include "http/memory.h"
#include "http/router.h"
#include "obs/request_trace.h"

struct transport;
struct watch;
struct watch_entry;
struct problem;

struct http_server {
    struct http_config config;
    char **owned; /* copies of the configuration's strings */
    size_t n_owned;
    struct router *router;
    void *context;
    pthread_rwlock_t keys_lock;
    struct auth_keys *keys; /* NULL: everybody may everything */
    atomic_size_t body_budget;
    atomic_size_t open_requests;
    atomic_bool quiesced, stopping;
    struct watch *watch;
    struct transport *transport;
    int listener;
    uint16_t port;
};

/* What is sent; set once. */
struct exchange_answer {
    int status; /* 0: not yet */
    const char *type;
    const void *body;
    void *owned; /* freed with the exchange */
    size_t size;
    const struct http_pair *headers;
    size_t n_headers;
    bool is_gzip;
    bool is_stream;
};

struct exchange_stream {
    char *bytes; /* waiting to be sent */
    size_t start, end, capacity;
    bool closed;  /* by the application or a stop: end when all is sent */
    bool dropped; /* the reader was too slow */
    uint64_t sent;
};

struct exchange {
    struct http_exchange public; /* first, so that the one is the other */
    atomic_uint references;
    struct memory memory;
    struct http_server *server; /* for the network threads, while attached */

    /* Intake, by the network thread only. */
    int64_t received_ns;
    struct http_pair *header_list;
    size_t header_capacity, header_bytes;
    struct encoding_body body;
    struct encoding_inflater *inflater;
    uint64_t bytes_in;
    uint64_t content_length;
    uint64_t drained;
    const char *authority;  /* of an absolute target; NULL: none */
    const char *target_end; /* in the library's memory: only compared */
    bool is_http_1_0, has_odd_header;
    bool has_body, expects_continue, must_close, is_head_done, is_complete;
    char request_id[REQUEST_ID_MAX + 1];
    char trace_id[TRACE_ID_SIZE];
    char type[128];
    struct auth_identity identity;

    /* For whoever answers: fixed before the handler is called. */
    const char *cors_origin; /* NULL: no headers for it */
    bool accepts_gzip, varies_by_origin;
    size_t gzip_bytes_min, stream_bytes_max;

    pthread_mutex_t lock; /* of all below */
    void *connection;     /* the transport's; NULL when detached */
    struct watch *watch;
    struct watch_entry *entry;
    bool handed; /* to its handler */
    bool suspended;
    bool gone;
    struct exchange_answer answer;
    struct exchange_stream stream;
    void (*on_gone)(void *context); /* NULL: none, or called */
    void (*on_release)(void *context);
    void *gone_context;
    char subject[101]; /* of http_note */
    uint64_t amount;
};

static inline struct exchange *exchange_of(struct http_exchange *exchange)
{
    return (struct exchange *)exchange;
}

/* exchange.c.  NULL: out of memory. */
struct exchange *exchange_new(struct http_server *server, const char *target);
void exchange_take(struct exchange *exchange);
void exchange_drop(struct exchange *exchange);

/* The client is gone while the connection was suspended, called by the watch. */
void exchange_gone(struct exchange *exchange);

/* The connection is over; the application may still hold the exchange. */
void exchange_detach(struct exchange *exchange);

/* The server stops: answers with 503 what the application has, ends streams. */
void exchange_abort(struct exchange *exchange);

/* Lets a suspended connection go on.  Locked. */
void exchange_wake(struct exchange *exchange);

/* intake.c, in this order.  Each may refuse the exchange; then the rest of it is thrown away.
 * has_odd_header: the transport has seen that the library skipped a part of the head. */
void intake_header(struct exchange *exchange, const char *name, const char *value);
void intake_head(struct exchange *exchange, const char *method);
bool intake_body(struct exchange *exchange, const void *bytes, size_t size);
void intake_end(struct exchange *exchange);

/* Shall the refusal be sent without reading the body? */
bool intake_is_hopeless(const struct exchange *exchange);
bool exchange_is_answered(struct exchange *exchange);

/* intake_access.c: who may do what from where; refuses what may not.  Returns whether it may. */
bool intake_access(struct exchange *exchange);

/* intake_origin.c: may the page that it comes from read the answer?  And OPTIONS. */
void intake_origin(struct exchange *exchange);
void intake_options(struct exchange *exchange, const char *allow);

/* reply.c: answers from inside, before or instead of a handler. */
void exchange_refuse(struct exchange *exchange, const struct problem *problem);
__attribute__((format(printf, 3, 4))) void exchange_refuse_text(struct exchange *exchange,
                                                                int status, const char *format,
                                                                ...);

/* stream.c.  read: locked; bytes into buffer, 0 when there are none yet, -1 at the end. */
long stream_read(struct exchange *exchange, char *buffer, size_t capacity);
void stream_ping(struct exchange *exchange);

/* transport.c, the only file that knows the library.  Takes server->listener: closed when it fails.
 */
enum lm_status transport_start(struct http_server *server, const char *certificate, const char *key,
                               bool is_ipv6, struct lm_error *error);
void transport_quiesce(struct transport *transport);
void transport_stop(struct transport *transport);
void transport_resume(void *connection);

/* listen.c.  An open socket, its port and family. */
enum lm_status listen_open(const char *address, uint16_t port, int *listener, uint16_t *actual_port,
                           bool *is_ipv6, struct lm_error *error);

/* The monotonic clock. */
int64_t exchange_now_ms(void);
int64_t exchange_now_ns(void);

#endif
