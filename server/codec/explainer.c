/* Explains one picture.  The engine's own lm_explain_lime checks the request and draws the samples,
 * and is stopped there (see keep_samples), since a scheduler has to come between drawing and
 * fitting.  Micro-batches write to rows of their own of `outputs`, so they need no lock. */
#include "codec/explainer.h"

#include <stdlib.h>
#include <string.h>

#include "codec/clock.h"
#include "codec/probability.h"
#include "codec/sample_inputs.h"

/* A crop that cuts off more than this share of a picture is worth a warning. */
#define UNSEEN_WARNING 0.05

struct explainer {
    struct explainer_options options;
    const struct picture_input *input;
    bool probabilities; /* the network's outputs are probabilities already */
    struct sample_inputs *inputs;
    struct lm_samples samples;
    double *outputs; /* samples x classes */
    struct batches_work work;
    struct explained result;
    double prepared_ms; /* when that was */
};

static enum lm_status fill(void *context, uint32_t index, uint32_t thread, uint32_t slot,
                           const float **planes, const struct lm_mask **visible,
                           struct lm_error *error)
{
    const struct explainer *explainer = context;
    const uint8_t *z = explainer->samples.z + (size_t)index * explainer->samples.segments;
    (void)error;
    sample_inputs_fill(explainer->inputs, z, thread, slot, planes, visible);
    return LM_OK;
}

