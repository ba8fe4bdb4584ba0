/* Which outputs a request of the Open Inference Protocol wants, and how. */
#include <stdio.h>
#include <string.h>

#include "codec/infer_request.h"

const char *const infer_output_names[INFER_WHATS] = {
    [INFER_LOGITS] = "logits", [INFER_PROBABILITIES] = "probabilities"};

enum lm_status infer_flag_read(json_t *parameters, const char *object, const char *key, bool *out,
                               struct codec_fault *fault, struct lm_error *error)
{
    char label[80];
    json_t *value = infer_member(parameters, key);
    if (!value)
        return LM_OK;
    size_t here = fault_enter_key(fault, key);
    snprintf(label, sizeof label, "%s.%s", object, key);
    if (!json_is_boolean(value))
        return fault_type(fault, error, label, "true or false", value);
    fault_leave(fault, here);
    *out = json_is_true(value);
    return LM_OK;
}

static enum lm_status read_top(json_t *parameters, const char *object, uint32_t classes,
                               uint32_t *out, struct codec_fault *fault, struct lm_error *error)
{
    json_t *value = infer_member(parameters, "classification");
    if (!value)
        return LM_OK;
    size_t here = fault_enter_key(fault, "classification");
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return fault_malformed(fault, error, "%s.classification must be an integer, 0 or more",
                               object);
    fault_leave(fault, here);
    *out = json_integer_value(value) < classes ? (uint32_t)json_integer_value(value) : classes;
    return LM_OK;
}

static enum lm_status read_output_parameters(json_t *parameters, uint32_t index, uint32_t classes,
                                             struct infer_output *output, struct codec_fault *fault,
                                             struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    snprintf(label, sizeof label, "outputs[%u].parameters", index);
    size_t here = fault_enter_key(fault, "parameters");
    if (parameters && !json_is_object(parameters))
        return fault_type(fault, error, label, "an object", parameters);
    if (infer_member(parameters, "shared_memory_region")) {
        fault_enter_key(fault, "shared_memory_region");
        return lm_fail(error, LM_UNSUPPORTED,
                       "%s.shared_memory_region: shared memory is not available", label);
    }
    enum lm_status status =
        infer_flag_read(parameters, label, "binary_data", &output->binary, fault, error);
    if (status == LM_OK)
        status = read_top(parameters, label, classes, &output->top, fault, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

static enum lm_status read_output_name(json_t *object, uint32_t index, struct infer_output *output,
                                       struct codec_fault *fault, struct lm_error *error)
{
    char label[INFER_LABEL_BYTES], shown[60];
    json_t *name = infer_member(object, "name");
    size_t here = fault_enter_key(fault, "name");
    snprintf(label, sizeof label, "outputs[%u].name", index);
    if (!json_is_string(name))
        return fault_type(fault, error, label, "a string", name);
    for (int what = 0; what < INFER_WHATS; what++) {
        if (strcmp(infer_output_names[what], json_string_value(name)) == 0) {
            output->what = (enum infer_what)what;
            fault_leave(fault, here);
            return LM_OK;
        }
    }
    fault_clip_text(shown, sizeof shown, json_string_value(name));
    return fault_malformed(fault, error, "%s \"%s\" is none of logits, probabilities", label,
                           shown);
}

static enum lm_status read_output(json_t *object, uint32_t index, uint32_t classes,
                                  struct infer_request *out, struct codec_fault *fault,
                                  struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    struct infer_output output = {.binary = out->binary};
    size_t here = fault_enter_index(fault, index);
    snprintf(label, sizeof label, "outputs[%u]", index);
    if (!json_is_object(object))
        return fault_type(fault, error, label, "an object", object);
    enum lm_status status = read_output_name(object, index, &output, fault, error);
    if (status != LM_OK)
        return status;
    for (uint32_t i = 0; i < out->n_outputs; i++)
        if (out->outputs[i].what == output.what)
            return fault_malformed(fault, error, "%s asks for %s twice", label,
                                   infer_output_names[output.what]);
    status = read_output_parameters(infer_member(object, "parameters"), index, classes, &output,
                                    fault, error);
    if (status != LM_OK)
        return status;
    out->outputs[out->n_outputs++] = output;
    fault_leave(fault, here);
    return LM_OK;
}

enum lm_status infer_outputs_read(json_t *list, uint32_t classes, struct infer_request *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    enum lm_status status = LM_OK;
    size_t here = fault_enter_key(fault, "outputs");
    if (list && !json_is_array(list))
        return fault_type(fault, error, "outputs", "a list", list);
    for (size_t i = 0; i < json_array_size(list) && status == LM_OK; i++)
        status = read_output(json_array_get(list, i), (uint32_t)i, classes, out, fault, error);
    if (status != LM_OK)
        return status;
    if (out->n_outputs == 0)
        out->outputs[out->n_outputs++] =
            (struct infer_output){.what = INFER_LOGITS, .binary = out->binary};
    fault_leave(fault, here);
    return LM_OK;
}
