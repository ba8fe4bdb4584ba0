/* The numbers and files of input tensors.  Raw bytes are copied once, with the check of every
 * number in the same pass.  Lists inside of lists need not have the shape's form: as in Triton,
 * only the number of elements counts.  They are walked by recursion, as deep as the JSON parser's
 * limit lets them be. */
#include "codec/infer_tensor.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A walk over the elements of a tensor's data. */
struct walk {
    const struct infer_tensor *tensor;
    size_t at, count; /* elements: of those seen, of the shape */
    enum lm_status (*put)(struct walk *walk, json_t *value, struct codec_fault *fault,
                          struct lm_error *error);
    void *out;
};

static enum lm_status fail_count(const struct walk *walk, bool more, struct codec_fault *fault,
                                 struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    infer_tensor_label(walk->tensor, "data", label);
    if (more)
        return fault_malformed(fault, error, "%s has more elements than its shape's %zu", label,
                               walk->count);
    return fault_malformed(fault, error, "%s has %zu elements, its shape %zu", label, walk->at,
                           walk->count);
}

static enum lm_status put_element(struct walk *walk, json_t *value, struct codec_fault *fault,
                                  struct lm_error *error)
{
    if (walk->at == walk->count)
        return fail_count(walk, true, fault, error);
    enum lm_status status = walk->put(walk, value, fault, error);
    walk->at++;
    return status;
}

static enum lm_status walk_list(struct walk *walk, json_t *list, struct codec_fault *fault,
                                struct lm_error *error)
{
    enum lm_status status = LM_OK;
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && status == LM_OK; i++) {
        json_t *value = json_array_get(list, i);
        if (json_is_array(value)) {
            size_t here = fault_enter_index(fault, i);
            status = walk_list(walk, value, fault, error);
            if (status == LM_OK)
                fault_leave(fault, here);
        } else {
            status = put_element(walk, value, fault, error);
            if (status != LM_OK)
                fault_enter_index(fault, i);
        }
    }
    return status;
}

