/* Flat shapes: strips, frames and the hatching of what the network never saw. */
#include "render/draw.h"

static uint32_t clip_end(uint32_t start, uint32_t length, uint32_t limit)
{
    return start >= limit ? start : start + (length < limit - start ? length : limit - start);
}

void draw_fill(struct lm_image *image, struct area area, struct color color)
{
    uint32_t right = clip_end(area.x, area.width, image->width);
    uint32_t bottom = clip_end(area.y, area.height, image->height);
    for (uint32_t y = area.y; y < bottom; y++)
        for (uint32_t x = area.x; x < right; x++)
            color_put(image, x, y, color);
}

void draw_frame(struct lm_image *image, struct area area, uint32_t thickness, struct color color)
{
    if (thickness > area.width || thickness > area.height)
        return;
    uint32_t right = area.x + area.width - thickness, bottom = area.y + area.height - thickness;
    draw_fill(image, (struct area){area.x, area.y, area.width, thickness}, color);
    draw_fill(image, (struct area){area.x, bottom, area.width, thickness}, color);
    draw_fill(image, (struct area){area.x, area.y, thickness, area.height}, color);
    draw_fill(image, (struct area){right, area.y, thickness, area.height}, color);
}

struct color hatch_color(struct color ground, uint32_t x, uint32_t y, uint32_t period)
{
    static const struct color light = {228, 228, 228}, stripe = {160, 160, 160};
    uint8_t luma = color_luma(ground);
    struct color faded = mix_color((struct color){luma, luma, luma}, light, 200);
    bool on_stripe = ((uint64_t)x + y) % period * 4 < period;
    return on_stripe ? mix_color(faded, stripe, 208) : faded;
}
