/* Convolutions, fully connected layers and channel-last MatMul: masks, demand and execution.
 *
 * Rows of all samples are stacked.  A block of output rows is gathered into one matrix (not for
 * 1x1, whose input rows are that matrix), multiplied by the weights, and finished (bias, residual,
 * activation, program) before the next block, while it is in the cache.
 * Layer masking (Balasubramanian and Feizi, ICCV 2023): windows see visible cells and, for the ring
 * around them, neighbour-padded ones; as many rounds as the kernel is wide.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/sites.h"
#include "ops/ops.h"

enum { GATHER_FLOATS = 1 << 20, MIN_ROWS = 128, MAX_ROWS = 512 };

static const struct value *output_of(const struct run *run, const struct step *step)
{
    return &run->graph->values[step->output];
}

/* ---- masks and demand */

static void conv_visible(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    uint8_t *out = value_visible(run, step->output, sample);
    if (step->conv.pointwise)
        memcpy(out, value_visible(run, in, sample), value_sites(output_of(run, step)));
    else
        sites_any(&step->conv.window, value_visible(run, in, sample), out, run->bytes[0]);
    visible_intersection(run, step, 1, sample);
}

/* Notes the ring cells among `missing` and the cells that they are computed from. */
static void demand_ring(struct run *run, const struct step *step, uint32_t sample, uint8_t *missing,
                        uint8_t *reached, uint8_t *grown)
{
    uint32_t in = step->inputs[0], rounds = step->conv.window.kernel_width, last = 0;
    const struct value *value = &run->graph->values[in];
    size_t n = value_sites(value);
    const uint8_t *visible = value_visible(run, in, sample);
    uint8_t *demand = value_demand(run, in, sample), *ring = run->states[in].ring + sample * n;
    uint8_t *round_of = run->bytes[3];
    memcpy(reached, visible, n);
    memset(round_of, 0, n);
    for (uint32_t r = 1; r <= rounds && sites_any_set(missing, n); r++) {
        sites_grow(value->height, value->width, reached, grown, run->bytes[0]);
        uint8_t changed = 0;
        for (size_t p = 0; p < n; p++) {
            uint8_t fresh = grown[p] & (uint8_t)~reached[p];
            changed |= fresh;
            round_of[p] |= fresh ? (uint8_t)r : 0;
            ring[p] |= fresh & missing[p] ? (uint8_t)r : 0;
            missing[p] &= (uint8_t)~fresh;
        }
        if (!changed)
            break;
        memcpy(reached, grown, n);
        last = r;
    }
    for (uint32_t r = last; r >= 1; r--) {
        for (size_t p = 0; p < n; p++)
            reached[p] = ring[p] == r;
        sites_grow(value->height, value->width, reached, grown, run->bytes[0]);
        if (r == 1)
            for (size_t p = 0; p < n; p++)
                demand[p] |= grown[p] & visible[p];
        else
            for (size_t p = 0; p < n; p++)
                ring[p] |= grown[p] && round_of[p] == r - 1 ? (uint8_t)(r - 1) : 0;
    }
}

static void conv_demand(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    demand_same_sites(run, step, step->conv.pointwise ? 0 : 1, sample);
    if (step->conv.pointwise || !output_of(run, step)->spatial)
        return;
    size_t n = value_sites(&run->graph->values[in]);
    uint8_t *cover = run->bytes[1], *demand = value_demand(run, in, sample);
    const uint8_t *visible = value_visible(run, in, sample);
    memset(cover, 0, n);
    sites_cover(&step->conv.window, value_demand(run, step->output, sample), cover, run->bytes[0]);
    for (size_t p = 0; p < n; p++) {
        demand[p] |= cover[p] & visible[p];
        cover[p] &= visible[p] ^ 1;
    }
    if (sites_any_set(cover, n))
        demand_ring(run, step, sample, cover, run->bytes[2], run->bytes[4]);
}

