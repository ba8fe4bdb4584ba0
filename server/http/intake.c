/* What happens to a request while it arrives: everything that can be refused is refused from the
 * head alone, before its body costs anything. */
#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/media.h"
#include "http/negotiate.h"
#include "http/problem.h"
#include "obs/request_trace.h"

/* Bodies up to this size are read and thrown away, so that the connection can go on. */
#define DRAIN_BYTES_MAX (64u << 10)

/* A name that is none, such as one with a space before its colon, or what the library makes of a
 * folded Content-Length: a longer name. */
static bool is_odd(const char *name)
{
    static const char *const framing[] = {"Content-Length", "Transfer-Encoding"};
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
        if (size > strlen(framing[i]) && strncasecmp(name, framing[i], strlen(framing[i])) == 0)
            return true;
    return size == 0 || media_token(name) != size;
}

void intake_header(struct exchange *exchange, const char *name, const char *value)
{
    /* Others on the way may read such a line otherwise than the library. */
    exchange->has_odd_header |= is_odd(name) || strchr(value, '\r');
    const struct http_config *config = &exchange->server->config;
    struct http_exchange *public = &exchange->public;
    exchange->header_bytes += strlen(name) + strlen(value) + 4;
    if (public->n_headers >= config->headers_max)
        return;
    if (public->n_headers == exchange->header_capacity) {
        size_t capacity = exchange->header_capacity ? exchange->header_capacity * 2 : 16;
        struct http_pair *pairs = memory_alloc(&exchange->memory, capacity * sizeof *pairs);
        if (!pairs)
            return;
        if (public->n_headers > 0)
            memcpy(pairs, exchange->header_list, public->n_headers * sizeof *pairs);
        exchange->header_list = pairs;
        exchange->header_capacity = capacity;
        public->headers = pairs;
    }
    struct http_pair pair = {memory_copy(&exchange->memory, name),
                             memory_copy(&exchange->memory, value)};
    if (pair.name && pair.value)
        exchange->header_list[public->n_headers++] = pair;
}

static void read_ids(struct exchange *exchange)
{
    const char *id = http_header(&exchange->public, "X-Request-Id");
    const char *parent = http_header(&exchange->public, "traceparent");
    struct trace_parent trace;
    if (id && request_id_valid(id))
        strcpy(exchange->request_id, id);
    else
        request_id_make(exchange->request_id);
    if (parent && trace_parent_parse(parent, &trace))
        strcpy(exchange->trace_id, trace.trace_id);
}

static size_t count_headers(const struct http_exchange *public, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < public->n_headers; i++)
        n += strcasecmp(public->headers[i].name, name) == 0;
    return n;
}

static bool is_host(const char *text, bool may_have_spaces_behind)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~!$&'()*+,;=%:[]";
    text += strspn(text, allowed);
    return !text[may_have_spaces_behind ? strspn(text, " \t") : 0];
}

/* The authority of an absolute target counts instead of Host (RFC 9112, 3.2.2). */
static const char *read_host(struct exchange *exchange)
{
    const struct http_exchange *public = &exchange->public;
    const char *host = http_header(public, "Host");
    if (count_headers(public, "Host") > 1)
        return "there is more than one Host";
    if (!host && !exchange->is_http_1_0)
        return "HTTP/1.1 needs a Host";
    if (host && !is_host(host, true))
        return "Host is not the name of a host";
    if (!exchange->authority)
        return NULL;
    if (!*exchange->authority || !is_host(exchange->authority, false))
        return "the target's authority is not the name of a host";
    for (size_t i = 0; i < public->n_headers; i++)
        if (strcasecmp(public->headers[i].name, "Host") == 0)
            exchange->header_list[i].value = exchange->authority;
    return NULL;
}

/* How long the body is: whatever could be read in two ways is refused, and the connection closed,
 * since nobody knows where the next request starts. */
