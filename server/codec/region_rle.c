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

static enum lm_status check_size(json_t *size, struct codec_fault *fault, struct lm_error *error)
{
    if (!json_is_array(size) || json_array_size(size) != 2 ||
        !json_is_integer(json_array_get(size, 0)) || !json_is_integer(json_array_get(size, 1)))
        return fault_malformed(fault, error,
                               "rle: size must be a list of 2 integers (height, width)");
    return LM_OK;
}

static enum lm_status check_counts(json_t *counts, struct codec_fault *fault,
                                   struct lm_error *error)
{
    if (!json_is_array(counts) && !json_is_string(counts))
        return fault_type(fault, error, "rle: counts", "a string or a list of integers", counts);
    for (size_t i = 0; i < json_array_size(counts); i++) {
        json_t *count = json_array_get(counts, i);
        if (!json_is_integer(count)) {
            fault_enter_index(fault, i);
            return fault_type(fault, error, "rle: counts", "made of integers", count);
        }
    }
    return LM_OK;
}

enum lm_status region_check_rle(json_t *rle, struct codec_fault *fault, struct lm_error *error)
{
    if (!json_is_object(rle))
        return fault_type(fault, error, "rle", "an object with size and counts", rle);
    enum lm_status status = check_fields(rle, fault, error);
    if (status != LM_OK)
        return status;
    size_t here = fault_enter_key(fault, "size");
    if ((status = check_size(json_object_get(rle, "size"), fault, error)) != LM_OK)
        return status;
    fault_leave(fault, here);
    fault_enter_key(fault, "counts");
    if ((status = check_counts(json_object_get(rle, "counts"), fault, error)) != LM_OK)
        return status;
    fault_leave(fault, here);
    return LM_OK;
}

static enum lm_status match_size(json_t *size, const struct lm_mask *mask, struct lm_error *error)
{
    long long h = json_integer_value(json_array_get(size, 0));
    long long w = json_integer_value(json_array_get(size, 1));
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
        json_int_t count = json_integer_value(json_array_get(list, i));
        if (count < 0) {
            fault_enter_index(fault, i);
            return lm_fail(error, LM_INVALID, "rle: run %zu has the length %lld", i,
                           (long long)count);
        }
        counts[i] = (uint64_t)count;
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

enum lm_status region_add_rle(json_t *rle, const struct region_context *context,
                              struct lm_mask *mask, struct codec_fault *fault,
                              struct lm_error *error)
{
    enum lm_status status = region_check_rle(rle, fault, error);
    if (status != LM_OK)
        return status;
    size_t here = fault_enter_key(fault, "size");
    if ((status = match_size(json_object_get(rle, "size"), mask, error)) != LM_OK)
        return status;
    fault_leave(fault, here);
    fault_enter_key(fault, "counts");
    status = draw_counts(json_object_get(rle, "counts"), context, mask, fault, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

enum lm_status region_draw_rle(json_t *region, const struct region_context *context,
                               struct lm_mask *mask, struct codec_fault *fault,
                               struct lm_error *error)
{
    fault_enter_key(fault, "rle");
    return region_add_rle(json_object_get(region, "rle"), context, mask, fault, error);
}
