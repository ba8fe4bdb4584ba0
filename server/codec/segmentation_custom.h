/* Segments that the user drew. */
#ifndef CODEC_SEGMENTATION_CUSTOM_H
#define CODEC_SEGMENTATION_CUSTOM_H

#include "codec/segmentation.h"

/* segmentation_run and segmentation_bytes for custom ones. */
enum lm_status segmentation_run_custom(const struct segmentation *segmentation,
                                       const struct lm_transform *transform,
                                       struct lm_segments *out, int64_t **ids,
                                       struct lm_error *error);
uint64_t segmentation_custom_bytes(const struct segmentation *segmentation, uint64_t picture_pixels,
                                   uint64_t input_pixels);

#endif