static bool conv_reads_masked(const struct graph *graph, const struct step *step, uint32_t input,
                              bool masked)
{
    (void)graph;
    return masked && (input > 0 || step->conv.pointwise);
}

/* ---- execution */

static uint32_t depth_of(const struct conv *conv)
{
    return window_taps(&conv->window) * conv->block_in;
}

static bool is_single_tap(const struct window *w)
{
    return window_taps(w) == 1 && w->stride_y == 1 && w->stride_x == 1 &&
           w->out_height == w->in_height && w->out_width == w->in_width && !w->pad_top &&
           !w->pad_left;
}

static uint32_t block_rows(const struct conv *conv)
{
    uint32_t rows = GATHER_FLOATS / depth_of(conv);
    rows = rows < MIN_ROWS ? MIN_ROWS : rows > MAX_ROWS ? MAX_ROWS : rows;
    return conv->depthwise ? MIN_ROWS : rows;
}

/* Scratch of a thread: gathered matrix, copied residual rows, window origins, offsets, program. */
struct conv_scratch {
    float *matrix, *residual;
    int64_t *origin;
    int32_t *offset;
    uint8_t *program;
};

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t lay_out(const struct step *step, uint8_t *base, struct conv_scratch *out)
{
    const struct conv *conv = &step->conv;
    size_t rows = block_rows(conv), used = 0;
    size_t matrix = conv->depthwise ? 0 : rows * depth_of(conv) * sizeof(float);
    size_t residual =
        conv->residual == GRAPH_NO_VALUE ? 0 : rows * conv->out_channels * sizeof(float);
    out->matrix = (float *)(void *)(base + used);
    used += round_up(matrix);
    out->residual = (float *)(void *)(base + used);
    used += round_up(residual);
    out->origin = (int64_t *)(void *)(base + used);
    used += round_up(rows * sizeof(int64_t));
    out->offset = (int32_t *)(void *)(base + used);
    used += round_up(window_taps(&conv->window) * sizeof(int32_t));
    out->program = base + used;
    return used;
}

static size_t conv_scratch(const struct graph *graph, const struct step *step)
{
    static uint8_t nowhere[1];
    struct conv_scratch unused;
    return lay_out(step, nowhere, &unused) + round_up(program_scratch(graph, step));
}

/* The input rows can be multiplied where they stand. */
static bool is_direct(struct run *run, const struct step *step)
{
    const struct conv *conv = &step->conv;
    uint32_t in = step->inputs[0];
    if (!run->states[in].demand)
        return true;
    bool masked = run->plan->values[step->output].masked_rows && !conv->pointwise;
    return (conv->pointwise || is_single_tap(&conv->window)) && !masked &&
           run_same_rows(run, in, step->output);
}

static void multiply_direct(struct run *run, const struct step *step, uint32_t first, uint32_t rows,
                            const float *source, float *target)
{
    const struct conv *conv = &step->conv;
    (void)run;
    (void)first;
    for (uint32_t b = 0; b < conv->blocks; b++)
        kernels_gemm(target + (size_t)b * conv->block_out, conv->out_channels,
                     source + (size_t)b * conv->block_in, conv->in_channels,
                     conv->weights + (size_t)b * conv->block_in * conv->block_out, conv->block_out,
                     rows, conv->block_out, conv->block_in);
}

static void multiply_gathered(struct run *run, const struct step *step, struct windows *windows,
                              uint32_t rows, float *matrix, float *target)
{
    const struct conv *conv = &step->conv;
    uint32_t depth = depth_of(conv);
    const float *source = windows->source, *border = windows->border;
    for (uint32_t b = 0; b < conv->blocks; b++) {
        windows->source = source + (size_t)b * conv->block_in;
        windows->border = border ? border + (size_t)b * conv->block_in : NULL;
        run->kernels->gather(matrix, windows, rows, conv->block_in);
        kernels_gemm(target + (size_t)b * conv->block_out, conv->out_channels, matrix, depth,
                     conv->weights + (size_t)b * depth * conv->block_out, conv->block_out, rows,
                     conv->block_out, depth);
    }
}

