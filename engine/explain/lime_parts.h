/* What the files of LIME share: checks, and the warnings. */
#ifndef LM_EXPLAIN_LIME_PARTS_H
#define LM_EXPLAIN_LIME_PARTS_H

#include "layermask/explain.h"

/* Defaults filled in, everything in its range (NULL: all defaults).  Errors: LM_INVALID. */
enum lm_status lime_options_resolve(const struct lm_lime_options *options,
                                    struct lm_lime_options *out, struct lm_error *error);

/* labels: distinct and below n_outputs; NULL: only their number is looked at.
 * Errors: LM_INVALID, LM_NOMEM. */
enum lm_status lime_labels_check(const uint32_t *labels, uint32_t n_labels, uint32_t n_outputs,
                                 struct lm_error *error);

/* count x n_outputs numbers that arithmetic can bear.  Errors: LM_INVALID. */
enum lm_status lime_outputs_check(const double *outputs, uint32_t count, uint32_t n_outputs,
                                  struct lm_error *error);

/* What the warnings need beyond the explanation itself. */
struct lime_facts {
    double kernel_width;
    double effective_samples; /* (sum w)^2 / sum w^2 */
    bool no_freedom;          /* standard errors could not be estimated */
};

/* Appends what a careful reader should know to an explanation made from `samples`.  Errors:
 * LM_NOMEM (what was added stays). */
enum lm_status lime_warnings_add(struct lm_explanation *explanation,
                                 const struct lm_samples *samples, const struct lime_facts *facts,
                                 struct lm_error *error);

#endif
