/* UTF-8 that may be none: text from outside on its way into logs and metrics. */
#ifndef OBS_PLAIN_TEXT_H
#define OBS_PLAIN_TEXT_H

#include <stddef.h>

/* The bytes of the character that starts at text (size > 0), 1 to 4; 0 if there is none: a stray
 * or cut byte, an overlong form, a surrogate, above U+10FFFF. */
size_t text_character(const char *text, size_t size);

/* The longest part of at most `limit` bytes that does not end inside a character. */
size_t text_clip(const char *text, size_t size, size_t limit);

#define TEXT_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, for bytes that are no character */

#endif
