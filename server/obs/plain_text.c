/* The well-formed byte sequences of Unicode's table 3-7: the first byte tells the length and which
 * second bytes there may be; all others are continuations. */
#include "obs/plain_text.h"

#include <stdbool.h>
#include <stdint.h>

static const struct lead {
    uint8_t first, last, second_least, second_most, length;
} leads[] = {
    {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool is_continuation(char byte)
{
    return ((uint8_t)byte & 0xc0) == 0x80;
}

size_t text_character(const char *text, size_t size)
{
    uint8_t first = (uint8_t)text[0];
    const struct lead *lead = leads, *end = leads + sizeof leads / sizeof *leads;
    while (lead < end && first > lead->last)
        lead++;
    if (lead == end || first < lead->first || size < lead->length)
        return 0;
    if (lead->length > 1 &&
        ((uint8_t)text[1] < lead->second_least || (uint8_t)text[1] > lead->second_most))
        return 0;
    for (size_t i = 2; i < lead->length; i++)
        if (!is_continuation(text[i]))
            return 0;
    return lead->length;
}

size_t text_clip(const char *text, size_t size, size_t limit)
{
    if (size <= limit)
        return size;
    size_t end = limit;
    while (end > 0 && limit - end < 3 && is_continuation(text[end]))
        end--;
    return end;
}
