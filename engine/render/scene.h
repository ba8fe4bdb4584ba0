/* What lm_render draws: its checked arguments and what was worked out from them. */
#ifndef LM_RENDER_SCENE_H
#define LM_RENDER_SCENE_H

#include "layermask/render.h"
#include "render/draw.h"

/* The colour of a segment, and how far it covers the picture: 0..256. */
struct shade {
    struct color color;
    uint32_t cover;
};

struct scene {
    const struct lm_image *image;
    const int32_t *labels;
    const double *weights;
    uint32_t n_segments;
    struct lm_render_options options; /* with all defaults filled in */
    double scale;                     /* largest absolute weight */
    bool unseen;                      /* some pixel has a label below 0 */
    struct shade *shades;             /* of each segment: overlay and heatmap; else NULL */
    uint8_t *shown;                   /* of each segment, 0 or 1: top; else NULL */
    uint32_t n_shown;
    double shown_min, shown_max; /* weights of the shown segments, if there are any */
    uint32_t magnify;            /* pixels that a pixel of the image is wide and high */
    uint32_t unit;               /* pixels that a font pixel is wide and high; lines follow it */
};

/* The shade of a weight at position -1..1 of the scale. */
struct shade scene_shade(const struct scene *scene, double position);

/* Fills in shades or shown.  Errors: LM_NOMEM.  scene_free also after a failure. */
enum lm_status scene_prepare(struct scene *scene, struct lm_error *error);
void scene_free(struct scene *scene);

/* Paints the magnified picture into `panel` of the canvas, without boundaries. */
void scene_paint(const struct scene *scene, struct lm_image *canvas, struct area panel);

#endif
