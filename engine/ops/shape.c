/* Reshape, Flatten, Squeeze, Unsqueeze, Identity and Dropout: other names for the same rows; and
 * the steps behind them: crop (Slice of rows and columns) and flatten. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "ops/ops.h"

/* ---- crop */

/* Site of the input that becomes `site`. */
static uint32_t crop_source(const struct crop *c, uint32_t site)
{
    return site_pack((uint32_t)(c->y0 + (int32_t)site_y(site) * c->dy),
                     (uint32_t)(c->x0 + (int32_t)site_x(site) * c->dx));
}

static void crop_visible(struct run *run, const struct step *step, uint32_t sample)
{
    const struct value *in = &run->graph->values[step->inputs[0]];
    const struct value *out = &run->graph->values[step->output];
    const uint64_t *from = value_visible(run, step->inputs[0], sample);
    uint64_t *to = value_visible(run, step->output, sample);
    memset(to, 0, value_words(out) * sizeof *to);
    for (uint32_t y = 0; y < out->height; y++, to += bits_words(out->width))
        for (uint32_t x = 0; x < out->width; x++)
            if (sites_has(from, in->width, crop_source(&step->crop, site_pack(y, x))))
                bits_put(to, x);
}

static void crop_demand(struct run *run, const struct step *step, uint32_t sample)
{
    const struct value *in = &run->graph->values[step->inputs[0]];
    const struct value *out = &run->graph->values[step->output];
    uint64_t *to = value_demand(run, step->inputs[0], sample);
    const uint64_t *from = value_demand(run, step->output, sample);
    for (uint32_t y = 0; y < out->height; y++, from += bits_words(out->width))
        for (size_t x = 0; (x = bits_find(from, x, out->width, true)) < out->width; x++) {
            uint32_t site = crop_source(&step->crop, site_pack(y, (uint32_t)x));
            bits_put(to + site_y(site) * bits_words(in->width), site_x(site));
        }
}

static bool crop_reads_masked(const struct graph *graph, const struct step *step, uint32_t input,
                              bool masked)
{
    (void)graph;
    (void)step;
    (void)input;
    return masked;
}

static void crop_execute(struct run *run, const struct step *step)
{
    const struct value *in = &run->graph->values[step->inputs[0]];
    const struct value_state *source = &run->states[step->inputs[0]];
    const struct value_state *target = &run->states[step->output];
    const int32_t *map = run_site_map(run, step->inputs[0]);
    size_t sites = value_sites(in), bytes = in->channels * sizeof(float);
    for (uint32_t s = 0; s < run->n; s++)
        for (uint32_t i = target->first[s]; i < target->first[s + 1]; i++) {
            uint32_t site = crop_source(&step->crop, target->sites[i]);
            int32_t row = map[s * sites + (size_t)site_y(site) * in->width + site_x(site)];
            float *to = target->rows + (size_t)i * in->channels;
            if (row < 0)
                memset(to, 0, bytes);
            else
                memcpy(to, source->rows + (size_t)row * in->channels, bytes);
        }
}

const struct step_kind step_crop = {
    .name = "crop",
    .visible = crop_visible,
    .demand = crop_demand,
    .execute = crop_execute,
    .reads_masked = crop_reads_masked,
};

enum lm_status lower_crop(struct lowering *l, const struct onnx_node *node, const struct view *x,
                          const struct slice_range *ranges)
{
    const struct slice_range *rows = &ranges[x->row_axis], *columns = &ranges[x->column_axis];
    struct value value = *view_value(l->graph, x);
    value.height = (uint32_t)rows->count;
    value.width = (uint32_t)columns->count;
    value.shared = false;
    struct step *step =
        graph_add_step(l->graph, &step_crop, node->name, &x->value, 1, &value, l->error);
    if (!step)
        return LM_NOMEM;
    step->crop = (struct crop){(int32_t)rows->start, (int32_t)columns->start, (int32_t)rows->step,
                               (int32_t)columns->step};
    struct view out = *x;
    out.value = step->output;
    out.dims[x->row_axis] = rows->count;
    out.dims[x->column_axis] = columns->count;
    return output_view(l, node, 0, &out);
}

