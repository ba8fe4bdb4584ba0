/* Explanations as JSON.  Builders return NULL when out of memory (or for a number that is not
 * finite), and a NULL put into an object or a list makes that fail in turn, so that only the outer
 * functions look. */
#include <stdlib.h>
#include <string.h>

#include "codec/answer.h"
#include "codec/answer_part.h"
#include "codec/base64.h"
#include "codec/drawing.h"

struct include_name {
    const char *name;
    unsigned flag;
};

static const struct include_name include_names[] = {
    {"segments", ANSWER_SEGMENTS}, {"heatmap", ANSWER_HEATMAP}, {"overlay", ANSWER_OVERLAY},
    {"samples", ANSWER_SAMPLES},   {"timing", ANSWER_TIMING},
};

enum lm_status answer_include_parse(const char *text, unsigned *out, struct lm_error *error)
{
    unsigned flags = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ","), i = 0, n = sizeof include_names / sizeof include_names[0];
        while (i < n && (strlen(include_names[i].name) != length ||
                         strncmp(include_names[i].name, at, length) != 0))
            i++;
        if (i == n)
            return lm_fail(error, LM_INVALID,
                           "include: \"%.*s\" is none of segments, heatmap, overlay, samples, "
                           "timing",
                           (int)(length < 40 ? length : 40), at);
        flags |= include_names[i].flag;
        at += length;
        if (*at == '\0')
            break;
    }
    *out = flags;
    return LM_OK;
}

/* Appends and takes over; a NULL list or item makes the list NULL. */
static json_t *append(json_t *list, json_t *item)
{
    if (list && json_array_append_new(list, item) == 0)
        return list;
    if (!list)
        json_decref(item);
    json_decref(list);
    return NULL;
}

static json_t *append_run(json_t *list, int32_t label, json_int_t run)
{
    return append(append(list, json_integer(label)), json_integer(run));
}

/* [label, run, label, run, ...] */
static json_t *label_runs(const struct lm_segments *segments)
{
    json_t *list = json_array();
    size_t pixels = (size_t)segments->width * segments->height, start = 0;
    for (size_t i = 1; i <= pixels && list; i++) {
        if (i < pixels && segments->labels[i] == segments->labels[start])
            continue;
        list = append_run(list, segments->labels[start], (json_int_t)(i - start));
        start = i;
    }
    return list;
}

static json_t *ids_list(const int64_t *ids, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        list = append(list, json_integer(ids[i]));
    return list;
}

static json_t *segmentation_object(const struct segmentation *segmentation,
                                   const struct explained *explained)
{
    const struct lm_segments *segments = &explained->segments;
    json_t *object =
        json_pack("{s:s, s:I, s:[I,I], s:o}", "method", segmentation_method(segmentation),
                  "n_segments", (json_int_t)segments->count, "size", (json_int_t)segments->height,
                  (json_int_t)segments->width, "labels_rle", label_runs(segments));
    if (object && explained->ids &&
        json_object_set_new(object, "ids", ids_list(explained->ids, segments->count)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *weight_object(const struct placement *placement, const struct lm_weight *weight)
{
    const struct placement_box *box = &placement->boxes[weight->segment];
    return json_pack("{s:I, s:f, s:f, s:f, s:[I,I,I,I]}", "segment", (json_int_t)weight->segment,
                     "weight", weight->weight, "stderr", weight->standard_error, "area",
                     placement->areas[weight->segment], "bbox", (json_int_t)box->x,
                     (json_int_t)box->y, (json_int_t)box->width, (json_int_t)box->height);
}

static json_t *label_object(const struct model_dir *dir, const struct explained *explained,
                            const struct lm_label_explanation *label)
{
    json_t *weights = json_array();
    for (uint32_t i = 0; i < label->n_weights; i++)
        weights = append(weights, weight_object(&explained->placement, &label->weights[i]));
    return json_pack("{s:I, s:o, s:f, s:f, s:f, s:f, s:o}", "index", (json_int_t)label->label,
                     "label", answer_label(dir->labels, label->label), "probability", label->output,
                     "intercept", label->intercept, "local_prediction", label->local_prediction,
                     "score", label->score, "weights", weights);
}

static json_t *labels_list(const struct model_dir *dir, const struct explained *explained)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < explained->lime.n_labels; i++)
        list = append(list, label_object(dir, explained, &explained->lime.labels[i]));
    return list;
}

/* Thousands of zeros and ones are two values, shared: 8 bytes each instead of 40. */
static json_t *bits_list(const uint8_t *bits, uint32_t n, json_t *const values[2])
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n && list; i++)
        list = append(list, json_incref(values[bits[i]]));
    return list;
}

static json_t *outputs_list(const double *outputs, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n && list; i++)
        list = append(list, json_real(outputs[i]));
    return list;
}

