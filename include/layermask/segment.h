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

/* Names and defaults are scikit-image's. {0} in a field means its default. */
struct lm_segment_options {
    enum lm_segment_method method;
    uint32_t n_segments;        /* slic: about how many; default 50.  grid: rows x columns closest to it */
    uint32_t rows, columns;     /* grid: cells, instead of n_segments; default from n_segments */
    double compactness;         /* slic: weight of distance against colour; default 10 */
    uint32_t max_num_iter;      /* slic: k-means rounds; default 10 */
    double sigma;               /* slic: Gaussian smoothing, pixels; default 0 (none) */
    double min_size_factor;     /* slic: smallest segment, share of the mean size; default 0.5 */
    double max_size_factor;     /* slic: largest segment, share of the mean size; default 3 */
};

/* labels: height x width, row-major; every label in 0..count-1 occurs.  Owned: lm_segments_free. */
struct lm_segments {
    uint32_t width, height;
    uint32_t count;
    int32_t *labels;
};

/* Segments `image`.  slic follows scikit-image 0.19's skimage.segmentation.slic(image, n_segments,
 * compactness, max_num_iter, sigma, start_label=0, enforce_connectivity=True, convert2lab=True).
 * Source of the method: Achanta et al., "SLIC Superpixels Compared to State-of-the-art Superpixel
 * Methods", TPAMI 2012.  Deterministic.  Errors: LM_INVALID (names the option), LM_NOMEM. */
enum lm_status lm_segment(const struct lm_image *image, const struct lm_segment_options *options,
                          struct lm_segments *out, struct lm_error *error);

/* A label map of the caller's: ids of any value, copied and renumbered 0..count-1 in increasing
 * order of id.  Errors: LM_INVALID (a side of 0, more than max_count ids), LM_NOMEM. */
enum lm_status lm_segments_custom(const int64_t *ids, uint32_t width, uint32_t height,
                                  uint32_t max_count, struct lm_segments *out,
                                  struct lm_error *error);

void lm_segments_free(struct lm_segments *segments); /* NULL is fine; leaves {0} */

#ifdef __cplusplus
}
#endif
#endif
