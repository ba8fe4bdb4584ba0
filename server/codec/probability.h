/* From a network's outputs to probabilities. */
#ifndef CODEC_PROBABILITY_H
#define CODEC_PROBABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "layermask/status.h"

/* out[i] = softmax of logits, or the logits as they are if they are probabilities already.
 * Errors: LM_INVALID (an output that is NaN or infinite, names it). */
enum lm_status probability_from_logits(const float *logits, uint32_t n, bool probabilities,
                                       double *out, struct lm_error *error);

/* The indices of the `k` largest values, largest first, ties by lower index; k <= n. */
void probability_top(const double *values, uint32_t n, uint32_t k, uint32_t *out);

#endif
