/* Request targets: percent escapes, path segments and query parameters. */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

/* Undoes percent escapes (and + for a space, in queries) of text into out (length + 1 bytes at
 * most, NUL-terminated).  The result is plain UTF-8 (utf8_is_plain).  NULL when it is not, or an
 * escape is broken; else its end in out. */
char *uri_decode(const char *text, size_t length, bool is_query, char *out);

#define URI_SEGMENTS_MAX 16

struct uri_segment {
    const char *text; /* decoded */
    size_t colon;     /* index of the last colon that was not escaped; SIZE_MAX without one */
};

struct uri_path {
    struct uri_segment segments[URI_SEGMENTS_MAX];
    size_t n;
};

enum uri_fault {
    URI_OK = 0,
    URI_BROKEN,  /* escapes or characters */
    URI_NOWHERE, /* empty, "." or ".." segments, too many, or not starting with a slash */
};

/* Splits and decodes a path (without the query).  buffer: strlen(path) + 2 bytes, which the
 * segments point into. */
enum uri_fault uri_split(const char *path, char *buffer, struct uri_path *out);

#define URI_QUERY_MAX 64

/* Splits and decodes a query into pairs.  buffer: strlen(query) + 2 bytes, which the pairs point
 * into.  false: broken escapes or characters, or more than URI_QUERY_MAX pairs. */
bool uri_query(const char *query, char *buffer, struct http_pair pairs[URI_QUERY_MAX], size_t *n);

#endif
