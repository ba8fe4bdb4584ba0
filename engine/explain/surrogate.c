/* Surrogates: weighted ridge regressions of outputs on samples.
 *
 * What depends on the samples alone (weights, Gram matrices, factorisation, variances) is computed
 * once and serves all labels, unless labels choose their own features. */
#include "explain/surrogate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"

/* The ridge that ranks features before the final fit; lime's own number. */
static const double ranking_alpha = 0.01;

/* Share of the weight below which the residuals' degrees of freedom are rounding errors. */
static const double least_freedom = 1e-10;

/* Kernel of the cosine distance to the all-visible sample, which depends on the number k of visible
 * segments only: 1 - k / (sqrt(k) sqrt(segments)); 1 for k = 0, as scikit-learn has it. */
static void weigh_samples(const struct lm_samples *samples, double width, double *weights)
{
    size_t segments = samples->segments;
    for (size_t i = 0; i < samples->count; i++) {
        size_t visible = 0;
        for (size_t s = 0; s < segments; s++)
            visible += samples->z[i * segments + s];
        double distance = 1 - sqrt((double)visible / (double)segments);
        weights[i] = sqrt(exp(-(distance * distance) / (width * width)));
    }
}

static int compare_weights(const void *a, const void *b)
{
    const struct lm_weight *x = a, *y = b;
    double p = fabs(x->weight), q = fabs(y->weight);
    if (p != q)
        return p > q ? -1 : 1;
    return x->segment < y->segment ? -1 : x->segment > y->segment;
}

