/* Lines where segments meet, drawn after magnification.
 *
 * A pixel whose right or lower neighbour belongs to another segment is on the line.  For thick
 * lines and the halo each pixel needs its distance from there: a chamfer distance transform, two
 * passes with steps 5 (straight) and 7 (diagonal), 5 units a pixel.  One byte a pixel is taken
 * for it; lines and halos end at REACH.
 */
#include "render/boundary.h"

#include <stdlib.h>

#include "base/memory.h"

enum { STRAIGHT = 5, DIAGONAL = 7, FAR = 200, REACH = 20 /* pixels, line or halo */ };
enum { HALO_FROM = 128 /* pixels: a halo would drown the segments of a smaller picture */ };

/* Lines over a fifth of a picture and more are faint, where its colours are what matters. */
enum { COVER = 216, CROWDED_COVER = 72, CROWDED_SHARE = 5 };

/* What a line encloses: a segment, all unseen pixels, or all segments that are not shown. */
static int32_t group_at(const struct scene *scene, uint32_t x, uint32_t y)
{
    size_t place = (size_t)(y / scene->magnify) * scene->image->width + x / scene->magnify;
    int32_t label = scene->labels[place];
    if (label < 0)
        return -1;
    return scene->shown && !scene->shown[label] ? -2 : label;
}

/* Returns the number of marked pixels. */
static size_t mark_edges(const struct scene *scene, struct area panel, uint8_t *distance)
{
    size_t edges = 0;
    for (uint32_t y = 0; y < panel.height; y++) {
        for (uint32_t x = 0; x < panel.width; x++) {
            int32_t here = group_at(scene, x, y);
            bool edge = (x + 1 < panel.width && group_at(scene, x + 1, y) != here) ||
                        (y + 1 < panel.height && group_at(scene, x, y + 1) != here);
            distance[(size_t)y * panel.width + x] = edge ? 0 : FAR;
            edges += edge;
        }
    }
    return edges;
}

static void lower(uint8_t *distance, uint8_t other, uint8_t step)
{
    if (other + step < *distance)
        *distance = (uint8_t)(other + step);
}

/* One row from its neighbour row (NULL: none) and from its own pixels, in one direction. */
static void relax_row(uint8_t *row, const uint8_t *neighbour, uint32_t width, bool leftwards)
{
    for (uint32_t i = 0; i < width; i++) {
        uint32_t x = leftwards ? width - 1 - i : i;
        if (i > 0)
            lower(&row[x], row[leftwards ? x + 1 : x - 1], STRAIGHT);
        if (!neighbour)
            continue;
        lower(&row[x], neighbour[x], STRAIGHT);
        if (x > 0)
            lower(&row[x], neighbour[x - 1], DIAGONAL);
        if (x + 1 < width)
            lower(&row[x], neighbour[x + 1], DIAGONAL);
    }
}

static void spread(uint8_t *distance, uint32_t width, uint32_t height)
{
    for (uint32_t y = 0; y < height; y++) {
        uint8_t *row = distance + (size_t)y * width;
        relax_row(row, y > 0 ? row - width : NULL, width, false);
    }
    for (uint32_t y = height; y-- > 0;) {
        uint8_t *row = distance + (size_t)y * width;
        relax_row(row, y + 1 < height ? row + width : NULL, width, true);
    }
}

/* line, halo: distances where they end.  cover: of a line over what is below, 0..256. */
struct strokes {
    uint32_t line, halo, cover;
};

static void draw_lines(struct lm_image *canvas, struct area panel, const uint8_t *distance,
                       struct strokes strokes)
{
    static const struct color dark = {24, 24, 28}, light = {255, 255, 255};
    for (uint32_t y = 0; y < panel.height; y++) {
        for (uint32_t x = 0; x < panel.width; x++) {
            uint32_t d = distance[(size_t)y * panel.width + x];
            if (d > strokes.halo)
                continue;
            struct color under = color_get(canvas, panel.x + x, panel.y + y);
            struct color over = d <= strokes.line ? mix_color(under, dark, strokes.cover)
                                                  : mix_color(under, light, 104);
            color_put(canvas, panel.x + x, panel.y + y, over);
        }
    }
}

enum lm_status boundary_draw(const struct scene *scene, struct lm_image *canvas, struct area panel,
                             struct lm_error *error)
{
    uint8_t *distance = array_alloc((size_t)panel.width * panel.height, 1);
    if (!distance)
        return lm_fail(error, LM_NOMEM, "out of memory for the boundaries of %u x %u pixels",
                       panel.width, panel.height);
    uint32_t radius = scene->unit / 3 < REACH ? scene->unit / 3 : REACH;
    bool small = panel.width < HALO_FROM || panel.height < HALO_FROM;
    uint32_t ring = small ? 0 : radius ? radius : 1;
    size_t edges = mark_edges(scene, panel, distance);
    bool crowded = edges > (size_t)panel.width * panel.height / CROWDED_SHARE &&
                   scene->options.kind != LM_RENDER_BOUNDARIES;
    if (radius + ring > 0)
        spread(distance, panel.width, panel.height);
    draw_lines(canvas, panel, distance,
               (struct strokes){radius * STRAIGHT, (radius + ring) * STRAIGHT,
                                crowded ? CROWDED_COVER : COVER});
    free(distance);
    return LM_OK;
}
