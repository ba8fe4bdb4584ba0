/* Building a pointwise step.
 *
 * A constant operand is laid out as rows once, here: one number, a row of channels, or a row for
 * each site, so that kernels see nothing but rows. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/building.h"

static int64_t aligned_dim(const int64_t *dims, uint32_t rank, uint32_t axis, uint32_t out_rank)
{
    uint32_t missing = out_rank - rank;
    return axis < missing ? 1 : dims[axis - missing];
}

static enum lm_status merge_dims(struct building *b, const int64_t *dims, uint32_t rank)
{
    for (uint32_t a = 0; a < b->shape.rank; a++) {
        int64_t d = aligned_dim(dims, rank, a, b->shape.rank), *merged = &b->shape.dims[a];
        if (d != 1 && *merged != 1 && d != *merged) {
            char x[96], y[96];
            return lm_fail(b->l->error, LM_CORRUPT, "shapes %s and %s cannot be broadcast",
                           shape_text(b->shape.dims, b->shape.rank, x), shape_text(dims, rank, y));
        }
        *merged = *merged == 1 ? d : *merged;
    }
    return LM_OK;
}

/* Whether rows can be made of the shape that the operands have together. */
static enum lm_status check_shape(struct building *b, const struct view *lead,
                                  const struct part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (parts[i].constant &&
            aligned_dim(parts[i].constant->dims, parts[i].constant->rank, 0, b->shape.rank) != 1)
            return REFUSE(b->l, "a constant with a batch of its own");
    size_t width = 1;
    for (uint32_t a = 0; a < b->shape.rank; a++) {
        if (b->shape.dims[a] < 1)
            return REFUSE(b->l, "an empty constant");
        if (!view_axis_is_place(b->l->graph, lead, a) &&
            (!size_mul(width, (size_t)b->shape.dims[a], &width) || width > GRAPH_MAX_CHANNELS))
            return lm_fail(b->l->error, LM_LIMIT, "a result of more than %d channels",
                           GRAPH_MAX_CHANNELS);
    }
    return LM_OK;
}

/* Rank, places and dims of the result: those of the spatial operands, or of the views. */
static enum lm_status find_shape(struct building *b, const struct part *parts, size_t n)
{
    const struct graph *graph = b->l->graph;
    const struct view *lead = NULL;
    uint32_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        const struct view *v = parts[i].view;
        uint32_t r = v ? v->rank : parts[i].constant->rank;
        rank = r > rank ? r : rank;
        if (v && (!lead || (view_spatial(graph, v) && !view_spatial(graph, lead)) ||
                  (view_spatial(graph, v) == view_spatial(graph, lead) && v->rank > lead->rank)))
            lead = v;
        if (v && view_has_border(v))
            return REFUSE(b->l, "a padded border may only enter a Conv or pool");
    }
    if (!lead)
        return REFUSE(b->l, "no operand is computed from the image");
    if (lead->rank != rank)
        return REFUSE(b->l, "operands of different rank");
    b->shape = *lead;
    for (size_t i = 0; i < n; i++) {
        const int64_t *dims = parts[i].view ? parts[i].view->dims : parts[i].constant->dims;
        uint32_t r = parts[i].view ? parts[i].view->rank : parts[i].constant->rank;
        enum lm_status status = merge_dims(b, dims, r);
        if (status != LM_OK)
            return status;
    }
    return check_shape(b, lead, parts, n);
}

size_t building_width(const struct building *b)
{
    size_t width = 1;
    for (uint32_t a = 0; a < b->shape.rank; a++)
        if (!view_axis_is_place(b->l->graph, &b->shape, a))
            width *= (size_t)b->shape.dims[a];
    return width;
}

/* Element of a constant for site (y, x) and channel c of the result. */
static size_t constant_index(const struct building *b, const struct onnx_tensor *t, size_t y,
                             size_t x, size_t c)
{
    size_t at = 0, stride = 1;
    bool spatial = view_spatial(b->l->graph, &b->shape);
    for (uint32_t a = b->shape.rank; a-- > 0;) {
        size_t d = (size_t)aligned_dim(t->dims, t->rank, a, b->shape.rank), index = 0;
        if (spatial && a == b->shape.row_axis) {
            index = y;
        } else if (spatial && a == b->shape.column_axis) {
            index = x;
        } else if (a > 0) {
            index = c % (size_t)b->shape.dims[a];
            c /= (size_t)b->shape.dims[a];
        }
        at += (d == 1 ? 0 : index) * stride;
        stride *= d;
    }
    return at;
}

bool constant_has_sites(const struct building *b, const struct onnx_tensor *t)
{
    return view_spatial(b->l->graph, &b->shape) &&
           (aligned_dim(t->dims, t->rank, b->shape.row_axis, b->shape.rank) != 1 ||
            aligned_dim(t->dims, t->rank, b->shape.column_axis, b->shape.rank) != 1);
}

static float number_at(const struct onnx_tensor *t, size_t i)
{
    return t->type == ONNX_FLOAT ? t->f[i] : (float)t->i[i];
}

