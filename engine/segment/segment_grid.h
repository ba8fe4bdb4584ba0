/* Rectangular segments, inside this room. */
#ifndef LM_SEGMENT_GRID_H
#define LM_SEGMENT_GRID_H

#include "layermask/segment.h"

/* labels: height x width, which are the image's.  Checks the grid's own options. */
enum lm_status grid_segment(const struct lm_image *image, const struct lm_segment_options *options,
                            int32_t *labels, uint32_t *count, struct lm_error *error);

#endif
