/* Pictures of explanations.  All draw on a copy of the user's upright picture, in its own pixels. */
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
    LM_RENDER_TOP,        /* the picture where its strongest positive segments are; the rest is faded */
};

/* Diverging: negative, neutral, positive.  All told apart by colour-blind readers. */
enum lm_colormap { LM_COLORMAP_RED_BLUE, LM_COLORMAP_PURPLE_GREEN, LM_COLORMAP_BROWN_TEAL };

struct lm_render_options {
    enum lm_render_kind kind;
    enum lm_colormap colormap; /* default: red_blue, where blue supports and red speaks against */
    double alpha;              /* strength of the colours, 0..1; 0: 0.6 */
    uint32_t top_segments;     /* LM_RENDER_TOP: how many; 0: 5 */
    const char *title;         /* UTF-8, one line; NULL: none.  Characters outside of printable ASCII: '?' */
    bool no_legend;            /* leave out title and legend strips */
};

/* labels: segment of each pixel of `image`, row-major, of its size; a label < 0 is a pixel that the
 * network never saw (cut off by the crop): hatched.  weights[s]: of segment s < n_segments; the
 * scale is symmetric, its ends are the largest absolute weight.
 * out: the picture, with strips for title and legend above and below (its size is then larger).
 * Errors: LM_INVALID (a label >= n_segments, a weight that is not finite), LM_NOMEM, LM_LIMIT. */
enum lm_status lm_render(const struct lm_image *image, const int32_t *labels, const double *weights,
                         uint32_t n_segments, const struct lm_render_options *options,
                         struct lm_image *out, struct lm_error *error);

/* The picture with the pixels outside of `visible` shown as a checkerboard. */
enum lm_status lm_render_masked(const struct lm_image *image, const struct lm_mask *visible,
                                struct lm_image *out, struct lm_error *error);

#ifdef __cplusplus
}
#endif
#endif
