/* Errors that clients see: application/problem+json (RFC 9457).
 *
 *     {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "...",
 *      "instance": "<request id>", "error": "<the detail again, for KServe and Triton clients>",
 *      "errors": [{"pointer": "/instances/0/hide", "detail": "..."}]}
 */
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"
#include "layermask/status.h"

#define PROBLEM_HEADERS_MAX 4
#define PROBLEM_TYPE "application/problem+json"

struct problem_field {
    const char *pointer; /* JSON pointer (RFC 6901) */
    const char *detail;
};

struct problem {
    int status;
    const char *type;       /* a URI; NULL: about:blank */
    const char *title;      /* NULL: the status's name */
    const char *detail;     /* NULL: the title */
    unsigned retry_after_s; /* 0: no Retry-After */
    const struct problem_field *fields;
    size_t n_fields;
    const struct http_pair *headers; /* more of them, at most PROBLEM_HEADERS_MAX */
    size_t n_headers;
};

/* Malloc'ed JSON; NULL when out of memory.  Bytes that are not UTF-8 become '?'. */
char *problem_json(const struct problem *problem, const char *request_id);

/* Answers an exchange with it (see http_reply). */
void problem_reply(struct http_exchange *exchange, const struct problem *problem);

/* The status that an engine's or codec's failure of reading a request means: LM_INVALID 400,
 * LM_CORRUPT and LM_UNSUPPORTED 422, LM_LIMIT 413, everything else 503. */
int problem_status(enum lm_status status);

/* The name of an HTTP status, such as "Not Found". */
const char *problem_title(int status);

#endif
