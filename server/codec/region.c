/* Regions of JSON to masks.
 *
 * Shapes are drawn in the space that they are in, at its full size, one mask for all of either
 * space; at the end the picture's mask is sampled where the network's pixels lie.  So a list of
 * any length is sampled once, and the picture's mask is there for drawing.
 */
#include "codec/region.h"

#include <string.h>

#include "codec/region_draw.h"

const struct region_budget region_default_budget = {
    .regions = 10000, .points = 1000000, .work = 1000000000, .regions_max = 10000};

static const struct shape {
    const char *name;
    region_draw *draw;
} shapes[] = {
    {"png", region_draw_png}, {"rle", region_draw_rle},           {"polygon", region_draw_polygon},
    {"box", region_draw_box}, {"segments", region_draw_segments},
};
#define SHAPE_NAMES "png, rle, polygon, box, segments"

/* What is being parsed: the masks of both spaces, {0} until something is drawn in them. */
struct drawing {
    const struct region_context *context;
    struct lm_mask image, input;
};

static const struct shape *find_shape(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}

/* The one shape of a region object, all of whose fields are known and fit together. */
static enum lm_status choose_shape(json_t *region, const struct shape **out,
                                   struct codec_fault *fault, struct lm_error *error)
{
    const struct shape *chosen = NULL;
    const char *key;
    json_t *member;
    json_object_foreach(region, key, member)
    {
        const struct shape *shape = find_shape(key);
        if (!shape && strcmp(key, "space") != 0 && strcmp(key, "segmentation") != 0)
            return fault_unknown(fault, error, "region", key);
        if (shape && chosen)
            return fault_malformed(fault, error,
                                   "region has both %s and %s, give a list for their union",
                                   chosen->name, shape->name);
        chosen = shape ? shape : chosen;
    }
    if (!chosen)
        return fault_malformed(fault, error, "region needs one of " SHAPE_NAMES);
    if (chosen->draw != region_draw_segments && json_object_get(region, "segmentation")) {
        fault_enter_key(fault, "segmentation");
        return fault_malformed(fault, error, "segmentation goes with segments, not with %s",
                               chosen->name);
    }
    *out = chosen;
    return LM_OK;
}

/* Whether the region is in pixels of the network's input. */
static enum lm_status read_space(json_t *region, bool *input, struct codec_fault *fault,
                                 struct lm_error *error)
{
    json_t *space = json_object_get(region, "space");
    bool segments = json_object_get(region, "segments");
    *input = segments;
    if (!space)
        return LM_OK;
    fault_enter_key(fault, "space");
    if (!json_is_string(space))
        return fault_type(fault, error, "space", "\"image\" or \"input\"", space);
    const char *name = json_string_value(space);
    *input = strcmp(name, "input") == 0;
    if (!*input && strcmp(name, "image") != 0) {
        char shown[60];
        fault_clip_text(shown, sizeof shown, name);
        return lm_fail(error, LM_INVALID, "space must be \"image\" or \"input\", not \"%s\"",
                       shown);
    }
    if (segments && !*input)
        return lm_fail(error, LM_INVALID, "space of segments is \"input\" always");
    return LM_OK;
}

/* The mask to draw in, made when it is first needed. */
static enum lm_status open_mask(struct drawing *drawing, bool input, struct lm_mask **out,
                                struct lm_error *error)
{
    const struct lm_transform *transform = drawing->context->transform;
    uint32_t width = input ? transform->input_width : transform->image_width;
    uint32_t height = input ? transform->input_height : transform->image_height;
    *out = input ? &drawing->input : &drawing->image;
    if ((*out)->bits)
        return LM_OK;
    enum lm_status status = region_spend(drawing->context, region_mask_work(width, height), error);
    return status == LM_OK ? lm_mask_create(width, height, *out, error) : status;
}

static enum lm_status draw_region(struct drawing *drawing, json_t *region,
                                  struct codec_fault *fault, struct lm_error *error)
{
    if (!json_is_object(region))
        return fault_type(fault, error, "region", "an object with one of " SHAPE_NAMES, region);
    if (!drawing->context->budget->regions)
        return lm_fail(error, LM_LIMIT, "regions: more than the limit of %zu in one request",
                       drawing->context->budget->regions_max);
    drawing->context->budget->regions--;
    size_t here = fault->length;
    const struct shape *shape = shapes;
    struct lm_mask *mask;
    bool input = false;
    enum lm_status status = choose_shape(region, &shape, fault, error);
    if (status == LM_OK)
        status = read_space(region, &input, fault, error);
    if (status != LM_OK)
        return status;
    fault_leave(fault, here);
    if ((status = open_mask(drawing, input, &mask, error)) != LM_OK)
        return status;
    if ((status = shape->draw(region, drawing->context, mask, fault, error)) == LM_OK)
        fault_leave(fault, here);
    return status;
}

static enum lm_status draw_list(struct drawing *drawing, json_t *list, struct codec_fault *fault,
                                struct lm_error *error)
{
    if (!json_array_size(list))
        return lm_fail(error, LM_INVALID, "region: the list of regions is empty");
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t here = fault_enter_index(fault, i);
        enum lm_status status = draw_region(drawing, json_array_get(list, i), fault, error);
        if (status != LM_OK)
            return status;
        fault_leave(fault, here);
    }
    return LM_OK;
}

