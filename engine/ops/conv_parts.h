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

/* ---- conv_winograd_plan.c: which convolutions are computed in tiles */

/* Decides whether the weights are to be packed for it, and sets conv->winograd_side and _numbers.
 * Returns the numbers that they then take, or 0. */
size_t conv_winograd_plan(const struct graph *graph, struct conv *conv);

/* Packs the weights into conv->winograd.  matrix: room for in_channels x out_channels. */
void conv_winograd_pack(const struct graph *graph, const struct conv *conv, const float *weights,
                        float *matrix);

/* Of a tile. */
static inline uint32_t conv_winograd_cells(const struct conv *conv)
{
    return (conv->winograd_side + 2) * (conv->winograd_side + 2);
}

/* ---- conv_winograd.c: 3x3 convolutions over tiles of outputs */

/* Whether a sample's rows are computed in tiles.  Before a recall step that the sample uses they
 * are not: which of its rows are demanded depends on what is remembered, and a row that will be
 * must not depend on that. */
static inline bool conv_is_tiled(const struct run *run, const struct step *step, uint32_t sample)
{
    const struct conv *conv = &step->conv;
    return conv->winograd && !(conv->remembered && conv->recall < run->recalls[sample]);
}

const char *conv_winograd_name(const struct conv *conv);
size_t conv_winograd_scratch(const struct step *step);
size_t conv_winograd_shared(const struct graph *graph, const struct step *step);

/* All rows of samples first..end-1, but for the step's program; returns how many products that
 * took. */
uint64_t conv_winograd_run(struct run *run, const struct step *step, uint32_t first, uint32_t end);

/* ---- conv_rows.c: blocks of rows */

uint32_t conv_block_rows(const struct conv *conv); /* the most of a block */
size_t conv_rows_scratch(const struct graph *graph, const struct step *step);
bool conv_is_gathered(const struct conv *conv);

/* Whether a block may be of some columns. */
bool conv_has_columns(const struct step *step);

/* A block of run->cut, and the step's program of a block whose rows are there already. */
void conv_rows_block(struct run *run, const struct step *step, uint32_t index, uint8_t *scratch);
void conv_rows_program(struct run *run, const struct step *step, uint32_t index, uint8_t *scratch);

/* Whether the rows of input 0 are the rows that the product needs. */
bool conv_is_direct(struct run *run, const struct step *step);

/* Scratch of a thread. */
struct conv_scratch {
    float *matrix;        /* rows gathered, or copied from other sites */
    float *residual;      /* rows copied from other sites */
    const float **source; /* pointers to rows, taps for each row */
    int64_t *origin;
    int32_t *offset;
    void *zeros; /* for skipping them; NULL: of no use */
    uint8_t *program;
};

/* Some rows of what the step's prologue makes, in the scratch's matrix; of the scratch, it also
 * takes origin and offset (of the outer window's taps) and program. */
void conv_prologue(struct run *run, const struct step *step, uint32_t first, uint32_t rows,
                   const struct conv_scratch *scratch);

/* ---- round.c: bfloat16 before any run */

/* Marks the values whose rows are kept in bfloat16. */
void graph_round(struct graph *graph);

/* Rounds and packs a step's weights. */
enum lm_status conv_bf16_round(struct graph *graph, struct step *step, struct lm_error *error);

/* ---- conv_bf16.c: blocks of rows of a step that multiplies bfloat16 */

uint32_t conv_bf16_rows(const struct graph *graph, const struct step *step); /* of a block */
size_t conv_bf16_scratch(const struct graph *graph, const struct step *step);
void conv_bf16_block(struct run *run, const struct step *step, uint32_t index, uint8_t *scratch);

#endif
