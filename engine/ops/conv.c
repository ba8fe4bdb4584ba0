/* Convolutions, fully connected layers and channel-last MatMul: the step, and how it is cut. */
#include <stdlib.h>
#include <string.h>

#include "ops/conv_parts.h"

enum { LEAST_ROWS = 48, ROWS_MULTIPLE = 6, HALVES_MULTIPLE = 16, COLUMNS_MULTIPLE = 64 };

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

static uint32_t shares(uint32_t count, uint32_t of, uint32_t multiple)
{
    uint32_t each = (count + of - 1) / of;
    return (each + multiple - 1) / multiple * multiple;
}

/* As many blocks for each thread, of about the same size: of rows, unless those are so few that
 * each would but read the weights.  What a row becomes does not depend on that. */
static uint32_t cut_rows(struct run *run, const struct step *step, uint32_t first, uint32_t end)
{
    const struct conv *conv = &step->conv;
    uint32_t most = conv->rounds ? conv_bf16_rows(run->graph, step) : conv_block_rows(conv);
    uint32_t threads = run->pool ? run->pool->threads : 1, n = end - first;
    uint32_t blocks = (n + most - 1) / most, columns = conv->out_channels, parts = 1;
    if (conv_has_columns(step) && n < LEAST_ROWS * threads) {
        columns = shares(columns, threads, COLUMNS_MULTIPLE);
        parts = (conv->out_channels + columns - 1) / columns;
    }
    if (parts == 1)
        blocks = (blocks + threads - 1) / threads * threads;
    uint32_t rows = n ? shares(n, blocks, conv->rounds ? HALVES_MULTIPLE : ROWS_MULTIPLE) : 1;
    run->cut = (struct row_cut){first, end, rows < most ? rows : most, columns};
    return (n + run->cut.rows - 1) / run->cut.rows * parts;
}

static void run_rows(struct run *run, const struct step *step, uint32_t row, uint32_t end)
{
    struct run_task task = {run, step, step->conv.rounds ? conv_bf16_block : conv_rows_block};
    run_blocks(&task, cut_rows(run, step, row, end));
}

/* Samples first..end-1; returns how many products that took. */
static uint64_t run_samples(struct run *run, const struct step *step, uint32_t first, uint32_t end)
{
    const uint32_t *row = run->states[step->output].first;
    struct run_task program = {run, step, conv_rows_program};
    if (!conv_is_tiled(run, step, first)) {
        run_rows(run, step, row[first], row[end]);
        return (row[end] - row[first]) * products_of(&step->conv);
    }
    uint64_t products = conv_winograd_run(run, step, first, end);
    if (step->program.length)
        run_blocks(&program, cut_rows(run, step, row[first], row[end]));
    return products;
}

static uint64_t run_tiled(struct run *run, const struct step *step)
{
    uint64_t products = 0;
    for (uint32_t first = run->from, end; first < run->to; first = end) {
        bool tiled = conv_is_tiled(run, step, first);
        end = first + 1;
        while (end < run->to && conv_is_tiled(run, step, end) == tiled)
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
    uint32_t row = run_first_row(run, step->output, run->from);
    uint32_t end = run_first_row(run, step->output, run->to);
    prepare(run, step);
    if (conv->winograd) {
        run->stats.macs_done += run_tiled(run, step);
    } else {
        run_rows(run, step, row, end);
        run->stats.macs_done += (end - row) * (before + products_of(conv));
    }
    run->kernel = conv->winograd && conv_is_tiled(run, step, run->from) ? conv_winograd_name(conv)
                  : conv->depthwise                                     ? "depthwise"
                  : conv->rounds && first  ? "depthwise and bfloat16 product"
                  : conv->rounds           ? "bfloat16 product"
                  : conv_is_gathered(conv) ? "gathered product"
                  : first                  ? "depthwise and product"
                                           : "product";
    uint64_t taps = window_taps(&conv->window), in_group = conv->in_channels / conv->groups;
    if (run->to == run->n) /* of all samples */
        run->stats.macs_needed +=
            run->states[step->output].needed * (before + taps * in_group * conv->out_channels);
}

static size_t conv_scratch(const struct graph *graph, const struct step *step)
{
    const struct conv *conv = &step->conv;
    size_t halves = conv->rounds ? conv_bf16_scratch(graph, step) : 0;
    size_t rows = conv->winograd || !conv->rounds ? conv_rows_scratch(graph, step) : 0;
    size_t tiles = conv->winograd ? conv_winograd_scratch(step) : 0;
    size_t most = halves > rows ? halves : rows;
    return most > tiles ? most : tiles;
}

static size_t conv_shared(const struct graph *graph, const struct step *step)
{
    return step->conv.winograd ? conv_winograd_shared(graph, step) : 0;
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
    .by_sample = true,
    .reads_masked = conv_reads_masked,
    .scratch = conv_scratch,
    .shared = conv_shared,
    .window = conv_window,
    .rounds = conv_rounds,
    .clear = conv_clear,
};
