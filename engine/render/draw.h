/* Flat shapes on a picture, clipped at its borders. */
#ifndef LM_RENDER_DRAW_H
#define LM_RENDER_DRAW_H

#include <stdint.h>

#include "layermask/image.h"

struct color {
    uint8_t r, g, b;
};

/* A rectangle of a picture, pixels. */
struct area {
    uint32_t x, y, width, height;
};

/* from at weight 0 to `to` at weight 256; exact at both ends. */
static inline uint8_t mix_byte(uint8_t from, uint8_t to, uint32_t weight)
{
    return (uint8_t)((from * (256 - weight) + to * weight + 128) >> 8);
}

static inline struct color mix_color(struct color from, struct color to, uint32_t weight)
{
    return (struct color){mix_byte(from.r, to.r, weight), mix_byte(from.g, to.g, weight),
                          mix_byte(from.b, to.b, weight)};
}

static inline struct color color_get(const struct lm_image *image, uint32_t x, uint32_t y)
{
    const uint8_t *p = image->rgb + 3 * ((size_t)y * image->width + x);
    return (struct color){p[0], p[1], p[2]};
}

static inline void color_put(struct lm_image *image, uint32_t x, uint32_t y, struct color color)
{
    uint8_t *p = image->rgb + 3 * ((size_t)y * image->width + x);
    p[0] = color.r;
    p[1] = color.g;
    p[2] = color.b;
}

void draw_fill(struct lm_image *image, struct area area, struct color color);

/* The frame of an area, `thickness` pixels inside of it. */
void draw_frame(struct lm_image *image, struct area area, uint32_t thickness, struct color color);

/* Diagonal stripes over `ground` for the pixel (x, y): what the network never saw.  A stripe and
 * its gap are together `period` pixels wide, along x. */
struct color hatch_color(struct color ground, uint32_t x, uint32_t y, uint32_t period);

/* Luma, Rec. 601. */
static inline uint8_t color_luma(struct color color)
{
    return (uint8_t)((77u * color.r + 150u * color.g + 29u * color.b + 128) >> 8);
}

#endif
