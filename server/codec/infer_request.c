/* From the JSON head of a request to which tensors come and which are wanted.  Nothing is copied,
 * no number is looked at: that is for a worker. */
#include "codec/infer_request.h"

#include <string.h>

#define INPUT "input"
#define MASK "mask"

static bool is_mask_type(const char *datatype)
{
    return strcmp(datatype, "FP32") == 0 || strcmp(datatype, "UINT8") == 0 ||
           strcmp(datatype, "BOOL") == 0;
}

static enum lm_status wrong_name(const struct infer_tensor *tensor, struct codec_fault *fault,
                                 struct lm_error *error)
{
    char name[60];
    infer_tensor_enter(tensor, "name", fault);
    fault_clip_text(name, sizeof name, tensor->name);
    return fault_malformed(fault, error,
                           "inputs[%u].name \"%s\" is none of input, mask (and any name with "
                           "datatype BYTES)",
                           tensor->index, name);
}

static enum lm_status wrong_type(const struct infer_tensor *tensor, const char *types,
                                 struct codec_fault *fault, struct lm_error *error)
{
    char datatype[40];
    infer_tensor_enter(tensor, "datatype", fault);
    fault_clip_text(datatype, sizeof datatype, tensor->datatype);
    return fault_malformed(fault, error, "inputs[%u].datatype is \"%s\", \"%s\" must be %s",
                           tensor->index, datatype, tensor->name, types);
}

/* Finds out what a tensor is for. */
static enum lm_status place(const struct infer_tensor *tensor, bool *has_input,
                            struct infer_request *out, struct codec_fault *fault,
                            struct lm_error *error)
{
    bool encoded = strcmp(tensor->datatype, "BYTES") == 0;
    bool masks = strcmp(tensor->name, MASK) == 0;
    if (!encoded && !masks && strcmp(tensor->name, INPUT) != 0)
        return wrong_name(tensor, fault, error);
    if (masks && !is_mask_type(tensor->datatype))
        return wrong_type(tensor, "FP32, UINT8 or BOOL", fault, error);
    if (!encoded && !masks && strcmp(tensor->datatype, "FP32") != 0)
        return wrong_type(tensor, "FP32 (preprocessed) or BYTES (JPEG or PNG)", fault, error);
    bool *had = masks ? &out->has_mask : has_input;
    if (*had) {
        infer_tensor_enter(tensor, NULL, fault);
        return fault_malformed(fault, error, "inputs[%u] is one %s too many", tensor->index,
                               masks ? "mask" : "input");
    }
    *had = true;
    if (masks) {
        out->mask = *tensor;
    } else {
        out->input = *tensor;
        out->encoded = encoded;
    }
    return LM_OK;
}

static enum lm_status read_inputs(const struct request *request, struct infer_request *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    json_t *list = infer_member(request->document, "inputs");
    struct request_bytes tail = request->tail;
    bool has_input = false;
    enum lm_status status = LM_OK;
    size_t here = fault_enter_key(fault, "inputs");
    if (!json_is_array(list))
        return fault_type(fault, error, "inputs", "a list of tensors", list);
    fault_leave(fault, here);
    for (size_t i = 0; i < json_array_size(list) && status == LM_OK; i++) {
        struct infer_tensor tensor;
        status =
            infer_tensor_read(json_array_get(list, i), (uint32_t)i, &tail, &tensor, fault, error);
        if (status == LM_OK)
            status = place(&tensor, &has_input, out, fault, error);
    }
    if (status != LM_OK)
        return status;
    fault_enter_key(fault, "inputs");
    if (!has_input)
        return fault_malformed(fault, error,
                               "inputs has neither \"input\" nor a tensor of pictures (BYTES)");
    if (tail.size > 0)
        return fault_malformed(fault, error,
                               "%zu bytes are left behind the tensors (of %zu behind the JSON)",
                               tail.size, request->tail.size);
    fault_leave(fault, here);
    return LM_OK;
}

static enum lm_status check_count(const struct infer_tensor *tensor,
                                  const struct request_limits *limits, uint32_t *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    uint64_t n = tensor->shape[0];
    size_t here = infer_tensor_enter(tensor, "shape", fault);
    infer_tensor_label(tensor, "shape", label);
    if (n == 0)
        return lm_fail(error, LM_INVALID, "%s has 0 pictures, must have 1 or more", label);
    if (n > limits->instances)
        return lm_fail(error, LM_LIMIT, "%s has %llu pictures, above the limit of %u", label,
                       (unsigned long long)n, limits->instances);
    fault_leave(fault, here);
    *out = (uint32_t)n;
    return LM_OK;
}

