/* model.json.  Every field that means something is checked here, once, with its limits; the error
 * names the field as it is written in the file. */
#include "codec/model_json.h"

#include <stdlib.h>
#include <string.h>

#include "codec/fault.h"
#include "codec/labels.h"
#include "codec/policy.h"
#include "codec/precision.h"
#include "codec/text_memory.h"

/* Larger means and smaller deviations would leave the range of a float once normalised. */
#define MEAN_LIMIT 1e6
#define STD_LEAST 1e-6
#define STD_MOST 1e6

/* Where an error happened: the file, then the object inside of it. */
struct place {
    const char *file;
    const char *object; /* "", "input." */
    struct lm_error *error;
};

/* value: what is there instead; NULL: nothing. */
static enum lm_status refuse(const struct place *place, const char *field, const char *wanted,
                             const json_t *value)
{
    char shown[44] = "";
    char *text =
        value ? fault_dump_json(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6))
              : NULL;
    if (text)
        fault_clip_text(shown, sizeof shown, text);
    free(text);
    return lm_fail(place->error, LM_INVALID, "%s: %s%s must be %s%s%s", place->file, place->object,
                   field, wanted, value ? ", not " : "; it is missing", shown);
}

/* Refuses fields that are not in `known` (ends with NULL). */
static enum lm_status check_known(const struct place *place, json_t *object,
                                  const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        const char *const *name = known;
        while (*name && strcmp(*name, key) != 0)
            name++;
        char shown[64];
        if (!*name) {
            fault_clip_text(shown, sizeof shown, key);
            return lm_fail(place->error, LM_INVALID, "%s: unknown field %s%s", place->file,
                           place->object, shown);
        }
    }
    return LM_OK;
}

/* A whole number from 1 to MODEL_MAX_SIDE. */
static bool read_side(const json_t *value, uint32_t *out)
{
    json_int_t side = json_integer_value(value);
    if (!json_is_integer(value) || side < 1 || side > MODEL_MAX_SIDE)
        return false;
    *out = (uint32_t)side;
    return true;
}

static enum lm_status read_size(const struct place *place, json_t *value, struct lm_preprocess *out)
{
    if (json_array_size(value) != 2 || !read_side(json_array_get(value, 0), &out->height) ||
        !read_side(json_array_get(value, 1), &out->width))
        return refuse(place, "size", "[height, width], each from 1 to 4096", value);
    return LM_OK;
}

static enum lm_status read_channels(const struct place *place, json_t *value,
                                    struct lm_preprocess *out)
{
    const char *name = value ? json_string_value(value) : "RGB";
    if (name && strcmp(name, "RGB") == 0)
        out->channels = LM_RGB;
    else if (name && strcmp(name, "BGR") == 0)
        out->channels = LM_BGR;
    else
        return refuse(place, "channels", "\"RGB\" or \"BGR\"", value);
    return LM_OK;
}

static enum lm_status read_resize(const struct place *place, json_t *value,
                                  struct lm_preprocess *out)
{
    out->resize_shorter = 0;
    if (!value || json_is_null(value))
        return LM_OK;
    if (!read_side(value, &out->resize_shorter))
        return refuse(place, "resize_shorter", "null or a whole number from 1 to 4096", value);
    uint32_t shorter = out->height < out->width ? out->height : out->width;
    if (out->resize_shorter < shorter)
        return lm_fail(place->error, LM_INVALID,
                       "%s: input.resize_shorter is %u, too small for input.size [%u, %u]",
                       place->file, out->resize_shorter, out->height, out->width);
    return LM_OK;
}

static enum lm_status read_crop(const struct place *place, json_t *value, struct lm_preprocess *out)
{
    const char *name = value ? json_string_value(value) : "center";
    if (!name || (strcmp(name, "center") != 0 && strcmp(name, "none") != 0))
        return refuse(place, "crop", "\"center\" or \"none\"", value);
    out->center_crop = strcmp(name, "center") == 0;
    return LM_OK;
}

/* Three numbers from `least` to `most`. */
static bool read_triple(json_t *value, double least, double most, float out[3])
{
    if (json_array_size(value) != 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        const json_t *number = json_array_get(value, i);
        double real = json_number_value(number);
        if (!json_is_number(number) || !(real >= least && real <= most))
            return false;
        out[i] = (float)real;
    }
    return true;
}

static enum lm_status read_scale(const struct place *place, json_t *input,
                                 struct lm_preprocess *out)
{
    json_t *mean = json_object_get(input, "mean"), *std = json_object_get(input, "std");
    if (!read_triple(mean, -MEAN_LIMIT, MEAN_LIMIT, out->mean))
        return refuse(place, "mean", "3 numbers, in units of 0 to 255", mean);
    if (!read_triple(std, STD_LEAST, STD_MOST, out->std))
        return refuse(place, "std", "3 numbers above 0, in units of 0 to 255", std);
    return LM_OK;
}

static enum lm_status read_input(const char *file, json_t *input, struct lm_preprocess *out,
                                 struct lm_error *error)
{
    static const char *const known[] = {"size", "channels", "resize_shorter", "crop", "mean",
                                        "std",  NULL};
    const struct place place = {file, "input.", error};
    if (!input)
        return LM_OK;
    if (!json_is_object(input))
        return lm_fail(error, LM_INVALID, "%s: input must be an object", file);
    enum lm_status status = check_known(&place, input, known);
    if (status == LM_OK)
        status = read_size(&place, json_object_get(input, "size"), out);
    if (status == LM_OK)
        status = read_channels(&place, json_object_get(input, "channels"), out);
    if (status == LM_OK)
        status = read_resize(&place, json_object_get(input, "resize_shorter"), out);
    if (status == LM_OK)
        status = read_crop(&place, json_object_get(input, "crop"), out);
    if (status == LM_OK)
        status = read_scale(&place, input, out);
    return status;
}

