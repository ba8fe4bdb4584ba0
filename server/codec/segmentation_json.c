/* Segmentations in JSON, with scikit-image's names.  What the engine refuses (two ways of giving a
 * grid, numbers out of range) is left to the engine, and what does not fit the picture to
 * segmentation_run; here are names and types.  The method is read first: it decides which other
 * fields there may be. */
#include <stdio.h>
#include <string.h>

#include "codec/region_draw.h"
#include "codec/segmentation.h"

/* The fields with numbers: one of the two pointers is set. */
enum { SLIC_ROUNDS_MAX = 1000 }; /* what lm_segment takes */

struct number_field {
    const char *name;
    uint32_t *count;
    double *real;
    int most; /* of count */
};

/* Length of the method's name at the start of the text, if it is one of those that are to come. */
static size_t future_method(const char *text)
{
    size_t length = strcspn(text, ":");
    bool known = (length == 10 && strncmp(text, "quickshift", length) == 0) ||
                 (length == 12 && strncmp(text, "felzenszwalb", length) == 0);
    return known ? length : 0;
}

static enum lm_status fail_not_built(const char *method, struct codec_fault *fault,
                                     struct lm_error *error)
{
    fault->not_built = true;
    return lm_fail(error, LM_UNSUPPORTED,
                   "segmentation.method \"%s\" is not available yet; \"slic\", \"grid\" and "
                   "\"custom\" are",
                   method);
}

static enum lm_status read_method(const json_t *value, struct segmentation *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    if (!value) /* slic */
        return LM_OK;
    fault_enter_key(fault, "method");
    if (!json_is_string(value))
        return fault_type(fault, error, "segmentation.method", "a string", value);
    const char *name = json_string_value(value);
    char shown[60];
    fault_clip_text(shown, sizeof shown, name);
    if (future_method(name) && !strchr(name, ':'))
        return fail_not_built(shown, fault, error);
    out->custom = strcmp(name, "custom") == 0;
    if (strcmp(name, "grid") == 0)
        out->options.method = LM_SEGMENT_GRID;
    else if (strcmp(name, "slic") != 0 && !out->custom)
        return lm_fail(error, LM_INVALID,
                       "segmentation.method must be \"slic\", \"grid\" or \"custom\", not \"%s\"",
                       shown);
    return LM_OK;
}

static enum lm_status read_number(const json_t *value, const struct number_field *field,
                                  struct codec_fault *fault, struct lm_error *error)
{
    char name[60];
    snprintf(name, sizeof name, "segmentation.%s", field->name);
    if (field->real && !json_is_number(value))
        return fault_type(fault, error, name, "a number", value);
    if (field->real) {
        *field->real = json_number_value(value);
        return LM_OK;
    }
    json_int_t count = json_integer_value(value);
    if (!json_is_integer(value))
        return fault_type(fault, error, name, "a whole number", value);
    if (count < 1 || count > field->most)
        return lm_fail(error, LM_INVALID, "%s is %" JSON_INTEGER_FORMAT "; must be from 1 to %d",
                       name, count, field->most);
    *field->count = (uint32_t)count;
    return LM_OK;
}

/* The number called `key`, NULL if there is none. */
static enum lm_status read_option(const char *key, const json_t *value,
                                  struct lm_segment_options *out, bool *found,
                                  struct codec_fault *fault, struct lm_error *error)
{
    const struct number_field fields[] = {
        {"n_segments", &out->n_segments, NULL, LM_SEGMENTS_MAX},
        {"rows", &out->rows, NULL, LM_SEGMENTS_MAX},
        {"columns", &out->columns, NULL, LM_SEGMENTS_MAX},
        {"cell", &out->cell, NULL, LM_SEGMENTS_MAX},
        {"max_num_iter", &out->max_num_iter, NULL, SLIC_ROUNDS_MAX},
        {"compactness", NULL, &out->compactness, 0},
        {"sigma", NULL, &out->sigma, 0},
        {"min_size_factor", NULL, &out->min_size_factor, 0},
        {"max_size_factor", NULL, &out->max_size_factor, 0},
    };
    size_t i = 0, n = sizeof fields / sizeof fields[0];
    while (i < n && strcmp(fields[i].name, key) != 0)
        i++;
    *found = i < n;
    return *found && value ? read_number(value, &fields[i], fault, error) : LM_OK;
}

