/* Explains one picture: segments it, runs the samples, fits the surrogates.
 *
 * In one call on a pool of threads: explainer_run.  In steps, for a scheduler:
 *
 *     explainer_prepare(..., &explainer, &error);
 *     work = explainer_work(explainer);
 *     runner_take_batch(runner, work, i, thread, &error);    each i in 0..batches_count(work)-1,
 *                                                            in any order, on any thread
 *     explainer_finish(explainer, &explained, &error);       when all are done
 *     explainer_free(explainer);
 */
#ifndef CODEC_EXPLAINER_H
#define CODEC_EXPLAINER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "codec/batches.h"
#include "codec/masking.h"
#include "codec/model_dir.h"
#include "codec/picture_input.h"
#include "codec/placement.h"
#include "codec/segmentation.h"
#include "layermask/explain.h"
#include "layermask/status.h"

enum { EXPLAINER_MAX_SAMPLES = 100000 };

struct explainer_options {
    struct lm_lime_options lime;
    struct segmentation segmentation;
    struct masking masking;
    const uint32_t *labels; /* which outputs to explain; NULL: the n_labels largest */
    uint32_t n_labels;      /* 0: 1 */

    /* As in batches.h, with the samples as items; explainer_run only. */
    bool (*progress)(void *context, uint32_t done, uint32_t total);
    void *progress_context;
};

/* The answer, with everything that the JSON, the drawings and people want of it. */
struct explained {
    struct lm_segments segments; /* of the input */
    int64_t *ids;                /* of custom segments, or NULL */
    struct placement placement;  /* of the segments in the picture */
    struct lm_explanation lime;
    uint32_t classes;
    double *probabilities; /* of all classes, with nothing hidden */
    json_t *warnings;      /* array of strings */
    double segment_ms, fit_ms;
    double forward_ms; /* from the end of preparing to the start of finishing */
    uint32_t forward_passes;
};

struct explainer;

/* Segments the picture and draws the samples; everything that can be refused is refused here.
 * size: of micro-batches.  threads: the runners' thread numbers are below this.
 * dir, model, input and what the options point at must outlive it; the options are copied.
 * Errors: those of its parts, LM_LIMIT (more than 100,000 samples). */
enum lm_status explainer_prepare(const struct model_dir *dir, const struct lm_model *model,
                                 uint32_t size, uint32_t threads, const struct picture_input *input,
                                 const struct explainer_options *options, struct explainer **out,
                                 struct lm_error *error);

/* The samples as work; belongs to the explainer. */
const struct batches_work *explainer_work(const struct explainer *explainer);
uint32_t explainer_segments(const struct explainer *explainer);

/* Fits the surrogates.  To be called once, when all micro-batches have been run without an error,
 * by a thread that has seen them end.  Errors: those of lm_lime_fit. */
enum lm_status explainer_finish(struct explainer *explainer, struct explained *out,
                                struct lm_error *error);
void explainer_free(struct explainer *explainer); /* NULL is fine */

/* The most memory, in bytes, that an explanation with its picture takes from before its
 * preparation to after its end, without what its answer in JSON takes.  UINT64_MAX stands for any
 * number above. */
uint64_t explainer_bytes(const struct lm_model *model, const struct explainer_options *options,
                         uint64_t picture_pixels, uint32_t size, uint32_t threads);

/* All of it.  The result depends on the arguments and the size of the micro-batches, not on
 * threads.  Errors: those of explainer_prepare and explainer_finish, LM_CANCELLED. */
enum lm_status explainer_run(const struct model_dir *dir, const struct lm_model *model,
                             struct batches *batches, const struct picture_input *input,
                             const struct explainer_options *options, struct explained *out,
                             struct lm_error *error);

void explained_free(struct explained *explained); /* NULL is fine; leaves {0} */

#endif