static enum lm_status check_input(const struct call_terms *terms, struct infer_request *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    const struct lm_model_info *info = terms->info;
    const uint64_t tensor[] = {0, info->channels, info->height, info->width};
    const uint64_t files[] = {0, 1};
    enum lm_status status =
        out->encoded ? infer_tensor_check_shape(&out->input, files,
                                                out->input.dimensions == 2 ? 2 : 1, fault, error)
                     : infer_tensor_check_shape(&out->input, tensor, 4, fault, error);
    if (status == LM_OK)
        status = check_count(&out->input, terms->limits, &out->n, fault, error);
    if (status == LM_OK && !out->encoded)
        status = infer_tensor_check_size(
            &out->input, (size_t)out->n * info->channels * info->height * info->width, 4, fault,
            error);
    return status;
}

static enum lm_status check_mask(const struct call_terms *terms, const struct infer_request *out,
                                 struct codec_fault *fault, struct lm_error *error)
{
    const struct lm_model_info *info = terms->info;
    const uint64_t shape[] = {out->n, 1, info->height, info->width};
    enum lm_status status = infer_tensor_check_shape(&out->mask, shape, 4, fault, error);
    if (status == LM_OK)
        status =
            infer_tensor_check_size(&out->mask, (size_t)out->n * info->height * info->width,
                                    strcmp(out->mask.datatype, "FP32") == 0 ? 4 : 1, fault, error);
    return status;
}

/* id and parameters; `binary` is then what outputs are if they do not say it themselves. */
static enum lm_status read_head(json_t *document, struct infer_request *out,
                                struct codec_fault *fault, struct lm_error *error)
{
    json_t *id = infer_member(document, "id"), *parameters = infer_member(document, "parameters");
    size_t here = fault_enter_key(fault, "id");
    if (id && !json_is_string(id))
        return fault_type(fault, error, "id", "a string", id);
    fault_leave(fault, here);
    out->id = json_string_value(id);
    fault_enter_key(fault, "parameters");
    if (parameters && !json_is_object(parameters))
        return fault_type(fault, error, "parameters", "an object", parameters);
    enum lm_status status =
        infer_flag_read(parameters, "parameters", "binary_data_output", &out->binary, fault, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

/* Beyond its three first bytes, a JPEG's fourth tells it from a tensor: as the last byte of a
 * little-endian FP32 it would make a number below -2000. */
static bool is_picture(const struct request_bytes *bytes)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const uint8_t *start = bytes->bytes;
    if (bytes->size >= sizeof png && memcmp(start, png, sizeof png) == 0)
        return true;
    return bytes->size >= 4 && start[0] == 0xff && start[1] == 0xd8 && start[2] == 0xff &&
           start[3] >= 0xc4;
}

/* The body is the one input. */
static enum lm_status read_body(const struct request *request, const struct call_terms *terms,
                                struct infer_request *out, struct codec_fault *fault,
                                struct lm_error *error)
{
    const struct lm_model_info *info = terms->info;
    size_t size = request->tail.size;
    size_t bytes = (size_t)info->channels * info->height * info->width * sizeof(float);
    out->encoded = is_picture(&request->tail);
    out->binary = true;
    out->outputs[out->n_outputs++] = (struct infer_output){.what = INFER_LOGITS, .binary = true};
    out->input = (struct infer_tensor){.name = INPUT,
                                       .datatype = out->encoded ? "BYTES" : "FP32",
                                       .dimensions = 1,
                                       .shape = {out->encoded ? 1 : size / bytes},
                                       .raw = request->tail};
    if (!out->encoded && size % bytes != 0)
        return fault_malformed(fault, error,
                               "the body of %zu bytes is no JPEG, no PNG and no whole number of "
                               "FP32 inputs [%u, %u, %u] of %zu bytes",
                               size, info->channels, info->height, info->width, bytes);
    return check_count(&out->input, terms->limits, &out->n, fault, error);
}

/* What the caller takes: without JSON alone, tensors are raw unless they were asked for in JSON. */
static void settle_form(unsigned wants, struct infer_request *out)
{
    bool any = !(wants & CALL_JSON);
    for (uint32_t i = 0; i < out->n_outputs; i++) {
        out->outputs[i].binary &= (wants & CALL_BINARY) != 0;
        any |= out->outputs[i].binary;
    }
    out->binary = any;
}

enum lm_status infer_request_read(const struct request *request, const struct call_terms *terms,
                                  unsigned wants, struct infer_request *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    struct infer_request read = {.binary = !(wants & CALL_JSON)};
    json_t *document = request->document;
    enum lm_status status;
    if (json_object_size(document) == 0 && request->tail.size > 0) {
        status = read_body(request, terms, &read, fault, error);
    } else {
        status = read_head(document, &read, fault, error);
        if (status == LM_OK)
            status = read_inputs(request, &read, fault, error);
        if (status == LM_OK)
            status = check_input(terms, &read, fault, error);
        if (status == LM_OK && read.has_mask)
            status = check_mask(terms, &read, fault, error);
        if (status == LM_OK)
            status = infer_outputs_read(infer_member(document, "outputs"), terms->info->classes,
                                        &read, fault, error);
    }
    if (status != LM_OK)
        return status;
    settle_form(wants, &read);
    *out = read;
    return LM_OK;
}
