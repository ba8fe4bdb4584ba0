/* The parts of the step kind "conv". */
#ifndef LM_OPS_CONV_PARTS_H
#define LM_OPS_CONV_PARTS_H

#include "ops/ops.h"

/* ---- conv_masks.c: masks and demand of one sample */

void conv_visible(struct run *run, const struct step *step, uint32_t sample);
void conv_demand(struct run *run, const struct step *step, uint32_t sample);
void conv_identify(struct run *run, const struct step *step, uint32_t sample);
bool conv_reads_masked(const struct graph *graph, const struct step *step, uint32_t input,
                       bool masked);

/* The window on the step's input 0. */
static inline const struct window *conv_outer_window(const struct conv *conv)
{
    return conv->before && conv->before->depthwise ? &conv->before->depthwise->window
                                                   : &conv->window;
}

/* A window of the one cell at its own place. */
static inline bool window_is_single(const struct window *w)
{
    return window_taps(w) == 1 && w->stride_y == 1 && w->stride_x == 1 &&
           w->out_height == w->in_height && w->out_width == w->in_width && !w->pad_top &&
           !w->pad_left;
}

#endif
