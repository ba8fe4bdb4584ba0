/* What the JSON head of a request says of an input tensor.  Members that are not known are passed
 * over, as the protocol wants it; those that would put the numbers somewhere else (shared memory)
 * are refused.  Lengths are compared before they are multiplied, so that products of a checked
 * shape are those of the network's input. */
#include "codec/infer_tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

json_t *infer_member(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

size_t infer_tensor_enter(const struct infer_tensor *tensor, const char *field,
                          struct codec_fault *fault)
{
    size_t start = fault->length;
    if (!tensor->listed)
        return start;
    fault_enter_key(fault, "inputs");
    fault_enter_index(fault, tensor->index);
    if (field)
        fault_enter_key(fault, field);
    return start;
}

void infer_tensor_label(const struct infer_tensor *tensor, const char *field,
                        char out[INFER_LABEL_BYTES])
{
    if (!tensor->listed)
        snprintf(out, INFER_LABEL_BYTES, "the body");
    else
        snprintf(out, INFER_LABEL_BYTES, "inputs[%u]%s%s", tensor->index, field ? "." : "",
                 field ? field : "");
}

/* A string that must be there. */
static enum lm_status read_text(json_t *object, const char *field,
                                const struct infer_tensor *tensor, const char **out,
                                struct codec_fault *fault, struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    json_t *value = infer_member(object, field);
    size_t here = infer_tensor_enter(tensor, field, fault);
    infer_tensor_label(tensor, field, label);
    if (!json_is_string(value))
        return fault_type(fault, error, label, "a string", value);
    fault_leave(fault, here);
    *out = json_string_value(value);
    return LM_OK;
}

static enum lm_status read_shape(json_t *object, struct infer_tensor *tensor,
                                 struct codec_fault *fault, struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    json_t *list = infer_member(object, "shape");
    size_t here = infer_tensor_enter(tensor, "shape", fault);
    infer_tensor_label(tensor, "shape", label);
    if (!json_is_array(list))
        return fault_type(fault, error, label, "a list of integers", list);
    size_t n = json_array_size(list);
    tensor->dimensions = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    for (size_t i = 0; i < n && i < INFER_SHAPE_KEPT; i++) {
        json_t *length = json_array_get(list, i);
        size_t there = fault_enter_index(fault, i);
        if (!json_is_integer(length))
            return fault_malformed(fault, error, "%s[%zu] must be an integer", label, i);
        if (json_integer_value(length) < 0)
            return fault_malformed(fault, error,
                                   "%s[%zu] is %" JSON_INTEGER_FORMAT ", must be 0 or more", label,
                                   i, json_integer_value(length));
        tensor->shape[i] = (uint64_t)json_integer_value(length);
        fault_leave(fault, there);
    }
    fault_leave(fault, here);
    return LM_OK;
}

static enum lm_status check_parameters(json_t *parameters, const struct infer_tensor *tensor,
                                       struct codec_fault *fault, struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    size_t here = infer_tensor_enter(tensor, "parameters", fault);
    infer_tensor_label(tensor, "parameters", label);
    if (parameters && !json_is_object(parameters))
        return fault_type(fault, error, label, "an object", parameters);
    if (infer_member(parameters, "shared_memory_region")) {
        fault_enter_key(fault, "shared_memory_region");
        return lm_fail(error, LM_UNSUPPORTED,
                       "%s.shared_memory_region: shared memory is not available; send the data",
                       label);
    }
    fault_leave(fault, here);
    return LM_OK;
}

/* Cuts the tensor's bytes off the front of the tail. */
static enum lm_status take_raw(json_t *size, struct request_bytes *tail,
                               struct infer_tensor *tensor, struct codec_fault *fault,
                               struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    size_t here = infer_tensor_enter(tensor, "parameters", fault);
    fault_enter_key(fault, "binary_data_size");
    infer_tensor_label(tensor, "parameters", label);
    json_int_t wanted = json_integer_value(size);
    if (!json_is_integer(size))
        return fault_malformed(fault, error, "%s.binary_data_size must be an integer", label);
    if (wanted < 0)
        return fault_malformed(fault, error,
                               "%s.binary_data_size is %" JSON_INTEGER_FORMAT ", must be 0 or more",
                               label, wanted);
    if ((uint64_t)wanted > tail->size)
        return fault_malformed(fault, error,
                               "%s.binary_data_size is %" JSON_INTEGER_FORMAT
                               ", but %zu bytes are left behind the JSON",
                               label, wanted, tail->size);
    static const uint8_t nothing[1];
    tensor->raw = (struct request_bytes){tail->bytes ? tail->bytes : nothing, (size_t)wanted};
    tail->bytes = tail->bytes ? tail->bytes + wanted : NULL;
    tail->size -= (size_t)wanted;
    fault_leave(fault, here);
    return LM_OK;
}

static enum lm_status read_data(json_t *object, struct request_bytes *tail,
                                struct infer_tensor *tensor, struct codec_fault *fault,
                                struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    json_t *parameters = infer_member(object, "parameters");
    enum lm_status status = check_parameters(parameters, tensor, fault, error);
    if (status != LM_OK)
        return status;
    json_t *size = infer_member(parameters, "binary_data_size");
    tensor->data = infer_member(object, "data");
    size_t here = infer_tensor_enter(tensor, "data", fault);
    infer_tensor_label(tensor, "data", label);
    if (tensor->data && size)
        return fault_malformed(fault, error,
                               "%s and parameters.binary_data_size exclude each other", label);
    if (!size && !json_is_array(tensor->data))
        return fault_type(fault, error, label, "a list", tensor->data);
    fault_leave(fault, here);
    return size ? take_raw(size, tail, tensor, fault, error) : LM_OK;
}

enum lm_status infer_tensor_read(json_t *object, uint32_t index, struct request_bytes *tail,
                                 struct infer_tensor *out, struct codec_fault *fault,
                                 struct lm_error *error)
{
    struct infer_tensor tensor = {.listed = true, .index = index};
    if (!json_is_object(object)) {
        char label[INFER_LABEL_BYTES];
        infer_tensor_enter(&tensor, NULL, fault);
        infer_tensor_label(&tensor, NULL, label);
        return fault_type(fault, error, label, "an object", object);
    }
    enum lm_status status = read_text(object, "name", &tensor, &tensor.name, fault, error);
    if (status == LM_OK)
        status = read_text(object, "datatype", &tensor, &tensor.datatype, fault, error);
    if (status == LM_OK)
        status = read_shape(object, &tensor, fault, error);
    if (status == LM_OK)
        status = read_data(object, tail, &tensor, fault, error);
    if (status == LM_OK)
        *out = tensor;
    return status;
}

/* "[2, 3, 224, 224]"; a first 0 is "N" if it stands for any. */
static void shape_text(const uint64_t *shape, uint32_t n, bool any, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "[");
    for (uint32_t i = 0; i < n && i < INFER_SHAPE_KEPT && used < size; i++) {
        const char *comma = i ? ", " : "";
        used += (size_t)(any && i == 0 && shape[0] == 0
                             ? snprintf(out + used, size - used, "N")
                             : snprintf(out + used, size - used, "%s%" PRIu64, comma, shape[i]));
    }
    if (used < size)
        snprintf(out + used, size - used, "%s]", n > INFER_SHAPE_KEPT ? ", ..." : "");
}