static const char *read_framing(struct exchange *exchange)
{
    const struct http_exchange *public = &exchange->public;
    const char *length = http_header(public, "Content-Length");
    const char *coding = http_header(public, "Transfer-Encoding");
    const char *expect = http_header(public, "Expect");
    exchange->expects_continue = expect && strcasecmp(expect, "100-continue") == 0;
    exchange->has_body = coding || length;
    if (exchange->has_odd_header)
        return "a header line is malformed";
    const char *fault = read_host(exchange);
    if (fault)
        return fault;
    if (strchr(public->path, ' ') || strchr(public->query_text, ' '))
        return "the target has a space";
    if (coding && exchange->is_http_1_0)
        return "HTTP/1.0 has no Transfer-Encoding";
    if (coding && length)
        return "Content-Length and Transfer-Encoding exclude each other";
    if (coding &&
        (strcasecmp(coding, "chunked") != 0 || count_headers(public, "Transfer-Encoding") > 1))
        return "Transfer-Encoding can only be chunked";
    if (!length)
        return NULL;
    if (count_headers(public, "Content-Length") > 1)
        return "there is more than one Content-Length";
    if (!*length || strspn(length, "0123456789") != strlen(length) || strlen(length) > 18)
        return "Content-Length is not a number of bytes";
    exchange->content_length = strtoull(length, NULL, 10);
    exchange->has_body = exchange->content_length > 0;
    return NULL;
}

static bool check_head(struct exchange *exchange)
{
    const struct http_config *config = &exchange->server->config;
    const struct http_exchange *public = &exchange->public;
    size_t url = strlen(public->path) + strlen(public->query_text) +
                 (exchange->authority ? strlen(exchange->authority) : 0);
    if (url > config->url_bytes_max)
        exchange_refuse_text(exchange, 414, "the URL's %zu bytes are over the limit of %zu", url,
                             config->url_bytes_max);
    else if (public->n_headers >= config->headers_max)
        exchange_refuse_text(exchange, 431, "the request has %u header lines or more",
                             config->headers_max);
    else if (exchange->header_bytes > config->header_bytes_max)
        exchange_refuse_text(exchange, 431, "the headers' %zu bytes are over the limit of %zu",
                             exchange->header_bytes, config->header_bytes_max);
    else
        return true;
    return false;
}

static void refuse_method(struct exchange *exchange, const struct router_match *match)
{
    char detail[ROUTER_ALLOW_MAX + 64] = "this path takes ";
    struct http_pair allow = {"Allow", match->allow};
    strcat(detail, match->allow);
    struct problem problem = {.status = 405, .detail = detail, .headers = &allow, .n_headers = 1};
    exchange_refuse(exchange, &problem);
}

/* Copies what was matched, whose strings are in the exchange's memory or the router. */
static bool find_route(struct exchange *exchange)
{
    struct http_exchange *public = &exchange->public;
    size_t size = strlen(public->path) + 2;
    char *buffer = memory_alloc(&exchange->memory, 2 * size);
    struct uri_path path;
    struct router_match match = {.status = 404};
    if (!buffer) {
        exchange_refuse_text(exchange, 503, "out of memory");
        return false;
    }
    enum uri_fault fault = uri_split(public->path, buffer, &path);
    if (fault == URI_OK)
        router_match(exchange->server->router, public->method, &path, buffer + size, &match);
    public->route = match.route;
    memcpy(public->parameters, match.parameters, sizeof match.parameters);
    public->n_parameters = match.n_parameters;
    if (fault == URI_BROKEN)
        exchange_refuse_text(exchange, 400,
                             "the path has a broken percent escape, control characters or text "
                             "that is not UTF-8");
    else if (match.status == 404 && strcmp(public->method, "OPTIONS") == 0 &&
             strcmp(public->path, "*") == 0)
        intake_options(exchange, "GET, HEAD, POST, DELETE, OPTIONS");
    else if (match.status == 404)
        exchange_refuse_text(exchange, 404, "there is nothing at this path");
    else if (match.status == 400)
        exchange_refuse_text(exchange, 400, "a name in the path has a slash");
    else if (match.status == 405 && strcmp(public->method, "OPTIONS") == 0)
        intake_options(exchange, match.allow);
    else if (match.status == 405)
        refuse_method(exchange, &match);
    else
        return true;
    return false;
}

static bool read_query(struct exchange *exchange)
{
    struct http_exchange *public = &exchange->public;
    if (!*public->query_text)
        return true;
    struct http_pair pairs[URI_QUERY_MAX], *kept = NULL;
    size_t n = 0;
    char *buffer = memory_alloc(&exchange->memory, strlen(public->query_text) + 2);
    bool good = buffer && uri_query(public->query_text, buffer, pairs, &n);
    if (good)
        kept = memory_alloc(&exchange->memory, (n + 1) * sizeof *kept);
    if (!buffer || (good && !kept)) {
        exchange_refuse_text(exchange, 503, "out of memory");
        return false;
    }
    if (!good) {
        exchange_refuse_text(exchange, 400,
                             "the query has a broken percent escape, control characters, text that "
                             "is not UTF-8, or more than %d parameters",
                             URI_QUERY_MAX);
        return false;
    }
    memcpy(kept, pairs, n * sizeof *kept);
    public->query = kept;
    public->n_query = n;
    return true;
}