static json_t *samples_object(const struct lm_explanation *lime)
{
    const struct lm_samples *samples = &lime->samples;
    json_t *values[2] = {json_integer(0), json_integer(1)};
    json_t *z = values[0] && values[1] ? json_array() : NULL, *outputs = json_array();
    for (uint32_t i = 0; i < samples->count && z && outputs; i++) {
        const uint8_t *bits = samples->z + (size_t)i * samples->segments;
        z = append(z, bits_list(bits, samples->segments, values));
        outputs = append(outputs,
                         outputs_list(lime->outputs + (size_t)i * lime->n_labels, lime->n_labels));
    }
    json_decref(values[0]);
    json_decref(values[1]);
    return json_pack("{s:I, s:o, s:o}", "count", (json_int_t)samples->count, "z", z, "outputs",
                     outputs);
}

static json_t *timing_object(const struct explained *explained)
{
    return json_pack("{s:f, s:f, s:f, s:I}", "segment_ms", explained->segment_ms, "forward_ms",
                     explained->forward_ms, "fit_ms", explained->fit_ms, "forward_passes",
                     (json_int_t)explained->forward_passes);
}

/* {"segment", "rle": {"size", "counts"}} in pixels of the picture. */
static json_t *segment_object(const struct placement *placement, uint32_t segment)
{
    struct lm_mask mask = {0};
    char *counts = NULL;
    json_t *object = NULL;
    if (lm_mask_create(placement->width, placement->height, &mask, NULL) != LM_OK)
        return NULL;
    lm_mask_add_segment(&mask, placement->labels, (int32_t)segment);
    if (lm_mask_rle_string(&mask, &counts, NULL) == LM_OK)
        object = json_pack("{s:I, s:{s:[I,I], s:s}}", "segment", (json_int_t)segment, "rle", "size",
                           (json_int_t)placement->height, (json_int_t)placement->width, "counts",
                           counts);
    free(counts);
    lm_mask_free(&mask);
    return object;
}

static json_t *segments_list(const struct placement *placement)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < placement->count && list; i++)
        list = append(list, segment_object(placement, i));
    return list;
}

/* A drawing as PNG in base64, put into `result` under `key`. */
static enum lm_status add_drawing(const struct model_dir *dir, const struct picture_input *input,
                                  const struct explained *explained,
                                  const struct lm_render_options *render, enum lm_render_kind kind,
                                  const char *key, json_t *result, struct lm_error *error)
{
    struct lm_render_options options = *render;
    options.kind = kind;
    uint8_t *png = NULL;
    size_t size = 0;
    char *text = NULL;
    enum lm_status status = drawing_png(dir, input, explained, 0, &options, &png, &size, error);
    if (status == LM_OK)
        status = codec_base64_encode(png, size, &text, error);
    if (status == LM_OK && json_object_set_new(result, key, json_string(text)) != 0)
        status = answer_fail(error);
    free(png);
    free(text);
    return status;
}

static json_t *base_object(const struct model_dir *dir, const struct picture_input *input,
                           const struct explainer_options *options,
                           const struct explained *explained)
{
    char masking[MASKING_NAME_BYTES];
    masking_name(&options->masking, masking);
    const struct lm_samples *samples = &explained->lime.samples;
    return json_pack("{s:s, s:s, s:I, s:I, s:b, s:b, s:o, s:o, s:b, s:O, s:f}", "method", "lime",
                     "masking", masking, "seed", (json_int_t)options->lime.seed, "samples",
                     (json_int_t)samples->count, "exact", samples->exact, "converged", 1,
                     "segmentation", segmentation_object(&options->segmentation, explained),
                     "labels", labels_list(dir, explained), "complete", 1, "warnings",
                     explained->warnings, "unseen", input->unseen);
}

static bool add_parts(const struct explained *explained, unsigned include, json_t *result)
{
    bool failed = false;
    if (include & ANSWER_SAMPLES)
        failed |= json_object_set_new(result, "samples", samples_object(&explained->lime)) != 0;
    if (include & ANSWER_SEGMENTS)
        failed |=
            json_object_set_new(result, "segments", segments_list(&explained->placement)) != 0;
    if (include & ANSWER_TIMING)
        failed |= json_object_set_new(result, "timing", timing_object(explained)) != 0;
    return !failed;
}

enum lm_status answer_explanation(const struct model_dir *dir, const struct picture_input *input,
                                  const struct explainer_options *options,
                                  const struct explained *explained, unsigned include,
                                  const struct lm_render_options *render, json_t **out,
                                  struct lm_error *error)
{
    json_t *result = base_object(dir, input, options, explained);
    if (!result)
        return answer_fail(error);
    enum lm_status status = add_parts(explained, include, result) ? LM_OK : answer_fail(error);
    if (status == LM_OK && include & ANSWER_HEATMAP)
        status =
            add_drawing(dir, input, explained, render, LM_RENDER_HEATMAP, "heatmap", result, error);
    if (status == LM_OK && include & ANSWER_OVERLAY)
        status =
            add_drawing(dir, input, explained, render, LM_RENDER_OVERLAY, "overlay", result, error);
    if (status != LM_OK) {
        json_decref(result);
        return status;
    }
    *out = result;
    return LM_OK;
}
