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

#endif
