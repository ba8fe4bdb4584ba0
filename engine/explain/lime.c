/* LIME from samples to explanation: checks all it can before the expensive part (the callback that
 * runs the network), chooses the labels, and leaves the numbers to lime_fit.c. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "explain/gram.h"
#include "explain/lime_parts.h"
#include "explain/samples.h"

/* Squares of larger outputs would leave the range of a double. */
static const double largest_output = 1e100;

/* samples x outputs of one explanation: 2 GiB. */
static const uint64_t largest_table = UINT64_C(1) << 28;

static enum lm_status check_range(const char *name, double value, double low, double high,
                                  struct lm_error *error)
{
    if (value >= low && value <= high)
        return LM_OK;
    return lm_fail(error, LM_INVALID, "%s is %g, it must be between %g and %g", name, value, low,
                   high);
}

enum lm_status lime_options_resolve(const struct lm_lime_options *options,
                                    struct lm_lime_options *out, struct lm_error *error)
{
    struct lm_lime_options o = options ? *options : (struct lm_lime_options){0};
    if (o.samples == 0)
        o.samples = 1000;
    if (o.keep == 0)
        o.keep = 0.5;
    if (o.kernel_width == 0)
        o.kernel_width = 0.25;
    if (o.alpha == 0)
        o.alpha = 1;
    enum lm_status status = check_range("kernel_width", o.kernel_width, 1e-6, 1e6, error);
    if (status == LM_OK)
        status = check_range("alpha", o.alpha, 1e-9, 1e12, error);
    if (status == LM_OK)
        *out = o;
    return status;
}

enum lm_status lime_labels_check(const uint32_t *labels, uint32_t n_labels, uint32_t n_outputs,
                                 struct lm_error *error)
{
    if (n_labels == 0 || n_labels > n_outputs)
        return lm_fail(error, LM_INVALID,
                       "number of labels is %" PRIu32 ", it must be between 1 and the %" PRIu32
                       " outputs",
                       n_labels, n_outputs);
    if (!labels)
        return LM_OK;
    bool *seen = array_zalloc(n_outputs, sizeof *seen);
    if (!seen)
        return lm_fail(error, LM_NOMEM, "out of memory for %" PRIu32 " labels", n_outputs);
    enum lm_status status = LM_OK;
    for (uint32_t i = 0; status == LM_OK && i < n_labels; i++) {
        if (labels[i] >= n_outputs)
            status = lm_fail(error, LM_INVALID,
                             "label %" PRIu32 " is out of range, there are %" PRIu32 " outputs",
                             labels[i], n_outputs);
        else if (seen[labels[i]])
            status = lm_fail(error, LM_INVALID, "label %" PRIu32 " is asked for twice", labels[i]);
        else
            seen[labels[i]] = true;
    }
    free(seen);
    return status;
}

enum lm_status lime_outputs_check(const double *outputs, uint32_t count, uint32_t n_outputs,
                                  struct lm_error *error)
{
    for (size_t i = 0; i < (size_t)count * n_outputs; i++)
        if (!(fabs(outputs[i]) <= largest_output))
            return lm_fail(
                error, LM_INVALID,
                "output of sample %zu for label %zu is %g, it must be finite and at most "
                "%g",
                i / n_outputs, i % n_outputs, outputs[i], largest_output);
    return LM_OK;
}

struct ranked {
    double value;
    uint32_t label;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->label < y->label ? -1 : x->label > y->label;
}

/* The labels with the largest outputs, or NULL when out of memory. */
static uint32_t *choose_top(const double *outputs, uint32_t n_outputs, uint32_t n_labels)
{
    uint32_t *top = array_alloc(n_labels, sizeof *top);
    struct ranked *ranked = array_alloc(n_outputs, sizeof *ranked);
    if (!top || !ranked) {
        free(top);
        free(ranked);
        return NULL;
    }
    for (uint32_t i = 0; i < n_outputs; i++)
        ranked[i] = (struct ranked){.value = outputs[i], .label = i};
    qsort(ranked, n_outputs, sizeof *ranked, compare_ranked);
    for (uint32_t i = 0; i < n_labels; i++)
        top[i] = ranked[i].label;
    free(ranked);
    return top;
}

static enum lm_status fit_top(const struct lm_lime_options *options, struct lm_samples *samples,
                              const double *outputs, uint32_t n_outputs, uint32_t n_labels,
                              struct lm_explanation *out, struct lm_error *error)
{
    enum lm_status status = lime_outputs_check(outputs, 1, n_outputs, error);
    if (status != LM_OK)
        return status;
    uint32_t *top = choose_top(outputs, n_outputs, n_labels);
    if (!top)
        return lm_fail(error, LM_NOMEM, "out of memory for %" PRIu32 " labels", n_outputs);
    status = lm_lime_fit(options, samples, outputs, n_outputs, top, n_labels, out, error);
    free(top);
    return status;
}

/* What can be refused before any sample is run. */
static enum lm_status check_request(const struct lm_lime_options *options, uint32_t segments,
                                    uint32_t n_outputs, const uint32_t *labels, uint32_t n_labels,
                                    struct lm_error *error)
{
    enum lm_status status = lime_labels_check(labels, n_labels, n_outputs, error);
    if (status != LM_OK)
        return status;
    if (segments > GRAM_MAX_SIZE)
        return lm_fail(error, LM_LIMIT, "segments is %" PRIu32 ", above the limit of %d for a fit",
                       segments, GRAM_MAX_SIZE);
    if ((uint64_t)options->samples * n_outputs > largest_table)
        return lm_fail(error, LM_LIMIT,
                       "samples x outputs is %" PRIu32 " x %" PRIu32
                       ", above the limit of %" PRIu64,
                       options->samples, n_outputs, largest_table);
    return LM_OK;
}

static enum lm_status run_samples(lm_predict_fn predict, void *context,
                                  const struct lm_samples *samples, double *outputs,
                                  struct lm_error *error)
{
    enum lm_status status = predict(context, samples, outputs, error);
    if (status != LM_OK) /* the callback's own text, if it gave one, stays */
        lm_fail(error, status, "running %" PRIu32 " samples: %s", samples->count,
                lm_status_name(status));
    return status;
}

enum lm_status lm_explain_lime(const struct lm_lime_options *options, uint32_t segments,
                               uint32_t n_outputs, const uint32_t *labels, uint32_t n_labels,
                               lm_predict_fn predict, void *context, struct lm_explanation *out,
                               struct lm_error *error)
{
    struct lm_lime_options o;
    struct lm_samples samples = {0};
    double *outputs = NULL;
    enum lm_status status = lime_options_resolve(options, &o, error);
    if (status == LM_OK)
        status = check_request(&o, segments, n_outputs, labels, n_labels, error);
    if (status == LM_OK)
        status = lm_samples_draw(segments, o.samples, o.keep, o.seed, &samples, error);
    if (status != LM_OK)
        goto done;

    outputs = array_alloc((size_t)samples.count * n_outputs, sizeof *outputs);
    if (!outputs) {
        status =
            lm_fail(error, LM_NOMEM, "out of memory for %" PRIu32 " outputs of %" PRIu32 " samples",
                    n_outputs, samples.count);
        goto done;
    }
    status = run_samples(predict, context, &samples, outputs, error);
    if (status != LM_OK)
        goto done;
    if (labels)
        status = lm_lime_fit(&o, &samples, outputs, n_outputs, labels, n_labels, out, error);
    else
        status = fit_top(&o, &samples, outputs, n_outputs, n_labels, out, error);
done:
    free(outputs);
    lm_samples_free(&samples);
    return status;
}