static enum lm_status walk_data(struct walk *walk, struct codec_fault *fault,
                                struct lm_error *error)
{
    size_t here = infer_tensor_enter(walk->tensor, "data", fault);
    enum lm_status status = walk_list(walk, walk->tensor->data, fault, error);
    if (status == LM_OK && walk->at < walk->count)
        status = fail_count(walk, false, fault, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

static enum lm_status fail_type(const struct walk *walk, const char *what, json_t *value,
                                struct codec_fault *fault, struct lm_error *error)
{
    char label[INFER_LABEL_BYTES], element[INFER_LABEL_BYTES + 24];
    infer_tensor_label(walk->tensor, "data", label);
    snprintf(element, sizeof element, "element %zu of %s", walk->at, label);
    return fault_type(fault, error, element, what, value);
}

static enum lm_status put_float(struct walk *walk, json_t *value, struct codec_fault *fault,
                                struct lm_error *error)
{
    if (!json_is_number(value))
        return fail_type(walk, "a number", value, fault, error);
    double number = json_number_value(value);
    if (fabs(number) > (double)FLT_MAX) {
        char label[INFER_LABEL_BYTES];
        infer_tensor_label(walk->tensor, "data", label);
        return lm_fail(error, LM_INVALID, "element %zu of %s is %g, more than FP32 holds", walk->at,
                       label, number);
    }
    ((float *)walk->out)[walk->at] = (float)number;
    return LM_OK;
}

static float raw_float(const uint8_t *bytes)
{
    uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                    (uint32_t)bytes[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

enum lm_status infer_tensor_floats(const struct infer_tensor *tensor, size_t count, float *out,
                                   struct codec_fault *fault, struct lm_error *error)
{
    struct walk walk = {.tensor = tensor, .count = count, .put = put_float, .out = out};
    if (tensor->data)
        return walk_data(&walk, fault, error);
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        out[i] = raw_float(tensor->raw.bytes + 4 * i);
        finite &= isfinite(out[i]) != 0;
    }
    if (finite)
        return LM_OK;
    char label[INFER_LABEL_BYTES];
    size_t bad = 0;
    while (isfinite(out[bad]))
        bad++;
    infer_tensor_enter(tensor, NULL, fault);
    infer_tensor_label(tensor, NULL, label);
    return lm_fail(error, LM_INVALID, "element %zu of %s is %s, must be a finite number", bad,
                   label, isnan(out[bad]) ? "NaN" : "infinite");
}

static void set_bit(struct lm_mask *masks, size_t at)
{
    size_t pixels = (size_t)masks->width * masks->height, pixel = at % pixels;
    lm_mask_set(&masks[at / pixels], (uint32_t)(pixel % masks->width),
                (uint32_t)(pixel / masks->width));
}

static enum lm_status fail_bit(const struct infer_tensor *tensor, const char *field, size_t at,
                               double value, struct lm_error *error)
{
    char label[INFER_LABEL_BYTES];
    infer_tensor_label(tensor, field, label);
    return lm_fail(error, LM_INVALID, "element %zu of %s is %g, must be 0 or 1", at, label, value);
}

static enum lm_status put_bit(struct walk *walk, json_t *value, struct codec_fault *fault,
                              struct lm_error *error)
{
    if (!json_is_number(value) && !json_is_boolean(value))
        return fail_type(walk, "0 or 1", value, fault, error);
    double number = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
    if (number == 1)
        set_bit(walk->out, walk->at);
    else if (number != 0)
        return fail_bit(walk->tensor, "data", walk->at, number, error);
    return LM_OK;
}

static double raw_value(const struct infer_tensor *tensor, bool wide, size_t at)
{
    return wide ? (double)raw_float(tensor->raw.bytes + 4 * at) : tensor->raw.bytes[at];
}

/* The first element of mask `index` that is neither 0 nor 1; the number of pixels if there is none.
 */
static size_t raw_mask(const struct infer_tensor *tensor, bool wide, uint32_t index,
                       struct lm_mask *mask)
{
    size_t pixels = (size_t)mask->width * mask->height, at = index * pixels;
    for (uint32_t y = 0; y < mask->height; y++) {
        for (uint32_t x = 0; x < mask->width; x++, at++) {
            double value = raw_value(tensor, wide, at);
            if (value == 1)
                lm_mask_set(mask, x, y);
            else if (value != 0)
                return at - index * pixels;
        }
    }
    return pixels;
}

enum lm_status infer_tensor_masks(const struct infer_tensor *tensor, struct lm_mask *masks,
                                  uint32_t n, struct codec_fault *fault, struct lm_error *error)
{
    bool wide = strcmp(tensor->datatype, "FP32") == 0;
    size_t count = (size_t)n * masks->width * masks->height;
    struct walk walk = {.tensor = tensor, .count = count, .put = put_bit, .out = masks};
    for (uint32_t i = 0; i < n; i++)
        lm_mask_fill(&masks[i], false);
    if (tensor->data)
        return walk_data(&walk, fault, error);
    for (uint32_t i = 0; i < n; i++) {
        size_t bad = raw_mask(tensor, wide, i, &masks[i]);
        if (bad < count / n) {
            size_t at = i * (count / n) + bad;
            infer_tensor_enter(tensor, NULL, fault);
            return fail_bit(tensor, NULL, at, raw_value(tensor, wide, at), error);
        }
    }
    return LM_OK;
}

static enum lm_status put_file(struct walk *walk, json_t *value, struct codec_fault *fault,
                               struct lm_error *error)
{
    static const char header[] = "data:", end[] = ";base64,";
    if (!json_is_string(value))
        return fail_type(walk, "a string of base64", value, fault, error);
    const char *text = json_string_value(value);
    if (strncmp(text, header, sizeof header - 1) == 0 && strstr(text, end))
        text = strstr(text, end) + sizeof end - 1;
    struct request_picture *file = (struct request_picture *)walk->out + walk->at;
    *file = (struct request_picture){
        .text = text, .length = strlen(text), .index = (uint32_t)walk->at, .listed = true};
    file->peek = picture_peek_base64(file->text, file->length);
    return LM_OK;
}

/* One element: its length in four bytes, and so many bytes. */
static enum lm_status take_file(struct request_bytes *left, const struct request_limits *limits,
                                const char *label, struct request_picture *out,
                                struct codec_fault *fault, struct lm_error *error)
{
    if (left->size < 4)
        return fault_malformed(fault, error, "%s ends before the length of its element %u", label,
                               out->index);
    size_t size = (size_t)left->bytes[0] | (size_t)left->bytes[1] << 8 |
                  (size_t)left->bytes[2] << 16 | (size_t)left->bytes[3] << 24;
    left->bytes += 4;
    left->size -= 4;
    if (size > left->size)
        return fault_malformed(fault, error, "element %u of %s has %zu bytes, but %zu are left",
                               out->index, label, size, left->size);
    if (size > limits->image_bytes)
        return lm_fail(error, LM_LIMIT, "element %u of %s has %zu bytes, above the limit of %zu",
                       out->index, label, size, limits->image_bytes);
    out->file = (struct request_bytes){left->bytes, size};
    out->peek = picture_peek_bytes(left->bytes, size);
    left->bytes += size;
    left->size -= size;
    return LM_OK;
}

enum lm_status infer_tensor_files(const struct infer_tensor *tensor, uint32_t n,
                                  const struct request_limits *limits, struct request_picture *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    struct walk walk = {.tensor = tensor, .count = n, .put = put_file, .out = out};
    if (tensor->data)
        return walk_data(&walk, fault, error);
    char label[INFER_LABEL_BYTES];
    struct request_bytes left = tensor->raw;
    enum lm_status status = LM_OK;
    size_t here = infer_tensor_enter(tensor, NULL, fault);
    infer_tensor_label(tensor, NULL, label);
    for (uint32_t i = 0; i < n && status == LM_OK; i++) {
        out[i] = (struct request_picture){.index = i};
        status = take_file(&left, limits, label, &out[i], fault, error);
    }
    if (status == LM_OK && left.size > 0)
        status = fault_malformed(fault, error, "%s has %zu bytes behind its last element", label,
                                 left.size);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}
