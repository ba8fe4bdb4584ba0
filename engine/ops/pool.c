/* MaxPool and AveragePool: only visible cells count. */
#include <string.h>

#include "graph/identity.h"
#include "ops/lower_window.h"

enum { BLOCK_ROWS = 128 };

static void pool_visible(struct run *run, const struct step *step, uint32_t sample)
{
    sites_any(&step->pool.window, value_visible(run, step->inputs[0], sample),
              value_visible(run, step->output, sample));
}

/* Masked outputs are 0 and need nothing. */
static void pool_demand(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0], out = step->output;
    size_t in_words = value_words(&run->graph->values[in]);
    size_t out_words = value_words(&run->graph->values[out]);
    uint64_t *wanted = run->planes[0], *cover = run->planes[1];
    memcpy(wanted, value_demand(run, out, sample), out_words * sizeof *wanted);
    sites_and(wanted, value_visible(run, out, sample), out_words);
    memset(cover, 0, in_words * sizeof *cover);
    sites_cover(&step->pool.window, wanted, cover);
    sites_or_and(value_demand(run, in, sample), cover, value_visible(run, in, sample), in_words);
}

static void pool_identify(struct run *run, const struct step *step, uint32_t sample)
{
    identity_of_windows(run, step, &step->pool.window, 0, sample);
}

struct pool_scratch {
    int64_t origin[BLOCK_ROWS];
    float scale[BLOCK_ROWS];
    int32_t offset[];
};

static size_t pool_scratch(const struct graph *graph, const struct step *step)
{
    size_t widest = graph->values[step->inputs[0]].channels;
    return sizeof(struct pool_scratch) + window_taps(&step->pool.window) * sizeof(int32_t) +
           widest * sizeof(float);
}

/* Rows of a block, from *first. */
static uint32_t start_pool(struct run *run, const struct step *step, uint32_t block,
                           struct pool_scratch *scratch, struct windows *windows, uint32_t *first,
                           float **target)
{
    const struct value_state *out = &run->states[step->output];
    uint32_t rows = run_block_rows(run, step->output, BLOCK_ROWS, block, first);
    run_windows(run, step, &step->pool.window, *first, rows, 0, scratch->origin, scratch->offset,
                windows);
    *target = out->rows + (size_t)*first * run->graph->values[step->output].channels;
    return rows;
}

static void max_block(struct run *run, const struct step *step, uint32_t block, uint8_t *base)
{
    struct pool_scratch *scratch = (struct pool_scratch *)(void *)base;
    struct windows windows;
    float *target;
    uint32_t channels = run->graph->values[step->output].channels, first;
    uint32_t rows = start_pool(run, step, block, scratch, &windows, &first, &target);
    float *border = (float *)(void *)(scratch->offset + windows.taps);
    for (uint32_t c = 0; c < channels; c++)
        border[c] = step->pool.window.border.constant;
    windows.border = border;
    run->kernels->max_pool(target, &windows, rows, channels);
    /* A masked output is 0, also where only a Pad's constant was seen. */
    uint32_t s = run_sample_of(run, step->output, first);
    const struct value_state *out = &run->states[step->output];
    uint32_t width = run->graph->values[step->output].width;
    for (uint32_t i = 0; i < rows; i++) {
        while (first + i >= out->first[s + 1])
            s++;
        if (!sites_has(value_visible(run, step->output, s), width, out->sites[first + i]))
            memset(target + (size_t)i * channels, 0, channels * sizeof *target);
    }
}

/* Cells first..first+n-1 of a window that lie in 0..extent-1. */
static uint32_t cells_within(int64_t first, uint32_t n, uint32_t dilation, int64_t extent)
{
    uint32_t count = 0;
    for (uint32_t t = 0; t < n; t++) {
        int64_t at = first + (int64_t)t * dilation;
        count += at >= 0 && at < extent;
    }
    return count;
}

/* Cells of the window at (y, x) that lie in the picture, grown by before and after cells. */
static uint32_t cells_in(const struct window *w, int64_t y, int64_t x, const uint32_t before[2],
                         const uint32_t after[2])
{
    return cells_within(y + before[0], w->kernel_height, w->dilation_y,
                        (int64_t)w->in_height + before[0] + after[0]) *
           cells_within(x + before[1], w->kernel_width, w->dilation_x,
                        (int64_t)w->in_width + before[1] + after[1]);
}

/* 1 / divisor of one output site; visible: cells of its window that are.  A Pad's border counts in
 * the divisor, but is no part of the picture. */
