/* Text on pictures: the bitmap font and lines of text in it. */
#ifndef LM_RENDER_TEXT_H
#define LM_RENDER_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "layermask/image.h"
#include "render/draw.h"

enum {
    FONT_FIRST = ' ',
    FONT_LAST = '~',
    FONT_HEIGHT = 13,   /* rows of a glyph, descenders included */
    FONT_BASELINE = 10, /* rows above and on the baseline */
    FONT_GAP = 2,       /* columns between two glyphs */
};

/* Columns of ink of a character, FONT_FIRST..FONT_LAST. */
uint32_t font_width(char c);

/* Whether the glyph has ink at column x < 8, row y < FONT_HEIGHT. */
bool font_ink(char c, uint32_t x, uint32_t y);

/* Takes the next character off a UTF-8 string: itself if it is printable ASCII, '?' for any other
 * character and for each stray byte, '\0' at the end. */
char text_next(const char **text);

/* How text looks.  scale: pixels a font pixel is wide and high, from 1. */
struct text_style {
    uint32_t scale;
    bool bold;
    struct color color;
};

/* Pixels that a line is wide; stops to count soon after `limit`. */
uint64_t text_width(const char *text, const struct text_style *style, uint64_t limit);

/* Draws one line with its left top at (x, y); what is wider than max_width ends in "...".  Returns
 * where a character after it would start. */
uint64_t text_draw(struct lm_image *image, uint32_t x, uint32_t y, uint32_t max_width,
                   const char *text, const struct text_style *style);

#endif
