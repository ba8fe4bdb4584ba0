/* The picture itself: which colour every pixel gets, before boundaries and legends.
 *
 * Overlay: the cover of a segment's colour grows with the square root of its weight, so that
 * unimportant segments show the grey picture and weak ones can still be told from neutral.  Its
 * colours start away from the map's white centre: white over a dark picture would be a veil.
 */
#include "render/scene.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "render/colormap.h"

/* Position on the colormap of the weakest colours of an overlay. */
static const double palest = 0.4;

struct shade scene_shade(const struct scene *scene, double position)
{
    double strength = fabs(position), cover = 1;
    if (scene->options.kind == LM_RENDER_OVERLAY) {
        cover = scene->options.alpha * sqrt(strength);
        position = copysign(palest + (1 - palest) * strength, position);
    }
    return (struct shade){colormap_color(scene->options.colormap, position),
                          (uint32_t)(256 * cover + 0.5)};
}

static enum lm_status prepare_shades(struct scene *scene, struct lm_error *error)
{
    scene->shades = array_alloc(scene->n_segments, sizeof *scene->shades);
    if (!scene->shades)
        return lm_fail(error, LM_NOMEM, "out of memory for the colours of %u segments",
                       scene->n_segments);
    for (uint32_t s = 0; s < scene->n_segments; s++)
        scene->shades[s] =
            scene_shade(scene, scene->scale > 0 ? scene->weights[s] / scene->scale : 0);
    return LM_OK;
}

struct candidate {
    double weight;
    uint32_t segment;
};

/* Strongest first; ties by segment. */
static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return (a->segment > b->segment) - (a->segment < b->segment);
}

static void show_strongest(struct scene *scene, struct candidate *candidates, uint32_t count)
{
    qsort(candidates, count, sizeof *candidates, compare_candidates);
    scene->n_shown = count < scene->options.top_segments ? count : scene->options.top_segments;
    for (uint32_t i = 0; i < scene->n_shown; i++)
        scene->shown[candidates[i].segment] = 1;
    if (scene->n_shown > 0) {
        scene->shown_max = candidates[0].weight;
        scene->shown_min = candidates[scene->n_shown - 1].weight;
    }
}

static enum lm_status prepare_shown(struct scene *scene, struct lm_error *error)
{
    struct candidate *candidates = array_alloc(scene->n_segments, sizeof *candidates);
    scene->shown = array_zalloc(scene->n_segments, 1);
    if (!candidates || !scene->shown) {
        free(candidates);
        return lm_fail(error, LM_NOMEM, "out of memory for the order of %u segments",
                       scene->n_segments);
    }
    uint32_t count = 0;
    for (uint32_t s = 0; s < scene->n_segments; s++)
        if (scene->weights[s] > 0)
            candidates[count++] = (struct candidate){scene->weights[s], s};
    show_strongest(scene, candidates, count);
    free(candidates);
    return LM_OK;
}

enum lm_status scene_prepare(struct scene *scene, struct lm_error *error)
{
    switch (scene->options.kind) {
    case LM_RENDER_OVERLAY:
    case LM_RENDER_HEATMAP: return prepare_shades(scene, error);
    case LM_RENDER_TOP: return prepare_shown(scene, error);
    case LM_RENDER_BOUNDARIES: break;
    }
    return LM_OK;
}

void scene_free(struct scene *scene)
{
    free(scene->shades);
    free(scene->shown);
    scene->shades = NULL;
    scene->shown = NULL;
}

/* Grey with the extremes of black and white taken away, so that colours show on either. */
static struct color overlay_ground(struct color pixel)
{
    uint8_t grey = (uint8_t)(84 + color_luma(pixel) * 158u / 255);
    return (struct color){grey, grey, grey};
}

/* Pale grey: still recognisable, clearly not meant. */
static struct color faded(struct color pixel)
{
    uint8_t grey = color_luma(pixel);
    return mix_color((struct color){grey, grey, grey}, (struct color){236, 236, 236}, 184);
}

static struct color paint_pixel(const struct scene *scene, struct color pixel, int32_t label)
{
    switch (scene->options.kind) {
    case LM_RENDER_OVERLAY:
        return mix_color(overlay_ground(pixel), scene->shades[label].color,
                         scene->shades[label].cover);
    case LM_RENDER_HEATMAP: return scene->shades[label].color;
    case LM_RENDER_TOP: return scene->shown[label] ? pixel : faded(pixel);
    case LM_RENDER_BOUNDARIES: break;
    }
    return pixel;
}

void scene_paint(const struct scene *scene, struct lm_image *canvas, struct area panel)
{
    bool heatmap = scene->options.kind == LM_RENDER_HEATMAP;
    for (uint32_t y = 0; y < panel.height; y++) {
        for (uint32_t x = 0; x < panel.width; x++) {
            uint32_t image_x = x / scene->magnify, image_y = y / scene->magnify;
            int32_t label = scene->labels[(size_t)image_y * scene->image->width + image_x];
            struct color pixel = color_get(scene->image, image_x, image_y);
            if (label >= 0)
                pixel = paint_pixel(scene, pixel, label);
            else
                pixel = hatch_color(heatmap ? (struct color){222, 222, 222} : pixel, x, y,
                                    8 * scene->unit);
            color_put(canvas, panel.x + x, panel.y + y, pixel);
        }
    }
}
