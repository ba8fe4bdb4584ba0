/* Drawings of an explanation on the user's picture, as PNG or JPEG. */
#ifndef CODEC_DRAWING_H
#define CODEC_DRAWING_H

#include <stddef.h>
#include <stdint.h>

#include "codec/explainer.h"
#include "layermask/render.h"
#include "layermask/status.h"

/* "overlay", "heatmap", "boundaries", "top"; "red_blue", "purple_green", "brown_teal".
 * Errors: LM_INVALID, listing what there is. */
enum lm_status drawing_kind_parse(const char *text, enum lm_render_kind *out,
                                  struct lm_error *error);
enum lm_status drawing_colormap_parse(const char *text, enum lm_colormap *out,
                                      struct lm_error *error);

/* Draws label number `rank` of the explanation.  options->title is replaced by the label and its
 * probability.  Errors: those of lm_render. */
enum lm_status drawing_make(const struct model_dir *dir, const struct picture_input *input,
                            const struct explained *explained, uint32_t rank,
                            const struct lm_render_options *options, struct lm_image *out,
                            struct lm_error *error);

/* The same as PNG.  *bytes is malloc'ed.  Errors: also those of lm_image_encode_png. */
enum lm_status drawing_png(const struct model_dir *dir, const struct picture_input *input,
                           const struct explained *explained, uint32_t rank,
                           const struct lm_render_options *options, uint8_t **bytes, size_t *size,
                           struct lm_error *error);

/* Most bytes of such a file, and most that making it takes at a time, the file included; of a
 * picture of width x height. */
uint64_t drawing_file_bytes(uint32_t width, uint32_t height);
uint64_t drawing_bytes(uint32_t width, uint32_t height);

#endif