/* Python's slice.indices for one axis. */
static struct slice_range clip_range(int64_t start, int64_t end, int64_t step, int64_t extent)
{
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? extent - 1 : extent;
    start = start < 0 ? (start < -extent ? low : start + extent) : start;
    end = end < 0 ? (end < -extent ? low : end + extent) : end;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    struct slice_range range = {.start = start, .step = step, .count = 0};
    if (step > 0 && end > start)
        range.count = (end - start - 1) / step + 1;
    if (step < 0 && start > end)
        range.count = (start - end - 1) / -step + 1;
    return range;
}

enum lm_status slice_ranges(struct lowering *l, const struct onnx_node *node, uint32_t rank,
                            const int64_t *dims, struct slice_range ranges[ONNX_MAX_RANK])
{
    const int64_t *starts, *ends, *axes, *steps;
    size_t n, n_ends, n_axes, n_steps;
    enum lm_status status = setting_ints(l, node, "starts", 1, &starts, &n);
    if (status == LM_OK)
        status = setting_ints(l, node, "ends", 2, &ends, &n_ends);
    if (status == LM_OK)
        status = setting_ints(l, node, "axes", 3, &axes, &n_axes);
    if (status == LM_OK)
        status = setting_ints(l, node, "steps", 4, &steps, &n_steps);
    if (status != LM_OK)
        return status;
    if (n == SIZE_MAX || n != n_ends || (n_axes != SIZE_MAX && n_axes != n) ||
        (n_steps != SIZE_MAX && n_steps != n) || n > rank)
        return lm_fail(l->error, LM_CORRUPT, "starts, ends, axes and steps of different length");
    for (uint32_t a = 0; a < rank; a++)
        ranges[a] = (struct slice_range){0, 1, dims[a]};
    for (size_t i = 0; i < n; i++) {
        int64_t given = n_axes == SIZE_MAX ? (int64_t)i : axes[i];
        int64_t step = n_steps == SIZE_MAX ? 1 : steps[i];
        int64_t axis = given < 0 ? given + rank : given;
        if (axis < 0 || axis >= (int64_t)rank || step == 0 || step > INT32_MAX || step < -INT32_MAX)
            return lm_fail(l->error, LM_CORRUPT, "axis %" PRId64 " of rank %u, step %" PRId64,
                           given, rank, step);
        ranges[axis] = clip_range(starts[i], ends[i], step, dims[axis]);
    }
    return LM_OK;
}

/* ---- flatten */

static void flatten_demand(struct run *run, const struct step *step, uint32_t sample)
{
    uint32_t in = step->inputs[0];
    sites_or(value_demand(run, in, sample), value_visible(run, in, sample),
             value_words(&run->graph->values[in]));
}

/* Rows of masked sites stay zero. */
static void flatten_execute(struct run *run, const struct step *step)
{
    const struct value *in = &run->graph->values[step->inputs[0]];
    const struct value_state *source = &run->states[step->inputs[0]];
    size_t width = run->graph->values[step->output].channels;
    const struct flatten *f = &step->flatten;
    for (uint32_t s = 0; s < run->n; s++) {
        float *target = run->states[step->output].rows + s * width;
        const uint64_t *visible = value_visible(run, step->inputs[0], s);
        memset(target, 0, width * sizeof *target);
        for (uint32_t i = source->first[s]; i < source->first[s + 1]; i++) {
            uint32_t y = site_y(source->sites[i]), x = site_x(source->sites[i]);
            if (!sites_has(visible, in->width, source->sites[i]))
                continue;
            const float *row = source->rows + (size_t)i * in->channels;
            float *corner = target + (size_t)y * f->row_stride + (size_t)x * f->column_stride;
            for (uint32_t c = 0; c < in->channels; c++)
                corner[f->offset[c]] = row[c];
        }
    }
}

static void flatten_clear(struct step *step)
{
    free(step->flatten.offset);
}

const struct step_kind step_flatten = {
    .name = "flatten",
    .demand = flatten_demand,
    .execute = flatten_execute,
    .clear = flatten_clear,
};

