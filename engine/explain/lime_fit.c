/* Fitting given samples and outputs: checks, the loop over labels, and the explanation's upkeep. */
#include <inttypes.h>

#include "base/memory.h"
#include "explain/lime_parts.h"
#include "explain/samples.h"
#include "explain/surrogate.h"

static enum lm_status check_samples(const struct lm_samples *samples, struct lm_error *error)
{
    enum lm_status status = samples_check_size(samples->segments, samples->count, error);
    if (status != LM_OK)
        return status;
    if (samples->segments > GRAM_MAX_SIZE)
        return lm_fail(error, LM_LIMIT, "segments is %" PRIu32 ", above the limit of %d for a fit",
                       samples->segments, GRAM_MAX_SIZE);
    size_t segments = samples->segments, cells = samples->count * segments;
    for (size_t cell = 0; cell < cells; cell++)
        if (samples->z[cell] > 1 || (cell < segments && samples->z[cell] != 1))
            return lm_fail(error, LM_INVALID, "sample %zu, segment %zu is %d, it must be %s",
                           cell / segments, cell % segments, samples->z[cell],
                           cell < segments ? "1 (the first sample is all visible)" : "0 or 1");
    return LM_OK;
}

/* The explained columns of outputs, and the labels' names. */
static enum lm_status take_outputs(struct lm_explanation *e, const double *outputs,
                                   uint32_t n_outputs, const uint32_t *labels, uint32_t count,
                                   struct lm_error *error)
{
    e->outputs = array_alloc((size_t)count * e->n_labels, sizeof *e->outputs);
    e->labels = array_zalloc(e->n_labels, sizeof *e->labels);
    if (!e->outputs || !e->labels)
        return lm_fail(error, LM_NOMEM,
                       "out of memory for %" PRIu32 " labels of %" PRIu32 " samples", e->n_labels,
                       count);
    for (size_t i = 0; i < count; i++)
        for (size_t l = 0; l < e->n_labels; l++)
            e->outputs[i * e->n_labels + l] = outputs[i * n_outputs + labels[l]];
    for (size_t l = 0; l < e->n_labels; l++)
        e->labels[l].label = labels[l];
    return LM_OK;
}

/* What the samples and all labels together give reason to say. */
static enum lm_status add_warnings(const struct surrogates *fit, struct lm_explanation *e,
                                   struct lm_error *error)
{
    const struct gram *gram = &fit->gram;
    struct lime_facts facts = {.kernel_width = fit->options->kernel_width,
                               .effective_samples =
                                   gram->weight_sum * gram->weight_sum / gram->square_sum,
                               .no_freedom = fit->no_freedom};
    return lime_warnings_add(e, fit->samples, &facts, error);
}

static enum lm_status fit_labels(const struct lm_lime_options *options,
                                 const struct lm_samples *samples, struct lm_explanation *e,
                                 struct lm_error *error)
{
    struct surrogates fit = {0};
    enum lm_status status = surrogates_create(options, samples, &fit, error);
    for (uint32_t l = 0; status == LM_OK && l < e->n_labels; l++)
        status = surrogates_fit(&fit, e->outputs + l, e->n_labels, &e->labels[l], error);
    if (status == LM_OK)
        status = add_warnings(&fit, e, error);
    surrogates_free(&fit);
    return status;
}

enum lm_status lm_lime_fit(const struct lm_lime_options *options, struct lm_samples *samples,
                           const double *outputs, uint32_t n_outputs, const uint32_t *labels,
                           uint32_t n_labels, struct lm_explanation *out, struct lm_error *error)
{
    struct lm_lime_options resolved;
    struct lm_explanation e = {.n_labels = n_labels};
    enum lm_status status = lime_options_resolve(options, &resolved, error);
    if (status == LM_OK)
        status = check_samples(samples, error);
    if (status == LM_OK)
        status = lime_labels_check(labels, n_labels, n_outputs, error);
    if (status == LM_OK)
        status = lime_outputs_check(outputs, samples->count, n_outputs, error);
    if (status == LM_OK)
        status = take_outputs(&e, outputs, n_outputs, labels, samples->count, error);
    if (status == LM_OK)
        status = fit_labels(&resolved, samples, &e, error);
    if (status != LM_OK) {
        lm_explanation_free(&e);
        return status;
    }
    e.samples = *samples;
    *samples = (struct lm_samples){0};
    *out = e;
    return LM_OK;
}

void lm_explanation_free(struct lm_explanation *explanation)
{
    if (!explanation)
        return;
    for (uint32_t i = 0; explanation->labels && i < explanation->n_labels; i++)
        free(explanation->labels[i].weights);
    for (uint32_t i = 0; i < explanation->n_warnings; i++)
        free(explanation->warnings[i]);
    free(explanation->labels);
    free(explanation->warnings);
    free(explanation->outputs);
    lm_samples_free(&explanation->samples);
    *explanation = (struct lm_explanation){0};
}
