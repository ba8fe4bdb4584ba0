/* Maps of the user's own, of the picture's size: a PNG of ids, or COCO RLE.  Both are looked at
 * where the network's pixels lie (nearest neighbour), and the ids found there become segments.  One
 * RLE after the other is drawn into the same mask, so that memory does not depend on their number.
 */
#include "codec/segmentation_custom.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/base64.h"
#include "codec/file.h"
#include "codec/region_draw.h"

enum { MAX_MAP_BYTES = 1 << 26 };

/* `reason` with the map's name before it. */
static enum lm_status fail_map(const char *name, const struct lm_error *reason,
                               struct lm_error *error)
{
    return lm_fail(error, reason->status, "%s: %s", name, reason->text);
}

static enum lm_status read_map(const struct segmentation *segmentation,
                               const struct lm_transform *transform, uint32_t **map,
                               struct lm_error *error)
{
    const char *name = segmentation->path ? segmentation->path : "segmentation.png16";
    json_t *text = segmentation->png;
    struct lm_error reason = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum lm_status status =
        segmentation->path
            ? file_read(segmentation->path, MAX_MAP_BYTES, &bytes, &size, error)
            : codec_base64_decode(name, json_string_value(text), json_string_length(text),
                                  MAX_MAP_BYTES, &bytes, &size, error);
    if (status != LM_OK)
        return status;
    if (lm_image_decode_ids(bytes, size, transform->image_width, transform->image_height, map,
                            &reason) != LM_OK)
        status = fail_map(name, &reason, error);
    free(bytes);
    return status;
}

/* The map's ids at the pixels that the network sees. */
static enum lm_status sample_map(const struct segmentation *segmentation,
                                 const struct region_context *context, int64_t *ids,
                                 struct lm_error *error)
{
    const struct lm_transform *transform = context->transform;
    uint32_t *map = NULL;
    enum lm_status status =
        region_spend(context, (uint64_t)transform->image_width * transform->image_height, error);
    if (status == LM_OK)
        status = read_map(segmentation, transform, &map, error);
    if (status != LM_OK)
        return status;
    for (uint32_t y = 0; y < transform->input_height; y++) {
        for (uint32_t x = 0; x < transform->input_width; x++) {
            uint32_t map_x, map_y;
            lm_transform_to_image(transform, x, y, &map_x, &map_y);
            *ids++ = map[(size_t)map_y * transform->image_width + map_x];
        }
    }
    free(map);
    return LM_OK;
}

/* What drawing RLE goes through. */
struct drawing {
    const struct region_context *context;
    struct lm_mask mask, covered; /* this segment; all before it */
};

static bool find_overlap(const struct lm_mask *a, const struct lm_mask *b, uint32_t *x, uint32_t *y)
{
    for (*y = 0; *y < a->height; ++*y)
        for (size_t word = 0; word < a->words; word++) {
            size_t at = *y * a->words + word;
            if (!(a->bits[at] & b->bits[at]))
                continue;
            for (*x = (uint32_t)(64 * word); !lm_mask_get(a, *x, *y) || !lm_mask_get(b, *x, *y);)
                ++*x;
            return true;
        }
    return false;
}

/* Draws a segment and makes sure that its pixels are nobody else's. */
static enum lm_status draw_segment(struct drawing *drawing, json_t *rle, struct lm_error *error)
{
    const struct lm_transform *transform = drawing->context->transform;
    struct lm_mask *mask = &drawing->mask;
    struct codec_fault nowhere = {0};
    uint64_t samples = (uint64_t)transform->input_width * transform->input_height;
    uint64_t work = 4 * region_mask_work(mask->width, mask->height) + samples;
    lm_mask_fill(mask, false);
    enum lm_status status = region_spend(drawing->context, work, error);
    if (status == LM_OK)
        status = region_add_rle(rle, drawing->context, mask, &nowhere, error);
    if (status != LM_OK)
        return status;
    uint32_t x, y;
    if (!lm_mask_count(mask))
        return lm_fail(error, LM_INVALID, "no pixel is in it");
    if (find_overlap(mask, &drawing->covered, &x, &y))
        return lm_fail(error, LM_INVALID, "the pixel at x %u, y %u is in an earlier segment, too",
                       x, y);
    lm_mask_unite(&drawing->covered, mask);
    return LM_OK;
}

/* Gives the input's pixels in the mask their id. */
static void sample_mask(const struct drawing *drawing, int64_t id, int64_t *ids)
{
    const struct lm_transform *transform = drawing->context->transform;
    uint32_t left, top, width, height;
    lm_mask_bounds(&drawing->mask, &left, &top, &width, &height);
    for (uint32_t y = 0; y < transform->input_height; y++) {
        uint32_t map_x, map_y;
        lm_transform_to_image(transform, 0, y, &map_x, &map_y);
        if (map_y < top || map_y >= top + height)
            continue;
        for (uint32_t x = 0; x < transform->input_width; x++) {
            lm_transform_to_image(transform, x, y, &map_x, &map_y);
            if (lm_mask_get(&drawing->mask, map_x, map_y))
                ids[(size_t)y * transform->input_width + x] = id;
        }
    }
}

