/* The steps of SLIC, inside this room.  Sizes are checked by slic_segment's caller. */
#ifndef LM_SEGMENT_SLIC_H
#define LM_SEGMENT_SLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/segment.h"

/* Colours of a picture: height rows of three planes (L, a, b) of width doubles. */
struct slic_lab {
    size_t width, height;
    double *values;
};

/* Plane `channel` of row y. */
static inline double *slic_lab_row(const struct slic_lab *lab, size_t y, size_t channel)
{
    return lab->values + (3 * y + channel) * lab->width;
}

/* Where the first centres lie: at start + i * step along each axis, inside the picture. */
struct slic_lattice {
    size_t start_y, start_x, step_y, step_x, rows, columns;
};

/* width * height >= n_segments >= 1. */
struct slic_lattice slic_lattice_plan(size_t width, size_t height, size_t n_segments);

/* Lab times `scale`, of the picture stretched to its full range.  lab->values has room. */
void slic_lab_convert(const struct lm_image *image, double scale, struct slic_lab *lab);

/* Gaussian smoothing, sigma > 0 pixels, the picture mirrored at its borders; false: out of memory.
 */
bool slic_lab_smooth(struct slic_lab *lab, double sigma);

/* k-means from the lattice's centres; labels: height x width; false: out of memory. */
bool slic_cluster(const struct slic_lab *lab, const struct slic_lattice *lattice, uint32_t rounds,
                  int32_t *labels);

/* Cuts clusters into connected pieces of min_size to max_size pixels, and gives smaller ones to
 * their neighbours, which may thus grow beyond max_size.  min_size <= max_size, 1 <= max_size <=
 * pixels <= INT32_MAX.  Both maps are height x width; false: out of memory. */
bool slic_connect(const int32_t *clusters, size_t width, size_t height, size_t min_size,
                  size_t max_size, int32_t *labels, uint32_t *count);

/* The method as a whole, with checked options; labels: height x width. */
enum lm_status slic_segment(const struct lm_image *image, const struct lm_segment_options *options,
                            int32_t *labels, uint32_t *count, struct lm_error *error);

#endif
