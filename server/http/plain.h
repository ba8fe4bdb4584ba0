/* Answers as bytes, for moments when the library below takes none: a request that has not arrived
 * in time, a body of unknown length above its limit.  The connection is closed behind them. */
#ifndef HTTP_PLAIN_H
#define HTTP_PLAIN_H

#include <stddef.h>

struct exchange;

/* Calls `add` for each header of the exchange's answer but those of its framing. */
void plain_headers(const struct exchange *exchange,
                   void (*add)(void *context, const char *name, const char *value), void *context);

/* The exchange's answer; malloc'ed; NULL: out of memory. */
char *plain_answer(const struct exchange *exchange, size_t *size);

/* A 408; request_id NULL: it gets one of its own. */
char *plain_timeout(const char *request_id, size_t *size);

#endif
