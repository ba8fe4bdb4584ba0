/* What a predict request asks for, as far as it can be told without pixels. */
#include <stdlib.h>

#include "codec/predict_call.h"

enum { DEFAULT_TOP_K = 5 };

static enum lm_status read_top_k(json_t *value, uint32_t classes, uint32_t *out,
                                 struct codec_fault *fault, struct lm_error *error)
{
    if (!value)
        return LM_OK;
    size_t here = fault_enter_key(fault, "top_k");
    if (!json_is_integer(value))
        return fault_type(fault, error, "top_k", "an integer", value);
    json_int_t k = json_integer_value(value);
    if (k < 1)
        return lm_fail(error, LM_INVALID, "top_k is %lld, it must be 1 or more", (long long)k);
    *out = k < classes ? (uint32_t)k : classes;
    fault_leave(fault, here);
    return LM_OK;
}

static enum lm_status read_logits(json_t *value, bool *out, struct codec_fault *fault,
                                  struct lm_error *error)
{
    if (!value)
        return LM_OK;
    size_t here = fault_enter_key(fault, "logits");
    if (!json_is_boolean(value))
        return fault_type(fault, error, "logits", "true or false", value);
    *out = json_is_true(value);
    fault_leave(fault, here);
    return LM_OK;
}

static enum lm_status read_parameters(struct predict_call *call, struct codec_fault *fault,
                                      struct lm_error *error)
{
    static const char *const fields[] = {"top_k", "logits", "masking", NULL};
    json_t *parameters = request_parameters(call->request);
    uint32_t classes = call->terms->info->classes;
    size_t here = request_enter_parameters(fault);
    call->top_k = DEFAULT_TOP_K < classes ? DEFAULT_TOP_K : classes;
    enum lm_status status = request_check_fields(parameters, "parameters", fields, fault, error);
    if (status == LM_OK)
        status =
            read_top_k(json_object_get(parameters, "top_k"), classes, &call->top_k, fault, error);
    if (status == LM_OK)
        status = read_logits(json_object_get(parameters, "logits"), &call->logits, fault, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

/* At most one of hide, keep and masks; `fault` is at the instance. */
static enum lm_status check_exclusion(json_t *instance, struct codec_fault *fault,
                                      struct lm_error *error)
{
    static const char *const keys[] = {"hide", "keep", "masks"};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!json_object_get(instance, keys[i]))
            continue;
        if (first) {
            fault_enter_key(fault, keys[i]);
            return fault_malformed(fault, error, "%s and %s cannot both be given", first, keys[i]);
        }
        first = keys[i];
    }
    return LM_OK;
}

/* An element of "masks". */
static enum lm_status check_mask(json_t *mask, struct codec_fault *fault, struct lm_error *error)
{
    static const char *const fields[] = {"hide", "keep", NULL};
    if (!json_is_object(mask))
        return fault_type(fault, error, "mask", "an object with hide or keep", mask);
    enum lm_status status = request_check_fields(mask, "mask", fields, fault, error);
    if (status == LM_OK)
        status = check_exclusion(mask, fault, error);
    if (status == LM_OK && !json_object_size(mask))
        return fault_malformed(fault, error, "mask needs hide or keep");
    return status;
}

static enum lm_status read_masks(json_t *masks, uint32_t limit, uint32_t *count,
                                 struct codec_fault *fault, struct lm_error *error)
{
    if (!masks)
        return LM_OK;
    size_t here = fault_enter_key(fault, "masks"), n = json_array_size(masks);
    if (!json_is_array(masks))
        return fault_type(fault, error, "masks", "a list of objects with hide or keep", masks);
    if (!n)
        return lm_fail(error, LM_INVALID, "masks: the list is empty");
    if (n > limit)
        return lm_fail(error, LM_LIMIT, "masks: %zu are over the limit of %u", n, limit);
    for (size_t i = 0; i < n; i++) {
        size_t above = fault_enter_index(fault, i);
        enum lm_status status = check_mask(json_array_get(masks, i), fault, error);
        if (status != LM_OK)
            return status;
        fault_leave(fault, above);
    }
    fault_leave(fault, here);
    *count = (uint32_t)n;
    return LM_OK;
}

/* A PNG beside the picture is a file like the picture. */
static enum lm_status check_file(const char *name, const struct request_bytes *file,
                                 const struct request_limits *limits, struct codec_fault *fault,
                                 struct lm_error *error)
{
    if (file->size <= limits->image_bytes)
        return LM_OK;
    fault_enter_key(fault, name);
    return lm_fail(error, LM_LIMIT, "%s: %zu bytes are over the limit of %zu", name, file->size,
                   limits->image_bytes);
}

static enum lm_status check_files(const struct request *request,
                                  const struct request_limits *limits, struct codec_fault *fault,
                                  struct lm_error *error)
{
    if (request->hide.bytes && request->keep.bytes) {
        fault_enter_key(fault, "keep");
        return fault_malformed(fault, error, "hide and keep cannot both be given");
    }
    enum lm_status status = check_file("hide", &request->hide, limits, fault, error);
    if (status == LM_OK)
        status = check_file("keep", &request->keep, limits, fault, error);
    return status;
}

static enum lm_status read_regions(struct predict_instance *instance, uint32_t index,
                                   const struct predict_call *call, struct codec_fault *fault,
                                   struct lm_error *error)
{
    if (!instance->object)
        return check_files(call->request, call->terms->limits, fault, error);
    size_t here = request_enter_instance(call->request, index, fault);
    enum lm_status status = check_exclusion(instance->object, fault, error);
    if (status == LM_OK)
        status = read_masks(json_object_get(instance->object, "masks"), call->terms->limits->masks,
                            &instance->masks, fault, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

static enum lm_status read_instance(struct predict_call *call, uint32_t index,
                                    struct codec_fault *fault, struct lm_error *error)
{
    struct predict_instance *instance = &call->instances[index];
    instance->object = request_instance(call->request, index);
    instance->first = call->n_items;
    enum lm_status status = request_picture_read(call->request, index, call->terms->limits,
                                                 &instance->picture, fault, error);
    if (status == LM_OK)
        status = request_masking(call->request, index, &instance->masking, fault, error);
    if (status == LM_OK)
        status = read_regions(instance, index, call, fault, error);
    if (status == LM_OK && instance->masks >= UINT32_MAX - call->n_items)
        status = lm_fail(error, LM_LIMIT, "masks: too many in all instances together");
    if (status == LM_OK)
        call->n_items += 1 + instance->masks;
    return status;
}

enum lm_status predict_read(struct predict_call *call, struct codec_fault *fault,
                            struct lm_error *error)
{
    static const char *const fields[] = {"masking", "hide", "keep", "masks", NULL};
    uint32_t n = 0;
    enum lm_status status =
        request_instances(call->request, call->terms->limits, fields, &n, fault, error);
    if (status == LM_OK)
        status = read_parameters(call, fault, error);
    if (status != LM_OK)
        return status;
    call->instances = calloc(n, sizeof *call->instances);
    if (!call->instances)
        return lm_fail(error, LM_NOMEM, "out of memory for %u instances", n);
    call->n_instances = n;
    for (uint32_t i = 0; i < n && status == LM_OK; i++)
        status = read_instance(call, i, fault, error);
    return status;
}
