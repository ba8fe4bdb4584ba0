/* From a network's outputs to probabilities, in double: the largest logit is subtracted first, so
 * that nothing overflows. */
#include "codec/probability.h"

#include <math.h>

static enum lm_status check_finite(const float *logits, uint32_t n, struct lm_error *error)
{
    for (uint32_t i = 0; i < n; i++)
        if (!isfinite(logits[i]))
            return lm_fail(error, LM_INVALID, "output %u of the network is not a finite number", i);
    return LM_OK;
}

enum lm_status probability_from_logits(const float *logits, uint32_t n, bool probabilities,
                                       double *out, struct lm_error *error)
{
    enum lm_status status = check_finite(logits, n, error);
    if (status != LM_OK || n == 0)
        return status;
    double largest = (double)logits[0], sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (double)logits[i];
        largest = out[i] > largest ? out[i] : largest;
    }
    if (probabilities)
        return LM_OK;
    for (uint32_t i = 0; i < n; i++)
        sum += out[i] = exp(out[i] - largest);
    for (uint32_t i = 0; i < n; i++)
        out[i] /= sum;
    return LM_OK;
}

void probability_top(const double *values, uint32_t n, uint32_t k, uint32_t *out)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (held == k && (k == 0 || values[i] <= values[out[k - 1]]))
            continue;
        uint32_t place = held < k ? held++ : k - 1;
        for (; place > 0 && values[i] > values[out[place - 1]]; place--)
            out[place] = out[place - 1];
        out[place] = i;
    }
}