static void refuse_size(struct exchange *exchange, uint64_t size)
{
    if (exchange->body.size_max == 0)
        exchange_refuse_text(exchange, 413, "this request takes no body");
    else if (size > 0)
        exchange_refuse_text(exchange, 413, "the body's %llu bytes are over the limit of %zu",
                             (unsigned long long)size, exchange->body.size_max);
    else
        exchange_refuse_text(exchange, 413, "the body is over the limit of %zu bytes",
                             exchange->body.size_max);
}

static void expect_body(struct exchange *exchange)
{
    const struct http_config *config = &exchange->server->config;
    const size_t sizes[] = {0, config->small_body_bytes_max, config->large_body_bytes_max};
    const char *type = http_header(&exchange->public, "Content-Type");
    enum encoding encoding = encoding_parse(http_header(&exchange->public, "Content-Encoding"));
    exchange->body.size_max = sizes[exchange->public.route->body];
    if (type)
        media_type(type, exchange->type);
    if (exchange->content_length > exchange->body.size_max) {
        exchange->must_close = true; /* says it at once */
        refuse_size(exchange, exchange->content_length);
    } else if (encoding == ENCODING_UNKNOWN)
        exchange_refuse_text(exchange, 415, "Content-Encoding can be gzip, deflate or identity");
    else if (encoding == ENCODING_ZLIB && exchange->has_body) {
        exchange->inflater = encoding_inflater_new();
        if (!exchange->inflater)
            exchange_refuse_text(exchange, 503, "out of memory");
    }
}

void intake_head(struct exchange *exchange, const char *method)
{
    struct http_exchange *public = &exchange->public;
    const char *copy = memory_copy(&exchange->memory, method);
    public->method = copy ? copy : "";
    read_ids(exchange);
    const char *encodings = http_header(public, "Accept-Encoding");
    exchange->accepts_gzip = negotiate_gzip(encodings);
    intake_origin(exchange);
    const char *fault = read_framing(exchange);
    if (fault) {
        exchange->must_close = true;
        exchange_refuse_text(exchange, 400, "%s", fault);
        return;
    }
    if (check_head(exchange) && find_route(exchange) && intake_access(exchange) &&
        read_query(exchange))
        expect_body(exchange);
}

bool intake_is_hopeless(const struct exchange *exchange)
{
    return exchange->must_close ||
           (exchange->has_body && (exchange->expects_continue || exchange->content_length == 0 ||
                                   exchange->content_length > DRAIN_BYTES_MAX));
}

static void refuse_body(struct exchange *exchange, enum encoding_result result)
{
    switch (result) {
    case ENCODING_OK: break;
    case ENCODING_CORRUPT:
        exchange_refuse_text(exchange, 400, "the body is not what its Content-Encoding says");
        break;
    case ENCODING_TOO_LARGE: refuse_size(exchange, 0); break;
    case ENCODING_BUDGET:
        exchange_refuse_text(exchange, 503, "too many large requests at the same time");
        break;
    case ENCODING_NOMEM: exchange_refuse_text(exchange, 503, "out of memory"); break;
    }
    if (result != ENCODING_OK)
        encoding_body_free(&exchange->body);
}

bool intake_body(struct exchange *exchange, const void *bytes, size_t size)
{
    exchange->bytes_in += size;
    if (exchange_is_answered(exchange)) {
        exchange->drained += size;
        size_t most =
            exchange->body.size_max > DRAIN_BYTES_MAX ? exchange->body.size_max : DRAIN_BYTES_MAX;
        return exchange->drained <= most;
    }
    refuse_body(exchange, exchange->inflater
                              ? encoding_inflate(exchange->inflater, bytes, size, &exchange->body)
                              : encoding_body_append(&exchange->body, bytes, size));
    return true;
}

void intake_end(struct exchange *exchange)
{
    bool cut =
        exchange->inflater && exchange->bytes_in > 0 && !encoding_inflater_done(exchange->inflater);
    if (cut && !exchange_is_answered(exchange))
        refuse_body(exchange, ENCODING_CORRUPT);
    encoding_inflater_free(exchange->inflater);
    exchange->inflater = NULL;
    exchange->public.body = exchange->body.bytes ? exchange->body.bytes : (const uint8_t *)"";
    exchange->public.body_size = exchange->body.size;
}