static enum lm_status draw_segments(struct drawing *drawing, json_t *list, int64_t *ids,
                                    struct lm_error *error)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct lm_error reason = {0};
        if (draw_segment(drawing, json_array_get(list, i), &reason) != LM_OK) {
            char name[60];
            snprintf(name, sizeof name, "segmentation.rle[%zu]", i);
            return fail_map(name, &reason, error);
        }
        sample_mask(drawing, (int64_t)i, ids);
    }
    return LM_OK;
}

/* The places in the list of the segments at the pixels that the network sees. */
static enum lm_status sample_rle(const struct segmentation *segmentation,
                                 const struct region_context *context, int64_t *ids,
                                 struct lm_error *error)
{
    const struct lm_transform *transform = context->transform;
    json_t *list = segmentation->rle;
    uint32_t limit = segmentation_limit(segmentation);
    if (json_array_size(list) > limit)
        return lm_fail(error, LM_LIMIT, "segmentation.rle: %zu segments, the limit is %u",
                       json_array_size(list), limit);
    struct drawing drawing = {.context = context};
    size_t pixels = (size_t)transform->input_width * transform->input_height;
    for (size_t i = 0; i < pixels; i++)
        ids[i] = (int64_t)json_array_size(list);
    enum lm_status status =
        lm_mask_create(transform->image_width, transform->image_height, &drawing.mask, error);
    if (status == LM_OK)
        status = lm_mask_create(transform->image_width, transform->image_height, &drawing.covered,
                                error);
    if (status == LM_OK)
        status = draw_segments(&drawing, list, ids, error);
    lm_mask_free(&drawing.mask);
    lm_mask_free(&drawing.covered);
    return status;
}

static enum lm_status sample(const struct segmentation *segmentation,
                             const struct lm_transform *transform, int64_t *ids,
                             struct lm_error *error)
{
    struct region_budget own = region_default_budget;
    const struct region_context context = {
        .transform = transform,
        .budget = segmentation->budget ? segmentation->budget : &own,
    };
    return (segmentation->rle ? sample_rle : sample_map)(segmentation, &context, ids, error);
}

static enum lm_status number_segments(const struct segmentation *segmentation,
                                      const struct lm_transform *transform, const int64_t *sampled,
                                      struct lm_segments *out, struct lm_error *error)
{
    struct lm_error reason = {0};
    uint32_t limit = segmentation_limit(segmentation);
    enum lm_status status = lm_segments_custom(sampled, transform->input_width,
                                               transform->input_height, limit, out, &reason);
    if (status == LM_INVALID) /* sides are not 0: it is the number of ids */
        return lm_fail(error, LM_LIMIT, "segmentation: more segments than the limit of %u", limit);
    return status == LM_OK ? status : fail_map("segmentation", &reason, error);
}

enum lm_status segmentation_run_custom(const struct segmentation *segmentation,
                                       const struct lm_transform *transform,
                                       struct lm_segments *out, int64_t **ids,
                                       struct lm_error *error)
{
    size_t pixels = (size_t)transform->input_width * transform->input_height;
    int64_t *sampled = calloc(pixels, sizeof *sampled), *of_segment = NULL;
    struct lm_segments segments = {0};
    enum lm_status status = LM_OK;
    if (!sampled)
        status = lm_fail(error, LM_NOMEM, "segmentation: out of memory");
    if (status == LM_OK)
        status = sample(segmentation, transform, sampled, error);
    if (status == LM_OK)
        status = number_segments(segmentation, transform, sampled, &segments, error);
    if (status != LM_OK)
        goto done;
    of_segment = calloc(segments.count, sizeof *of_segment);
    if (!of_segment) {
        status = lm_fail(error, LM_NOMEM, "segmentation: out of memory");
        goto done;
    }
    for (size_t i = 0; i < pixels; i++)
        of_segment[segments.labels[i]] = sampled[i];
    *out = segments;
    segments = (struct lm_segments){0};
    if (ids) {
        *ids = of_segment;
        of_segment = NULL;
    }
done:
    lm_segments_free(&segments);
    free(sampled);
    free(of_segment);
    return status;
}

/* Of RLE, two masks and the runs of one; of a PNG its bytes, decoder and ids. */
uint64_t segmentation_custom_bytes(const struct segmentation *segmentation, uint64_t picture_pixels,
                                   uint64_t input_pixels)
{
    uint64_t limit = segmentation_limit(segmentation);
    uint64_t bytes = input_pixels * (8 + 4) + limit * 24, runs = 0;
    for (size_t i = 0; i < json_array_size(segmentation->rle); i++) {
        json_t *counts = json_object_get(json_array_get(segmentation->rle, i), "counts");
        size_t n = json_is_array(counts) ? json_array_size(counts) : json_string_length(counts);
        runs = n > runs ? n : runs;
    }
    if (segmentation->rle)
        return bytes + picture_pixels / 2 + runs * 8;
    uint64_t file = segmentation->path ? MAX_MAP_BYTES : json_string_length(segmentation->png);
    uint64_t row = picture_pixels < 1u << 20 ? picture_pixels : 1u << 20; /* the decoder's side */
    return bytes + file + picture_pixels * 4 + row * 16 + 65536;
}
