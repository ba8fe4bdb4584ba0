/* Concat, Split, Gather, Slice, Pad and Transpose: which channel comes from where.
 *
 * Each becomes a table "channel of the result -> channel of an input", from which runs of channels
 * that move together are found: memcpys for a Concat, two strided copies for a channel shuffle. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "ops/ops.h"

/* Where one channel of the result comes from; input GRAPH_NO_VALUE: the fill. */
struct origin {
    uint32_t input, source;
};

struct routing {
    uint32_t n_inputs, inputs[STEP_MAX_INPUTS];
    size_t width;
    struct origin *origins;
    float fill;
    uint32_t concatenated; /* inputs of a Concat, counted as often as they occur; 0: no Concat */
    uint32_t weight[STEP_MAX_INPUTS];
};

/* Runs whose targets are consecutive. */
static uint32_t forward_runs(const struct routing *r, struct channel_run *runs)
{
    uint32_t n = 0;
    for (size_t c = 0; c < r->width; c++) {
        struct origin o = r->origins[c];
        if (o.input == GRAPH_NO_VALUE)
            continue;
        struct channel_run *last = n ? &runs[n - 1] : NULL;
        if (last && last->input == o.input && last->target + last->count == c &&
            last->source + last->count == o.source)
            last->count++;
        else
            runs[n++] = (struct channel_run){o.input, o.source, (uint32_t)c, 1, 1};
    }
    return n;
}

/* Runs whose sources are consecutive and whose targets are equally spaced; target_of[source]: for
 * one input, SIZE_MAX where it is not used.  Only for inputs of which no channel is used twice. */
static uint32_t spaced_runs(const size_t *target_of, uint32_t input, size_t width,
                            struct channel_run *runs)
{
    uint32_t n = 0;
    bool open = false;
    for (size_t s = 0; s < width; s++) {
        size_t t = target_of[s];
        if (t == SIZE_MAX) {
            open = false;
            continue;
        }
        struct channel_run *last = n ? &runs[n - 1] : NULL;
        if (open && last->count == 1 && t > last->target) {
            last->target_step = (uint32_t)(t - last->target);
            last->count = 2;
        } else if (open && t == last->target + (size_t)last->count * last->target_step) {
            last->count++;
        } else {
            runs[n++] = (struct channel_run){input, (uint32_t)s, (uint32_t)t, 1, 1};
            open = true;
        }
    }
    return n;
}

static bool one_input_once(const struct routing *r, size_t *target_of, size_t in_width)
{
    for (size_t s = 0; s < in_width; s++)
        target_of[s] = SIZE_MAX;
    for (size_t c = 0; c < r->width; c++) {
        if (r->origins[c].input == GRAPH_NO_VALUE)
            continue;
        if (target_of[r->origins[c].source] != SIZE_MAX)
            return false;
        target_of[r->origins[c].source] = c;
    }
    return true;
}

static bool find_runs(const struct graph *graph, const struct routing *r, struct channels *out)
{
    out->runs = array_alloc(r->width, sizeof *out->runs);
    if (!out->runs)
        return false;
    out->n_runs = forward_runs(r, out->runs);
    if (r->n_inputs != 1)
        return true;
    size_t in_width = graph->values[r->inputs[0]].channels;
    size_t *target_of = array_alloc(in_width, sizeof *target_of);
    struct channel_run *spaced = array_alloc(in_width, sizeof *spaced);
    if (target_of && spaced && one_input_once(r, target_of, in_width)) {
        uint32_t n = spaced_runs(target_of, 0, in_width, spaced);
        if (n < out->n_runs) {
            memcpy(out->runs, spaced, n * sizeof *spaced);
            out->n_runs = n;
        }
    }
    free(target_of);
    free(spaced);
    return true;
}

/* Adds the step of a routing and defines output i as `view` with the step's result as its value. */
static enum lm_status finish_routing(struct lowering *l, const struct onnx_node *node, size_t i,
                                     const struct routing *r, struct view *view)
{
    struct channels channels = {.fill = r->fill, .concatenated = r->concatenated};
    struct value value = l->graph->values[r->inputs[0]];
    value.channels = (uint32_t)r->width;
    value.shared = false;
    for (size_t c = 0; c < r->width; c++)
        channels.filled |= r->origins[c].input == GRAPH_NO_VALUE;
    channels.weight = array_alloc(r->n_inputs, sizeof *channels.weight);
    if (!channels.weight || !find_runs(l->graph, r, &channels)) {
        free(channels.weight);
        return lm_fail(l->error, LM_NOMEM, "out of memory for channels");
    }
    memcpy(channels.weight, r->weight, r->n_inputs * sizeof *r->weight);
    struct step *step = graph_add_step(l->graph, &step_channels, node->name, r->inputs, r->n_inputs,
                                       &value, l->error);
    if (!step) {
        free(channels.weight);
        free(channels.runs);
        return LM_NOMEM;
    }
    step->channels = channels;
    view->value = step->output;
    return output_view(l, node, i, view);
}

