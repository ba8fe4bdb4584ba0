/* Lines of text: UTF-8 in, font pixels magnified by a whole number out. */
#include "render/text.h"

static const char ellipsis[] = "...";

/* Bytes that follow a UTF-8 lead byte; 0 for ASCII and for bytes that lead nothing. */
static int continuation_bytes(unsigned char lead)
{
    if (lead >= 0xf0 && lead < 0xf8)
        return 3;
    if (lead >= 0xe0 && lead < 0xf0)
        return 2;
    return lead >= 0xc0 && lead < 0xe0 ? 1 : 0;
}

char text_next(const char **text)
{
    unsigned char lead = (unsigned char)**text;
    if (lead == '\0')
        return '\0';
    (*text)++;
    for (int n = continuation_bytes(lead); n > 0 && ((unsigned char)**text & 0xc0) == 0x80; n--)
        (*text)++;
    return lead >= FONT_FIRST && lead <= FONT_LAST ? (char)lead : '?';
}

/* From the left of a glyph to the left of the next. */
static uint64_t advance(char c, const struct text_style *style)
{
    return (uint64_t)(font_width(c) + FONT_GAP + style->bold) * style->scale;
}

uint64_t text_width(const char *text, const struct text_style *style, uint64_t limit)
{
    uint64_t gap = (uint64_t)FONT_GAP * style->scale, width = 0;
    for (char c = text_next(&text); c && width <= limit + gap; c = text_next(&text))
        width += advance(c, style);
    return width ? width - gap : 0;
}

static void draw_glyph(struct lm_image *image, uint64_t left, uint32_t top, char c,
                       const struct text_style *style)
{
    uint32_t scale = style->scale, thick = scale * (1 + style->bold);
    for (uint32_t y = 0; y < FONT_HEIGHT; y++)
        for (uint32_t x = 0; x < font_width(c); x++)
            if (font_ink(c, x, y) && left + (uint64_t)x * scale < image->width)
                draw_fill(image,
                          (struct area){(uint32_t)left + x * scale, top + y * scale, thick, scale},
                          style->color);
}

/* Draws characters while they end before `end`; returns where the next would start. */
static uint64_t draw_run(struct lm_image *image, uint64_t x, uint32_t y, uint64_t end,
                         const char *text, const struct text_style *style)
{
    uint64_t gap = (uint64_t)FONT_GAP * style->scale;
    for (char c = text_next(&text); c && x + advance(c, style) <= end + gap; c = text_next(&text)) {
        draw_glyph(image, x, y, c, style);
        x += advance(c, style);
    }
    return x;
}

uint64_t text_draw(struct lm_image *image, uint32_t x, uint32_t y, uint32_t max_width,
                   const char *text, const struct text_style *style)
{
    uint64_t end = (uint64_t)x + max_width;
    if (text_width(text, style, max_width) <= max_width)
        return draw_run(image, x, y, end, text, style);
    uint64_t dots = text_width(ellipsis, style, UINT32_MAX) + (uint64_t)FONT_GAP * style->scale;
    uint64_t stop = dots < max_width ? end - dots : x;
    return draw_run(image, draw_run(image, x, y, stop, text, style), y, end, ellipsis, style);
}