static int compare_columns(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The weighted mean is taken from the first output on, so that a constant is its own mean. */
static double centre_target(struct surrogates *fit, const double *outputs, size_t stride)
{
    size_t count = fit->samples->count;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += fit->weights[i] * (outputs[i * stride] - outputs[0]);
    double mean = outputs[0] + sum / fit->gram.weight_sum;
    for (size_t i = 0; i < count; i++) {
        fit->target[i] = outputs[i * stride] - mean;
        fit->values[i] = fit->weights[i] * fit->target[i];
    }
    return mean;
}

/* lime's "highest_weights": the segments with the largest coefficients of a fit over all. */
static void choose_columns(struct surrogates *fit)
{
    uint32_t segments = fit->samples->segments;
    memcpy(fit->coefficients, fit->projection, segments * sizeof *fit->coefficients);
    ridge_solve(&fit->ridge, fit->coefficients, 1);
    for (uint32_t s = 0; s < segments; s++)
        fit->ranking[s] = (struct lm_weight){.segment = s, .weight = fit->coefficients[s]};
    qsort(fit->ranking, segments, sizeof *fit->ranking, compare_weights);
    for (uint32_t f = 0; f < fit->features; f++)
        fit->columns[f] = fit->ranking[f].segment;
    qsort(fit->columns, fit->features, sizeof *fit->columns, compare_columns);
}

/* Sum of the coefficients of visible features; four running sums keep the adder busy. */
static double sum_visible(const struct surrogates *fit, const uint8_t *z)
{
    double sums[4] = {0};
    size_t f = 0;
    for (; f + 4 <= fit->features; f += 4)
        for (size_t lane = 0; lane < 4; lane++)
            sums[lane] += fit->coefficients[f + lane] * z[fit->columns[f + lane]];
    for (size_t lane = 0; f < fit->features; f++, lane++)
        sums[lane] += fit->coefficients[f] * z[fit->columns[f]];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* Weighted sums of squares of the residuals and of the target itself. */
static void sum_squares(const struct surrogates *fit, double *residual_sum, double *total_sum)
{
    size_t segments = fit->samples->segments;
    double offset = 0, residuals = 0, total = 0;
    for (size_t f = 0; f < fit->features; f++)
        offset += fit->coefficients[f] * fit->gram.mean[fit->columns[f]];
    for (size_t i = 0; i < fit->samples->count; i++) {
        const uint8_t *z = fit->samples->z + i * segments;
        double residual = fit->target[i] + offset - sum_visible(fit, z);
        residuals += fit->weights[i] * residual * residual;
        total += fit->values[i] * fit->target[i];
    }
    *residual_sum = residuals;
    *total_sum = total;
}

/* scikit-learn's rule for outputs without variance: 1 if they are met, else 0. */
static double score_of(double residual_sum, double total_sum)
{
    if (residual_sum == 0)
        return 1;
    return total_sum == 0 ? 0 : 1 - residual_sum / total_sum;
}

/* The fit of `fit->columns` by `ridge` into out, whose weights have room for them. */
static void fit_columns(struct surrogates *fit, const struct ridge *ridge, double mean,
                        struct lm_label_explanation *out)
{
    for (uint32_t f = 0; f < fit->features; f++)
        fit->coefficients[f] = fit->projection[fit->columns[f]];
    ridge_solve(ridge, fit->coefficients, 1);

    double residual_sum, total_sum, noise = 0;
    sum_squares(fit, &residual_sum, &total_sum);
    if (ridge->freedom > least_freedom * fit->gram.weight_sum)
        noise = residual_sum / ridge->freedom;
    else
        fit->no_freedom = true;
    out->score = score_of(residual_sum, total_sum);
    out->intercept = mean;
    for (uint32_t f = 0; f < fit->features; f++)
        out->intercept -= fit->coefficients[f] * fit->gram.mean[fit->columns[f]];
    out->local_prediction = out->intercept;
    for (uint32_t f = 0; f < fit->features; f++) {
        out->local_prediction += fit->coefficients[f];
        out->weights[f] = (struct lm_weight){.segment = fit->columns[f],
                                             .weight = fit->coefficients[f],
                                             .standard_error = sqrt(noise * ridge->variances[f])};
    }
    out->n_weights = fit->features;
    qsort(out->weights, out->n_weights, sizeof *out->weights, compare_weights);
}

/* A ridge over the columns, with what standard errors need. */
static enum lm_status create_final_ridge(const struct surrogates *fit, struct ridge *out,
                                         struct lm_error *error)
{
    struct ridge ridge = {0};
    enum lm_status status =
        ridge_create(&fit->gram, fit->columns, fit->features, fit->options->alpha, &ridge, error);
    if (status == LM_OK)
        status = ridge_find_errors(&ridge, &fit->gram, fit->columns, error);
    if (status != LM_OK) {
        ridge_free(&ridge);
        return status;
    }
    *out = ridge;
    return LM_OK;
}

enum lm_status surrogates_fit(struct surrogates *fit, const double *outputs, size_t stride,
                              struct lm_label_explanation *out, struct lm_error *error)
{
    out->output = outputs[0];
    out->weights = array_alloc(fit->features, sizeof *out->weights);
    if (!out->weights)
        return lm_fail(error, LM_NOMEM, "out of memory for %" PRIu32 " weights", fit->features);
    double mean = centre_target(fit, outputs, stride);
    gram_project(fit->samples, fit->values, fit->projection);
    if (!fit->choose) {
        fit_columns(fit, &fit->ridge, mean, out);
        return LM_OK;
    }
    struct ridge own = {0};
    choose_columns(fit);
    enum lm_status status = create_final_ridge(fit, &own, error);
    if (status == LM_OK)
        fit_columns(fit, &own, mean, out);
    ridge_free(&own);
    return status;
}

static enum lm_status allocate(struct surrogates *fit, struct lm_error *error)
{
    size_t count = fit->samples->count, segments = fit->samples->segments;
    fit->weights = array_alloc(count, sizeof *fit->weights);
    fit->target = array_alloc(count, sizeof *fit->target);
    fit->values = array_alloc(count, sizeof *fit->values);
    fit->columns = array_alloc(segments, sizeof *fit->columns);
    fit->projection = array_alloc(segments, sizeof *fit->projection);
    fit->coefficients = array_alloc(segments, sizeof *fit->coefficients);
    fit->ranking = array_alloc(segments, sizeof *fit->ranking);
    if (!fit->weights || !fit->target || !fit->values || !fit->columns || !fit->projection ||
        !fit->coefficients || !fit->ranking)
        return lm_fail(error, LM_NOMEM, "out of memory for a fit of %zu samples", count);
    return LM_OK;
}

void surrogates_free(struct surrogates *fit)
{
    free(fit->weights);
    free(fit->target);
    free(fit->values);
    free(fit->columns);
    free(fit->projection);
    free(fit->coefficients);
    free(fit->ranking);
    gram_free(&fit->gram);
    ridge_free(&fit->ridge);
    *fit = (struct surrogates){0};
}

static enum lm_status prepare(struct surrogates *fit, struct lm_error *error)
{
    uint32_t segments = fit->samples->segments, wanted = fit->options->num_features;
    fit->choose = wanted != 0 && wanted < segments;
    fit->features = fit->choose ? wanted : segments;
    enum lm_status status = allocate(fit, error);
    if (status != LM_OK)
        return status;
    weigh_samples(fit->samples, fit->options->kernel_width, fit->weights);
    for (uint32_t s = 0; s < segments; s++)
        fit->columns[s] = s;
    status = gram_create(fit->samples, fit->weights, &fit->gram, error);
    if (status != LM_OK)
        return status;
    if (fit->choose)
        return ridge_create(&fit->gram, fit->columns, segments, ranking_alpha, &fit->ridge, error);
    return create_final_ridge(fit, &fit->ridge, error);
}

enum lm_status surrogates_create(const struct lm_lime_options *options,
                                 const struct lm_samples *samples, struct surrogates *out,
                                 struct lm_error *error)
{
    struct surrogates fit = {.options = options, .samples = samples};
    enum lm_status status = prepare(&fit, error);
    if (status != LM_OK) {
        surrogates_free(&fit);
        return status;
    }
    *out = fit;
    return LM_OK;
}
