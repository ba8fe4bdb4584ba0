/* UTF-8 by the table of well-formed byte sequences of the Unicode standard. */
#include "http/utf8.h"

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

static size_t three_bytes(const unsigned char *t)
{
    bool second = t[0] == 0xe0   ? t[1] >= 0xa0 && t[1] <= 0xbf
                  : t[0] == 0xed ? t[1] >= 0x80 && t[1] <= 0x9f
                                 : is_tail(t[1]);
    return second && is_tail(t[2]) ? 3 : 0;
}

static size_t four_bytes(const unsigned char *t)
{
    bool second = t[0] == 0xf0   ? t[1] >= 0x90 && t[1] <= 0xbf
                  : t[0] == 0xf4 ? t[1] >= 0x80 && t[1] <= 0x8f
                                 : is_tail(t[1]);
    return second && is_tail(t[2]) && is_tail(t[3]) ? 4 : 0;
}

size_t utf8_length(const char *text, size_t left)
{
    const unsigned char *t = (const unsigned char *)text;
    if (left == 0)
        return 0;
    if (t[0] < 0x80)
        return 1;
    if (t[0] >= 0xc2 && t[0] <= 0xdf)
        return left >= 2 && is_tail(t[1]) ? 2 : 0;
    if ((t[0] & 0xf0) == 0xe0)
        return left >= 3 ? three_bytes(t) : 0;
    if (t[0] >= 0xf0 && t[0] <= 0xf4)
        return left >= 4 ? four_bytes(t) : 0;
    return 0;
}

bool utf8_is_plain(const char *text, size_t length)
{
    for (size_t i = 0, n; i < length; i += n) {
        unsigned char first = (unsigned char)text[i];
        n = utf8_length(text + i, length - i);
        if (n == 0 || first < 0x20 || first == 0x7f)
            return false;
    }
    return true;
}
