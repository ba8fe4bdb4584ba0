/* Transpose and Pad. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ops/routing.h"

/* ---- Transpose */

enum lm_status lower_transpose(struct lowering *l, const struct onnx_node *node)
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
    enum lm_status status = routing_start(l, &r, &out, x.value);
    if (status != LM_OK)
        return status;
    size_t strides[GRAPH_MAX_RANK], moved[GRAPH_MAX_RANK];
    view_strides(l->graph, &x, strides);
    for (uint32_t a = 0; a < x.rank; a++)
        moved[a] = strides[perm->ints[a]];
    bool identity = true;
    for (size_t c = 0; c < r.width; c++) {
        int64_t at[GRAPH_MAX_RANK] = {0};
        routing_coordinates(l->graph, &out, c, at);
        r.origins[c] = (struct origin){0, (uint32_t)routing_channel(moved, x.rank, at)};
        identity &= r.origins[c].source == c;
    }
    status = identity ? output_view(l, node, 0, &out) : routing_finish(l, node, 0, &r, &out);
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
    char text[ONNX_QUOTE];
    if (strcmp(attribute_string(node, "mode", "constant"), "constant") != 0)
        return REFUSE(l, "mode %s", onnx_quote(attribute_string(node, "mode", ""), text));
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
            return REFUSE(l, "pads of %" PRId64 " and %" PRId64 " on axis %u (0 to %d)", pads[i],
                          pads[i + count], axis, GRAPH_MAX_WINDOW);
    }
    return LM_OK;
}

static enum lm_status pad_channels(struct lowering *l, const struct onnx_node *node,
                                   const struct view *x, const int64_t *before, struct view *out,
                                   float constant)
{
    struct routing r = {.fill = constant, .weight = {1}};
    enum lm_status status = routing_start(l, &r, out, x->value);
    if (status != LM_OK)
        return status;
    size_t strides[GRAPH_MAX_RANK];
    view_strides(l->graph, x, strides);
    for (size_t c = 0; c < r.width; c++) {
        int64_t at[GRAPH_MAX_RANK] = {0};
        bool inside = true;
        routing_coordinates(l->graph, out, c, at);
        for (uint32_t a = 0; a < x->rank; a++) {
            if (view_axis_is_place(l->graph, x, a))
                continue;
            at[a] -= before[a];
            inside &= at[a] >= 0 && at[a] < x->dims[a];
        }
        r.origins[c].input = inside ? 0 : GRAPH_NO_VALUE;
        r.origins[c].source = inside ? (uint32_t)routing_channel(strides, x->rank, at) : 0;
    }
    status = routing_finish(l, node, 0, &r, out);
    free(r.origins);
    return status;
}

enum lm_status lower_pad(struct lowering *l, const struct onnx_node *node)
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
    if (channels && view_has_border(&x) && x.border.constant != constant)
        return REFUSE(l, "channels padded with another constant than the border before");
    if (border && spatial) {
        out.border = (struct border){(uint32_t)before[2], (uint32_t)before[3], (uint32_t)after[2],
                                     (uint32_t)after[3], constant};
    }
    return channels ? pad_channels(l, node, &x, before, &out, constant)
                    : output_view(l, node, 0, &out);
}
