/* Content encodings by zlib.  Bodies are unpacked piece by piece into memory that is only ever
 * twice what has been unpacked, so that a bomb costs no more than the limit it runs into. */
#include "http/encoding.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>

#define BODY_FIRST 4096
#define PIECE 65536
#define GZIP_LEVEL 4 /* JSON of numbers: nearly as small as 6 in half the time */

static bool budget_take(atomic_size_t *budget, size_t bytes, size_t reserve)
{
    size_t left = budget ? atomic_load(budget) : 0;
    while (budget) {
        if (left < bytes || left - bytes < reserve)
            return false;
        if (atomic_compare_exchange_weak(budget, &left, left - bytes))
            break;
    }
    return true;
}

static void budget_give(atomic_size_t *budget, size_t bytes)
{
    if (budget)
        atomic_fetch_add(budget, bytes);
}

static enum encoding_result body_reserve(struct encoding_body *body, size_t need)
{
    if (need <= body->capacity)
        return ENCODING_OK;
    size_t capacity = body->capacity ? body->capacity : BODY_FIRST;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    if (capacity > body->size_max)
        capacity = body->size_max;
    size_t more = capacity - body->capacity;
    if (!budget_take(body->budget, more, capacity > ENCODING_SMALL_BODY ? body->reserve : 0))
        return ENCODING_BUDGET;
    uint8_t *grown = realloc(body->bytes, capacity);
    if (!grown) {
        budget_give(body->budget, more);
        return ENCODING_NOMEM;
    }
    body->bytes = grown;
    body->capacity = capacity;
    return ENCODING_OK;
}

enum encoding_result encoding_body_append(struct encoding_body *body, const void *bytes,
                                          size_t size)
{
    if (size == 0)
        return ENCODING_OK;
    if (size > body->size_max - body->size)
        return ENCODING_TOO_LARGE;
    enum encoding_result result = body_reserve(body, body->size + size);
    if (result != ENCODING_OK)
        return result;
    memcpy(body->bytes + body->size, bytes, size);
    body->size += size;
    return ENCODING_OK;
}

void encoding_body_settle(struct encoding_body *body)
{
    budget_give(body->budget, body->capacity);
    body->budget = NULL;
}

void encoding_body_free(struct encoding_body *body)
{
    free(body->bytes);
    budget_give(body->budget, body->capacity);
    body->bytes = NULL;
    body->size = body->capacity = 0;
}

enum encoding encoding_parse(const char *header)
{
    static const char *const known[] = {"gzip", "x-gzip", "deflate"};
    if (!header || !*header || strcasecmp(header, "identity") == 0)
        return ENCODING_IDENTITY;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(header, known[i]) == 0)
            return ENCODING_ZLIB;
    return ENCODING_UNKNOWN;
}

struct encoding_inflater {
    z_stream stream;
    bool at_end;
};

struct encoding_inflater *encoding_inflater_new(void)
{
    struct encoding_inflater *inflater = calloc(1, sizeof *inflater);
    if (inflater && inflateInit2(&inflater->stream, 15 + 32) != Z_OK) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

void encoding_inflater_free(struct encoding_inflater *inflater)
{
    if (!inflater)
        return;
    inflateEnd(&inflater->stream);
    free(inflater);
}

bool encoding_inflater_done(const struct encoding_inflater *inflater)
{
    return inflater->at_end;
}

static enum encoding_result inflate_piece(struct encoding_inflater *inflater,
                                          struct encoding_body *body)
{
    z_stream *stream = &inflater->stream;
    uint8_t piece[16384];
    do {
        /* gzip files may follow each other (RFC 1952, 2.2). */
        if (inflater->at_end) {
            if (inflateReset(stream) != Z_OK)
                return ENCODING_CORRUPT;
            inflater->at_end = false;
        }
        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        int status = inflate(stream, Z_NO_FLUSH);
        if (status == Z_MEM_ERROR)
            return ENCODING_NOMEM;
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return ENCODING_CORRUPT;
        enum encoding_result result =
            encoding_body_append(body, piece, sizeof piece - stream->avail_out);
        if (result != ENCODING_OK)
            return result;
        inflater->at_end = status == Z_STREAM_END;
    } while (stream->avail_in > 0 || (stream->avail_out == 0 && !inflater->at_end));
    return ENCODING_OK;
}

enum encoding_result encoding_inflate(struct encoding_inflater *inflater, const void *bytes,
                                      size_t size, struct encoding_body *body)
{
    uint8_t piece[4096]; /* zlib's input is not const */
    for (const uint8_t *next = bytes; size > 0;) {
        size_t n = size < sizeof piece ? size : sizeof piece;
        memcpy(piece, next, n);
        inflater->stream.next_in = piece;
        inflater->stream.avail_in = (uInt)n;
        enum encoding_result result = inflate_piece(inflater, body);
        if (result != ENCODING_OK)
            return result;
        next += n;
        size -= n;
    }
    return ENCODING_OK;
}

static bool deflate_all(z_stream *stream, const uint8_t *bytes, size_t size)
{
    uint8_t piece[PIECE];
    size_t done = 0;
    int status = Z_OK;
    do {
        size_t n = size - done < sizeof piece ? size - done : sizeof piece;
        memcpy(piece, bytes + done, n);
        done += n;
        stream->next_in = piece;
        stream->avail_in = (uInt)n;
        status = deflate(stream, done == size ? Z_FINISH : Z_NO_FLUSH);
    } while (status == Z_OK && done < size && stream->avail_out > 0);
    return status == Z_STREAM_END;
}

bool encoding_gzip(const void *bytes, size_t size, void **packed, size_t *packed_size)
{
    if (size < 2 || size > UINT_MAX)
        return false;
    z_stream stream = {0};
    uint8_t *out = malloc(size - 1);
    if (!out)
        return false;
    if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(out);
        return false;
    }
    stream.next_out = out;
    stream.avail_out = (uInt)(size - 1);
    bool smaller = deflate_all(&stream, bytes, size);
    *packed_size = size - 1 - stream.avail_out;
    deflateEnd(&stream);
    if (!smaller) {
        free(out);
        return false;
    }
    *packed = out;
    return true;
}
