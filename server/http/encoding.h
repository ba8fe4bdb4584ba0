/* Content encodings: gzip and deflate bodies, undone while they arrive; gzip for answers. */
#ifndef HTTP_ENCODING_H
#define HTTP_ENCODING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A body that grows up to size_max.  All bodies of a server share a budget (may be NULL): bytes
 * that may still be allocated. */
struct encoding_body {
    uint8_t *bytes;
    size_t size, capacity, size_max;
    atomic_size_t *budget;
    size_t reserve; /* of the budget, for bodies of at most ENCODING_SMALL_BODY: a few large ones
                       that never end cannot keep these out */
};
enum { ENCODING_SMALL_BODY = 1 << 20 };

enum encoding_result {
    ENCODING_OK = 0,
    ENCODING_CORRUPT,
    ENCODING_TOO_LARGE,
    ENCODING_BUDGET, /* the server's memory for bodies is used up */
    ENCODING_NOMEM,
};

enum encoding_result encoding_body_append(struct encoding_body *body, const void *bytes,
                                          size_t size);
void encoding_body_free(struct encoding_body *body);

/* Gives its share of the budget back already; it must not grow any more. */
void encoding_body_settle(struct encoding_body *body);

enum encoding {
    ENCODING_IDENTITY = 0,
    ENCODING_ZLIB, /* gzip or deflate: its first bytes tell which */
    ENCODING_UNKNOWN,
};

/* Of a Content-Encoding header; NULL and "" are the identity. */
enum encoding encoding_parse(const char *header);

struct encoding_inflater;

/* NULL: out of memory. */
struct encoding_inflater *encoding_inflater_new(void);
void encoding_inflater_free(struct encoding_inflater *inflater);

/* Appends what `size` more bytes unpack to; stops as soon as that is over the body's limit. */
enum encoding_result encoding_inflate(struct encoding_inflater *inflater, const void *bytes,
                                      size_t size, struct encoding_body *body);

/* Has the compressed data come to its end? */
bool encoding_inflater_done(const struct encoding_inflater *inflater);

/* gzip into malloc'ed memory; false when it does not get smaller, or out of memory. */
bool encoding_gzip(const void *bytes, size_t size, void **packed, size_t *packed_size);

#endif
