/* Segmentations in JSON, with scikit-image's names.  What the engine refuses (two ways of giving a
 * grid, numbers out of range) is left to the engine; here are names and types. */
#include <stdio.h>
#include <string.h>

#include "codec/segmentation.h"

/* The fields with numbers: one of the two pointers is set. */
struct number_field {
    const char *name;
    uint32_t *count;
    double *real;
};

static enum lm_status read_method(const json_t *value, struct lm_segment_options *out,
                                  struct codec_fault *fault, struct lm_error *error)
{
    if (!json_is_string(value))
        return fault_type(fault, error, "segmentation.method", "a string", value);
    if (strcmp(json_string_value(value), "slic") == 0)
        out->method = LM_SEGMENT_SLIC;
    else if (strcmp(json_string_value(value), "grid") == 0)
        out->method = LM_SEGMENT_GRID;
    else
        return lm_fail(error, LM_INVALID, "segmentation.method must be \"slic\" or \"grid\"");
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
    if (count < 1 || count > LM_SEGMENTS_MAX)
        return lm_fail(error, LM_INVALID, "%s is %" JSON_INTEGER_FORMAT "; must be from 1 to %d",
                       name, count, LM_SEGMENTS_MAX);
    *field->count = (uint32_t)count;
    return LM_OK;
}

static enum lm_status read_field(const char *key, const json_t *value,
                                 struct lm_segment_options *out, struct codec_fault *fault,
                                 struct lm_error *error)
{
    const struct number_field fields[] = {
        {"n_segments", &out->n_segments, NULL},
        {"rows", &out->rows, NULL},
        {"columns", &out->columns, NULL},
        {"cell", &out->cell, NULL},
        {"max_num_iter", &out->max_num_iter, NULL},
        {"compactness", NULL, &out->compactness},
        {"sigma", NULL, &out->sigma},
        {"min_size_factor", NULL, &out->min_size_factor},
        {"max_size_factor", NULL, &out->max_size_factor},
    };
    bool is_method = strcmp(key, "method") == 0;
    size_t i = 0, n = sizeof fields / sizeof fields[0];
    while (i < n && strcmp(fields[i].name, key) != 0)
        i++;
    if (!is_method && i == n)
        return fault_unknown(fault, error, "segmentation", key);
    size_t here = fault_enter_key(fault, key);
    enum lm_status status = is_method ? read_method(value, out, fault, error)
                                      : read_number(value, &fields[i], fault, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

enum lm_status segmentation_from_json(json_t *value, struct segmentation *out,
                                      struct codec_fault *fault, struct lm_error *error)
{
    struct segmentation result = {0};
    if (value && !json_is_object(value))
        return fault_type(fault, error, "segmentation", "an object", value);
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member)
    {
        enum lm_status status = read_field(key, member, &result.options, fault, error);
        if (status != LM_OK)
            return status;
    }
    *out = result;
    return LM_OK;
}
