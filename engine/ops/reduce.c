/* Global pools and ReduceMean: from sites to one row. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"

static bool counts_masked(const struct graph *graph)
{
    return graph->policy.global_pool == LM_GLOBAL_POOL_UNMASKED;
}

static void average_demand(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    const struct value *value = &run->graph->values[in];
    uint64_t *demand = value_demand(run, in, sample);
    if (counts_masked(run->graph))
        sites_fill(value->height, value->width, demand);
    else
        sites_or(demand, value_visible(run, in, sample), value_words(value));
}

static bool average_reads_masked(const struct graph *graph, const struct step *step, uint32_t input,
                                 bool masked)
{
    (void)step;
    (void)input;
    (void)masked;
    return counts_masked(graph);
}

static size_t average_scratch(const struct graph *graph, const struct step *step)
{
    return graph->values[step->inputs[0]].channels * sizeof(double);
}

/* Sum over the rows of one sample whose sites are visible (or over all). */
static uint32_t sum_visible(struct run *run, const struct step *step, uint32_t sample, double *sum)
{
    uint32_t in = step->inputs[0], seen = 0;
    const struct value *value = &run->graph->values[in];
    const struct value_state *state = &run->states[in];
    const uint64_t *visible = value_visible(run, in, sample);
    bool all = counts_masked(run->graph);
    uint32_t i = state->first[sample], end = state->first[sample + 1];
    memset(sum, 0, value->channels * sizeof *sum);
    while (i < end) {
        uint32_t from = i;
        while (i < end && (all || sites_has(visible, value->width, state->sites[i])))
            i++;
        run->kernels->sum_rows(sum, state->rows + (size_t)from * value->channels, i - from,
                               value->channels);
        seen += i - from;
        i += i < end;
    }
    return seen;
}

static void average_block(struct run *run, const struct step *step, uint32_t block,
                          uint8_t *scratch)
{
    uint32_t sample = run->from + block;
    const struct value *in = &run->graph->values[step->inputs[0]];
    double *sum = (double *)(void *)scratch, sites = (double)value_sites(in);
    float *target = run->states[step->output].rows + (size_t)sample * in->channels;
    double seen = sum_visible(run, step, sample, sum), scale = 1 / sites;
    if (run->graph->policy.global_pool == LM_GLOBAL_POOL_VISIBLE)
        scale /= seen / sites + 1e-8;
    for (uint32_t c = 0; c < in->channels; c++)
        target[c] = (float)(sum[c] * scale);
}

static void average_execute(struct run *run, const struct step *step)
{
    struct run_task task = {run, step, average_block};
    run_blocks(&task, run->to - run->from);
}

const struct step_kind step_global_average = {
    .name = "global_average",
    .demand = average_demand,
    .execute = average_execute,
    .by_sample = true,
    .reads_masked = average_reads_masked,
    .scratch = average_scratch,
};

static void max_demand(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    sites_or(value_demand(run, in, sample), value_visible(run, in, sample),
             value_words(&run->graph->values[in]));
}

static void max_block(struct run *run, const struct step *step, uint32_t block, uint8_t *scratch)
{
    uint32_t in = step->inputs[0], sample = run->from + block;
    const struct value *value = &run->graph->values[in];
    const struct value_state *state = &run->states[in];
    const uint64_t *visible = value_visible(run, in, sample);
    float *target = run->states[step->output].rows + (size_t)sample * value->channels;
    bool any = false;
    (void)scratch;
    memset(target, 0, value->channels * sizeof *target);
    for (uint32_t i = state->first[sample]; i < state->first[sample + 1]; i++) {
        const float *row = state->rows + (size_t)i * value->channels;
        if (!sites_has(visible, value->width, state->sites[i]))
            continue;
        for (uint32_t c = 0; c < value->channels; c++)
            target[c] = !any || row[c] > target[c] ? row[c] : target[c];
        any = true;
    }
}

static void max_execute(struct run *run, const struct step *step)
{
    struct run_task task = {run, step, max_block};
    run_blocks(&task, run->to - run->from);
}

const struct step_kind step_global_max = {
    .name = "global_max",
    .demand = max_demand,
    .execute = max_execute,
    .by_sample = true,
};

/* ---- rules */

/* Rows and columns go: kept as axes of size 1, or dropped. */
static enum lm_status pool_all(struct lowering *l, const struct onnx_node *node,
                               const struct step_kind *kind, const struct view *x, bool keep)
{
    if (view_has_border(x))
        return REFUSE(l, "a padded border may only enter a Conv or pool");
    struct value value = {.height = 1, .width = 1, .channels = view_value(l->graph, x)->channels};
    struct view out = *x;
    struct step *step = graph_add_step(l->graph, kind, node->name, &x->value, 1, &value, l->error);
    if (!step)
        return LM_NOMEM;
    out.value = step->output;
    out.dims[out.row_axis] = out.dims[out.column_axis] = 1;
    if (!keep) {
        view_drop_axis(&out, out.column_axis);
        view_drop_axis(&out, out.row_axis);
    }
    return output_view(l, node, 0, &out);
}

static enum lm_status lower_global(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    bool max = !strcmp(node->op, "GlobalMaxPool");
    if (!x || !view_is_channel_first(l->graph, x))
        return REFUSE(l, "only N,C,H,W");
    if (!view_spatial(l->graph, x))
        return output_view(l, node, 0, x);
    return pool_all(l, node, max ? &step_global_max : &step_global_average, x, true);
}

static enum lm_status lower_reduce_mean(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    bool keep = attribute_int(node, "keepdims", 1) != 0;
    const int64_t *axes;
    size_t n;
    if (!x)
        return REFUSE(l, "input 0 is a constant");
    enum lm_status status = setting_ints(l, node, "axes", 1, &axes, &n);
    if (status != LM_OK)
        return status;
    if (n == SIZE_MAX || n == 0)
        return REFUSE(l, "a mean over all axes");
    uint32_t marked = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t axis;
        if (!view_axis(x, axes[i], &axis))
            return lm_fail(l->error, LM_CORRUPT, "an axis out of range");
        marked |= 1u << axis;
    }
    bool spatial = view_spatial(l->graph, x);
    if (spatial && marked == (1u << x->row_axis | 1u << x->column_axis))
        return pool_all(l, node, &step_global_average, x, keep);
    struct view out = *x;
    bool whole = true, touched = false;
    for (uint32_t a = x->rank; a-- > 0;) {
        bool place = view_axis_is_place(l->graph, x, a), in = marked >> a & 1;
        if (place && in)
            return REFUSE(l, "a mean over the batch, rows or columns together with other axes");
        whole &= place || in || x->dims[a] == 1;
        touched |= in && x->dims[a] != 1;
        if (in && keep)
            out.dims[a] = 1;
        else if (in)
            view_drop_axis(&out, a);
    }
    if (!touched)
        return output_view(l, node, 0, &out);
    if (!whole)
        return REFUSE(l, "a mean over some of the channel axes");
    return lower_channel_mean(l, node, &out);
}

const struct onnx_rule rules_reduce[] = {
    {"GlobalAveragePool", lower_global},
    {"GlobalMaxPool", lower_global},
    {"ReduceMean", lower_reduce_mean},
    {NULL, NULL},
};
