/* Server-sent events: text waits in a bounded buffer until the connection takes it. */
#include "http/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/watch.h"

static void compact(struct exchange_stream *stream)
{
    if (stream->start == 0)
        return;
    memmove(stream->bytes, stream->bytes + stream->start, stream->end - stream->start);
    stream->end -= stream->start;
    stream->start = 0;
}

static bool reserve(struct exchange_stream *stream, size_t more)
{
    if (stream->end + more <= stream->capacity)
        return true;
    compact(stream);
    size_t capacity = stream->capacity ? stream->capacity : 1024;
    while (capacity < stream->end + more)
        capacity *= 2;
    char *grown = capacity > stream->capacity ? realloc(stream->bytes, capacity) : stream->bytes;
    if (!grown)
        return false;
    stream->bytes = grown;
    stream->capacity = capacity;
    return true;
}

/* Locked. */
static bool is_open(const struct exchange *exchange)
{
    const struct exchange_stream *stream = &exchange->stream;
    return exchange->connection && !exchange->gone && !stream->closed && !stream->dropped;
}

/* Locked. */
static bool append(struct exchange *exchange, const char *text, size_t length)
{
    struct exchange_stream *stream = &exchange->stream;
    if (!is_open(exchange))
        return false;
    size_t waiting = stream->end - stream->start;
    if (length > exchange->stream_bytes_max - waiting || !reserve(stream, length)) {
        stream->dropped = true;
        watch_kill(exchange->watch, exchange->entry);
        exchange_wake(exchange);
        return false;
    }
    memcpy(stream->bytes + stream->end, text, length);
    stream->end += length;
    exchange_wake(exchange);
    return true;
}

void http_stream_open(struct http_exchange *public)
{
    static const struct http_pair headers[] = {{"Cache-Control", "no-store"},
                                               {"X-Accel-Buffering", "no"}};
    struct exchange *exchange = exchange_of(public);
    pthread_mutex_lock(&exchange->lock);
    if (exchange->answer.status == 0 && exchange->connection) {
        exchange->answer = (struct exchange_answer){.status = 200,
                                                    .type = "text/event-stream",
                                                    .headers = headers,
                                                    .n_headers = 2,
                                                    .is_stream = true};
        exchange_wake(exchange);
    }
    pthread_mutex_unlock(&exchange->lock);
}

/* Lines of data each get their own field; a line break of any kind would end the event early. */
static void put_data(FILE *out, const char *data)
{
    do {
        size_t length = strcspn(data, "\r\n");
        fprintf(out, "data: %.*s\n", (int)length, data);
        data += length;
        data += data[0] == '\r' && data[1] == '\n' ? 2 : *data != '\0';
    } while (*data);
    putc('\n', out);
}

static bool is_line(const char *text)
{
    return !text || !text[strcspn(text, "\r\n")];
}

bool http_stream_send(struct http_exchange *public, const char *event, const char *id,
                      const char *data)
{
    struct exchange *exchange = exchange_of(public);
    char *text = NULL;
    size_t length = 0;
    FILE *out = is_line(event) && is_line(id) ? open_memstream(&text, &length) : NULL;
    if (!out)
        return false;
    if (id)
        fprintf(out, "id: %s\n", id);
    if (event)
        fprintf(out, "event: %s\n", event);
    put_data(out, data);
    bool sent = fclose(out) == 0;
    pthread_mutex_lock(&exchange->lock);
    sent = sent && append(exchange, text, length);
    pthread_mutex_unlock(&exchange->lock);
    free(text);
    return sent;
}

bool http_stream_is_open(struct http_exchange *public)
{
    struct exchange *exchange = exchange_of(public);
    pthread_mutex_lock(&exchange->lock);
    bool open = is_open(exchange);
    pthread_mutex_unlock(&exchange->lock);
    return open;
}

void http_stream_close(struct http_exchange *public)
{
    struct exchange *exchange = exchange_of(public);
    pthread_mutex_lock(&exchange->lock);
    exchange->stream.closed = true;
    exchange_wake(exchange);
    pthread_mutex_unlock(&exchange->lock);
    exchange_drop(exchange);
}

long stream_read(struct exchange *exchange, char *buffer, size_t capacity)
{
    struct exchange_stream *stream = &exchange->stream;
    size_t n = stream->end - stream->start;
    if (exchange->gone || stream->dropped)
        return -1;
    if (n == 0)
        return stream->closed ? -1 : 0;
    n = n < capacity ? n : capacity;
    memcpy(buffer, stream->bytes + stream->start, n);
    stream->start += n;
    stream->sent += n;
    if (stream->start == stream->end)
        stream->start = stream->end = 0;
    return (long)n;
}

/* Only when nothing else waits, so that a slow reader is not dropped for it. */
void stream_ping(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    if (exchange->stream.start == exchange->stream.end)
        append(exchange, ":\n\n", 3);
    pthread_mutex_unlock(&exchange->lock);
}
