/* What "parameters" may say of an explanation. */
#ifndef CODEC_EXPLAIN_PARAMETERS_H
#define CODEC_EXPLAIN_PARAMETERS_H

#include <jansson.h>

#include "codec/call.h"
#include "codec/explainer.h"
#include "codec/fault.h"
#include "codec/label_choice.h"
#include "layermask/render.h"
#include "layermask/status.h"

struct explain_parameters {
    struct explainer_options options; /* its masking is each instance's own, not read here */
    struct label_choice labels;       /* what options.labels points at: do not copy this struct */
    unsigned include;                 /* ANSWER_... */
    struct lm_render_options render;
};

/* Fields: method, preset, segmentation, masking (left to request_masking), samples, seed,
 * probability, kernel_width, alpha, num_features, labels, top_labels (goes before labels, as in the
 * `lime` package), include, render, colormap, opacity, top_segments.  Lists may be text with
 * commas.
 *
 * parameters: an object, or NULL for the defaults.  `fault` is at the document's root, and there
 * again on success.  explain_parameters_free in any case but failure.
 * Errors: LM_INVALID, LM_LIMIT, LM_UNSUPPORTED (known, but not built), LM_NOMEM. */
enum lm_status explain_parameters_read(json_t *parameters, const struct call_terms *terms,
                                       struct explain_parameters *out, struct codec_fault *fault,
                                       struct lm_error *error);
void explain_parameters_free(struct explain_parameters *parameters); /* leaves {0} */

#endif