static enum lm_status start_routing(struct lowering *l, struct routing *r, const struct view *out,
                                    uint32_t input)
{
    r->n_inputs = 1;
    r->inputs[0] = input;
    r->width = 1;
    for (uint32_t a = 0; a < out->rank; a++)
        if (!view_axis_is_place(l->graph, out, a) &&
            !size_mul(r->width, (size_t)out->dims[a], &r->width))
            r->width = SIZE_MAX;
    if (r->width == 0 || r->width > GRAPH_MAX_CHANNELS)
        return lm_fail(l->error, LM_LIMIT, "%zu channels (1 to %d)", r->width, GRAPH_MAX_CHANNELS);
    r->origins = array_alloc(r->width, sizeof *r->origins);
    return r->origins ? LM_OK : lm_fail(l->error, LM_NOMEM, "out of memory for channels");
}

/* Splits channel c of a row into its coordinate on each channel axis. */
static void coordinates(const struct graph *graph, const struct view *view, size_t c, int64_t *at)
{
    for (uint32_t a = view->rank; a-- > 0;) {
        at[a] = 0;
        if (view_axis_is_place(graph, view, a))
            continue;
        at[a] = (int64_t)(c % (size_t)view->dims[a]);
        c /= (size_t)view->dims[a];
    }
}

static size_t channel_at(const size_t *strides, uint32_t rank, const int64_t *at)
{
    size_t c = 0;
    for (uint32_t a = 0; a < rank; a++)
        c += strides[a] * (size_t)at[a];
    return c;
}

static enum lm_status refuse_border(struct lowering *l, const struct view *x)
{
    if (view_has_border(x))
        return REFUSE(l, "a padded border may only enter a Conv or pool");
    return LM_OK;
}

static enum lm_status channel_axis(struct lowering *l, const struct onnx_node *node,
                                   const struct view *x, int64_t otherwise, uint32_t *axis)
{
    int64_t given = attribute_int(node, "axis", otherwise);
    if (!view_axis(x, given, axis))
        return lm_fail(l->error, LM_CORRUPT, "axis %" PRId64 " of rank %u", given, x->rank);
    if (view_axis_is_place(l->graph, x, *axis))
        return REFUSE(l, "axis %" PRId64 " is the batch, rows or columns", given);
    return refuse_border(l, x);
}

/* ---- Concat */

static enum lm_status concat_view(struct lowering *l, const struct onnx_node *node, uint32_t axis,
                                  struct view *out)
{
    const struct value *first = view_value(l->graph, out);
    for (size_t i = 1; i < node->n_inputs; i++) {
        const struct view *x = input_view(l, node, i);
        if (!x)
            return REFUSE(l, "constants beside values computed from the image");
        const struct value *value = view_value(l->graph, x);
        bool fits = x->rank == out->rank && value->spatial == first->spatial &&
                    (!value->spatial ||
                     (x->row_axis == out->row_axis && x->column_axis == out->column_axis));
        for (uint32_t a = 0; a < out->rank && fits; a++)
            fits = a == axis || x->dims[a] == out->dims[a];
        if (!fits)
            return REFUSE(l, "inputs of different layout or size");
        if (refuse_border(l, x) != LM_OK)
            return LM_UNSUPPORTED;
        out->dims[axis] += x->dims[axis];
    }
    return LM_OK;
}

static uint32_t routing_input(struct routing *r, uint32_t value)
{
    uint32_t i = 0;
    while (i < r->n_inputs && r->inputs[i] != value)
        i++;
    if (i == r->n_inputs) {
        r->weight[i] = 0;
        r->inputs[r->n_inputs++] = value;
    }
    return i;
}

