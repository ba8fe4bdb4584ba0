/* Bit masks: which pixels.  A set bit means "in the set"; whether the set is a region to hide
 * or the pixels that stay visible is said where it is used.
 */
#ifndef LAYERMASK_MASK_H
#define LAYERMASK_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/image.h"
#include "layermask/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* width x height bits.  Row y starts at bits + y * words; pixel x is bit x % 64 of word x / 64.
 * words = (width + 63) / 64; the bits beyond the width are 0 in every mask that the library
 * makes, and must be.  Owned by the struct: lm_mask_free.  {0} is empty and safe to free. */
struct lm_mask {
    uint32_t width, height;
    size_t words; /* 64-bit words of a row */
    uint64_t *bits;
};

/* All clear.  Errors: LM_INVALID (a side of 0), LM_LIMIT (more than 2^31 pixels, rows rounded up
 * to 64), LM_NOMEM. */
enum lm_status lm_mask_create(uint32_t width, uint32_t height, struct lm_mask *out,
                              struct lm_error *error);
void lm_mask_free(struct lm_mask *mask); /* NULL is fine; leaves {0} */

static inline bool lm_mask_get(const struct lm_mask *mask, uint32_t x, uint32_t y)
{
    return (mask->bits[y * mask->words + x / 64] >> (x % 64)) & 1u;
}

static inline void lm_mask_set(struct lm_mask *mask, uint32_t x, uint32_t y)
{
    mask->bits[y * mask->words + x / 64] |= (uint64_t)1 << (x % 64);
}

void lm_mask_fill(struct lm_mask *mask, bool value);
void lm_mask_invert(struct lm_mask *mask);
uint64_t lm_mask_count(const struct lm_mask *mask); /* set pixels */

/* Set operations into `mask`; both must have the same size (asserted). */
void lm_mask_unite(struct lm_mask *mask, const struct lm_mask *other);
void lm_mask_intersect(struct lm_mask *mask, const struct lm_mask *other);

/* Each lm_mask_add_* below sets the pixels of one more region, so that several make a union. */

/* COCO box: left, top, width, height in pixels; fractions allowed: a pixel is in the box when its
 * centre is.  Parts outside of the picture are cut off.
 * Errors: LM_INVALID (NaN, infinite, or a width or height that is not above 0). */
enum lm_status lm_mask_add_box(struct lm_mask *mask, double x, double y, double width,
                               double height, struct lm_error *error);

/* COCO polygon: n points (x, y), pixels, closed by itself; even-odd rule on pixel centres.  Takes
 * time for every row that each edge crosses; memory for one more mask.
 * Errors: LM_INVALID (fewer than 3 points, NaN or infinite, beyond +-1e6), LM_NOMEM. */
enum lm_status lm_mask_add_polygon(struct lm_mask *mask, const double *xy, size_t n,
                                   struct lm_error *error);

/* COCO run lengths: column-major, alternating, starting with zeros; must sum to the pixels.
 * Errors: LM_INVALID, LM_NOMEM. */
enum lm_status lm_mask_add_rle(struct lm_mask *mask, const uint64_t *counts, size_t n,
                               struct lm_error *error);

/* COCO compressed string (see pycocotools' rleToString), n bytes.
 * Errors: LM_CORRUPT (not such a string), LM_INVALID (another sum), LM_NOMEM. */
enum lm_status lm_mask_add_rle_string(struct lm_mask *mask, const char *counts, size_t n,
                                      struct lm_error *error);

/* PNG of any kind: pixels that are not 0 are in the region (of colour pictures: any channel not
 * 0; an alpha of 0 is outside).  Its size must be the mask's.
 * Errors: LM_CORRUPT, LM_INVALID (another size), LM_UNSUPPORTED, LM_NOMEM. */
enum lm_status lm_mask_add_png(struct lm_mask *mask, const void *bytes, size_t size,
                               struct lm_error *error);

/* The pixels whose label is `segment`; labels: height x width, row-major, of the mask's size. */
void lm_mask_add_segment(struct lm_mask *mask, const int32_t *labels, int32_t segment);

/* COCO compressed string of a mask, NUL-terminated, malloc'ed.  Errors: LM_NOMEM. */
enum lm_status lm_mask_rle_string(const struct lm_mask *mask, char **out, struct lm_error *error);

/* COCO run lengths of a mask: *counts is malloc'ed, *n long.  Errors: LM_NOMEM. */
enum lm_status lm_mask_rle_counts(const struct lm_mask *mask, uint64_t **counts, size_t *n,
                                  struct lm_error *error);

/* A mask of the picture taken through the transform to the input's size, nearest neighbour.
 * Errors: LM_INVALID (the mask has not the picture's size), LM_NOMEM. */
enum lm_status lm_mask_to_input(const struct lm_mask *mask, const struct lm_transform *transform,
                                struct lm_mask *out, struct lm_error *error);

/* The way back, for drawing: a pixel of the picture is set when the input pixel that it lies in is;
 * what the crop removes is clear.
 * Errors: LM_INVALID (the mask has not the input's size), LM_LIMIT, LM_NOMEM. */
enum lm_status lm_mask_to_image(const struct lm_mask *input, const struct lm_transform *transform,
                                struct lm_mask *out, struct lm_error *error);

/* Smallest box around the set pixels; false if there are none. */
bool lm_mask_bounds(const struct lm_mask *mask, uint32_t *x, uint32_t *y, uint32_t *width,
                    uint32_t *height);

#ifdef __cplusplus
}
#endif
#endif
