/* UTF-8 of requests: all of it well-formed, or none of it taken. */
#include "http/utf8.h"

#include "obs/plain_text.h"

bool utf8_is_plain(const char *text, size_t length)
{
    for (size_t i = 0, n; i < length; i += n) {
        unsigned char first = (unsigned char)text[i];
        n = text_character(text + i, length - i);
        if (n == 0 || first < 0x20 || first == 0x7f)
            return false;
    }
    return true;
}