static void route_concat(struct lowering *l, const struct onnx_node *node, uint32_t axis,
                         const struct view *out, struct routing *r)
{
    size_t strides[GRAPH_MAX_RANK], in_strides[GRAPH_MAX_RANK];
    int64_t at[GRAPH_MAX_RANK], start = 0;
    view_strides(l->graph, out, strides);
    r->n_inputs = 0;
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct view *x = input_view(l, node, i);
        uint32_t input = routing_input(r, x->value);
        size_t width = view_value(l->graph, x)->channels;
        r->weight[input]++;
        view_strides(l->graph, x, in_strides);
        for (size_t c = 0; c < width; c++) {
            coordinates(l->graph, x, c, at);
            at[axis] += start;
            r->origins[channel_at(strides, out->rank, at)] = (struct origin){input, (uint32_t)c};
        }
        start += x->dims[axis];
    }
    r->concatenated = (uint32_t)node->n_inputs;
}

static enum lm_status lower_concat(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    struct routing r = {0};
    uint32_t axis;
    if (!x)
        return REFUSE(l, "constants beside values computed from the image");
    if (node->n_inputs > STEP_MAX_INPUTS)
        return REFUSE(l, "%zu inputs (at most %d)", node->n_inputs, STEP_MAX_INPUTS);
    struct view out = *x;
    enum lm_status status = channel_axis(l, node, x, 0, &axis);
    if (status == LM_OK)
        status = concat_view(l, node, axis, &out);
    if (status == LM_OK)
        status = start_routing(l, &r, &out, x->value);
    if (status == LM_OK) {
        route_concat(l, node, axis, &out, &r);
        status = finish_routing(l, node, 0, &r, &out);
    }
    free(r.origins);
    return status;
}

/* ---- one input */

/* Output i keeps start + k * step of `axis`; count of them; index (if given) names them instead. */
static enum lm_status select_channels(struct lowering *l, const struct onnx_node *node, size_t i,
                                      uint32_t axis, struct slice_range range, const int64_t *index)
{
    struct view x = *input_view(l, node, 0), out = x;
    struct routing r = {.weight = {1}};
    size_t strides[GRAPH_MAX_RANK];
    int64_t at[GRAPH_MAX_RANK];
    out.dims[axis] = range.count;
    enum lm_status status = start_routing(l, &r, &out, x.value);
    if (status != LM_OK)
        return status;
    view_strides(l->graph, &x, strides);
    for (size_t c = 0; c < r.width; c++) {
        coordinates(l->graph, &out, c, at);
        at[axis] = index ? index[at[axis]] : range.start + at[axis] * range.step;
        r.origins[c] = (struct origin){0, (uint32_t)channel_at(strides, x.rank, at)};
    }
    status = finish_routing(l, node, i, &r, &out);
    free(r.origins);
    return status;
}

static enum lm_status lower_split(struct lowering *l, const struct onnx_node *node)
{
    const struct view *given = input_view(l, node, 0);
    const int64_t *sizes;
    size_t n;
    uint32_t axis;
    if (!given)
        return REFUSE(l, "input 0 is a constant");
    enum lm_status status = channel_axis(l, node, given, 0, &axis);
    if (status == LM_OK)
        status = setting_ints(l, node, "split", 1, &sizes, &n);
    if (status != LM_OK)
        return status;
    int64_t extent = given->dims[axis], outputs = (int64_t)node->n_outputs, start = 0;
    if (n != SIZE_MAX && n != node->n_outputs)
        return lm_fail(l->error, LM_CORRUPT, "%zu sizes for %zu outputs", n, node->n_outputs);
    for (int64_t i = 0; i < outputs && status == LM_OK; i++) {
        int64_t size = n == SIZE_MAX ? (extent + outputs - 1) / outputs : sizes[i];
        if (n == SIZE_MAX && size > extent - start)
            size = extent - start;
        if (size < 1 || size > extent - start)
            return lm_fail(l->error, LM_CORRUPT, "parts that do not fit %" PRId64 " channels",
                           extent);
        status =
            select_channels(l, node, (size_t)i, axis, (struct slice_range){start, 1, size}, NULL);
        start += size;
    }
    return status;
}

static enum lm_status lower_gather(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    const struct onnx_tensor *index = input_constant(l, node, 1);
    uint32_t axis;
    if (!x || !index || index->type != ONNX_INT64 || index->rank > 1 || index->count == 0)
        return REFUSE(l, "only a constant channel number or list of them");
    enum lm_status status = channel_axis(l, node, x, 0, &axis);
    if (status != LM_OK)
        return status;
    int64_t extent = x->dims[axis], *list = array_alloc(index->count, sizeof *list);
    if (!list)
        return lm_fail(l->error, LM_NOMEM, "out of memory for channels");
    for (size_t i = 0; i < index->count; i++) {
        list[i] = index->i[i] < 0 ? index->i[i] + extent : index->i[i];
        if (list[i] < 0 || list[i] >= extent) {
            free(list);
            return lm_fail(l->error, LM_CORRUPT, "channel %" PRId64 " of %" PRId64, index->i[i],
                           extent);
        }
    }
    status =
        select_channels(l, node, 0, axis, (struct slice_range){0, 1, (int64_t)index->count}, list);
    free(list);
    struct symbol *out = lowering_find(l, node->outputs[0]);
    if (status == LM_OK && index->rank == 0 && out)
        view_drop_axis(&out->view, axis);
    return status;
}

