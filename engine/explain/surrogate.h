/* The surrogates of one explanation: what its labels share, and the fit of each. */
#ifndef LM_EXPLAIN_SURROGATE_H
#define LM_EXPLAIN_SURROGATE_H

#include "explain/gram.h"
#include "explain/ridge.h"

struct surrogates {
    const struct lm_lime_options *options;
    const struct lm_samples *samples;
    uint32_t features; /* weights for each label */
    bool choose;       /* each label ranks and chooses its features */
    double *weights;   /* of the samples */
    struct gram gram;
    struct ridge ridge; /* choose: the ranking one, over all; else the final one */
    uint32_t *columns;  /* features of the label at work, increasing */
    double *target;     /* its outputs, weight-centred */
    double *values;     /* weights times target */
    double *projection; /* of values on the segments */
    double *coefficients;
    struct lm_weight *ranking; /* of all segments */
    bool no_freedom;           /* a fit had no degrees of freedom left for standard errors */
};

/* options: resolved; options and samples are kept and must outlive out.
 * Errors: LM_LIMIT, LM_NOMEM, LM_INVALID (alpha too small). */
enum lm_status surrogates_create(const struct lm_lime_options *options,
                                 const struct lm_samples *samples, struct surrogates *out,
                                 struct lm_error *error);
void surrogates_free(struct surrogates *fit); /* leaves {0} */

/* outputs[i * stride]: the label's output for sample i.  Fills all of *out but its label; what it
 * allocates belongs to out on failure too.  Errors as above. */
enum lm_status surrogates_fit(struct surrogates *fit, const double *outputs, size_t stride,
                              struct lm_label_explanation *out, struct lm_error *error);

#endif