enum lm_status infer_tensor_check_shape(const struct infer_tensor *tensor, const uint64_t *shape,
                                        uint32_t n, struct codec_fault *fault,
                                        struct lm_error *error)
{
    bool fits = tensor->dimensions == n;
    for (uint32_t i = 0; i < n && fits; i++)
        fits = tensor->shape[i] == shape[i] || (i == 0 && shape[0] == 0);
    if (fits)
        return LM_OK;
    char label[INFER_LABEL_BYTES], is[160], wanted[160], name[40];
    infer_tensor_enter(tensor, "shape", fault);
    infer_tensor_label(tensor, "shape", label);
    fault_clip_text(name, sizeof name, tensor->name);
    shape_text(tensor->shape, tensor->dimensions, false, is, sizeof is);
    shape_text(shape, n, true, wanted, sizeof wanted);
    return lm_fail(error, LM_INVALID, "%s is %s, \"%s\" must be %s", label, is, name, wanted);
}

enum lm_status infer_tensor_check_size(const struct infer_tensor *tensor, size_t count,
                                       size_t element_bytes, struct codec_fault *fault,
                                       struct lm_error *error)
{
    if (tensor->data || tensor->raw.size == count * element_bytes)
        return LM_OK;
    char label[INFER_LABEL_BYTES];
    infer_tensor_enter(tensor, "parameters", fault);
    fault_enter_key(fault, "binary_data_size");
    infer_tensor_label(tensor, "parameters", label);
    return fault_malformed(fault, error,
                           "%s.binary_data_size is %zu, its shape and datatype take %zu bytes",
                           label, tensor->raw.size, count * element_bytes);
}
