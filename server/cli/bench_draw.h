/* What `layermask bench` looks at: a picture, and which of its segments each sample shows. */
#ifndef CLI_BENCH_DRAW_H
#define CLI_BENCH_DRAW_H

#include "cli/bench_run.h"
#include "codec/picture_input.h"

enum lm_status bench_draw_picture(const struct model_dir *dir, struct picture_input *out,
                                  struct lm_error *error);

/* samples x segments, 1: visible; NULL when out of memory. */
uint8_t *bench_draw_samples(const struct bench_options *options, uint32_t segments);

/* Share of pixels that the samples hide. */
double bench_hidden_share(const struct lm_segments *segments, const uint8_t *z, uint32_t samples);

#endif
