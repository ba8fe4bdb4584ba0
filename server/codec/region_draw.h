/* One shape of a region: a JSON object drawn into a mask. */
#ifndef CODEC_REGION_DRAW_H
#define CODEC_REGION_DRAW_H

#include "codec/region.h"

/* Adds the shape to `mask`, whose size is that of the space that the region is in.  `region` is
 * the whole object: the shape is its member of that name.  The cost is taken from the budget
 * before the work is done.  Enters the fields that it reads and leaves none of them. */
typedef enum lm_status region_draw(json_t *region, const struct region_context *context,
                                   struct lm_mask *mask, struct codec_fault *fault,
                                   struct lm_error *error);

region_draw region_draw_png, region_draw_rle, region_draw_polygon, region_draw_box,
    region_draw_segments;

/* A COCO RLE object, {"size": [h, w], "counts": "..." | [ints]}.  check: nothing but its fields and
 * types, which are the faults that are malformed; add: checks and draws.  `fault` is where the
 * object is, and there again on success. */
enum lm_status region_check_rle(json_t *rle, struct codec_fault *fault, struct lm_error *error);
enum lm_status region_add_rle(json_t *rle, const struct region_context *context,
                              struct lm_mask *mask, struct codec_fault *fault,
                              struct lm_error *error);

/* Takes from the budget's work.  Errors: LM_LIMIT. */
enum lm_status region_spend(const struct region_context *context, uint64_t work,
                            struct lm_error *error);

/* The work of going once over a mask. */
static inline uint64_t region_mask_work(uint32_t width, uint32_t height)
{
    return ((uint64_t)width + 63) / 64 * height;
}

#endif
