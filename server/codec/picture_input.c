/* A user's picture on its way into a network: decoded, scaled, cropped, normalised, with every
 * step kept, since explanations segment the one and are drawn on the other. */
#include "codec/picture_input.h"

#include <stdlib.h>

static double unseen_share(const struct lm_transform *transform)
{
    double scaled = (double)transform->resized_width * transform->resized_height;
    double seen = (double)transform->input_width * transform->input_height;
    return 1 - seen / scaled;
}

enum lm_status picture_input_prepare(struct lm_image *picture,
                                     const struct lm_preprocess *preprocess,
                                     struct picture_input *out, struct lm_error *error)
{
    struct picture_input result = {0};
    enum lm_status status =
        lm_transform_plan(preprocess, picture->width, picture->height, &result.transform, error);
    if (status == LM_OK)
        status = lm_transform_apply(&result.transform, picture, &result.seen, error);
    if (status != LM_OK)
        goto failed;
    size_t pixels = (size_t)preprocess->height * preprocess->width;
    result.planes = calloc(pixels, 3 * sizeof *result.planes);
    if (!result.planes) {
        status = lm_fail(error, LM_NOMEM, "out of memory for an input of %u x %u pixels",
                         preprocess->width, preprocess->height);
        goto failed;
    }
    lm_normalise(preprocess, &result.seen, result.planes);
    result.unseen = unseen_share(&result.transform);
    result.picture = *picture;
    *picture = (struct lm_image){0};
    *out = result;
    return LM_OK;
failed:
    picture_input_free(&result);
    return status;
}

enum lm_status picture_input_read(const void *bytes, size_t size,
                                  const struct lm_image_limits *limits,
                                  const struct lm_preprocess *preprocess, struct picture_input *out,
                                  struct lm_error *error)
{
    struct lm_image picture = {0};
    enum lm_status status = lm_image_decode(bytes, size, limits, &picture, error);
    if (status == LM_OK)
        status = picture_input_prepare(&picture, preprocess, out, error);
    lm_image_free(&picture);
    return status;
}

void picture_input_free(struct picture_input *input)
{
    if (!input)
        return;
    lm_image_free(&input->picture);
    lm_image_free(&input->seen);
    free(input->planes);
    *input = (struct picture_input){0};
}
