/* Convolutions, fully connected layers and channel-last MatMul: execution.
 *
 * Rows of all samples are stacked.  A block of output rows is multiplied where its sources stand: a
 * pointer for each tap of each row, to a visible row, a neighbour-padded one or zeros.  Bias,
 * residual and activation happen in registers, a longer program while the block is in the cache.
 */
#include <stdlib.h>
#include <string.h>

#include "ops/conv_parts.h"

enum {
    BLOCK_FLOATS = 1 << 16,
    MIN_ROWS = 48,
    MAX_ROWS = 240,
    TILE_MULTIPLE = 24, /* of all tiles' rows */
    GATHER_BELOW = 16
};

/* A step is computed in blocks of rows whose size depends on the step alone, so that results do not
 * depend on threads: few enough that their sources stay in the L2 cache, in whole tiles. */
static uint32_t block_rows(const struct conv *conv)
{
    uint32_t rows = BLOCK_FLOATS / conv->in_channels / TILE_MULTIPLE * TILE_MULTIPLE;
    return rows < MIN_ROWS ? MIN_ROWS : rows > MAX_ROWS ? MAX_ROWS : rows;
}

/* Rows of few channels (a picture's) are gathered, so that the inner loop of the product is long.
 */
static bool is_gathered(const struct conv *conv)
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
    size_t rows = block_rows(conv), taps = window_taps(conv_outer_window(conv)), used = 0;
    size_t width = is_gathered(conv)                 ? taps * conv->block_in
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
    out->program = base + used;
    return used;
}

static size_t conv_scratch(const struct graph *graph, const struct step *step)
{
    if (step->conv.halves)
        return conv_bf16_scratch(graph, step);
    uint8_t nowhere[1];
    struct conv_scratch unused;
    const struct prologue *before = step->conv.before;
    size_t after = program_scratch(graph, step, &step->program);
    size_t first = before ? program_scratch(graph, step, &before->program) : 0;
    size_t bytes = lay_out(step, nowhere, &unused) + round_up(first > after ? first : after);
    size_t tiles = step->conv.winograd ? conv_winograd_scratch(step) : 0;
    return bytes > tiles ? bytes : tiles;
}