static enum lm_status check_png(json_t *value, struct codec_fault *fault, struct lm_error *error)
{
    if (!json_is_string(value))
        return fault_type(fault, error, "segmentation.png16", "a string of base64", value);
    return LM_OK;
}

static enum lm_status check_rle(json_t *list, struct codec_fault *fault, struct lm_error *error)
{
    if (!json_is_array(list))
        return fault_type(fault, error, "segmentation.rle",
                          "a list of objects with size and counts", list);
    if (!json_array_size(list))
        return lm_fail(error, LM_INVALID, "segmentation.rle: the list is empty");
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t here = fault_enter_index(fault, i);
        enum lm_status status = region_check_rle(json_array_get(list, i), fault, error);
        if (status != LM_OK)
            return status;
        fault_leave(fault, here);
    }
    return LM_OK;
}

static enum lm_status fail_misplaced(const char *key, const struct segmentation *segmentation,
                                     struct codec_fault *fault, struct lm_error *error)
{
    return fault_malformed(fault, error, "segmentation.%s does not go with the method \"%s\"", key,
                           segmentation_method(segmentation));
}

/* A field other than the method.  Maps are borrowed. */
static enum lm_status read_field(const char *key, json_t *value, struct segmentation *out,
                                 struct codec_fault *fault, struct lm_error *error)
{
    bool is_png = strcmp(key, "png16") == 0, is_rle = strcmp(key, "rle") == 0, is_option = false;
    size_t here = fault_enter_key(fault, key);
    enum lm_status status =
        read_option(key, out->custom ? NULL : value, &out->options, &is_option, fault, error);
    if (!is_png && !is_rle && !is_option) {
        fault_leave(fault, here);
        return fault_unknown(fault, error, "segmentation", key);
    }
    if (is_option == out->custom)
        return fail_misplaced(key, out, fault, error);
    if (is_png && (status = check_png(value, fault, error)) == LM_OK)
        out->png = value;
    if (is_rle && (status = check_rle(value, fault, error)) == LM_OK)
        out->rle = value;
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

static enum lm_status read_object(json_t *value, struct segmentation *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    size_t here = fault->length;
    enum lm_status status = read_method(json_object_get(value, "method"), out, fault, error);
    if (status != LM_OK)
        return status;
    fault_leave(fault, here);
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member)
    {
        if (strcmp(key, "method") == 0)
            continue;
        if ((status = read_field(key, member, out, fault, error)) != LM_OK)
            return status;
    }
    if (out->custom && !out->png == !out->rle)
        return fault_malformed(fault, error,
                               "segmentation: the method \"custom\" needs one of png16, rle");
    return LM_OK;
}

/* Files are the machine's own, not the caller's. */
static enum lm_status read_text(const char *text, struct segmentation *out,
                                struct codec_fault *fault, struct lm_error *error)
{
    char shown[60];
    fault_clip_text(shown, sizeof shown, text);
    size_t future = future_method(text);
    if (future) {
        shown[future] = '\0';
        return fail_not_built(shown, fault, error);
    }
    if (strncmp(text, "custom", 6) == 0)
        return lm_fail(
            error, LM_INVALID,
            "segmentation: \"%s\" is not read here; send the map itself, as {\"method\": "
            "\"custom\", \"png16\": \"<base64>\"}",
            shown);
    if (segmentation_parse(text, out, NULL) == LM_OK)
        return LM_OK;
    return lm_fail(
        error, LM_INVALID,
        "segmentation: \"%s\" is none of slic:N, grid:ROWSxCOLUMNS, grid:PIXELS (numbers "
        "from 1 to %d)",
        shown, LM_SEGMENTS_MAX);
}

enum lm_status segmentation_from_json(json_t *value, struct segmentation *out,
                                      struct codec_fault *fault, struct lm_error *error)
{
    struct segmentation result = {0};
    enum lm_status status = LM_OK;
    if (json_is_string(value))
        status = read_text(json_string_value(value), &result, fault, error);
    else if (json_is_object(value))
        status = read_object(value, &result, fault, error);
    else if (value)
        status = fault_type(fault, error, "segmentation", "an object or a string", value);
    if (status != LM_OK)
        return status;
    json_incref(result.png);
    json_incref(result.rle);
    *out = result;
    return LM_OK;
}
