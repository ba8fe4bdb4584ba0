/* Answers for pictures, perhaps with a part of them hidden.
 *
 * One answer in one call: predictor_run.  Many, or in steps for a scheduler:
 *
 *     predictor_prepare(&dir, model, size, items, n, &predictor, &error);
 *     work = predictor_work(predictor);
 *     runner_take_batch(runner, work, i, thread, &error);    each i in 0..batches_count(work)-1
 *     predictor_finish(predictor, predictions);
 *     predictor_free(predictor);
 */
#ifndef CODEC_PREDICTOR_H
#define CODEC_PREDICTOR_H

#include <stdint.h>

#include "codec/batches.h"
#include "codec/masking.h"
#include "codec/model_dir.h"
#include "codec/picture_input.h"
#include "layermask/mask.h"
#include "layermask/status.h"

/* What to answer.  visible: of the input's size, set = visible; NULL: all. */
struct predictor_item {
    const struct picture_input *input;
    const struct lm_mask *visible;
    struct masking masking;
};

struct prediction {
    uint32_t classes;
    float *logits; /* the network's outputs as they are */
    double *probabilities;
    double visible_fraction; /* share of the input's pixels */
};

struct predictor;

/* size: of micro-batches; they are groups of consecutive items.  The items are copied; dir and what
 * items point at must outlive it.  n is at least 1.  Errors: LM_NOMEM. */
enum lm_status predictor_prepare(const struct model_dir *dir, const struct lm_model *model,
                                 uint32_t size, const struct predictor_item *items, uint32_t n,
                                 struct predictor **out, struct lm_error *error);

/* Errors of its micro-batches: those of lm_session_run, LM_INVALID (an output that is not finite),
 * LM_NOMEM.  Belongs to the predictor. */
const struct batches_work *predictor_work(const struct predictor *predictor);

/* Moves the answers to out[0..n-1], in the order of the items.  To be called once, when all
 * micro-batches have been run without an error. */
void predictor_finish(struct predictor *predictor, struct prediction *out);
void predictor_free(struct predictor *predictor); /* NULL is fine */

/* One item. */
enum lm_status predictor_run(const struct model_dir *dir, const struct lm_model *model,
                             struct runner *runner, const struct predictor_item *item,
                             struct prediction *out, struct lm_error *error);

void prediction_free(struct prediction *prediction); /* NULL is fine; leaves {0} */

#endif