static void finish(struct run *run, const struct step *step, uint32_t first, uint32_t rows,
                   float *target, const struct conv_scratch *scratch)
{
    const struct conv *conv = &step->conv;
    const float *residual = NULL;
    if (conv->residual != GRAPH_NO_VALUE) {
        uint32_t in = step->inputs[conv->residual];
        residual = rows_at_sites(run, in, step->output, run_same_rows(run, in, step->output), first,
                                 rows, scratch->residual);
    }
    run->kernels->epilogue(target, rows, conv->out_channels, conv->bias, residual, conv->low,
                           conv->high);
    if (step->program.length)
        program_run(run, step, first, rows, target, target, scratch->program);
}

static void conv_block(struct run *run, const struct step *step, uint32_t block, uint8_t *base)
{
    const struct conv *conv = &step->conv;
    const struct value_state *out = &run->states[step->output];
    struct conv_scratch scratch;
    lay_out(step, base, &scratch);
    uint32_t most = block_rows(conv), first = block * most;
    uint32_t rows = out->n_rows - first < most ? out->n_rows - first : most;
    float *target = out->rows + (size_t)first * conv->out_channels;
    const struct value_state *in = &run->states[step->inputs[0]];
    if (is_direct(run, step)) {
        multiply_direct(run, step, first, rows, in->rows + (size_t)first * conv->in_channels,
                        target);
    } else if (conv->pointwise) {
        const float *source =
            rows_at_sites(run, step->inputs[0], step->output, false, first, rows, scratch.matrix);
        multiply_direct(run, step, first, rows, source, target);
    } else {
        struct windows windows;
        run_windows(run, step, &conv->window, first, rows, conv->window.kernel_width,
                    scratch.origin, scratch.offset, &windows);
        windows.border = conv->border;
        if (conv->depthwise)
            run->kernels->depthwise(target, &windows, rows, conv->out_channels, conv->weights);
        else
            multiply_gathered(run, step, &windows, rows, scratch.matrix, target);
    }
    finish(run, step, first, rows, target, &scratch);
}

/* What the blocks share must be there before they run in parallel. */
static void prepare(struct run *run, const struct step *step)
{
    uint32_t in = step->inputs[0];
    for (uint32_t i = 0; i < step->n_inputs; i++)
        if ((i > 0 || step->conv.pointwise) && !run_same_rows(run, step->inputs[i], step->output))
            run_site_map(run, step->inputs[i]);
    if (run->states[in].demand && !step->conv.pointwise && !is_direct(run, step)) {
        run_pad_map(run, step->conv.window.map);
        run_neighbour_pad(run, in);
    }
}

static void conv_execute(struct run *run, const struct step *step)
{
    const struct conv *conv = &step->conv;
    uint64_t rows = run->states[step->output].n_rows, most = block_rows(conv);
    uint64_t taps = window_taps(&conv->window);
    prepare(run, step);
    struct run_task task = {run, step, conv_block};
    run_blocks(&task, (uint32_t)((rows + most - 1) / most));
    uint64_t in_group = conv->in_channels / conv->groups;
    run->stats.macs_needed += rows * taps * in_group * conv->out_channels;
    run->stats.macs_done +=
        rows * taps * conv->out_channels * (conv->depthwise ? 1 : conv->block_in);
}

static void conv_clear(struct step *step)
{
    free(step->conv.weights);
    free(step->conv.bias);
    free(step->conv.border);
}

static struct window *conv_window(struct step *step)
{
    return step->conv.pointwise ? NULL : &step->conv.window;
}

static uint32_t conv_rounds(const struct step *step)
{
    return step->conv.window.kernel_width;
}

const struct step_kind step_conv = {
    .name = "conv",
    .visible = conv_visible,
    .demand = conv_demand,
    .execute = conv_execute,
    .reads_masked = conv_reads_masked,
    .scratch = conv_scratch,
    .window = conv_window,
    .rounds = conv_rounds,
    .clear = conv_clear,
};
