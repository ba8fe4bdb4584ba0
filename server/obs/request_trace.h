/* Names of requests: our own ids, those that callers send, and W3C Trace Context.
 *
 *     char id[TRACE_ID_SIZE];
 *     if (!request_id_valid(header))
 *         request_id_make(id);
 */
#ifndef OBS_REQUEST_TRACE_H
#define OBS_REQUEST_TRACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TRACE_ID_SIZE = 33,   /* 128 bits in hexadecimal, and a NUL */
    TRACE_SPAN_SIZE = 17, /* 64 bits */
    REQUEST_ID_MAX = 128,
};

/* 128 random bits, lower-case hexadecimal, never all 0.  A name, not a secret. */
void request_id_make(char out[TRACE_ID_SIZE]);

/* Whether a caller's X-Request-Id can be taken as it is: 1 to 128 of A-Z a-z 0-9 . _ : / + = @ -
 * NULL is none. */
bool request_id_valid(const char *text);

/* One traceparent: which trace, which span of it, and whether the caller records it. */
struct trace_parent {
    char trace_id[TRACE_ID_SIZE];
    char span_id[TRACE_SPAN_SIZE];
    bool sampled;
};

/* Reads a traceparent header, strictly as in https://www.w3.org/TR/trace-context/ (2021): lower
 * case, no all-0 ids, version 00 without anything behind it, later versions with what they may
 * append; ff never.  False, with *out untouched, if it is none; NULL is none. */
bool trace_parent_parse(const char *text, struct trace_parent *out);

#endif
