/* Superpixels: cutting a picture into segments for an explanation. */
#ifndef LAYERMASK_SEGMENT_H
#define LAYERMASK_SEGMENT_H

#include <stdint.h>

#include "layermask/image.h"
#include "layermask/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lm_segment_method { LM_SEGMENT_SLIC, LM_SEGMENT_GRID };

#define LM_SEGMENTS_MAX 65535 /* n_segments of slic, cells of grid */

/* Names and defaults are scikit-image's.  {0} in a field means its default; fields of the other
 * method are ignored.  Sizes are in pixels of the picture that is segmented.
 *
 * A grid is given in one of three ways:
 *   cell            square patches from the left top; the last row and column may be narrower;
 *                   excludes the other two
 *   rows, columns   cells whose sides differ by at most one pixel; with only one of the two, the
 *                   other is n_segments / it, rounded; with both, n_segments plays no part
 *   n_segments      the rows and columns with the smallest
 *                   2 |log(rows columns / n_segments)| + |log(cell height / cell width)|:
 *                   about n_segments cells, about square (50 on 224 x 224: 7 x 7) */
struct lm_segment_options {
    enum lm_segment_method method;
    uint32_t n_segments; /* about how many, 1..65535; default 50, or the pixels if those are less */
    uint32_t rows, columns; /* grid: 1..height, 1..width */
    uint32_t cell;          /* grid: side of a square cell, pixels, instead of n_segments */
    double compactness;     /* slic: weight of distance against colour, 1e-6..1e6; default 10 */
    uint32_t max_num_iter;  /* slic: k-means rounds, 1..1000; default 10 */
    double sigma;           /* slic: Gaussian smoothing, pixels, 0..100; default 0 (none) */
    double min_size_factor; /* slic: smallest segment, share of the mean size; default 0.5 */
    double max_size_factor; /* slic: largest segment, share of the mean size; default 3 */
};

/* labels: height x width, row-major; every label in 0..count-1 occurs.  Owned: lm_segments_free.
 * {0} is empty, safe to free. */
struct lm_segments {
    uint32_t width, height;
    uint32_t count;
    int32_t *labels;
};

/* Segments `image`.  slic follows scikit-image 0.19's skimage.segmentation.slic(image, n_segments,
 * compactness, max_num_iter, sigma, start_label=0, enforce_connectivity=True, convert2lab=True) on
 * an 8-bit picture; each of its segments is connected (4 neighbours), and their number is near
 * n_segments, seldom equal.  Source of the method: Achanta et al., "SLIC Superpixels Compared to
 * State-of-the-art Superpixel Methods", TPAMI 2012.  Deterministic.  Works in 32 bytes a pixel
 * (56 with sigma).  options may be NULL.  Errors: LM_INVALID (names the option), LM_LIMIT (more
 * than 2^31 - 1 pixels), LM_NOMEM. */
enum lm_status lm_segment(const struct lm_image *image, const struct lm_segment_options *options,
                          struct lm_segments *out, struct lm_error *error);

/* A label map of the caller's: ids of any value, copied and renumbered 0..count-1 in increasing
 * order of id.  ids: height x width, row-major.  Errors: LM_INVALID (a side of 0, more than
 * max_count different ids), LM_NOMEM. */
enum lm_status lm_segments_custom(const int64_t *ids, uint32_t width, uint32_t height,
                                  uint32_t max_count, struct lm_segments *out,
                                  struct lm_error *error);

void lm_segments_free(struct lm_segments *segments); /* NULL is fine; leaves {0} */

#ifdef __cplusplus
}
#endif
#endif
