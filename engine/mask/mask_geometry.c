/* Masks between the user's picture and the network's input, nearest neighbour.
 *
 * Both ways ask lm_transform for each pixel's place and so agree with every other user of that
 * geometry.  To the input, the place of a row does not depend on the column, nor the other way
 * round: one look-up for each column and each row.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "layermask/mask.h"

enum lm_status lm_mask_to_input(const struct lm_mask *mask, const struct lm_transform *transform,
                                struct lm_mask *out, struct lm_error *error)
{
    if (mask->width != transform->image_width || mask->height != transform->image_height)
        return lm_fail(error, LM_INVALID, "mask: size is %ux%u, the picture's is %ux%u",
                       mask->width, mask->height, transform->image_width, transform->image_height);
    struct lm_mask input;
    enum lm_status status =
        lm_mask_create(transform->input_width, transform->input_height, &input, error);
    if (status != LM_OK)
        return status;
    uint32_t *columns = array_alloc(input.width, sizeof *columns);
    if (!columns) {
        lm_mask_free(&input);
        return lm_fail(error, LM_NOMEM, "mask: out of memory for %u columns",
                       transform->input_width);
    }
    uint32_t image_x, image_y;
    for (uint32_t x = 0; x < input.width; x++)
        lm_transform_to_image(transform, x, 0, &columns[x], &image_y);
    for (uint32_t y = 0; y < input.height; y++) {
        lm_transform_to_image(transform, 0, y, &image_x, &image_y);
        for (uint32_t x = 0; x < input.width; x++)
            if (lm_mask_get(mask, columns[x], image_y))
                lm_mask_set(&input, x, y);
    }
    free(columns);
    *out = input;
    return LM_OK;
}

enum lm_status lm_mask_to_image(const struct lm_mask *input, const struct lm_transform *transform,
                                struct lm_mask *out, struct lm_error *error)
{
    if (input->width != transform->input_width || input->height != transform->input_height)
        return lm_fail(error, LM_INVALID, "mask: size is %ux%u, the network input's is %ux%u",
                       input->width, input->height, transform->input_width,
                       transform->input_height);
    struct lm_mask image;
    enum lm_status status =
        lm_mask_create(transform->image_width, transform->image_height, &image, error);
    if (status != LM_OK)
        return status;
    uint32_t x, y;
    for (uint32_t image_y = 0; image_y < image.height; image_y++)
        for (uint32_t image_x = 0; image_x < image.width; image_x++)
            if (lm_transform_to_input(transform, image_x, image_y, &x, &y) &&
                lm_mask_get(input, x, y))
                lm_mask_set(&image, image_x, image_y);
    *out = image;
    return LM_OK;
}
