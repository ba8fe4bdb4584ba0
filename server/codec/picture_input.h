/* A user's picture on its way into a network. */
#ifndef CODEC_PICTURE_INPUT_H
#define CODEC_PICTURE_INPUT_H

#include <stddef.h>

#include "layermask/image.h"
#include "layermask/status.h"

struct picture_input {
    struct lm_image picture; /* as the user sees it, upright */
    struct lm_transform transform;
    struct lm_image seen; /* as the network sees it: of the input's size */
    float *planes;        /* the same, normalised: 3 x height x width */
    double unseen;        /* share of the picture that the crop cut off */
};

/* Decodes a JPEG or PNG and takes it through the preprocessing.  limits may be NULL.
 * Errors: those of lm_image_decode, LM_INVALID (the picture does not fit the input), LM_NOMEM. */
enum lm_status picture_input_read(const void *bytes, size_t size,
                                  const struct lm_image_limits *limits,
                                  const struct lm_preprocess *preprocess, struct picture_input *out,
                                  struct lm_error *error);

/* The same for a picture that is decoded; it is taken over (left {0}) on success. */
enum lm_status picture_input_prepare(struct lm_image *picture,
                                     const struct lm_preprocess *preprocess,
                                     struct picture_input *out, struct lm_error *error);

void picture_input_free(struct picture_input *input); /* NULL is fine; leaves {0} */

#endif
