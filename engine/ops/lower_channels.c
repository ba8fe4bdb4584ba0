/* Concat, Split, Gather and Slice: which channel comes from where. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/routing.h"

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
            routing_coordinates(l->graph, x, c, at);
            at[axis] += start;
            r->origins[routing_channel(strides, out->rank, at)] =
                (struct origin){input, (uint32_t)c};
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
        status = routing_start(l, &r, &out, x->value);
    if (status == LM_OK) {
        route_concat(l, node, axis, &out, &r);
        status = routing_finish(l, node, 0, &r, &out);
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
    enum lm_status status = routing_start(l, &r, &out, x.value);
    if (status != LM_OK)
        return status;
    view_strides(l->graph, &x, strides);
    for (size_t c = 0; c < r.width; c++) {
        routing_coordinates(l->graph, &out, c, at);
        at[axis] = index ? index[at[axis]] : range.start + at[axis] * range.step;
        r.origins[c] = (struct origin){0, (uint32_t)routing_channel(strides, x.rank, at)};
    }
    status = routing_finish(l, node, i, &r, &out);
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
    if (index->count > GRAPH_MAX_CHANNELS)
        return lm_fail(l->error, LM_LIMIT, "%zu channels (1 to %d)", index->count,
                       GRAPH_MAX_CHANNELS);
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

const struct onnx_rule rules_channels[] = {
    {"Concat", lower_concat},
    {"Split", lower_split},
    {"Gather", lower_gather},
    {"Slice", lower_slice},
    {"Pad", lower_pad},
    {"Transpose", lower_transpose},
    {NULL, NULL},
};
