/* Explains one picture: segments it, runs the samples on all threads, fits the surrogates. */
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

    /* As in batches.h, with the samples as items. */
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
    double segment_ms, forward_ms, fit_ms;
    uint32_t forward_passes;
};

/* The result depends on the arguments and the size of the micro-batches, not on threads.
 * Errors: those of its parts, LM_LIMIT (more than 100,000 samples), LM_CANCELLED. */
enum lm_status explainer_run(const struct model_dir *dir, struct batches *batches,
                             const struct picture_input *input,
                             const struct explainer_options *options, struct explained *out,
                             struct lm_error *error);

void explained_free(struct explained *explained); /* NULL is fine; leaves {0} */

#endif
