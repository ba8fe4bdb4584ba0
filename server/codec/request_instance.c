/* Instances of requests: which there are, their fields, their maskings. */
#include <string.h>

#include "codec/request_picture.h"

static bool is_in(const char *key, const char *const *fields)
{
    while (*fields && strcmp(*fields, key) != 0)
        fields++;
    return *fields != NULL;
}

enum lm_status request_check_fields(json_t *object, const char *name, const char *const *fields,
                                    struct codec_fault *fault, struct lm_error *error)
{
    const char *key;
    json_t *member;
    json_object_foreach(object, key, member)
    {
        if (!is_in(key, fields))
            return fault_unknown(fault, error, name, key);
    }
    return LM_OK;
}

static enum lm_status check_instance(json_t *instance, const char *const *fields,
                                     struct codec_fault *fault, struct lm_error *error)
{
    const char *key;
    json_t *member;
    if (!json_is_object(instance))
        return fault_type(fault, error, "instance", "an object", instance);
    json_object_foreach(instance, key, member)
    {
        if (!is_in(key, request_picture_keys) && !is_in(key, fields))
            return fault_unknown(fault, error, "instance", key);
    }
    return LM_OK;
}

static enum lm_status check_instances(json_t *list, uint32_t limit, const char *const *fields,
                                      struct codec_fault *fault, struct lm_error *error)
{
    if (!json_is_array(list))
        return fault_type(fault, error, "instances", "a list of objects", list);
    if (!json_array_size(list))
        return lm_fail(error, LM_INVALID, "instances: the list is empty");
    if (json_array_size(list) > limit)
        return lm_fail(error, LM_LIMIT, "instances: %zu are over the limit of %u",
                       json_array_size(list), limit);
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t here = fault_enter_index(fault, i);
        enum lm_status status = check_instance(json_array_get(list, i), fields, fault, error);
        if (status != LM_OK)
            return status;
        fault_leave(fault, here);
    }
    return LM_OK;
}

/* The name of a file that came with the request. */
static const char *file_name(const struct request *request)
{
    if (request->image.bytes)
        return "image";
    return request->hide.bytes ? "hide" : request->keep.bytes ? "keep" : NULL;
}

static enum lm_status check_document(const struct request *request, struct codec_fault *fault,
                                     struct lm_error *error)
{
    static const char *const fields[] = {"instances", "parameters", NULL};
    enum lm_status status =
        request_check_fields(request->document, "request", fields, fault, error);
    json_t *parameters = request_parameters(request);
    if (status != LM_OK || !parameters || json_is_object(parameters))
        return status;
    fault_enter_key(fault, "parameters");
    return fault_type(fault, error, "parameters", "an object", parameters);
}

enum lm_status request_instances(const struct request *request, const struct request_limits *limits,
                                 const char *const *fields, uint32_t *count,
                                 struct codec_fault *fault, struct lm_error *error)
{
    json_t *list = json_object_get(request->document, "instances");
    const char *file = file_name(request);
    enum lm_status status = check_document(request, fault, error);
    if (status != LM_OK)
        return status;
    if (!list && file && !request->image.bytes) {
        fault_enter_key(fault, "image");
        return fault_malformed(fault, error, "image is missing, %s is a file without it", file);
    }
    if (list || !file) {
        size_t here = fault_enter_key(fault, "instances");
        if (file)
            return fault_malformed(fault, error, "instances and the file %s cannot both be given",
                                   file);
        status = check_instances(list, limits->instances, fields, fault, error);
        if (status != LM_OK)
            return status;
        fault_leave(fault, here);
    }
    *count = list ? (uint32_t)json_array_size(list) : 1;
    return LM_OK;
}

json_t *request_instance(const struct request *request, uint32_t index)
{
    return json_array_get(json_object_get(request->document, "instances"), index);
}

json_t *request_parameters(const struct request *request)
{
    return json_object_get(request->document, "parameters");
}

size_t request_enter_instance(const struct request *request, uint32_t index,
                              struct codec_fault *fault)
{
    size_t here = fault->length;
    if (request_instance(request, index)) {
        fault_enter_key(fault, "instances");
        fault_enter_index(fault, index);
    }
    return here;
}

size_t request_enter_parameters(struct codec_fault *fault)
{
    return fault_enter_key(fault, "parameters");
}

/* The masking of an object, if it has one; on failure `fault` is at it. */
static enum lm_status read_masking(json_t *object, struct masking *out, struct codec_fault *fault,
                                   struct lm_error *error)
{
    json_t *value = json_object_get(object, "masking");
    if (!value)
        return LM_OK;
    size_t here = fault_enter_key(fault, "masking");
    if (!json_is_string(value))
        return fault_type(fault, error, "masking", "a string", value);
    char text[40]; /* longer than any masking */
    fault_clip_text(text, sizeof text, json_string_value(value));
    enum lm_status status = masking_parse(text, out, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

enum lm_status request_masking(const struct request *request, uint32_t index, struct masking *out,
                               struct codec_fault *fault, struct lm_error *error)
{
    struct masking masking = {.kind = MASKING_LAYER};
    size_t here = request_enter_parameters(fault);
    enum lm_status status = read_masking(request_parameters(request), &masking, fault, error);
    if (status != LM_OK)
        return status;
    fault_leave(fault, here);
    request_enter_instance(request, index, fault);
    status = read_masking(request_instance(request, index), &masking, fault, error);
    if (status != LM_OK)
        return status;
    fault_leave(fault, here);
    *out = masking;
    return LM_OK;
}
