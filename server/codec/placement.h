/* Where the segments of a network's input lie in the user's picture. */
#ifndef CODEC_PLACEMENT_H
#define CODEC_PLACEMENT_H

#include <stdint.h>

#include "layermask/image.h"
#include "layermask/segment.h"
#include "layermask/status.h"

/* left, top, width, height in pixels of the picture. */
struct placement_box {
    uint32_t x, y, width, height;
};

struct placement {
    uint32_t width, height, count; /* of the picture; segments */
    int32_t *labels;             /* of each pixel of the picture; -1: unseen, cut off by the crop */
    struct placement_box *boxes; /* of each segment; never empty */
    double *areas;               /* of each segment, share of the input's pixels; their sum is 1 */
};

/* Errors: LM_NOMEM. */
enum lm_status placement_create(const struct lm_segments *segments,
                                const struct lm_transform *transform, struct placement *out,
                                struct lm_error *error);
void placement_free(struct placement *placement); /* NULL is fine; leaves {0} */

#endif
