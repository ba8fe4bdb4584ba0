/* Weighted second moments of samples: what a ridge regression needs to know of them. */
#ifndef LM_EXPLAIN_GRAM_H
#define LM_EXPLAIN_GRAM_H

#include "layermask/explain.h"

/* Of samples z_i with weights w_i; means are weighted by w, c_ij = z_ij - mean_j. */
struct gram {
    uint32_t size;     /* segments */
    double weight_sum; /* of w_i */
    double square_sum; /* of w_i^2 */
    double *mean;      /* of each segment */
    double *centred;   /* size x size, lower triangle: sum of w_i c_ij c_ik */
    double *squared;   /* size x size, lower triangle: sum of w_i^2 c_ij c_ik */
};

enum { GRAM_MAX_SIZE = 8192 }; /* half a GiB for each of the two matrices */

/* weights: one for each sample, not negative, sum above 0.  Errors: LM_LIMIT, LM_NOMEM. */
enum lm_status gram_create(const struct lm_samples *samples, const double *weights,
                           struct gram *out, struct lm_error *error);
void gram_free(struct gram *gram); /* leaves {0} */

/* projection[k] = sum over samples of values[i] * z_ik. */
void gram_project(const struct lm_samples *samples, const double *values, double *projection);

#endif
