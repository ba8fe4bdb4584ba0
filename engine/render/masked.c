/* lm_render_masked: hidden pixels as a checkerboard, as image editors show what is not there. */
#include "layermask/render.h"
#include "render/draw.h"

enum { CELLS = 48 /* along the shorter side */, MIN_CELL = 4 };

static struct color checkerboard(uint32_t x, uint32_t y, uint32_t cell)
{
    static const struct color light = {238, 238, 238}, dark = {205, 205, 205};
    return (x / cell + y / cell) % 2 ? dark : light;
}

static void paint_visible(const struct lm_image *image, const struct lm_mask *visible,
                          struct lm_image *canvas)
{
    uint32_t shorter = image->width < image->height ? image->width : image->height;
    uint32_t cell = shorter / CELLS > MIN_CELL ? shorter / CELLS : MIN_CELL;
    for (uint32_t y = 0; y < image->height; y++)
        for (uint32_t x = 0; x < image->width; x++)
            color_put(canvas, x, y,
                      lm_mask_get(visible, x, y) ? color_get(image, x, y)
                                                 : checkerboard(x, y, cell));
}

enum lm_status lm_render_masked(const struct lm_image *image, const struct lm_mask *visible,
                                struct lm_image *out, struct lm_error *error)
{
    if (!image || !image->rgb || image->width == 0 || image->height == 0)
        return lm_fail(error, LM_INVALID, "image: empty");
    if (!visible || !visible->bits || visible->width != image->width ||
        visible->height != image->height)
        return lm_fail(error, LM_INVALID, "visible: %u x %u is not the picture's size %u x %u",
                       visible ? visible->width : 0, visible ? visible->height : 0, image->width,
                       image->height);
    struct lm_image canvas = {0};
    enum lm_status status = lm_image_create(image->width, image->height, &canvas, error);
    if (status != LM_OK)
        return status;
    paint_visible(image, visible, &canvas);
    *out = canvas;
    return LM_OK;
}
