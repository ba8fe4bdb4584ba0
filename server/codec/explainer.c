/* Explains one picture.  The order of the work is that of explainer_run; what happens inside of
 * lm_explain_lime comes back here as predict(), which runs all samples over the threads. */
#include "codec/explainer.h"

#include <stdlib.h>
#include <string.h>

#include "codec/clock.h"
#include "codec/probability.h"
#include "codec/sample_inputs.h"

/* A crop that cuts off more than this share of a picture is worth a warning. */
#define UNSEEN_WARNING 0.05

/* What the callbacks see. */
struct forward {
    struct batches *batches;
    struct sample_inputs *inputs;
    const struct explainer_options *options;
    struct explained *result;
    bool probabilities; /* the network's outputs are probabilities already */
    const struct lm_samples *samples;
    double *outputs; /* samples x classes */
};

static void fill(void *context, uint32_t index, uint32_t thread, uint32_t slot,
                 const float **planes, const struct lm_mask **visible)
{
    const struct forward *forward = context;
    const uint8_t *z = forward->samples->z + (size_t)index * forward->samples->segments;
    sample_inputs_fill(forward->inputs, z, thread, slot, planes, visible);
}

static enum lm_status take(void *context, uint32_t first, uint32_t n, const float *logits,
                           uint32_t thread, struct lm_error *error)
{
    const struct forward *forward = context;
    uint32_t classes = forward->result->classes;
    (void)thread;
    for (uint32_t i = 0; i < n; i++) {
        double *row = forward->outputs + (size_t)(first + i) * classes;
        enum lm_status status = probability_from_logits(logits + (size_t)i * classes, classes,
                                                        forward->probabilities, row, error);
        if (status != LM_OK)
            return status;
    }
    return LM_OK;
}

/* lm_predict_fn */
static enum lm_status predict(void *context, const struct lm_samples *samples, double *outputs,
                              struct lm_error *error)
{
    struct forward *forward = context;
    struct explained *result = forward->result;
    forward->samples = samples;
    forward->outputs = outputs;
    const struct batches_work work = {
        .count = samples->count,
        .context = forward,
        .fill = fill,
        .take = take,
        .progress = forward->options->progress,
        .progress_context = forward->options->progress_context,
    };
    double start = clock_ms();
    enum lm_status status = batches_run(forward->batches, &work, error);
    result->forward_ms = clock_ms() - start;
    result->forward_passes = samples->count;
    if (status == LM_OK) /* sample 0 has everything visible */
        memcpy(result->probabilities, outputs, result->classes * sizeof *outputs);
    return status;
}

static enum lm_status segment(const struct picture_input *input,
                              const struct explainer_options *options, struct explained *result,
                              struct lm_error *error)
{
    double start = clock_ms();
    enum lm_status status =
        segmentation_run(&options->segmentation, input, &result->segments, &result->ids, error);
    if (status == LM_OK)
        status = placement_create(&result->segments, &input->transform, &result->placement, error);
    result->segment_ms = clock_ms() - start;
    return status;
}

static enum lm_status run_lime(const struct model_dir *dir, struct batches *batches,
                               const struct picture_input *input,
                               const struct explainer_options *options, struct explained *result,
                               struct lm_error *error)
{
    struct forward forward = {.batches = batches,
                              .options = options,
                              .result = result,
                              .probabilities = dir->about.probabilities};
    result->probabilities = calloc(result->classes, sizeof *result->probabilities);
    if (!result->probabilities)
        return lm_fail(error, LM_NOMEM, "out of memory for %u probabilities", result->classes);
    enum lm_status status = sample_inputs_create(
        &options->masking, &dir->about.preprocess, input->planes, &result->segments,
        batches_threads(batches), batches_size(batches), &forward.inputs, error);
    if (status != LM_OK)
        return status;
    double start = clock_ms();
    status = lm_explain_lime(&options->lime, result->segments.count, result->classes,
                             options->labels, options->n_labels ? options->n_labels : 1, predict,
                             &forward, &result->lime, error);
    result->fit_ms = clock_ms() - start - result->forward_ms;
    sample_inputs_free(forward.inputs);
    return status;
}

static enum lm_status collect_warnings(const struct picture_input *input, struct explained *result,
                                       struct lm_error *error)
{
    result->warnings = json_array();
    int failed = !result->warnings;
    for (uint32_t i = 0; i < result->lime.n_warnings; i++)
        failed |= json_array_append_new(result->warnings, json_string(result->lime.warnings[i]));
    if (input->unseen > UNSEEN_WARNING)
        failed |= json_array_append_new(
            result->warnings,
            json_sprintf("%.0f %% of the picture is cut off by the crop; the network never saw it.",
                         100 * input->unseen));
    return failed ? lm_fail(error, LM_NOMEM, "out of memory for warnings") : LM_OK;
}

enum lm_status explainer_run(const struct model_dir *dir, struct batches *batches,
                             const struct picture_input *input,
                             const struct explainer_options *options, struct explained *out,
                             struct lm_error *error)
{
    if (options->lime.samples > EXPLAINER_MAX_SAMPLES)
        return lm_fail(error, LM_LIMIT, "samples: %u is above the limit of %d",
                       options->lime.samples, EXPLAINER_MAX_SAMPLES);
    struct explained result = {.classes = batches_classes(batches)};
    enum lm_status status = segment(input, options, &result, error);
    if (status == LM_OK)
        status = run_lime(dir, batches, input, options, &result, error);
    if (status == LM_OK)
        status = collect_warnings(input, &result, error);
    if (status != LM_OK) {
        explained_free(&result);
        return status;
    }
    *out = result;
    return LM_OK;
}

void explained_free(struct explained *explained)
{
    if (!explained)
        return;
    lm_segments_free(&explained->segments);
    free(explained->ids);
    placement_free(&explained->placement);
    lm_explanation_free(&explained->lime);
    free(explained->probabilities);
    json_decref(explained->warnings);
    *explained = (struct explained){0};
}
