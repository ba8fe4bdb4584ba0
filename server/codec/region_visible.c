/* "hide" and "keep": two ways to say which pixels stay visible. */
#include "codec/region.h"

static enum lm_status all_visible(const struct lm_transform *transform, struct lm_mask *input,
                                  struct lm_mask *image, struct lm_error *error)
{
    struct lm_mask all, whole_image;
    enum lm_status status =
        lm_mask_create(transform->input_width, transform->input_height, &all, error);
    if (status != LM_OK)
        return status;
    if (image) {
        status =
            lm_mask_create(transform->image_width, transform->image_height, &whole_image, error);
        if (status != LM_OK) {
            lm_mask_free(&all);
            return status;
        }
        lm_mask_fill(&whole_image, true);
        *image = whole_image;
    }
    lm_mask_fill(&all, true);
    *input = all;
    return LM_OK;
}

enum lm_status region_parse_visible(json_t *object, const struct region_context *context,
                                    struct lm_mask *input, struct lm_mask *image,
                                    struct codec_fault *fault, struct lm_error *error)
{
    json_t *hide = json_object_get(object, "hide"), *keep = json_object_get(object, "keep");
    if (!hide && !keep)
        return all_visible(context->transform, input, image, error);
    size_t here = fault_enter_key(fault, keep ? "keep" : "hide");
    if (hide && keep)
        return fault_malformed(fault, error, "hide and keep cannot both be given");
    enum lm_status status = region_parse(hide ? hide : keep, context, input, image, fault, error);
    if (status != LM_OK)
        return status;
    fault_leave(fault, here);
    if (hide)
        lm_mask_invert(input);
    if (hide && image)
        lm_mask_invert(image);
    return LM_OK;
}