static enum lm_status read_output(const char *file, json_t *value, bool *probabilities,
                                  struct lm_error *error)
{
    const struct place place = {file, "", error};
    const char *name = value ? json_string_value(value) : "logits";
    if (!name || (strcmp(name, "logits") != 0 && strcmp(name, "probabilities") != 0))
        return refuse(&place, "output", "\"logits\" or \"probabilities\"", value);
    *probabilities = strcmp(name, "probabilities") == 0;
    return LM_OK;
}

static enum lm_status read_precision(const char *file, json_t *value, struct model_description *out,
                                     struct lm_error *error)
{
    const struct place place = {file, "", error};
    const char *name = json_string_value(value);
    out->says_precision = value != NULL;
    if (value && (!name || !precision_parse(name, &out->precision)))
        return refuse(&place, "precision", "\"float32\" or \"bfloat16\"", value);
    return LM_OK;
}

static enum lm_status read_masking(const char *file, json_t *masking, struct lm_policy *policy,
                                   struct lm_error *error)
{
    static const char *const known[] = {"concat", "exposed", "average_pool", "global_pool", NULL};
    const struct place place = {file, "masking.", error};
    if (!masking)
        return LM_OK;
    if (!json_is_object(masking))
        return lm_fail(error, LM_INVALID, "%s: masking must be an object", file);
    enum lm_status status = check_known(&place, masking, known);
    const char *key;
    json_t *value;
    json_object_foreach(masking, key, value)
    {
        if (status != LM_OK)
            break;
        char where[300];
        snprintf(where, sizeof where, "%.200s: masking.%.40s", file, key);
        status = json_is_string(value)
                     ? policy_set(policy, key, json_string_value(value), where, error)
                     : lm_fail(error, LM_INVALID, "%s must be a string", where);
    }
    return status;
}

/* A name that cannot lead out of the model's folder. */
static bool plain_file_name(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= 255 && name[0] != '.' && !strpbrk(name, "/\\");
}

static enum lm_status read_labels(const char *file, json_t *value, struct model_description *out,
                                  struct lm_error *error)
{
    const struct place place = {file, "", error};
    char where[300];
    snprintf(where, sizeof where, "%.250s: labels", file);
    if (!value)
        return LM_OK;
    if (json_is_array(value))
        return labels_from_json(value, where, &out->labels, error);
    if (!json_is_string(value) || !plain_file_name(json_string_value(value)))
        return refuse(&place, "labels",
                      "the plain name of a file in the model's folder, or an array of strings",
                      value);
    out->labels_file = text_copy(json_string_value(value));
    return out->labels_file ? LM_OK : lm_fail(error, LM_NOMEM, "%s: out of memory", file);
}

void model_description_assume(struct model_description *out)
{
    *out = (struct model_description){
        .preprocess = {.height = 224,
                       .width = 224,
                       .channels = LM_RGB,
                       .resize_shorter = 256,
                       .center_crop = true,
                       .mean = {123.675f, 116.28f, 103.53f},
                       .std = {58.395f, 57.12f, 57.375f}},
    };
}

static enum lm_status read_fields(const char *file, json_t *root, struct model_description *out,
                                  struct lm_error *error)
{
    const struct place place = {file, "", error};
    if (!json_is_object(root))
        return lm_fail(error, LM_INVALID, "%s: must be a JSON object", file);
    json_t *name = json_object_get(root, "name");
    enum lm_status status = LM_OK;
    if (name && json_string_length(name) == 0)
        status = refuse(&place, "name", "a string that is not empty", name);
    if (status == LM_OK)
        status = read_input(file, json_object_get(root, "input"), &out->preprocess, error);
    if (status == LM_OK)
        status = read_output(file, json_object_get(root, "output"), &out->probabilities, error);
    if (status == LM_OK)
        status = read_precision(file, json_object_get(root, "precision"), out, error);
    if (status == LM_OK)
        status = read_masking(file, json_object_get(root, "masking"), &out->policy, error);
    if (status == LM_OK)
        status = read_labels(file, json_object_get(root, "labels"), out, error);
    return status;
}

enum lm_status model_description_parse(const char *text, size_t size, const char *where,
                                       struct model_description *out, struct lm_error *error)
{
    if (size > MODEL_JSON_MAX_BYTES)
        return lm_fail(error, LM_LIMIT, "%s: %zu bytes, the limit is %d", where, size,
                       MODEL_JSON_MAX_BYTES);
    json_error_t reason;
    bool ran_out;
    json_t *root = fault_load_json(text, size, JSON_REJECT_DUPLICATES, &reason, &ran_out);
    if (ran_out)
        return lm_fail(error, LM_NOMEM, "%s: out of memory", where);
    if (!root)
        return lm_fail(error, LM_CORRUPT, "%s: line %d: %s", where, reason.line, reason.text);
    struct model_description result;
    model_description_assume(&result);
    result.json = root;
    enum lm_status status = read_fields(where, root, &result, error);
    if (status != LM_OK) {
        model_description_free(&result);
        return status;
    }
    *out = result;
    return LM_OK;
}

void model_description_free(struct model_description *description)
{
    if (!description)
        return;
    json_decref(description->labels);
    json_decref(description->json);
    free(description->labels_file);
    *description = (struct model_description){0};
}
