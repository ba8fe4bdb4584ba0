/* Weighted ridge regression with an unpenalised intercept, over some of the segments. */
#ifndef LM_EXPLAIN_RIDGE_H
#define LM_EXPLAIN_RIDGE_H

#include "explain/gram.h"

/* The design of one regression, factored once for any number of outputs. */
struct ridge {
    uint32_t size; /* coefficients */
    double alpha;
    double *factor;    /* size x size, lower triangle: Cholesky factor of centred Gram + alpha I */
    double *variances; /* of the coefficients, for outputs with unit noise; by ridge_find_errors */
    double freedom;    /* expected weighted sum of squared residuals of unit noise; likewise */
};

/* columns: the `size` segments to regress on, distinct.  Errors: LM_NOMEM; LM_INVALID when alpha is
 * too small to make a singular design regular. */
enum lm_status ridge_create(const struct gram *gram, const uint32_t *columns, uint32_t size,
                            double alpha, struct ridge *out, struct lm_error *error);
void ridge_free(struct ridge *ridge); /* leaves {0} */

/* sides: `count` right sides of `size` numbers (sum of w_i c_ij y_i, for weight-centred y),
 * overwritten with their coefficients. */
void ridge_solve(const struct ridge *ridge, double *sides, uint32_t count);

/* Fills variances and freedom.  With A = centred Gram + alpha I and M the Gram of squared weights:
 * variances = diagonal of A^-1 M A^-1 (the sandwich), and for the hat matrix H
 * freedom = trace((I - H)' W (I - H)) = sum w - sum w^2 / sum w - trace(A^-1 M) - alpha sum
 * variances, so that (sum w r^2) / freedom estimates the variance of equal, independent noise
 * without bias.  Of the order of size^3.  Errors: LM_NOMEM. */
enum lm_status ridge_find_errors(struct ridge *ridge, const struct gram *gram,
                                 const uint32_t *columns, struct lm_error *error);

#endif
