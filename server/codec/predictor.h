/* One picture's answer, perhaps with a part of it hidden. */
#ifndef CODEC_PREDICTOR_H
#define CODEC_PREDICTOR_H

#include <stdint.h>

#include "codec/masking.h"
#include "codec/model_dir.h"
#include "codec/picture_input.h"
#include "layermask/mask.h"
#include "layermask/session.h"
#include "layermask/status.h"

struct prediction {
    uint32_t classes;
    float *logits; /* the network's outputs as they are */
    double *probabilities;
    double visible_fraction; /* share of the input's pixels */
};

/* visible: of the input's size, set = visible; NULL: all.  pool: as in lm_session_run.
 * Errors: those of lm_session_run, LM_INVALID (an output that is not finite), LM_NOMEM. */
enum lm_status predictor_run(const struct model_dir *dir, const struct lm_model *model,
                             struct lm_session *session, const struct lm_parallel *pool,
                             const struct picture_input *input, const struct lm_mask *visible,
                             const struct masking *masking, struct prediction *out,
                             struct lm_error *error);

void prediction_free(struct prediction *prediction); /* NULL is fine; leaves {0} */

#endif
