/* The parameters of explanations, a row in the table for each.  Ranges are those of the engine and
 * of the command line. */
#include "codec/explain_parameters.h"

#include <string.h>

#include "codec/answer.h"
#include "codec/drawing.h"
#include "codec/parameter.h"
#include "codec/request_picture.h"

enum { MAX_FEATURES = 1000000000 };
static const json_int_t max_seed = (json_int_t)1 << 53; /* whole numbers that any JSON reader has */

/* lm_explain_lime's own limit of outputs of all samples. */
#define MAX_OUTPUTS ((uint64_t)1 << 28)

struct reading {
    const struct call_terms *terms;
    struct explain_parameters *out;
    struct parameter_place place; /* of the parameter that is being read */
    uint32_t top_labels;
};

typedef enum lm_status read_parameter(struct reading *reading, json_t *value);

static enum lm_status read_count(struct reading *reading, const json_t *value, uint32_t high,
                                 uint32_t *out)
{
    json_int_t number = 0;
    enum lm_status status = parameter_whole(&reading->place, value, 1, high, &number);
    if (status == LM_OK)
        *out = (uint32_t)number;
    return status;
}

static enum lm_status read_method(struct reading *reading, json_t *value)
{
    static const char *const future[] = {"kernel_shap", "occlusion", "rise", NULL};
    return parameter_word(&reading->place, value, "lime", future);
}

static enum lm_status read_preset(struct reading *reading, json_t *value)
{
    static const char *const future[] = {"captum", NULL};
    return parameter_word(&reading->place, value, "lime", future);
}

static enum lm_status read_segmentation(struct reading *reading, json_t *value)
{
    struct segmentation *out = &reading->out->options.segmentation;
    enum lm_status status =
        segmentation_from_json(value, out, reading->place.fault, reading->place.error);
    out->max_segments = reading->terms->limits->segments;
    return status;
}

static enum lm_status leave_masking(struct reading *reading, json_t *value)
{
    (void)reading;
    (void)value;
    return LM_OK;
}

static enum lm_status read_samples(struct reading *reading, json_t *value)
{
    uint32_t limit = reading->terms->limits->samples;
    if (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0)
        return parameter_fail_future(&reading->place, "\"auto\" ", "; a number is");
    if (json_is_integer(value) && json_integer_value(value) > limit)
        return lm_fail(reading->place.error, LM_LIMIT,
                       "parameters.samples is %" JSON_INTEGER_FORMAT ", above the limit of %u",
                       json_integer_value(value), limit);
    return read_count(reading, value, limit, &reading->out->options.lime.samples);
}

static enum lm_status read_future(struct reading *reading, json_t *value)
{
    (void)value;
    return parameter_fail_future(&reading->place, "", "");
}

static enum lm_status read_seed(struct reading *reading, json_t *value)
{
    json_int_t seed = 0;
    enum lm_status status = parameter_whole(&reading->place, value, 0, max_seed, &seed);
    reading->out->options.lime.seed = (uint64_t)seed;
    return status;
}

static enum lm_status read_probability(struct reading *reading, json_t *value)
{
    return parameter_real(&reading->place, value, 0.01, 0.99, &reading->out->options.lime.keep);
}

static enum lm_status read_kernel_width(struct reading *reading, json_t *value)
{
    return parameter_real(&reading->place, value, 1e-6, 1e6,
                          &reading->out->options.lime.kernel_width);
}

static enum lm_status read_alpha(struct reading *reading, json_t *value)
{
    return parameter_real(&reading->place, value, 1e-9, 1e12, &reading->out->options.lime.alpha);
}

static enum lm_status read_num_features(struct reading *reading, json_t *value)
{
    return read_count(reading, value, MAX_FEATURES, &reading->out->options.lime.num_features);
}

static enum lm_status read_labels(struct reading *reading, json_t *value)
{
    return label_choice_from_json(value, reading->terms->dir->labels, reading->terms->info->classes,
                                  &reading->out->labels, reading->place.fault,
                                  reading->place.error);
}

static enum lm_status read_top_labels(struct reading *reading, json_t *value)
{
    return read_count(reading, value, LABEL_CHOICE_MAX, &reading->top_labels);
}

static enum lm_status add_include(struct reading *reading, const json_t *value)
{
    const char *text = json_string_value(value), *future = text ? strstr(text, "evaluation") : NULL;
    char shown[100];
    unsigned flags = 0;
    if (!text)
        return parameter_fail_type(&reading->place, "a list of strings", value);
    if (future && (future == text || future[-1] == ',') && (!future[10] || future[10] == ','))
        return parameter_fail_future(&reading->place, "\"evaluation\" ", "");
    fault_clip_text(shown, sizeof shown, text);
    enum lm_status status = answer_include_parse(shown, &flags, reading->place.error);
    reading->out->include |= flags;
    return status;
}

