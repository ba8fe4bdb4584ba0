/* Pictures of explanations, drawn on a copy of the user's upright picture.
 *
 * For people, the picture comes with a title above and a legend below; one whose longer side is
 * under 300 pixels is magnified by a whole number, and so is one whose shorter side is under 60, up
 * to 2000 pixels; text and lines grow with large ones.  For
 * programs (no_legend), the result has exactly the picture's pixels.  The same arguments give the
 * same bytes.
 */
#ifndef LAYERMASK_RENDER_H
#define LAYERMASK_RENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "layermask/image.h"
#include "layermask/mask.h"
#include "layermask/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lm_render_kind {
    LM_RENDER_OVERLAY,    /* the picture in grey under the colours of the weights, with the
                             boundaries of the segments, title and legend */
    LM_RENDER_HEATMAP,    /* the colours alone, with the legend */
    LM_RENDER_BOUNDARIES, /* the picture with the boundaries of its segments */
    LM_RENDER_TOP,        /* the picture where its strongest positive segments are; the rest is
                             faded */
};

/* Diverging: negative, neutral, positive.  All told apart by colour-blind readers. */
enum lm_colormap { LM_COLORMAP_RED_BLUE, LM_COLORMAP_PURPLE_GREEN, LM_COLORMAP_BROWN_TEAL };

/* {0} is the default of every field. */
struct lm_render_options {
    enum lm_render_kind kind;
    enum lm_colormap colormap; /* default: red_blue, where blue supports and red speaks against */
    double alpha;              /* LM_RENDER_OVERLAY: cover of the strongest colours over the grey
                                  picture, 0..1; weaker ones cover less; 0: 0.6 */
    uint32_t top_segments;     /* LM_RENDER_TOP: how many; 0: 5 */
    const char *title;         /* UTF-8, one line, cut to fit, before its last ':' if there is one;
                                  NULL or "": none.  Characters outside of printable ASCII: '?' */
    bool no_legend;            /* leave out title and legend strips, and do not magnify */
};

/* labels: segment of each pixel of `image`, row-major, of its size; a label < 0 is a pixel that the
 * network never saw (cut off by the crop): hatched.  weights[s]: of segment s < n_segments; the
 * scale is symmetric, its ends are the largest absolute weight.  LM_RENDER_BOUNDARIES needs no
 * weights (NULL).  LM_RENDER_TOP never shows a segment whose weight is not above 0.
 * options may be NULL.  out: lm_image_free.
 * Errors: LM_INVALID (an empty picture, an option out of its range, a label >= n_segments, a weight
 * that is not finite), LM_LIMIT (a picture, or a result, above 2^28 pixels), LM_NOMEM. */
enum lm_status lm_render(const struct lm_image *image, const int32_t *labels, const double *weights,
                         uint32_t n_segments, const struct lm_render_options *options,
                         struct lm_image *out, struct lm_error *error);

/* The picture with the pixels outside of `visible` shown as a grey checkerboard; of its size.
 * Errors: LM_INVALID (an empty picture, a mask of another size), LM_LIMIT, LM_NOMEM. */
enum lm_status lm_render_masked(const struct lm_image *image, const struct lm_mask *visible,
                                struct lm_image *out, struct lm_error *error);

#ifdef __cplusplus
}
#endif
#endif