static float average_scale(const struct step *step, uint32_t site, uint32_t visible, bool rescale)
{
    const struct window *w = &step->pool.window;
    const struct border *b = &w->border;
    int64_t y = (int64_t)site_y(site) * w->stride_y - w->pad_top - b->top;
    int64_t x = (int64_t)site_x(site) * w->stride_x - w->pad_left - b->left;
    uint32_t before[2] = {b->top, b->left}, after[2] = {b->bottom, b->right};
    uint32_t picture = cells_in(w, y, x, (uint32_t[2]){0}, (uint32_t[2]){0});
    if (step->pool.count_include_pad) {
        before[0] += w->pad_top;
        before[1] += w->pad_left;
        after[0] += w->pad_bottom;
        after[1] += w->pad_right;
    }
    uint32_t divisor = cells_in(w, y, x, before, after);
    if (visible == 0 || divisor == 0)
        return 0;
    float scale = 1.0f / (float)divisor;
    return rescale ? scale * ((float)picture / (float)visible) : scale;
}

static uint32_t count_visible(const struct windows *w, uint32_t row)
{
    uint32_t n = 0;
    for (uint32_t t = 0; t < w->taps; t++)
        n += (uint32_t)w->map[w->origin[row] + w->offset[t]] < (uint32_t)w->limit;
    return n;
}

static void average_block(struct run *run, const struct step *step, uint32_t block, uint8_t *base)
{
    struct pool_scratch *scratch = (struct pool_scratch *)(void *)base;
    struct windows windows;
    float *target;
    bool rescale = run->graph->policy.average_pool == LM_AVERAGE_POOL_VISIBLE;
    uint32_t first, rows = start_pool(run, step, block, scratch, &windows, &first, &target);
    float *border = (float *)(void *)(scratch->offset + windows.taps);
    uint32_t channels = run->graph->values[step->output].channels;
    memset(border, 0, channels * sizeof *border);
    windows.border = border;
    for (uint32_t i = 0; i < rows; i++)
        scratch->scale[i] = average_scale(step, run->states[step->output].sites[first + i],
                                          count_visible(&windows, i), rescale);
    run->kernels->sum_pool(target, &windows, rows, channels, scratch->scale);
}

static void pool_execute(struct run *run, const struct step *step,
                         void (*block)(struct run *, const struct step *, uint32_t, uint8_t *))
{
    run_pad_map(run, step->pool.window.map);
    struct run_task task = {run, step, block};
    run_blocks(&task, run_row_blocks(run, step->output, BLOCK_ROWS));
}

static void max_execute(struct run *run, const struct step *step)
{
    pool_execute(run, step, max_block);
}

static void average_execute(struct run *run, const struct step *step)
{
    pool_execute(run, step, average_block);
}

static struct window *pool_window(struct step *step)
{
    return &step->pool.window;
}

const struct step_kind step_max_pool = {
    .name = "max_pool",
    .visible = pool_visible,
    .demand = pool_demand,
    .identify = pool_identify,
    .execute = max_execute,
    .by_sample = true,
    .scratch = pool_scratch,
    .window = pool_window,
};

const struct step_kind step_average_pool = {
    .name = "average_pool",
    .visible = pool_visible,
    .demand = pool_demand,
    .identify = pool_identify,
    .execute = average_execute,
    .by_sample = true,
    .scratch = pool_scratch,
    .window = pool_window,
};

static enum lm_status lower_pool(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    bool max = !strcmp(node->op, "MaxPool");
    if (!x || !view_spatial(l->graph, x) || !view_is_channel_first(l->graph, x))
        return REFUSE(l, "only N,C,H,W with rows and columns");
    if (max &&
        (attribute_int(node, "storage_order", 0) || (node->n_outputs > 1 && node->outputs[1][0])))
        return REFUSE(l, "the second output, indices");
    struct window window;
    enum lm_status status = lower_window(l, node, x, 0, 0, &window);
    if (status != LM_OK)
        return status;
    if (!max && window.border.constant != 0)
        return REFUSE(l, "a Pad with a constant other than 0 before it");
    if (!max && (window.dilation_y != 1 || window.dilation_x != 1))
        return REFUSE(l, "dilations");
    struct value value = *view_value(l->graph, x);
    value.height = window.out_height;
    value.width = window.out_width;
    value.shared = false;
    struct view out = *x;
    struct step *step = graph_add_step(l->graph, max ? &step_max_pool : &step_average_pool,
                                       node->name, &x->value, 1, &value, l->error);
    if (!step)
        return LM_NOMEM;
    step->pool.window = window;
    step->pool.count_include_pad = attribute_int(node, "count_include_pad", 0) != 0;
    out.value = step->output;
    out.border = (struct border){0};
    out.dims[2] = window.out_height;
    out.dims[3] = window.out_width;
    return output_view(l, node, 0, &out);
}

const struct onnx_rule rules_pool[] = {
    {"MaxPool", lower_pool}, {"AveragePool", lower_pool}, {NULL, NULL}};
