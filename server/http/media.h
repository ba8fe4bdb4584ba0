/* Content types: "text/html; charset=utf-8". */
#ifndef HTTP_MEDIA_H
#define HTTP_MEDIA_H

#include <stdbool.h>
#include <stddef.h>

#define MEDIA_TYPE_MAX 128

/* The type in lower case, without parameters; false, with type "", when it is not one. */
bool media_type(const char *text, char type[MEDIA_TYPE_MAX]);

/* The value of a parameter of a header such as Content-Type or Content-Disposition, unquoted, into
 * value.  false: not there, malformed, or longer than capacity - 1. */
bool media_parameter(const char *text, const char *name, char *value, size_t capacity);

/* RFC 9110's token characters at the start of text. */
size_t media_token(const char *text);

#endif
