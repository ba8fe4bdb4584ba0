/* The geometry from a picture to a network's input, there and back, and the input's numbers.
 *
 * All coordinates are exact integers: a pixel is its centre, (2 * x + 1) / 2, scaled by the ratio
 * of the sides and rounded down.  Sides are at most 2^31, so the products fit into 64 bits. */
#include "layermask/image.h"

#include "image/image_room.h"

#define MAX_SIDE ((uint64_t)1 << 31)

static enum lm_status check_sizes(const struct lm_preprocess *preprocess, uint32_t image_width,
                                  uint32_t image_height, struct lm_error *error)
{
    if (!preprocess->width || !preprocess->height)
        return lm_fail(error, LM_INVALID, "input size is %u x %u; a side is at least 1",
                       preprocess->width, preprocess->height);
    if (!image_width || !image_height)
        return lm_fail(error, LM_INVALID, "image size is %u x %u; a side is at least 1",
                       image_width, image_height);
    if (preprocess->width > MAX_SIDE || preprocess->height > MAX_SIDE || image_width > MAX_SIDE ||
        image_height > MAX_SIDE || preprocess->resize_shorter > MAX_SIDE)
        return lm_fail(error, LM_LIMIT,
                       "image of %u x %u pixels for an input of %u x %u: a side is above the "
                       "limit of %llu",
                       image_width, image_height, preprocess->width, preprocess->height,
                       (unsigned long long)MAX_SIDE);
    return LM_OK;
}

static enum lm_status plan_scale(const struct lm_preprocess *preprocess, struct lm_transform *plan,
                                 struct lm_error *error)
{
    uint32_t shorter = preprocess->resize_shorter;
    bool tall = plan->image_width <= plan->image_height;
    uint64_t short_side = tall ? plan->image_width : plan->image_height;
    uint64_t long_side = tall ? plan->image_height : plan->image_width;
    uint64_t longer = shorter * long_side / short_side;
    if (longer > MAX_SIDE)
        return lm_fail(error, LM_LIMIT,
                       "image of %u x %u pixels with its shorter side scaled to %u is %llu long, "
                       "above the limit of %llu",
                       plan->image_width, plan->image_height, shorter, (unsigned long long)longer,
                       (unsigned long long)MAX_SIDE);
    plan->resized_width = tall ? shorter : (uint32_t)longer;
    plan->resized_height = tall ? (uint32_t)longer : shorter;
    return LM_OK;
}

/* round-half-even((length - crop) / 2), as Python rounds. */
static uint32_t crop_start(uint32_t length, uint32_t crop)
{
    uint32_t margin = length - crop, half = margin / 2;
    return margin % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

static enum lm_status plan_crop(const struct lm_preprocess *preprocess, struct lm_transform *plan,
                                struct lm_error *error)
{
    uint32_t width = plan->resized_width, height = plan->resized_height;
    if (preprocess->center_crop && (width < plan->input_width || height < plan->input_height))
        return lm_fail(error, LM_INVALID,
                       "image scaled to %u x %u pixels is smaller than the input of %u x %u", width,
                       height, plan->input_width, plan->input_height);
    if (!preprocess->center_crop && (width != plan->input_width || height != plan->input_height))
        return lm_fail(error, LM_INVALID,
                       "image scaled to %u x %u pixels is not the input's %u x %u, and there is "
                       "no crop",
                       width, height, plan->input_width, plan->input_height);
    plan->crop_x = crop_start(width, plan->input_width);
    plan->crop_y = crop_start(height, plan->input_height);
    return LM_OK;
}

enum lm_status lm_transform_plan(const struct lm_preprocess *preprocess, uint32_t image_width,
                                 uint32_t image_height, struct lm_transform *out,
                                 struct lm_error *error)
{
    struct lm_transform plan = {
        .image_width = image_width,
        .image_height = image_height,
        .resized_width = preprocess->width,
        .resized_height = preprocess->height,
        .input_width = preprocess->width,
        .input_height = preprocess->height,
    };
    enum lm_status status = check_sizes(preprocess, image_width, image_height, error);
    if (status == LM_OK && preprocess->resize_shorter)
        status = plan_scale(preprocess, &plan, error);
    if (status == LM_OK)
        status = plan_crop(preprocess, &plan, error);
    if (status == LM_OK)
        *out = plan;
    return status;
}

enum lm_status lm_transform_apply(const struct lm_transform *transform,
                                  const struct lm_image *image, struct lm_image *out,
                                  struct lm_error *error)
{
    if (image->width != transform->image_width || image->height != transform->image_height)
        return lm_fail(error, LM_INVALID, "image is %u x %u pixels, the transform is for %u x %u",
                       image->width, image->height, transform->image_width,
                       transform->image_height);
    struct image_window window = {
        .scaled_width = transform->resized_width,
        .scaled_height = transform->resized_height,
        .x = transform->crop_x,
        .y = transform->crop_y,
        .width = transform->input_width,
        .height = transform->input_height,
    };
    return image_resize_window(image, &window, out, error);
}

void lm_normalise(const struct lm_preprocess *preprocess, const struct lm_image *input,
                  float *planes)
{
    size_t pixels = (size_t)input->width * input->height;
    for (size_t c = 0; c < 3; c++) {
        const uint8_t *value = input->rgb + (preprocess->channels == LM_BGR ? 2 - c : c);
        float mean = preprocess->mean[c], std = preprocess->std[c];
        for (size_t i = 0; i < pixels; i++)
            planes[c * pixels + i] = ((float)value[3 * i] - mean) / std;
    }
}

/* The pixel of a side of `to` pixels that holds the centre of pixel `x` of a side of `from`. */
static uint32_t scaled_pixel(uint64_t x, uint32_t from, uint32_t to)
{
    return (uint32_t)((2 * x + 1) * to / (2 * (uint64_t)from));
}

void lm_transform_to_image(const struct lm_transform *transform, uint32_t x, uint32_t y,
                           uint32_t *image_x, uint32_t *image_y)
{
    *image_x = scaled_pixel((uint64_t)x + transform->crop_x, transform->resized_width,
                            transform->image_width);
    *image_y = scaled_pixel((uint64_t)y + transform->crop_y, transform->resized_height,
                            transform->image_height);
}

bool lm_transform_to_input(const struct lm_transform *transform, uint32_t image_x, uint32_t image_y,
                           uint32_t *x, uint32_t *y)
{
    uint32_t at_x = scaled_pixel(image_x, transform->image_width, transform->resized_width);
    uint32_t at_y = scaled_pixel(image_y, transform->image_height, transform->resized_height);
    if (at_x < transform->crop_x || at_x - transform->crop_x >= transform->input_width ||
        at_y < transform->crop_y || at_y - transform->crop_y >= transform->input_height)
        return false;
    *x = at_x - transform->crop_x;
    *y = at_y - transform->crop_y;
    return true;
}
