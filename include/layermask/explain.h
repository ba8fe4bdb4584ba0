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
 * `keep`, independently, first sample all ones.  When 2^segments <= count, every mask is listed
 * once instead (all visible first) and exact is set.  The same arguments give the same samples on
 * every machine.  Errors: LM_INVALID, LM_LIMIT (count * segments above 2^30), LM_NOMEM. */
enum lm_status lm_samples_draw(uint32_t segments, uint32_t count, double keep, uint64_t seed,
                               struct lm_samples *out, struct lm_error *error);
void lm_samples_free(struct lm_samples *samples); /* NULL is fine; leaves {0} */

struct lm_lime_options {
    uint32_t samples;    /* 0: 1000 */
    uint64_t seed;
    double keep;         /* probability that a segment stays visible; 0: 0.5 */
    double kernel_width; /* 0: 0.25 */
    double alpha;        /* of the ridge; 0: 1 */
    uint32_t num_features; /* weights kept for each label: the largest of a fit over all segments,
                              refitted on them as lime's "highest_weights" does; 0: all */
};

/* One segment's part in one label's answer. */
struct lm_weight {
    uint32_t segment;
    double weight; /* ridge coefficient: change of the output when the segment is visible */
    double standard_error; /* 0 when the design is exact and the fit perfect */
};

/* The surrogate for one label. */
struct lm_label_explanation {
    uint32_t label;           /* index of the output */
    double output;            /* of the network with all visible (first sample) */
    double intercept;
    double local_prediction;  /* the surrogate's at all visible */
    double score;             /* weighted R^2, as sklearn's Ridge.score(..., sample_weight) */
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

/* Runs samples first..first+count-1 of `samples` and writes count x outputs numbers (say,
 * probabilities) to `outputs`.  It may use as many threads as it likes. Called once for all
 * samples.  Anything but LM_OK stops the explanation with that status. */
typedef enum lm_status (*lm_predict_fn)(void *context, const struct lm_samples *samples,
                                        double *outputs, struct lm_error *error);

/* Fits the surrogates of `n_labels` labels to given samples and outputs.
 * outputs: samples->count x n_outputs, row-major.  labels: indices into the n_outputs, distinct.
 * Takes samples over (leaves {0}) on success.
 * Standard error: of the ridge coefficient, from the weighted residual variance with
 * count - trace(hat matrix) degrees of freedom and the sandwich
 * (X'WX + aI)^-1 X'W^2X (X'WX + aI)^-1 on weight-centred X (W normalised as the fit uses it).
 * Warnings: fewer than 2 segments; score below 0.2; fewer than 4 samples a segment (unless exact);
 * outputs that do not change at all.
 * Errors: LM_INVALID (a NaN or infinite output; a label out of range), LM_NOMEM. */
enum lm_status lm_lime_fit(const struct lm_lime_options *options, struct lm_samples *samples,
                           const double *outputs, uint32_t n_outputs, const uint32_t *labels,
                           uint32_t n_labels, struct lm_explanation *out, struct lm_error *error);

/* Draws, predicts and fits.  labels NULL: the n_labels outputs that are largest on the first
 * sample (ties: lower index), in that order; n_labels is at most n_outputs. */
enum lm_status lm_explain_lime(const struct lm_lime_options *options, uint32_t segments,
                               uint32_t n_outputs, const uint32_t *labels, uint32_t n_labels,
                               lm_predict_fn predict, void *context, struct lm_explanation *out,
                               struct lm_error *error);

void lm_explanation_free(struct lm_explanation *explanation); /* NULL is fine; leaves {0} */

#ifdef __cplusplus
}
#endif
#endif