static enum lm_status read_include(struct reading *reading, json_t *value)
{
    if (!json_is_array(value))
        return add_include(reading, value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t here = fault_enter_index(reading->place.fault, i);
        const json_t *name = json_array_get(value, i);
        if (json_is_string(name) && strchr(json_string_value(name), ','))
            return lm_fail(reading->place.error, LM_INVALID,
                           "parameters.include: commas are for text, not for names in a list");
        enum lm_status status = add_include(reading, name);
        if (status != LM_OK)
            return status;
        fault_leave(reading->place.fault, here);
    }
    return LM_OK;
}

static enum lm_status read_render(struct reading *reading, json_t *value)
{
    char shown[60];
    if (!json_is_string(value))
        return parameter_fail_type(&reading->place, "a string", value);
    fault_clip_text(shown, sizeof shown, json_string_value(value));
    return drawing_kind_parse(shown, &reading->out->render.kind, reading->place.error);
}

static enum lm_status read_colormap(struct reading *reading, json_t *value)
{
    char shown[60];
    if (!json_is_string(value))
        return parameter_fail_type(&reading->place, "a string", value);
    fault_clip_text(shown, sizeof shown, json_string_value(value));
    return drawing_colormap_parse(shown, &reading->out->render.colormap, reading->place.error);
}

static enum lm_status read_opacity(struct reading *reading, json_t *value)
{
    return parameter_real(&reading->place, value, 0.01, 1, &reading->out->render.alpha);
}

static enum lm_status read_top_segments(struct reading *reading, json_t *value)
{
    return read_count(reading, value, SEGMENTATION_MAX_SEGMENTS,
                      &reading->out->render.top_segments);
}

static const struct parameter {
    const char *name;
    read_parameter *read;
} table[] = {
    {"method", read_method},
    {"preset", read_preset},
    {"segmentation", read_segmentation},
    {"masking", leave_masking},
    {"samples", read_samples},
    {"seed", read_seed},
    {"probability", read_probability},
    {"kernel_width", read_kernel_width},
    {"alpha", read_alpha},
    {"num_features", read_num_features},
    {"labels", read_labels},
    {"top_labels", read_top_labels},
    {"include", read_include},
    {"render", read_render},
    {"colormap", read_colormap},
    {"opacity", read_opacity},
    {"top_segments", read_top_segments},
    /* these go with samples: "auto" and deadlines */
    {"tolerance", read_future},
    {"max_samples", read_future},
    {"deadline_ms", read_future},
};

static const struct parameter *find_parameter(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static enum lm_status read_all(struct reading *reading, json_t *parameters)
{
    const char *key;
    json_t *value;
    json_object_foreach(parameters, key, value)
    {
        const struct parameter *parameter = find_parameter(key);
        if (!parameter)
            return fault_unknown(reading->place.fault, reading->place.error, "parameters", key);
        size_t here = fault_enter_key(reading->place.fault, key);
        reading->place.name = parameter->name;
        enum lm_status status = parameter->read(reading, value);
        if (status != LM_OK)
            return status;
        fault_leave(reading->place.fault, here);
    }
    return LM_OK;
}

/* Of labels and top_labels, the latter. */
static void choose_labels(const struct reading *reading)
{
    struct explain_parameters *out = reading->out;
    uint32_t top = reading->top_labels ? reading->top_labels : 1;
    uint32_t classes = reading->terms->info->classes;
    bool listed = out->labels.n && !reading->top_labels;
    out->options.labels = listed ? out->labels.indices : NULL;
    out->options.n_labels = listed ? out->labels.n : top < classes ? top : classes;
}

static enum lm_status check_outputs(const struct reading *reading)
{
    uint64_t samples = reading->out->options.lime.samples, classes = reading->terms->info->classes;
    if (samples * classes <= MAX_OUTPUTS)
        return LM_OK;
    fault_enter_key(reading->place.fault, "samples");
    return lm_fail(reading->place.error, LM_LIMIT,
                   "parameters.samples is %llu, above the limit of %llu for %llu classes",
                   (unsigned long long)samples, (unsigned long long)(MAX_OUTPUTS / classes),
                   (unsigned long long)classes);
}

enum lm_status explain_parameters_read(json_t *parameters, const struct call_terms *terms,
                                       struct explain_parameters *out, struct codec_fault *fault,
                                       struct lm_error *error)
{
    const uint32_t samples = 1000, limit = terms->limits->samples;
    struct reading reading = {
        .terms = terms, .out = out, .place = {.fault = fault, .error = error}};
    *out = (struct explain_parameters){
        .options.lime.samples = samples < limit ? samples : limit,
        .options.segmentation.max_segments = terms->limits->segments,
    };
    size_t here = request_enter_parameters(fault);
    enum lm_status status = read_all(&reading, parameters);
    if (status == LM_OK)
        status = check_outputs(&reading);
    if (status != LM_OK) {
        explain_parameters_free(out);
        return status;
    }
    fault_leave(fault, here);
    choose_labels(&reading);
    return LM_OK;
}

void explain_parameters_free(struct explain_parameters *parameters)
{
    segmentation_free(&parameters->options.segmentation);
    *parameters = (struct explain_parameters){0};
}
