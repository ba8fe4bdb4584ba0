/* PNG files, boxes, polygons and segments of regions.  JSON types and costs are checked here,
 * geometry by the engine.
 */
#include "codec/region_draw.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "codec/base64.h"

enum lm_status region_spend(const struct region_context *context, uint64_t work,
                            struct lm_error *error)
{
    struct region_budget *budget = context->budget;
    if (work > budget->work)
        return lm_fail(error, LM_LIMIT,
                       "regions: drawing this one takes %llu steps, the limit leaves %llu",
                       (unsigned long long)work, (unsigned long long)budget->work);
    budget->work -= work;
    return LM_OK;
}

enum lm_status region_draw_png(json_t *region, const struct region_context *context,
                               struct lm_mask *mask, struct codec_fault *fault,
                               struct lm_error *error)
{
    json_t *value = json_object_get(region, "png");
    fault_enter_key(fault, "png");
    if (!json_is_string(value))
        return fault_type(fault, error, "png", "a string of base64", value);
    enum lm_status status = region_spend(context, (uint64_t)mask->width * mask->height, error);
    if (status != LM_OK)
        return status;
    uint8_t *bytes;
    size_t size;
    status = codec_base64_decode("png", json_string_value(value), json_string_length(value),
                                 SIZE_MAX, &bytes, &size, error);
    if (status != LM_OK)
        return status;
    status = lm_mask_add_png(mask, bytes, size, error);
    free(bytes);
    return status;
}

/* The numbers of a list into out, which has room for them. */
static enum lm_status read_numbers(json_t *list, const char *field, double *out,
                                   struct codec_fault *fault, struct lm_error *error)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *number = json_array_get(list, i);
        if (!json_is_number(number)) {
            fault_enter_index(fault, i);
            return fault_type(fault, error, field, "made of numbers", number);
        }
        out[i] = json_number_value(number);
    }
    return LM_OK;
}

enum lm_status region_draw_box(json_t *region, const struct region_context *context,
                               struct lm_mask *mask, struct codec_fault *fault,
                               struct lm_error *error)
{
    json_t *value = json_object_get(region, "box");
    fault_enter_key(fault, "box");
    if (!json_is_array(value))
        return fault_type(fault, error, "box", "a list of 4 numbers (x, y, width, height)", value);
    if (json_array_size(value) != 4)
        return fault_malformed(fault, error,
                               "box must have 4 numbers (x, y, width, height), not %zu",
                               json_array_size(value));
    double box[4];
    enum lm_status status = read_numbers(value, "box", box, fault, error);
    if (status == LM_OK)
        status = region_spend(context, region_mask_work(mask->width, mask->height), error);
    if (status == LM_OK)
        status = lm_mask_add_box(mask, box[0], box[1], box[2], box[3], error);
    return status;
}

static double clamp(double value, double high)
{
    return fmin(fmax(value, 0), high);
}

/* The rows that the edges cross, and the words of the rows from the first to the last. */
static uint64_t polygon_work(const double *xy, size_t n, const struct lm_mask *mask)
{
    double height = mask->height, crossed = 0, low = height, high = 0;
    for (size_t i = 0; i < n; i++) {
        double y = clamp(xy[2 * i + 1], height);
        double next = clamp(xy[2 * (i + 1 < n ? i + 1 : 0) + 1], height);
        crossed += fabs(next - y) + 1;
        low = fmin(low, y);
        high = fmax(high, y);
    }
    return (uint64_t)(crossed + fmax(high - low + 1, 0) * (double)mask->words);
}

static enum lm_status draw_ring(json_t *ring, const struct region_context *context,
                                struct lm_mask *mask, struct codec_fault *fault,
                                struct lm_error *error)
{
    if (!json_is_array(ring))
        return fault_type(fault, error, "polygon",
                          "a list of polygons, each a list of numbers (x1, y1, x2, y2, ...)", ring);
    if (json_array_size(ring) % 2)
        return fault_malformed(fault, error, "polygon must have pairs of numbers, not %zu numbers",
                               json_array_size(ring));
    size_t n = json_array_size(ring) / 2, *left = &context->budget->points;
    if (n > *left)
        return lm_fail(error, LM_LIMIT, "polygon: %zu points, the limit leaves %zu", n, *left);
    *left -= n;
    double *xy = calloc(n ? n : 1, 2 * sizeof *xy);
    if (!xy)
        return lm_fail(error, LM_NOMEM, "polygon: out of memory for %zu points", n);
    enum lm_status status = read_numbers(ring, "polygon", xy, fault, error);
    if (status == LM_OK)
        status = region_spend(context, polygon_work(xy, n, mask), error);
    if (status == LM_OK)
        status = lm_mask_add_polygon(mask, xy, n, error);
    free(xy);
    return status;
}

