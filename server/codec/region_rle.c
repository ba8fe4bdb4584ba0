/* COCO RLE regions: {"size": [height, width], "counts": "..." | [ints]}. */
#include <stdlib.h>
#include <string.h>

#include "codec/region_draw.h"

static enum lm_status check_fields(json_t *rle, struct codec_fault *fault, struct lm_error *error)
{
    const char *key;
    json_t *member;
    json_object_foreach(rle, key, member)
    {
        if (strcmp(key, "size") != 0 && strcmp(key, "counts") != 0)
            return fault_unknown(fault, error, "rle", key);
    }
    return LM_OK;
}

static enum lm_status check_size(json_t *size, const struct lm_mask *mask,
                                 struct codec_fault *fault, struct lm_error *error)
{
    json_t *height = json_array_get(size, 0), *width = json_array_get(size, 1);
    if (!json_is_array(size) || json_array_size(size) != 2 || !json_is_integer(height) ||
        !json_is_integer(width))
        return fault_malformed(fault, error,
                               "rle: size must be a list of 2 integers (height, width)");
    long long h = json_integer_value(height), w = json_integer_value(width);
    if (h != mask->height || w != mask->width)
        return lm_fail(
            error, LM_INVALID,
            "rle: size (height, width) is [%lld, %lld], that of what it masks is [%u, %u]", h, w,
            mask->height, mask->width);
    return LM_OK;
}

static enum lm_status read_counts(json_t *list, uint64_t *counts, struct codec_fault *fault,
                                  struct lm_error *error)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *count = json_array_get(list, i);
        size_t here = fault_enter_index(fault, i);
        if (!json_is_integer(count))
            return fault_type(fault, error, "rle: counts", "made of integers", count);
        if (json_integer_value(count) < 0)
            return lm_fail(error, LM_INVALID, "rle: run %zu has the length %lld", i,
                           (long long)json_integer_value(count));
        counts[i] = (uint64_t)json_integer_value(count);
        fault_leave(fault, here);
    }
    return LM_OK;
}

static enum lm_status draw_list(json_t *list, struct lm_mask *mask, struct codec_fault *fault,
                                struct lm_error *error)
{
    size_t n = json_array_size(list);
    uint64_t *counts = calloc(n ? n : 1, sizeof *counts);
    if (!counts)
        return lm_fail(error, LM_NOMEM, "rle: out of memory for %zu runs", n);
    enum lm_status status = read_counts(list, counts, fault, error);
    if (status == LM_OK)
        status = lm_mask_add_rle(mask, counts, n, error);
    free(counts);
    return status;
}

static enum lm_status draw_counts(json_t *counts, const struct region_context *context,
                                  struct lm_mask *mask, struct codec_fault *fault,
                                  struct lm_error *error)
{
    if (!json_is_array(counts) && !json_is_string(counts))
        return fault_type(fault, error, "rle: counts", "a string or a list of integers", counts);
    uint64_t runs = json_is_array(counts) ? json_array_size(counts) : json_string_length(counts);
    uint64_t work = runs + mask->width + region_mask_work(mask->width, mask->height);
    enum lm_status status = region_spend(context, work, error);
    if (status != LM_OK)
        return status;
    if (json_is_array(counts))
        return draw_list(counts, mask, fault, error);
    return lm_mask_add_rle_string(mask, json_string_value(counts), json_string_length(counts),
                                  error);
}

enum lm_status region_draw_rle(json_t *region, const struct region_context *context,
                               struct lm_mask *mask, struct codec_fault *fault,
                               struct lm_error *error)
{
    json_t *rle = json_object_get(region, "rle");
    fault_enter_key(fault, "rle");
    if (!json_is_object(rle))
        return fault_type(fault, error, "rle", "an object with size and counts", rle);
    enum lm_status status = check_fields(rle, fault, error);
    if (status != LM_OK)
        return status;
    size_t here = fault_enter_key(fault, "size");
    if ((status = check_size(json_object_get(rle, "size"), mask, fault, error)) != LM_OK)
        return status;
    fault_leave(fault, here);
    fault_enter_key(fault, "counts");
    return draw_counts(json_object_get(rle, "counts"), context, mask, fault, error);
}