static enum lm_status flatten_layout(struct lowering *l, const struct view *x, struct flatten *out)
{
    size_t stride[GRAPH_MAX_RANK], step = 1;
    for (uint32_t a = x->rank; a-- > 1;) {
        stride[a] = step;
        step *= (size_t)x->dims[a];
    }
    uint32_t channels = view_value(l->graph, x)->channels;
    out->row_stride = (uint32_t)stride[x->row_axis];
    out->column_stride = (uint32_t)stride[x->column_axis];
    if (!graph_count(l->graph, channels * sizeof *out->offset, l->error))
        return LM_LIMIT;
    out->offset = array_alloc(channels, sizeof *out->offset);
    if (!out->offset)
        return lm_fail(l->error, LM_NOMEM, "out of memory for a Flatten");
    for (uint32_t c = 0; c < channels; c++) {
        size_t rest = c, at = 0;
        for (uint32_t a = x->rank; a-- > 1;) {
            if (view_axis_is_place(l->graph, x, a))
                continue;
            at += rest % (size_t)x->dims[a] * stride[a];
            rest /= (size_t)x->dims[a];
        }
        out->offset[c] = (uint32_t)at;
    }
    return LM_OK;
}

/* A spatial view becomes one ordinary row of all its numbers. */
static enum lm_status flatten_to_row(struct lowering *l, const struct onnx_node *node,
                                     const struct view *x)
{
    if (view_has_border(x))
        return REFUSE(l, "a padded border may only enter a Conv or pool");
    const struct value *in = view_value(l->graph, x);
    uint64_t width = value_sites(in) * in->channels;
    if (width > GRAPH_MAX_CHANNELS)
        return lm_fail(l->error, LM_LIMIT, "%" PRIu64 " features (at most %d)", width,
                       GRAPH_MAX_CHANNELS);
    struct flatten flatten;
    enum lm_status status = flatten_layout(l, x, &flatten);
    if (status != LM_OK)
        return status;
    struct value value = {.height = 1, .width = 1, .channels = (uint32_t)width};
    struct step *step =
        graph_add_step(l->graph, &step_flatten, node->name, &x->value, 1, &value, l->error);
    if (!step) {
        free(flatten.offset);
        return LM_NOMEM;
    }
    step->flatten = flatten;
    struct view out = {.value = step->output, .rank = 2, .dims = {x->dims[0], (int64_t)width}};
    return output_view(l, node, 0, &out);
}

/* ---- rules */

static enum lm_status lower_alias(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    return x ? output_view(l, node, 0, x) : REFUSE(l, "input 0 is a constant");
}

static enum lm_status lower_flatten(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    if (!x || attribute_int(node, "axis", 1) != 1)
        return REFUSE(l, "only axis 1 of values computed from the image");
    if (view_spatial(l->graph, x))
        return flatten_to_row(l, node, x);
    struct view out = {.value = x->value,
                       .rank = 2,
                       .dims = {x->dims[0], (int64_t)view_value(l->graph, x)->channels}};
    return output_view(l, node, 0, &out);
}

static enum lm_status target_shape(struct lowering *l, const struct onnx_node *node,
                                   const struct view *x, int64_t *dims, uint32_t *rank)
{
    const int64_t *shape;
    size_t n;
    enum lm_status status = setting_ints(l, node, "shape", 1, &shape, &n);
    if (status != LM_OK)
        return status;
    if (n == SIZE_MAX || n < 2 || n > GRAPH_MAX_RANK)
        return REFUSE(l, "a result of rank %zu (2 to %d)", n == SIZE_MAX ? 0 : n, GRAPH_MAX_RANK);
    int64_t total = 1, known = 1, open = -1;
    bool copies = !attribute_int(node, "allowzero", 0); /* a 0 stands for the input's size there */
    for (uint32_t a = 0; a < x->rank; a++)
        total *= x->dims[a];
    for (size_t a = 0; a < n; a++) {
        dims[a] = shape[a] == 0 && copies && a < x->rank ? x->dims[a] : shape[a];
        if (dims[a] == -1 && open < 0)
            open = (int64_t)a;
        else if (dims[a] < 1 || __builtin_mul_overflow(known, dims[a], &known))
            return lm_fail(l->error, LM_CORRUPT, "a shape holds %" PRId64, shape[a]);
    }
    if (open >= 0)
        dims[open] = total / known;
    if (open >= 0 ? dims[open] < 1 || dims[open] * known != total : known != total)
        return lm_fail(l->error, LM_CORRUPT, "%" PRId64 " numbers do not fit the new shape", total);
    *rank = (uint32_t)n;
    return LM_OK;
}

