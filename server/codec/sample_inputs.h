/* The inputs of an explanation's samples: one picture with some of its segments hidden. */
#ifndef CODEC_SAMPLE_INPUTS_H
#define CODEC_SAMPLE_INPUTS_H

#include <stdint.h>

#include "codec/masking.h"
#include "layermask/image.h"
#include "layermask/mask.h"
#include "layermask/segment.h"
#include "layermask/status.h"

struct sample_inputs;

/* Everything given stays the caller's and must outlive it.  Buffers for `threads` threads of
 * `batch` slots each.  Errors: LM_NOMEM. */
enum lm_status sample_inputs_create(const struct masking *masking,
                                    const struct lm_preprocess *preprocess, const float *planes,
                                    const struct lm_segments *segments, uint32_t threads,
                                    uint32_t batch, struct sample_inputs **out,
                                    struct lm_error *error);
void sample_inputs_free(struct sample_inputs *inputs); /* NULL is fine */

/* Makes the input in which segment s is visible where z[s] is 1.  *visible is NULL unless the
 * network is to mask.  Valid until the same thread and slot are filled again. */
void sample_inputs_fill(struct sample_inputs *inputs, const uint8_t *z, uint32_t thread,
                        uint32_t slot, const float **planes, const struct lm_mask **visible);

#endif
