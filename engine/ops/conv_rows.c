/* Convolutions, fully connected layers and channel-last MatMul: blocks of rows.
 *
 * Rows of all samples are stacked.  A block of output rows is multiplied where its sources stand: a
 * pointer for each tap of each row, to a visible row, a neighbour-padded one or zeros.  Bias,
 * residual and activation happen in registers, a longer program while the block is in the cache.
 */
#include <string.h>

#include "ops/conv_parts.h"

enum {
    BLOCK_FLOATS = 1 << 16,
    LEAST_ROWS = 48,
    MOST_ROWS = 240,
    TILE_MULTIPLE = 24, /* of all tiles' rows */
    GATHER_BELOW = 16
};

/* Few enough that their sources stay in the L2 cache, in whole tiles. */
uint32_t conv_block_rows(const struct conv *conv)
{
    uint32_t rows = BLOCK_FLOATS / conv->in_channels / TILE_MULTIPLE * TILE_MULTIPLE;
    return rows < LEAST_ROWS ? LEAST_ROWS : rows > MOST_ROWS ? MOST_ROWS : rows;
}

/* Rows of few channels (a picture's) are gathered, so that the inner loop of the product is long.
 */
bool conv_is_gathered(const struct conv *conv)
{
    return !conv->depthwise && window_taps(&conv->window) > 1 && conv->block_in < GATHER_BELOW;
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t lay_out(const struct step *step, uint8_t *base, struct conv_scratch *out)
{
    const struct conv *conv = &step->conv;
    size_t rows = conv_block_rows(conv), taps = window_taps(conv_outer_window(conv)), used = 0;
    size_t width = conv_is_gathered(conv)            ? taps * conv->block_in
                   : conv->pointwise || conv->before ? conv->in_channels
                                                     : 0;
    out->matrix = (float *)(void *)(base + used);
    used += round_up(rows * width * sizeof(float));
    out->residual = (float *)(void *)(base + used);
    if (conv->residual != GRAPH_NO_VALUE)
        used += round_up(rows * conv->out_channels * sizeof(float));
    out->source = (const float **)(void *)(base + used);
    used += round_up(rows * taps * sizeof *out->source);
    out->origin = (int64_t *)(void *)(base + used);
    used += round_up(rows * sizeof *out->origin);
    out->offset = (int32_t *)(void *)(base + used);
    used += round_up(taps * sizeof *out->offset);
    out->zeros = conv->skips_zeros ? base + used : NULL;
    if (conv->skips_zeros)
        used += round_up(kernels_zeros_bytes(window_taps(&conv->window), conv->block_in, rows));
    out->program = base + used;
    return used;
}

size_t conv_rows_scratch(const struct graph *graph, const struct step *step)
{
    uint8_t nowhere[1];
    struct conv_scratch unused;
    const struct prologue *before = step->conv.before;
    size_t after = program_scratch(graph, step, &step->program);
    size_t first = before ? program_scratch(graph, step, &before->program) : 0;
    return lay_out(step, nowhere, &unused) + round_up(first > after ? first : after);
}

bool conv_is_direct(struct run *run, const struct step *step)
{
    const struct conv *conv = &step->conv;
    uint32_t in = step->inputs[0];
    if (conv->before)
        return false;
    if (!run->states[in].demand)
        return true;
    bool masked = run->plan->values[step->output].masked_rows && !conv->pointwise;
    bool single =
        window_is_single(&conv->window) && !conv->depthwise; /* whose weights are not packed */
    return (conv->pointwise || single) && !masked && run_same_rows(run, in, step->output);
}

/* One block on its way: `rows` rows of the output from row `first`, stored at target; of them,
 * `columns` columns from `column` (all: see conv_has_columns). */
struct block {
    struct run *run;
    const struct step *step;
    uint32_t first, rows, column, columns;
    float *target;
    const float *residual; /* of the block's first row; NULL: none */
    struct conv_scratch scratch;
};

/* All groups of a block; p->source points at rows of group 0's channels. */
static void multiply_groups(const struct block *b, struct product *p, size_t n_pointers)
{
    const struct conv *conv = &b->step->conv;
    size_t depth = (size_t)p->taps * p->depth;
    for (uint32_t g = 0; g < conv->blocks; g++) {
        size_t column = (size_t)g * conv->block_out + b->column;
        p->weights = conv->weights + g * conv->block_floats + b->column * depth;
        p->bias = conv->bias + column;
        p->residual = b->residual ? b->residual + column : NULL;
        p->target = b->target + column;
        b->run->kernels->multiply(p, b->rows);
        for (size_t i = 0; i < n_pointers && conv->blocks > 1; i++)
            if (b->scratch.source[i] != b->run->zeros)
                b->scratch.source[i] += conv->block_in;
    }
}

static struct product new_product(const struct block *b, uint32_t taps, uint32_t depth)
{
    const struct conv *conv = &b->step->conv;
    return (struct product){.taps = taps,
                            .depth = depth,
                            .columns = b->columns < conv->block_out ? b->columns : conv->block_out,
                            .source = b->scratch.source,
                            .residual_stride = conv->out_channels,
                            .low = conv->low,
                            .high = conv->high,
                            .target_stride = conv->out_channels,
                            .zeros = b->scratch.zeros};
}

/* Rows that stand one after the other. */
static void multiply_rows(const struct block *b, const float *source, size_t stride)
{
    struct product p = new_product(b, 1, b->step->conv.block_in);
    for (uint32_t r = 0; r < b->rows; r++)
        b->scratch.source[r] = source + r * stride;
    multiply_groups(b, &p, b->rows);
}

static void multiply_windows(const struct block *b, const struct windows *w)
{
    struct product p = new_product(b, w->taps, b->step->conv.block_in);
    const float **source = b->scratch.source;
    for (uint32_t r = 0; r < b->rows; r++)
        for (uint32_t t = 0; t < w->taps; t++) {
            int32_t row = w->map[w->origin[r] + w->offset[t]];
            *source++ = (uint32_t)row < (uint32_t)w->limit
                            ? w->source + (size_t)row * w->source_stride
                        : row == MAP_BORDER ? w->border
                                            : b->run->zeros;
        }
    multiply_groups(b, &p, (size_t)b->rows * w->taps);
}

static void multiply_gathered(const struct block *b, struct windows *w)
{
    const struct conv *conv = &b->step->conv;
    uint32_t depth = w->taps * conv->block_in;
    const float *source = w->source, *border = w->border;
    for (uint32_t g = 0; g < conv->blocks; g++) {
        size_t column = (size_t)g * conv->block_out;
        struct product p = new_product(b, 1, depth);
        w->source = source + (size_t)g * conv->block_in;
        w->border = border ? border + (size_t)g * conv->block_in : NULL;
        b->run->kernels->gather(b->scratch.matrix, w, b->rows, conv->block_in);
        for (uint32_t r = 0; r < b->rows; r++)
            b->scratch.source[r] = b->scratch.matrix + (size_t)r * depth;
        p.weights = conv->weights + g * conv->block_floats;
        p.bias = conv->bias + column;
        p.residual = b->residual ? b->residual + column : NULL;
        p.target = b->target + column;
        b->run->kernels->multiply(&p, b->rows);
    }
}

static void find_windows(const struct block *b, struct windows *windows)
{
    const struct conv *conv = &b->step->conv;
    const struct window *window = conv_outer_window(conv);
    run_windows(b->run, b->step, window, b->first, b->rows, window->kernel_width, b->scratch.origin,
                b->scratch.offset, windows);
}

static void depthwise(const struct block *b, const struct conv *conv, const float *residual,
                      float *target)
{
    struct windows windows;
    find_windows(b, &windows);
    windows.border = conv->border;
    struct depthwise d = {.windows = &windows,
                          .channels = conv->out_channels,
                          .weights = conv->weights,
                          .bias = conv->bias,
                          .residual = residual,
                          .low = conv->low,
                          .high = conv->high,
                          .target = target};
    b->run->kernels->depthwise(&d, b->rows);
}

static void run_program(const struct block *b, const struct program *program, uint32_t width,
                        float *target, bool own)
{
    struct program_call call = {.run = b->run,
                                .step = b->step,
                                .program = program,
                                .width = width,
                                .first = b->first,
                                .rows = b->rows,
                                .target = target,
                                .own = own ? target : NULL,
                                .scratch = b->scratch.program};
    if (program->length)
        program_run(&call);
}

static void run_prologue(const struct block *b)
{
    const struct conv *conv = &b->step->conv;
    const struct conv *first = conv->before->depthwise;
    if (first)
        depthwise(b, first, NULL, b->scratch.matrix);
    run_program(b, &conv->before->program, conv->in_channels, b->scratch.matrix, first != NULL);
}

void conv_prologue(struct run *run, const struct step *step, uint32_t first, uint32_t rows,
                   const struct conv_scratch *scratch)
{
    struct block b = {.run = run, .step = step, .first = first, .rows = rows, .scratch = *scratch};
    run_prologue(&b);
}

static void multiply_block(const struct block *b)
{
    const struct conv *conv = &b->step->conv;
    uint32_t in = b->step->inputs[0];
    if (conv->before) {
        run_prologue(b);
        multiply_rows(b, b->scratch.matrix, conv->in_channels);
        return;
    }
    if (conv_is_direct(b->run, b->step)) {
        const float *rows = b->run->states[in].rows + (size_t)b->first * conv->in_channels;
        multiply_rows(b, rows, conv->in_channels);
        return;
    }
    if (conv->pointwise) {
        multiply_rows(
            b,
            rows_at_sites(b->run, in, b->step->output, false, b->first, b->rows, b->scratch.matrix),
            conv->in_channels);
        return;
    }
    if (conv->depthwise) {
        depthwise(b, conv, b->residual, b->target);
        return;
    }
    struct windows windows;
    find_windows(b, &windows);
    windows.border = conv->border;
    if (conv_is_gathered(conv))
        multiply_gathered(b, &windows);
    else
        multiply_windows(b, &windows);
}

/* Columns are shared out if that is all there is to do for a row. */
bool conv_has_columns(const struct step *step)
{
    const struct conv *conv = &step->conv;
    return conv->blocks == 1 && !conv->rounds && !conv->before && !conv->depthwise &&
           !step->program.length && !conv_is_gathered(conv);
}

static struct block new_block(struct run *run, const struct step *step, uint32_t index,
                              uint8_t *base)
{
    const struct row_cut *cut = &run->cut;
    uint32_t out = step->conv.out_channels, parts = (out + cut->columns - 1) / cut->columns;
    struct block b = {.run = run, .step = step};
    b.first = cut->first + index / parts * cut->rows;
    b.rows = cut->end - b.first < cut->rows ? cut->end - b.first : cut->rows;
    b.column = index % parts * cut->columns;
    b.columns = out - b.column < cut->columns ? out - b.column : cut->columns;
    b.target = run->states[step->output].rows + (size_t)b.first * out;
    lay_out(step, base, &b.scratch);
    return b;
}

void conv_rows_block(struct run *run, const struct step *step, uint32_t index, uint8_t *base)
{
    const struct conv *conv = &step->conv;
    struct block b = new_block(run, step, index, base);
    if (conv->residual != GRAPH_NO_VALUE) {
        uint32_t in = step->inputs[conv->residual];
        b.residual = rows_at_sites(run, in, step->output, run_same_rows(run, in, step->output),
                                   b.first, b.rows, b.scratch.residual);
    }
    multiply_block(&b);
    run_program(&b, &step->program, conv->out_channels, b.target, true);
}

void conv_rows_program(struct run *run, const struct step *step, uint32_t index, uint8_t *base)
{
    struct block b = new_block(run, step, index, base);
    run_program(&b, &step->program, step->conv.out_channels, b.target, true);
}