/* A Slice of channels, or of rows and columns; both at once are two steps. */
static enum lm_status lower_slice(struct lowering *l, const struct onnx_node *node)
{
    const struct view *given = input_view(l, node, 0);
    struct slice_range ranges[ONNX_MAX_RANK];
    if (!given)
        return REFUSE(l, "input 0 is a constant");
    enum lm_status status = refuse_border(l, given);
    if (status == LM_OK)
        status = slice_ranges(l, node, given->rank, given->dims, ranges);
    if (status != LM_OK)
        return status;
    struct view x = *given;
    uint32_t changed = GRAPH_MAX_RANK, n_changed = 0;
    bool places = false;
    for (uint32_t a = 0; a < x.rank; a++) {
        bool whole = ranges[a].start == 0 && ranges[a].step == 1 && ranges[a].count == x.dims[a];
        bool place = view_axis_is_place(l->graph, &x, a);
        if (ranges[a].count == 0 || (a == 0 && !whole))
            return REFUSE(l, "a slice of the batch, or of nothing");
        places |= place && !whole;
        if (!whole && !place) {
            changed = a;
            n_changed++;
        }
    }
    if (n_changed > 1 || (n_changed == 1 && places))
        return REFUSE(l, "a slice of several kinds of axes at once");
    if (places)
        return lower_crop(l, node, &x, ranges);
    if (n_changed == 0)
        return output_view(l, node, 0, &x);
    return select_channels(l, node, 0, changed, ranges[changed], NULL);
}

/* ---- Transpose */

static enum lm_status lower_transpose(struct lowering *l, const struct onnx_node *node)
{
    const struct view *given = input_view(l, node, 0);
    const struct onnx_attribute *perm = onnx_attribute_find(node, "perm");
    if (!given)
        return REFUSE(l, "input 0 is a constant");
    if (!perm || perm->kind != ONNX_ATTR_INTS || perm->n != given->rank)
        return REFUSE(l, "perm is missing, or of another rank than %u", given->rank);
    struct view x = *given, out = x;
    uint32_t seen = 0;
    bool spatial = view_spatial(l->graph, &x);
    for (uint32_t a = 0; a < x.rank; a++) {
        int64_t from = perm->ints[a];
        if (from < 0 || from >= (int64_t)x.rank || (seen >> from & 1))
            return lm_fail(l->error, LM_CORRUPT, "perm is no permutation");
        seen |= 1u << from;
        out.dims[a] = x.dims[from];
        if (spatial && from == x.row_axis)
            out.row_axis = a;
        if (spatial && from == x.column_axis)
            out.column_axis = a;
    }
    if (perm->ints[0] != 0 || (spatial && out.row_axis > out.column_axis))
        return REFUSE(l, "a Transpose that moves the batch, or swaps rows and columns");
    if (refuse_border(l, &x) != LM_OK)
        return LM_UNSUPPORTED;
    struct routing r = {.weight = {1}};
    enum lm_status status = start_routing(l, &r, &out, x.value);
    if (status != LM_OK)
        return status;
    size_t strides[GRAPH_MAX_RANK], moved[GRAPH_MAX_RANK];
    view_strides(l->graph, &x, strides);
    for (uint32_t a = 0; a < x.rank; a++)
        moved[a] = strides[perm->ints[a]];
    bool identity = true;
    for (size_t c = 0; c < r.width; c++) {
        int64_t at[GRAPH_MAX_RANK];
        coordinates(l->graph, &out, c, at);
        r.origins[c] = (struct origin){0, (uint32_t)channel_at(moved, x.rank, at)};
        identity &= r.origins[c].source == c;
    }
    status = identity ? output_view(l, node, 0, &out) : finish_routing(l, node, 0, &r, &out);
    free(r.origins);
    return status;
}

/* ---- Pad */

