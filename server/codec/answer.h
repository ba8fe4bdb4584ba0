/* Answers as JSON: what the HTTP API and `--json` say. */
#ifndef CODEC_ANSWER_H
#define CODEC_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "codec/explainer.h"
#include "codec/predictor.h"
#include "layermask/render.h"
#include "layermask/status.h"

/* Significant digits of a printed number: enough to get a float back. */
#define ANSWER_FLOAT_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(9))
/* Enough to get a double back. */
#define ANSWER_DOUBLE_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(17))

/* All functions below set *out to a new reference.
 * Errors: LM_NOMEM (also for a number that is not finite: JSON has none). */

/* [{"index", "label", "probability", "logit"}, ...]: the k largest.  label is null in a model
 * without labels; logit is left out if logits is NULL. */
enum lm_status answer_top(const json_t *labels, const double *probabilities, const float *logits,
                          uint32_t classes, uint32_t k, json_t **out, struct lm_error *error);

/* {"top", "logits" (if asked for), "masking", "visible_fraction", "unseen"} */
enum lm_status answer_prediction(const struct model_dir *dir, const struct picture_input *input,
                                 const struct prediction *prediction, const struct masking *masking,
                                 uint32_t top_k, bool logits, json_t **out, struct lm_error *error);

/* An element of "masks", for what a further mask makes of a picture: {"top", "logits" (if asked
 * for), "visible_fraction", "delta"}.  delta: the probability, under the mask, of the label that is
 * the most probable one without the mask, minus that label's probability without the mask; below 0
 * where the mask takes away what speaks for the label. */
enum lm_status answer_what_if(const struct model_dir *dir, const struct prediction *unmasked,
                              const struct prediction *masked, uint32_t top_k, bool logits,
                              json_t **out, struct lm_error *error);

/* What an explanation may hold beyond the weights. */
enum {
    ANSWER_SEGMENTS = 1, /* every segment's COCO RLE, in pixels of the picture */
    ANSWER_HEATMAP = 2,  /* PNG in base64, of the first label, as is the next */
    ANSWER_OVERLAY = 4,
    ANSWER_SAMPLES = 8, /* "samples" is then {"count", "z", "outputs"} instead of a number */
    ANSWER_TIMING = 16,
};

/* "segments,timing" -> flags.  Errors: LM_INVALID, listing what there is. */
enum lm_status answer_include_parse(const char *text, unsigned *out, struct lm_error *error);

/* One element of "explanations".  `segmentation.labels_rle` is the label map of the input, rows
 * from the top: [label, run, label, run, ...], a run going on in the next row. `area` is a share of
 * the input's pixels, `bbox` is in pixels of the picture, `unseen` is the share of the picture that
 * the crop cut off.  render: how to draw what `include` asks for. */
enum lm_status answer_explanation(const struct model_dir *dir, const struct picture_input *input,
                                  const struct explainer_options *options,
                                  const struct explained *explained, unsigned include,
                                  const struct lm_render_options *render, json_t **out,
                                  struct lm_error *error);

/* {"model_name", "model_version", <key>: [item]}; takes item's reference over, also on failure. */
enum lm_status answer_envelope(const struct model_dir *dir, const char *key, json_t *item,
                               json_t **out, struct lm_error *error);

/* The same for a list of items, and a model that is called by another name. */
enum lm_status answer_envelope_list(const struct model_dir *dir, const char *model_name,
                                    const char *key, json_t *items, json_t **out,
                                    struct lm_error *error);

#endif