enum lm_status region_draw_polygon(json_t *region, const struct region_context *context,
                                   struct lm_mask *mask, struct codec_fault *fault,
                                   struct lm_error *error)
{
    json_t *value = json_object_get(region, "polygon");
    fault_enter_key(fault, "polygon");
    if (!json_is_array(value))
        return fault_type(fault, error, "polygon", "a list of polygons", value);
    if (!json_array_size(value))
        return lm_fail(error, LM_INVALID, "polygon: the list of polygons is empty");
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t here = fault_enter_index(fault, i);
        enum lm_status status = draw_ring(json_array_get(value, i), context, mask, fault, error);
        if (status != LM_OK)
            return status;
        fault_leave(fault, here);
    }
    return LM_OK;
}

/* chosen[id] for every listed id; `chosen` has room for all segments. */
static enum lm_status choose_segments(json_t *ids, uint32_t count, bool *chosen,
                                      struct codec_fault *fault, struct lm_error *error)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        json_t *id = json_array_get(ids, i);
        size_t here = fault_enter_index(fault, i);
        if (!json_is_integer(id))
            return fault_type(fault, error, "segments", "made of integers", id);
        if (json_integer_value(id) < 0 || json_integer_value(id) >= count)
            return lm_fail(error, LM_INVALID,
                           "segments: %lld is not a segment, the segmentation has %u, 0 to %u",
                           (long long)json_integer_value(id), count, count - 1);
        chosen[json_integer_value(id)] = true;
        fault_leave(fault, here);
    }
    return LM_OK;
}

static void draw_chosen(const struct lm_segments *segments, const bool *chosen,
                        struct lm_mask *mask)
{
    const int32_t *label = segments->labels;
    for (uint32_t y = 0; y < mask->height; y++)
        for (uint32_t x = 0; x < mask->width; x++)
            if (chosen[*label++])
                lm_mask_set(mask, x, y);
}

/* Asks the caller for the segmentation. */
static enum lm_status find_segments(json_t *region, const struct region_context *context,
                                    const struct lm_segments **out, struct codec_fault *fault,
                                    struct lm_error *error)
{
    if (!context->segments)
        return lm_fail(error, LM_UNSUPPORTED, "segments: not possible here, give the pixels");
    size_t here = fault_enter_key(fault, "segmentation");
    enum lm_status status = context->segments(
        context->context, json_object_get(region, "segmentation"), out, fault, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

enum lm_status region_draw_segments(json_t *region, const struct region_context *context,
                                    struct lm_mask *mask, struct codec_fault *fault,
                                    struct lm_error *error)
{
    json_t *ids = json_object_get(region, "segments");
    size_t here = fault_enter_key(fault, "segments");
    if (!json_is_array(ids))
        return fault_type(fault, error, "segments", "a list of integers", ids);
    enum lm_status status =
        region_spend(context, (uint64_t)mask->width * mask->height + json_array_size(ids), error);
    if (status != LM_OK)
        return status;
    fault_leave(fault, here);
    const struct lm_segments *segments;
    if ((status = find_segments(region, context, &segments, fault, error)) != LM_OK)
        return status;
    assert(segments->width == mask->width && segments->height == mask->height);
    fault_enter_key(fault, "segments");
    bool *chosen = calloc(segments->count, sizeof *chosen);
    if (!chosen)
        return lm_fail(error, LM_NOMEM, "segments: out of memory");
    status = choose_segments(ids, segments->count, chosen, fault, error);
    if (status == LM_OK)
        draw_chosen(segments, chosen, mask);
    free(chosen);
    return status;
}