static enum lm_status pad_amounts(struct lowering *l, const struct onnx_node *node,
                                  const struct view *x, int64_t *before, int64_t *after,
                                  float *constant)
{
    const int64_t *pads, *axes;
    size_t n, n_axes;
    if (strcmp(attribute_string(node, "mode", "constant"), "constant") != 0)
        return REFUSE(l, "mode %.40s", attribute_string(node, "mode", ""));
    enum lm_status status = setting_ints(l, node, "pads", 1, &pads, &n);
    if (status == LM_OK)
        status = setting_ints(l, node, NULL, 3, &axes, &n_axes);
    if (status == LM_OK)
        status = setting_float(l, node, "value", 2, 0, constant);
    if (status != LM_OK)
        return status;
    size_t count = n_axes == SIZE_MAX ? x->rank : n_axes;
    if (n != 2 * count)
        return lm_fail(l->error, LM_CORRUPT, "%zu pads for %zu axes", n == SIZE_MAX ? 0 : n, count);
    for (uint32_t a = 0; a < x->rank; a++)
        before[a] = after[a] = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t axis;
        if (!view_axis(x, n_axes == SIZE_MAX ? (int64_t)i : axes[i], &axis))
            return lm_fail(l->error, LM_CORRUPT, "axis %" PRId64 " of rank %u", axes[i], x->rank);
        before[axis] = pads[i];
        after[axis] = pads[i + count];
        if (before[axis] < 0 || after[axis] < 0 || before[axis] > GRAPH_MAX_WINDOW ||
            after[axis] > GRAPH_MAX_WINDOW)
            return REFUSE(l, "a pad below 0 or above %d", GRAPH_MAX_WINDOW);
    }
    return LM_OK;
}

static enum lm_status pad_channels(struct lowering *l, const struct onnx_node *node,
                                   const struct view *x, const int64_t *before, struct view *out,
                                   float constant)
{
    struct routing r = {.fill = constant, .weight = {1}};
    enum lm_status status = start_routing(l, &r, out, x->value);
    if (status != LM_OK)
        return status;
    size_t strides[GRAPH_MAX_RANK];
    view_strides(l->graph, x, strides);
    for (size_t c = 0; c < r.width; c++) {
        int64_t at[GRAPH_MAX_RANK];
        bool inside = true;
        coordinates(l->graph, out, c, at);
        for (uint32_t a = 0; a < x->rank; a++) {
            if (view_axis_is_place(l->graph, x, a))
                continue;
            at[a] -= before[a];
            inside &= at[a] >= 0 && at[a] < x->dims[a];
        }
        r.origins[c].input = inside ? 0 : GRAPH_NO_VALUE;
        r.origins[c].source = inside ? (uint32_t)channel_at(strides, x->rank, at) : 0;
    }
    status = finish_routing(l, node, 0, &r, out);
    free(r.origins);
    return status;
}

static enum lm_status lower_pad(struct lowering *l, const struct onnx_node *node)
{
    const struct view *given = input_view(l, node, 0);
    int64_t before[GRAPH_MAX_RANK], after[GRAPH_MAX_RANK];
    float constant;
    if (!given)
        return REFUSE(l, "input 0 is a constant");
    enum lm_status status = pad_amounts(l, node, given, before, after, &constant);
    if (status != LM_OK)
        return status;
    struct view x = *given, out = x;
    bool spatial = view_spatial(l->graph, &x), channels = false, border = false;
    for (uint32_t a = 0; a < x.rank; a++) {
        bool place = view_axis_is_place(l->graph, &x, a);
        channels |= !place && (before[a] || after[a]);
        border |= place && (before[a] || after[a]);
        if (!place)
            out.dims[a] += before[a] + after[a];
    }
    if (before[0] || after[0])
        return REFUSE(l, "a Pad along the batch");
    if (border && (view_has_border(&x) || x.row_axis != 2 || x.column_axis != 3 || x.rank != 4))
        return REFUSE(l, "two Pads in a row, or a Pad of a channel-last tensor");
    if (border && spatial) {
        out.border = (struct border){(uint32_t)before[2], (uint32_t)before[3], (uint32_t)after[2],
                                     (uint32_t)after[3], constant};
    }
    return channels ? pad_channels(l, node, &x, before, &out, constant)
                    : output_view(l, node, 0, &out);
}

const struct onnx_rule rules_channels[] = {
    {"Concat", lower_concat},
    {"Split", lower_split},
    {"Gather", lower_gather},
    {"Slice", lower_slice},
    {"Pad", lower_pad},
    {"Transpose", lower_transpose},
    {NULL, NULL},
};
