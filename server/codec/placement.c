/* Segments of the input, carried back to the picture.  Pixels of the picture take the segment of
 * the input pixel that they fall in.  In a picture that was enlarged a small segment may get no
 * pixel that way, so a box also covers the pixels that its segment's input pixels came from. */
#include "codec/placement.h"

#include <stdlib.h>

/* A box by its corners, while it grows. */
struct extent {
    uint32_t left, top, right, bottom; /* all inclusive */
};

static void extent_add(struct extent *extent, uint32_t x, uint32_t y)
{
    extent->left = x < extent->left ? x : extent->left;
    extent->top = y < extent->top ? y : extent->top;
    extent->right = x > extent->right ? x : extent->right;
    extent->bottom = y > extent->bottom ? y : extent->bottom;
}

static void add_input_pixels(const struct lm_segments *segments,
                             const struct lm_transform *transform, struct extent *extents,
                             double *areas)
{
    double share = 1.0 / ((double)segments->width * segments->height);
    const int32_t *label = segments->labels;
    for (uint32_t y = 0; y < segments->height; y++) {
        for (uint32_t x = 0; x < segments->width; x++, label++) {
            uint32_t image_x, image_y;
            lm_transform_to_image(transform, x, y, &image_x, &image_y);
            extent_add(&extents[*label], image_x, image_y);
            areas[*label] += 1;
        }
    }
    for (uint32_t i = 0; i < segments->count; i++)
        areas[i] *= share;
}

static void add_picture_pixels(const struct lm_segments *segments,
                               const struct lm_transform *transform, struct extent *extents,
                               int32_t *labels)
{
    for (uint32_t image_y = 0; image_y < transform->image_height; image_y++) {
        for (uint32_t image_x = 0; image_x < transform->image_width; image_x++, labels++) {
            uint32_t x, y;
            *labels = -1;
            if (!lm_transform_to_input(transform, image_x, image_y, &x, &y))
                continue;
            *labels = segments->labels[(size_t)y * segments->width + x];
            extent_add(&extents[*labels], image_x, image_y);
        }
    }
}

enum lm_status placement_create(const struct lm_segments *segments,
                                const struct lm_transform *transform, struct placement *out,
                                struct lm_error *error)
{
    struct placement result = {
        .width = transform->image_width,
        .height = transform->image_height,
        .count = segments->count,
        .labels = calloc((size_t)transform->image_width, transform->image_height * sizeof(int32_t)),
        .boxes = calloc(segments->count, sizeof *result.boxes),
        .areas = calloc(segments->count, sizeof *result.areas),
    };
    struct extent *extents = calloc(segments->count, sizeof *extents);
    if (!result.labels || !result.boxes || !result.areas || !extents) {
        placement_free(&result);
        free(extents);
        return lm_fail(error, LM_NOMEM, "out of memory for the segments of %u x %u pixels",
                       transform->image_width, transform->image_height);
    }
    for (uint32_t i = 0; i < segments->count; i++)
        extents[i] = (struct extent){.left = UINT32_MAX, .top = UINT32_MAX};
    add_input_pixels(segments, transform, extents, result.areas);
    add_picture_pixels(segments, transform, extents, result.labels);
    for (uint32_t i = 0; i < segments->count; i++)
        result.boxes[i] = (struct placement_box){extents[i].left, extents[i].top,
                                                 extents[i].right - extents[i].left + 1,
                                                 extents[i].bottom - extents[i].top + 1};
    free(extents);
    *out = result;
    return LM_OK;
}

void placement_free(struct placement *placement)
{
    if (!placement)
        return;
    free(placement->labels);
    free(placement->boxes);
    free(placement->areas);
    *placement = (struct placement){0};
}
