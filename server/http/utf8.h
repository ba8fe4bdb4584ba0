/* UTF-8, as strict as RFC 3629: no surrogates, no overlong forms. */
#ifndef HTTP_UTF8_H
#define HTTP_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed, and without control characters (below 0x20, 0x7f). */
bool utf8_is_plain(const char *text, size_t length);

#endif