static enum lm_status constant_operand(struct building *b, const struct onnx_tensor *t,
                                       struct operand *out)
{
    size_t width = building_width(b), rows = 1, columns = 1;
    if (t->count == 1) {
        *out = (struct operand){.kind = OPERAND_SCALAR, .width = 1, .scalar = number_at(t, 0)};
        return LM_OK;
    }
    *out = (struct operand){.kind = OPERAND_CHANNELS, .width = (uint32_t)width};
    if (constant_has_sites(b, t)) {
        out->kind = OPERAND_SITES;
        rows = view_value(b->l->graph, &b->shape)->height;
        columns = view_value(b->l->graph, &b->shape)->width;
    }
    out->data = graph_floats(b->l->graph, rows * columns * width, b->l->error);
    if (!out->data)
        return LM_NOMEM;
    if (!program_own(&b->program, out->data)) {
        free(out->data);
        return lm_fail(b->l->error, LM_NOMEM, "out of memory for a constant");
    }
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < columns; x++)
            for (size_t c = 0; c < width; c++)
                out->data[(y * columns + x) * width + c] =
                    number_at(t, constant_index(b, t, y, x, c));
    return LM_OK;
}

static enum lm_status view_operand(struct building *b, const struct view *v, struct operand *out)
{
    const struct graph *graph = b->l->graph;
    const struct value *value = view_value(graph, v);
    bool spatial = view_spatial(graph, &b->shape), same = true, single = true;
    for (uint32_t a = 0; a < b->shape.rank; a++) {
        int64_t d = aligned_dim(v->dims, v->rank, a, b->shape.rank);
        if (a == 0 || (spatial && (a == b->shape.row_axis || a == b->shape.column_axis))) {
            if (d != (value->spatial || a == 0 ? b->shape.dims[a] : 1))
                return REFUSE(b->l, "operands of different size");
            continue;
        }
        same &= d == b->shape.dims[a];
        single &= d == 1;
    }
    if (value->spatial && (v->rank != b->shape.rank || v->row_axis != b->shape.row_axis ||
                           v->column_axis != b->shape.column_axis))
        return REFUSE(b->l, "operands in different layouts");
    if (!same && !single)
        return REFUSE(b->l, "operands that share some channel axes only");
    uint32_t index = 0;
    while (index < b->n_inputs && b->inputs[index] != v->value)
        index++;
    if (index == STEP_MAX_INPUTS)
        return REFUSE(b->l, "more than %d inputs", STEP_MAX_INPUTS);
    if (index == b->n_inputs)
        b->inputs[b->n_inputs++] = v->value;
    *out = (struct operand){.kind = OPERAND_INPUT, .index = index, .width = value->channels};
    b->program.by_sample |= spatial && !value->spatial;
    return LM_OK;
}

enum lm_status building_operand(struct building *b, const struct part *part, struct operand *out)
{
    return part->view ? view_operand(b, part->view, out) : constant_operand(b, part->constant, out);
}

static enum lm_status find_parts(struct lowering *l, const struct onnx_node *node,
                                 struct part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        parts[i].symbol = input_symbol(l, node, i);
        parts[i].view = input_view(l, node, i);
        parts[i].constant = input_constant(l, node, i);
        if (!parts[i].view && !parts[i].constant)
            return lm_fail(l->error, LM_CORRUPT, "input %zu is missing", i);
    }
    return LM_OK;
}

enum lm_status building_append(struct building *b, enum pointwise op, struct operand x,
                               struct operand y, const float *parameters)
{
    struct instruction code = {.op = op, .a = x, .b = y};
    uint32_t width = x.width > y.width ? x.width : y.width;
    code.width = op == PW_ROW_MEAN ? 1 : width;
    if (parameters)
        memcpy(code.parameter, parameters, sizeof code.parameter);
    if (!program_append(&b->program, &code))
        return lm_fail(b->l->error, LM_NOMEM, "out of memory for an activation");
    return LM_OK;
}

struct operand building_result(const struct building *b)
{
    return (struct operand){.kind = OPERAND_TEMPORARY,
                            .index = b->program.length - 1,
                            .width = b->program.code[b->program.length - 1].width};
}

enum lm_status building_finish(struct building *b, enum lm_status status)
{
    if (status != LM_OK) {
        program_free(&b->program);
        return status;
    }
    struct value value = *view_value(b->l->graph, &b->shape);
    value.channels = (uint32_t)building_width(b);
    value.shared = false;
    struct step *step = graph_add_step(b->l->graph, &step_pointwise, b->node->name, b->inputs,
                                       b->n_inputs, &value, b->l->error);
    if (!step) {
        program_free(&b->program);
        return LM_NOMEM;
    }
    step->program = b->program;
    struct view view = b->shape;
    view.value = step->output;
    return output_view(b->l, b->node, 0, &view);
}

enum lm_status building_channels(struct building *b, const float *row, size_t n,
                                 struct operand *out)
{
    float *copy = graph_floats(b->l->graph, n, b->l->error);
    if (!copy)
        return LM_NOMEM;
    if (!program_own(&b->program, copy)) {
        free(copy);
        return lm_fail(b->l->error, LM_NOMEM, "out of memory for a constant");
    }
    memcpy(copy, row, n * sizeof *row);
    *out = (struct operand){.kind = OPERAND_CHANNELS, .width = (uint32_t)n, .data = copy};
    return LM_OK;
}

struct operand building_number(float number)
{
    return (struct operand){.kind = OPERAND_SCALAR, .width = 1, .scalar = number};
}

float constant_channel(const struct building *b, const struct onnx_tensor *t, size_t c)
{
    return number_at(t, constant_index(b, t, 0, 0, c));
}

enum lm_status building_start(struct building *b, struct lowering *l, const struct onnx_node *node,
                              struct part *parts, size_t n)
{
    *b = (struct building){.l = l, .node = node};
    enum lm_status status = find_parts(l, node, parts, n);
    return status == LM_OK ? find_shape(b, parts, n) : status;
}
