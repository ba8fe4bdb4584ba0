/* LIME: which segments made the answer.
 *
 * The explainer sees segments and outputs only, never pixels or networks: it draws samples (which
 * segments stay visible), has a callback run them, and fits a weighted ridge regression of the
 * outputs on the samples.  Method: Ribeiro et al., "Why Should I Trust You?", KDD 2016, with the
 * conventions of the `lime` package (samples 1000, half of the segments hidden at random, first
 * sample all visible, cosine distance d to the first, sample weight sqrt(exp(-d^2 / width^2)),
 * ridge with alpha 1 and an unpenalised intercept).
 */
#ifndef LAYERMASK_EXPLAIN_H
#define LAYERMASK_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which segments are visible in each sample: z[i * segments + s] is 1 (visible) or 0.
 * Sample 0 has all visible.  exact: every one of the 2^segments masks is there once. */
struct lm_samples {
    uint32_t count, segments;
    bool exact;
    uint8_t *z;
};

/* Draws `count` samples of `segments` segments from `seed`: bits that are 1 with probability
 * `keep` (above 0, below 1), independently, first sample all ones.  When 2^segments <= count, every
 * mask is listed once instead and exact is set: sample i is the complement of the bits of i,
 * segment 0 the lowest, so that all visible is first and all hidden last.  The same arguments give
 * the same samples on every machine.  Errors: LM_INVALID; LM_LIMIT (count above 1,000,000, segments
 * above 65,536, count * segments above 2^30); LM_NOMEM. */
enum lm_status lm_samples_draw(uint32_t segments, uint32_t count, double keep, uint64_t seed,
                               struct lm_samples *out, struct lm_error *error);
void lm_samples_free(struct lm_samples *samples); /* NULL is fine; leaves {0} */

/* {0}, or NULL instead of a pointer to it, is the `lime` package's choice. */
struct lm_lime_options {
    uint32_t samples; /* 0: 1000 */
    uint64_t seed;
    double keep;           /* probability that a segment stays visible; 0: 0.5 */
    double kernel_width;   /* 1e-6 to 1e6; 0: 0.25 */
    double alpha;          /* of the ridge, 1e-9 to 1e12; 0: 1 */
    uint32_t num_features; /* weights kept for each label: the largest of a fit over all segments
                              (ridge with alpha 0.01), refitted on them, which is lime's
                              "highest_weights" (its "auto" searches forwards for 6 or fewer);
                              0, or more than there are: all */
};

/* One segment's part in one label's answer. */
struct lm_weight {
    uint32_t segment;
    double weight;         /* ridge coefficient: change of the output when the segment is visible */
    double standard_error; /* of the weight, see below */
};

/* Standard errors.  With sample weights w (W their diagonal matrix), X the kept columns of z less
 * their weighted means, A = X'WX + alpha I, H the hat matrix of the fit (intercept included) and r
 * its residuals:
 *
 *     noise  = sum(w r^2) / trace((I - H)'W(I - H))
 *     errors = sqrt(noise * diagonal(A^-1 X'W^2X A^-1))
 *
 * The denominator is n - 1 - segments for equal weights and a small alpha; it makes noise unbiased
 * when the outputs are a sum of segment weights plus equal, independent noise.  The error is that
 * of the ridge's own, shrunken coefficient, taking the kept features as given.  A network has no
 * noise: r is what a sum of weights cannot describe, and the errors say how far weights would move
 * with other random samples only as far as it behaves like noise.  With an exact design nothing was
 * drawn, so another seed gives the same weights: the errors then only measure the lack of fit.
 * 0 with a warning when the samples leave no degrees of freedom to estimate them. */

/* The surrogate for one label. */
struct lm_label_explanation {
    uint32_t label; /* index of the output */
    double output;  /* of the network with all visible (first sample) */
    double intercept;
    double local_prediction; /* the surrogate's at all visible: intercept + sum of weights */
    double score;            /* weighted R^2, as sklearn's Ridge.score(..., sample_weight): at most
                                1; 1 for an output that never changes */
    uint32_t n_weights;
    struct lm_weight *weights; /* sorted by decreasing |weight|, ties by segment */
};

struct lm_explanation {
    struct lm_samples samples;
    double *outputs; /* samples.count x n_labels: what the surrogates were fitted to */
    uint32_t n_labels;
    struct lm_label_explanation *labels;
    uint32_t n_warnings;
    char **warnings; /* one sentence each, for a careful reader */
};

/* Runs all of `samples` and writes samples->count x n_outputs numbers (say, probabilities) to
 * `outputs`, row-major.  Called once; it may use as many threads as it likes.  Anything but LM_OK
 * stops the explanation with that status (LM_CANCELLED: somebody asked to) and the callback's text,
 * if it gave one. */
typedef enum lm_status (*lm_predict_fn)(void *context, const struct lm_samples *samples,
                                        double *outputs, struct lm_error *error);

/* Fits the surrogates of `n_labels` labels to given samples and outputs.
 * options: samples, seed and keep do not matter.
 * samples: zeros and ones, the first all ones; taken over (leaves {0}) on success.
 * outputs: samples->count x n_outputs, row-major.
 * labels: indices into the n_outputs, distinct; explanations come in their order.
 * Warnings: fewer than 2 segments; fewer than 4 samples a segment (unless exact); a kernel so
 * narrow that the samples weigh no more than 2 equal ones; no degrees of freedom for standard
 * errors; for each label, a score below 0.2, or an output that does not change at all.
 * Memory: 40 bytes * segments^2 at the most, and 24 bytes * labels * weights.
 * Errors: LM_INVALID (samples; a label out of range or given twice; an output, of any label, that
 * is NaN, infinite or above 1e100; alpha too small for a singular design); LM_LIMIT (more than 8192
 * segments, or samples as above); LM_NOMEM. */
enum lm_status lm_lime_fit(const struct lm_lime_options *options, struct lm_samples *samples,
                           const double *outputs, uint32_t n_outputs, const uint32_t *labels,
                           uint32_t n_labels, struct lm_explanation *out, struct lm_error *error);

/* Draws, predicts and fits.  labels NULL: the n_labels outputs that are largest on the first
 * sample (ties: lower index), in that order; n_labels is at most n_outputs.  What can be refused is
 * refused before predict is called.
 * Errors: those of drawing and fitting, those of predict; LM_LIMIT (samples * n_outputs above
 * 2^28). */
enum lm_status lm_explain_lime(const struct lm_lime_options *options, uint32_t segments,
                               uint32_t n_outputs, const uint32_t *labels, uint32_t n_labels,
                               lm_predict_fn predict, void *context, struct lm_explanation *out,
                               struct lm_error *error);

void lm_explanation_free(struct lm_explanation *explanation); /* NULL is fine; leaves {0} */

#ifdef __cplusplus
}
#endif
#endif
