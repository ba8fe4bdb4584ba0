/* What the client can take and would like: Accept, Accept-Encoding, Prefer. */
#ifndef HTTP_NEGOTIATE_H
#define HTTP_NEGOTIATE_H

#include <stdbool.h>
#include <stddef.h>

/* Index of the offered type that the client likes best (the first of equals), by q-values and
 * wildcards; -1 when it takes none of them.  accept NULL or empty: anything. */
int negotiate_type(const char *accept, const char *const *offered, size_t n);

/* May the answer be compressed with gzip, and is that no worse than not? */
bool negotiate_gzip(const char *accept_encoding);

struct negotiate_prefer {
    bool respond_async;
    int wait_s; /* -1: not said */
};

/* RFC 7240; prefer may be NULL.  What is not understood is ignored, as it says. */
struct negotiate_prefer negotiate_prefer(const char *prefer);

#endif