/* Why no pixel of the network's input is in the region. */
static enum lm_status fail_empty(const struct drawing *drawing, struct lm_error *error)
{
    const struct lm_transform *transform = drawing->context->transform;
    const struct lm_mask *image = &drawing->image;
    if (!image->bits)
        return lm_fail(error, LM_INVALID, "region is empty: no pixel of the %ux%u input is in it",
                       transform->input_width, transform->input_height);
    uint32_t left, top, right, bottom;
    lm_transform_to_image(transform, 0, 0, &left, &top);
    lm_transform_to_image(transform, transform->input_width - 1, transform->input_height - 1,
                          &right, &bottom);
    bool any = false, seen = false;
    for (uint32_t y = 0; y < image->height && !seen; y++)
        for (uint32_t x = 0; x < image->width; x++)
            if (lm_mask_get(image, x, y)) {
                any = true;
                seen |= x >= left && x <= right && y >= top && y <= bottom;
            }
    if (!any)
        return lm_fail(error, LM_INVALID, "region is empty: no pixel of the %ux%u picture is in it",
                       image->width, image->height);
    if (!seen)
        return lm_fail(error, LM_INVALID,
                       "region is not seen: it lies in the part of the picture that the crop cuts "
                       "off; the network sees x %u to %u, y %u to %u",
                       left, right, top, bottom);
    return lm_fail(error, LM_INVALID,
                   "region is too small: it lies between the pixels that are sampled from the "
                   "%ux%u picture for the %ux%u input",
                   image->width, image->height, transform->input_width, transform->input_height);
}

/* Adds the regions of the input's space to the picture's mask. */
static enum lm_status join_image(struct drawing *drawing, struct lm_error *error)
{
    const struct lm_transform *transform = drawing->context->transform;
    uint64_t pixels = (uint64_t)transform->image_width * transform->image_height;
    struct lm_mask back;
    enum lm_status status = region_spend(drawing->context, pixels, error);
    if (status == LM_OK)
        status = lm_mask_to_image(&drawing->input, transform, &back, error);
    if (status != LM_OK)
        return status;
    if (drawing->image.bits)
        lm_mask_unite(&back, &drawing->image);
    lm_mask_free(&drawing->image);
    drawing->image = back;
    return LM_OK;
}

/* Makes each mask the whole region, where the other space's regions are drawn too: drawing->input
 * always, drawing->image if wanted. */
static enum lm_status join(struct drawing *drawing, bool want_image, struct lm_error *error)
{
    struct lm_mask sampled = {0};
    enum lm_status status = LM_OK;
    if (drawing->image.bits)
        status = lm_mask_to_input(&drawing->image, drawing->context->transform, &sampled, error);
    if (status != LM_OK)
        return status;
    if (!lm_mask_count(&sampled) && !lm_mask_count(&drawing->input))
        status = fail_empty(drawing, error);
    if (status == LM_OK && want_image && drawing->input.bits)
        status = join_image(drawing, error);
    if (drawing->input.bits && sampled.bits)
        lm_mask_unite(&sampled, &drawing->input);
    if (sampled.bits) {
        lm_mask_free(&drawing->input);
        drawing->input = sampled;
    }
    return status;
}

/* Takes from the budget what every region costs, however it is written. */
static enum lm_status spend_samples(const struct region_context *context, struct lm_error *error)
{
    const struct lm_transform *transform = context->transform;
    return region_spend(context, (uint64_t)transform->input_width * transform->input_height, error);
}

/* Hands the masks out, if all is well so far, and frees what is left of them. */
static enum lm_status finish(struct drawing *drawing, enum lm_status status, struct lm_mask *input,
                             struct lm_mask *image, struct lm_error *error)
{
    if (status == LM_OK)
        status = join(drawing, image != NULL, error);
    if (status != LM_OK)
        goto done;
    *input = drawing->input;
    drawing->input = (struct lm_mask){0};
    if (image) {
        *image = drawing->image;
        drawing->image = (struct lm_mask){0};
    }
done:
    lm_mask_free(&drawing->input);
    lm_mask_free(&drawing->image);
    return status;
}

enum lm_status region_parse(json_t *value, const struct region_context *context,
                            struct lm_mask *input, struct lm_mask *image, struct codec_fault *fault,
                            struct lm_error *error)
{
    struct drawing drawing = {.context = context};
    enum lm_status status = spend_samples(context, error);
    if (status == LM_OK)
        status = json_is_array(value) ? draw_list(&drawing, value, fault, error)
                                      : draw_region(&drawing, value, fault, error);
    return finish(&drawing, status, input, image, error);
}

enum lm_status region_parse_png(const void *bytes, size_t size,
                                const struct region_context *context, struct lm_mask *input,
                                struct lm_mask *image, struct lm_error *error)
{
    struct drawing drawing = {.context = context};
    struct lm_mask *mask;
    enum lm_status status = spend_samples(context, error);
    if (status == LM_OK)
        status = open_mask(&drawing, false, &mask, error);
    if (status == LM_OK)
        status = region_spend(context, (uint64_t)mask->width * mask->height, error);
    if (status == LM_OK)
        status = lm_mask_add_png(mask, bytes, size, error);
    return finish(&drawing, status, input, image, error);
}