static enum lm_status lower_reshape(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    struct view out;
    if (!x)
        return REFUSE(l, "input 0 is a constant");
    out = *x;
    enum lm_status status = target_shape(l, node, x, out.dims, &out.rank);
    if (status != LM_OK)
        return status;
    char from[96], to[96];
    shape_text(x->dims, x->rank, from);
    shape_text(out.dims, out.rank, to);
    if (out.dims[0] != x->dims[0])
        return REFUSE(l, "a Reshape of %s to %s, which changes the batch", from, to);
    if (!view_spatial(l->graph, x))
        return output_view(l, node, 0, &out);
    if (out.rank == 2)
        return flatten_to_row(l, node, x);
    if (view_has_border(x))
        return REFUSE(l, "a padded border may only enter a Conv or pool");
    if (x->row_axis != x->rank - 2 || x->column_axis != x->rank - 1 || out.rank < 3 ||
        out.dims[out.rank - 2] != x->dims[x->rank - 2] ||
        out.dims[out.rank - 1] != x->dims[x->rank - 1])
        return REFUSE(l, "a Reshape of %s to %s, which takes rows and columns apart", from, to);
    out.row_axis = out.rank - 2;
    out.column_axis = out.rank - 1;
    return output_view(l, node, 0, &out);
}

static enum lm_status lower_unsqueeze(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    const int64_t *axes;
    size_t n;
    if (!x)
        return REFUSE(l, "input 0 is a constant");
    enum lm_status status = setting_ints(l, node, "axes", 1, &axes, &n);
    if (status != LM_OK)
        return status;
    if (n == SIZE_MAX || n == 0 || x->rank + n > GRAPH_MAX_RANK)
        return REFUSE(l, "a result of rank %zu", n == SIZE_MAX ? 0 : x->rank + n);
    uint32_t marked = 0, rank = x->rank + (uint32_t)n, next = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 1 || axis >= (int64_t)rank || (marked >> axis & 1))
            return REFUSE(l, "axis %" PRId64, axes[i]);
        marked |= 1u << axis;
    }
    struct view out = *x;
    out.rank = rank;
    for (uint32_t a = 0; a < rank; a++) {
        if (marked >> a & 1) {
            out.dims[a] = 1;
            continue;
        }
        if (next == x->row_axis)
            out.row_axis = a;
        if (next == x->column_axis)
            out.column_axis = a;
        out.dims[a] = x->dims[next++];
    }
    return output_view(l, node, 0, &out);
}

static enum lm_status lower_squeeze(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    const int64_t *axes;
    size_t n;
    if (!x)
        return REFUSE(l, "input 0 is a constant");
    enum lm_status status = setting_ints(l, node, "axes", 1, &axes, &n);
    if (status != LM_OK)
        return status;
    if (n == SIZE_MAX)
        return REFUSE(l, "a Squeeze without axes");
    struct view out = *x;
    uint32_t marked = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t axis;
        if (!view_axis(x, axes[i], &axis) || view_axis_is_place(l->graph, x, axis) ||
            x->dims[axis] != 1)
            return REFUSE(l, "axis %" PRId64, axes[i]);
        marked |= 1u << axis;
    }
    for (uint32_t a = x->rank; a-- > 0;)
        if (marked >> a & 1)
            view_drop_axis(&out, a);
    return output_view(l, node, 0, &out);
}

const struct onnx_rule rules_shape[] = {
    {"Identity", lower_alias},
    {"Dropout", lower_alias},
    {"Flatten", lower_flatten},
    {"Reshape", lower_reshape},
    {"Unsqueeze", lower_unsqueeze},
    {"Squeeze", lower_squeeze},
    {NULL, NULL},
};