static enum lm_status take(void *context, uint32_t first, uint32_t n, const float *logits,
                           uint32_t thread, struct lm_error *error)
{
    const struct explainer *explainer = context;
    uint32_t classes = explainer->result.classes;
    (void)thread;
    for (uint32_t i = 0; i < n; i++) {
        double *row = explainer->outputs + (size_t)(first + i) * classes;
        enum lm_status status = probability_from_logits(logits + (size_t)i * classes, classes,
                                                        explainer->probabilities, row, error);
        if (status != LM_OK)
            return status;
    }
    return LM_OK;
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

/* lm_predict_fn: keeps a copy of the samples and stops lm_explain_lime with LM_CANCELLED, or with
 * what went wrong. */
static enum lm_status keep_samples(void *context, const struct lm_samples *samples, double *outputs,
                                   struct lm_error *error)
{
    struct lm_samples *kept = context;
    size_t bytes = (size_t)samples->count * samples->segments;
    (void)outputs;
    uint8_t *z = malloc(bytes ? bytes : 1);
    if (!z)
        return lm_fail(error, LM_NOMEM, "out of memory for %u samples", samples->count);
    memcpy(z, samples->z, bytes);
    *kept = *samples;
    kept->z = z;
    return LM_CANCELLED;
}

static enum lm_status draw_samples(struct explainer *explainer, struct lm_error *error)
{
    const struct explainer_options *options = &explainer->options;
    struct explained *result = &explainer->result;
    struct lm_explanation none = {0};
    struct lm_error reason = {0};
    enum lm_status status =
        lm_explain_lime(&options->lime, result->segments.count, result->classes, options->labels,
                        options->n_labels, keep_samples, &explainer->samples, &none, &reason);
    if (!explainer->samples.z)
        return lm_fail(error, status, "%s", reason.text);
    explainer->outputs = calloc(explainer->samples.count, result->classes * sizeof(double));
    result->probabilities = calloc(result->classes, sizeof *result->probabilities);
    if (!explainer->outputs || !result->probabilities)
        return lm_fail(error, LM_NOMEM, "out of memory for %u outputs of %u samples",
                       result->classes, explainer->samples.count);
    return LM_OK;
}

enum lm_status explainer_prepare(const struct model_dir *dir, const struct lm_model *model,
                                 uint32_t size, uint32_t threads, const struct picture_input *input,
                                 const struct explainer_options *options, struct explainer **out,
                                 struct lm_error *error)
{
    if (options->lime.samples > EXPLAINER_MAX_SAMPLES)
        return lm_fail(error, LM_LIMIT, "samples: %u is above the limit of %d",
                       options->lime.samples, EXPLAINER_MAX_SAMPLES);
    struct lm_model_info info;
    lm_model_info(model, &info);
    struct explainer *explainer = calloc(1, sizeof *explainer);
    if (!explainer)
        return lm_fail(error, LM_NOMEM, "out of memory for an explanation");
    *explainer = (struct explainer){.options = *options,
                                    .input = input,
                                    .probabilities = dir->about.probabilities,
                                    .result.classes = info.classes};
    if (explainer->options.n_labels == 0)
        explainer->options.n_labels = 1;
    enum lm_status status = segment(input, options, &explainer->result, error);
    if (status == LM_OK)
        status = draw_samples(explainer, error);
    if (status == LM_OK)
        status = sample_inputs_create(&options->masking, &dir->about.preprocess, input->planes,
                                      &explainer->result.segments, threads, size,
                                      &explainer->inputs, error);
    if (status != LM_OK) {
        explainer_free(explainer);
        return status;
    }
    explainer->work = (struct batches_work){
        .count = explainer->samples.count,
        .size = size,
        .picture = options->masking.kind == MASKING_LAYER ? batches_picture() : 0,
        .context = explainer,
        .fill = fill,
        .take = take,
        .progress = options->progress,
        .progress_context = options->progress_context};
    explainer->prepared_ms = clock_ms();
    *out = explainer;
    return LM_OK;
}

const struct batches_work *explainer_work(const struct explainer *explainer)
{
    return &explainer->work;
}

uint32_t explainer_segments(const struct explainer *explainer)
{
    return explainer->result.segments.count;
}

static enum lm_status fit(struct explainer *explainer, struct lm_error *error)
{
    const struct explainer_options *options = &explainer->options;
    struct explained *result = &explainer->result;
    uint32_t *top = NULL;
    if (!options->labels) {
        top = calloc(options->n_labels, sizeof *top);
        if (!top)
            return lm_fail(error, LM_NOMEM, "out of memory for %u labels", options->n_labels);
        probability_top(explainer->outputs, result->classes, options->n_labels, top);
    }
    enum lm_status status = lm_lime_fit(&options->lime, &explainer->samples, explainer->outputs,
                                        result->classes, options->labels ? options->labels : top,
                                        options->n_labels, &result->lime, error);
    free(top);
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

enum lm_status explainer_finish(struct explainer *explainer, struct explained *out,
                                struct lm_error *error)
{
    struct explained *result = &explainer->result;
    double start = clock_ms();
    result->forward_ms = start - explainer->prepared_ms;
    result->forward_passes = explainer->samples.count;
    /* sample 0 has everything visible */
    memcpy(result->probabilities, explainer->outputs, result->classes * sizeof *explainer->outputs);
    enum lm_status status = fit(explainer, error);
    result->fit_ms = clock_ms() - start;
    if (status == LM_OK)
        status = collect_warnings(explainer->input, result, error);
    if (status != LM_OK)
        return status;
    *out = *result;
    *result = (struct explained){0};
    return LM_OK;
}

void explainer_free(struct explainer *explainer)
{
    if (!explainer)
        return;
    sample_inputs_free(explainer->inputs);
    lm_samples_free(&explainer->samples);
    free(explainer->outputs);
    explained_free(&explainer->result);
    free(explainer);
}

/* By part: the picture (its pixels, and those of its segments), the input (planes, masks, what is
 * segmented in), the samples and their outputs, the fit.  In double, where nothing overflows. */
uint64_t explainer_bytes(const struct lm_model *model, const struct explainer_options *options,
                         uint64_t picture_pixels, uint32_t size, uint32_t threads)
{
    struct lm_model_info info;
    lm_model_info(model, &info);
    double pixels = (double)info.height * info.width, slots = (double)size * threads;
    double segments = segmentation_most(&options->segmentation);
    double samples = options->lime.samples ? options->lime.samples : 1000;
    double labels = options->n_labels ? options->n_labels : 1;
    double picture = (double)picture_pixels * 8;
    double input = pixels * (3 + 12 + 16) + slots * (pixels / 8 + 512);
    input += (double)segmentation_bytes(&options->segmentation, picture_pixels,
                                        (uint64_t)info.height * info.width);
    if (options->masking.kind != MASKING_LAYER)
        input += pixels * 12 * (slots + 1);
    double outputs = samples * (segments * 2 + 8 * ((double)info.classes + labels));
    double fit = 40 * segments * segments + labels * (24 * segments + 256);
    double sum = picture + input + outputs + fit + 65536;
    return sum < 0x1p63 ? (uint64_t)sum : UINT64_MAX;
}

enum lm_status explainer_run(const struct model_dir *dir, const struct lm_model *model,
                             struct batches *batches, const struct picture_input *input,
                             const struct explainer_options *options, struct explained *out,
                             struct lm_error *error)
{
    struct explainer *explainer = NULL;
    enum lm_status status =
        explainer_prepare(dir, model, batches_size(batches), batches_threads(batches), input,
                          options, &explainer, error);
    if (status == LM_OK)
        status = batches_run(batches, explainer_work(explainer), error);
    if (status == LM_OK)
        status = explainer_finish(explainer, out, error);
    explainer_free(explainer);
    return status;
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