static size_t conv_shared(const struct graph *graph, const struct step *step)
{
    return step->conv.winograd ? conv_winograd_shared(graph, step) : 0;
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

/* One block on its way: `rows` rows of the output from row `first`, stored at target. */
struct block {
    struct run *run;
    const struct step *step;
    uint32_t first, rows;
    float *target;
    const float *residual; /* of the block's first row; NULL: none */
    struct conv_scratch scratch;
};

/* All groups of a block; p->source points at rows of group 0's channels. */
static void multiply_groups(const struct block *b, struct product *p, size_t n_pointers)
{
    const struct conv *conv = &b->step->conv;
    for (uint32_t g = 0; g < conv->blocks; g++) {
        size_t column = (size_t)g * conv->block_out;
        p->weights = conv->weights + g * conv->block_floats;
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
                            .columns = conv->block_out,
                            .source = b->scratch.source,
                            .residual_stride = conv->out_channels,
                            .low = conv->low,
                            .high = conv->high,
                            .target_stride = conv->out_channels};
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
    if (is_gathered(conv))
        multiply_gathered(b, &windows);
    else
        multiply_windows(b, &windows);
}

static void conv_block(struct run *run, const struct step *step, uint32_t index, uint8_t *base)
{
    const struct conv *conv = &step->conv;
    const struct value_state *out = &run->states[step->output];
    struct block b = {.run = run, .step = step};
    b.first = run->first_row + index * block_rows(conv);
    b.rows = run->end_row - b.first < block_rows(conv) ? run->end_row - b.first : block_rows(conv);
    lay_out(step, base, &b.scratch);
    b.target = out->rows + (size_t)b.first * conv->out_channels;
    if (conv->residual != GRAPH_NO_VALUE) {
        uint32_t in = step->inputs[conv->residual];
        b.residual = rows_at_sites(run, in, step->output, run_same_rows(run, in, step->output),
                                   b.first, b.rows, b.scratch.residual);
    }
    multiply_block(&b);
    run_program(&b, &step->program, conv->out_channels, b.target, true);
}

/* The program of rows that are there already. */
static void program_block(struct run *run, const struct step *step, uint32_t index, uint8_t *base)
{
    uint32_t most = block_rows(&step->conv), first = run->first_row + index * most;
    uint32_t rows = run->end_row - first, width = step->conv.out_channels;
    struct block b = {.run = run, .step = step, .first = first, .rows = rows < most ? rows : most};
    lay_out(step, base, &b.scratch);
    run_program(&b, &step->program, width, run->states[step->output].rows + (size_t)first * width,
                true);
}

/* What the blocks share must be there before they run in parallel. */
static void prepare(struct run *run, const struct step *step)
{
    uint32_t in = step->inputs[0];
    for (uint32_t i = 0; i < step->n_inputs; i++)
        if ((i > 0 || step->conv.pointwise) && run->states[step->inputs[i]].demand &&
            !run_same_rows(run, step->inputs[i], step->output))
            run_site_map(run, step->inputs[i]);
    if (run->states[in].demand && !step->conv.pointwise && !conv_is_direct(run, step)) {
        run_pad_map(run, conv_outer_window(&step->conv)->map);
        run_neighbour_pad(run, in);
    }
}

/* Multiplications for a row of the output. */
static uint64_t products_of(const struct conv *conv)
{
    uint64_t taps = window_taps(&conv->window);
    return taps * conv->out_channels * (conv->depthwise ? 1 : conv->block_in);
}

/* Calls task for blocks of rows first..end-1. */
static void run_rows(struct run_task *task, uint32_t first, uint32_t end)
{
    const struct conv *conv = &task->step->conv;
    uint32_t most = conv->halves ? conv_bf16_rows(conv) : block_rows(conv);
    task->run->first_row = first;
    task->run->end_row = end;
    run_blocks(task, (end - first + most - 1) / most);
}

/* Samples first..end-1; returns how many products that took. */
static uint64_t run_samples(struct run *run, const struct step *step, uint32_t first, uint32_t end)
{
    const uint32_t *row = run->states[step->output].first;
    struct run_task program = {run, step, program_block}, rows = {run, step, conv_block};
    if (!conv_is_tiled(run, step, first)) {
        run_rows(&rows, row[first], row[end]);
        return (row[end] - row[first]) * products_of(&step->conv);
    }
    uint64_t products = conv_winograd_run(run, step, first, end);
    if (step->program.length)
        run_rows(&program, row[first], row[end]);
    return products;
}

static uint64_t run_tiled(struct run *run, const struct step *step)
{
    uint64_t products = 0;
    for (uint32_t first = 0, end; first < run->n; first = end) {
        bool tiled = conv_is_tiled(run, step, first);
        end = first + 1;
        while (end < run->n && conv_is_tiled(run, step, end) == tiled)
            end++;
        products += run_samples(run, step, first, end);
    }
    return products;
}

static void conv_execute(struct run *run, const struct step *step)
{
    const struct conv *conv = &step->conv;
    const struct conv *first = conv->before ? conv->before->depthwise : NULL;
    uint64_t before = first ? window_taps(&first->window) * (uint64_t)first->out_channels : 0;
    uint32_t rows = run->states[step->output].n_rows;
    struct run_task task = {run, step, conv->halves ? conv_bf16_block : conv_block};
    prepare(run, step);
    if (conv->winograd) {
        run->stats.macs_done += run_tiled(run, step);
    } else {
        run_rows(&task, 0, rows);
        run->stats.macs_done += rows * (before + products_of(conv));
    }
    run->kernel = conv->winograd && conv_is_tiled(run, step, 0) ? conv_winograd_name(conv)
                  : conv->depthwise                             ? "depthwise"
                  : conv->halves && first                       ? "depthwise and bfloat16 product"
                  : conv->halves                                ? "bfloat16 product"
                  : is_gathered(conv)                           ? "gathered product"
                  : first                                       ? "depthwise and product"
                                                                : "product";
    uint64_t taps = window_taps(&conv->window), in_group = conv->in_channels / conv->groups;
    run->stats.macs_needed +=
        run->states[step->output].needed * (before + taps * in_group * conv->out_channels);
}

static void conv_clear(struct step *step)
{
    free(step->conv.winograd);
    free(step->conv.weights);
    free(step->conv.halves);
    free(step->conv.bias);
    free(step->conv.border);
    prologue_free(step->conv.before);
}

static struct window *conv_window(struct step *step)
{
    struct prologue *before = step->conv.before;
    struct window *window =
        before && before->depthwise ? &before->depthwise->window : &step->conv.window;
    return step->conv.pointwise ? NULL : window;
}

static uint32_t conv_rounds(const struct step *step)
{
    return conv_outer_window(&step->conv)->kernel_width;
}

const struct step_kind step_conv = {
    .name = "conv",
    .visible = conv_visible,
    .demand = conv_demand,
    .identify = conv_identify,
    .execute = conv_execute,
    .reads_masked = conv_reads_masked,
    .scratch = conv_scratch,
    .shared = conv_shared,
    .window = conv_window,
    .rounds = conv_rounds,
    .clear = conv_clear,
};
