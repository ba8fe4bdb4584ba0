/* Activations and arithmetic become pointwise steps of one instruction; fusion joins them.
 *
 * A constant operand is laid out as rows once, here: one number, a row of channels, or a row for
 * each site.  A per-channel scale or shift right after a Conv goes into its weights instead. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"

/* An operand before the step exists. */
struct part {
    const struct symbol *symbol;
    const struct view *view;
    const struct onnx_tensor *constant;
};

/* What the result looks like, and the program being built. */
struct building {
    struct lowering *l;
    const struct onnx_node *node;
    struct view shape; /* of the result; value: an input that has its sites */
    uint32_t n_inputs, inputs[STEP_MAX_INPUTS];
    struct program program;
};

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
    if (b->shape.dims[0] != lead->dims[0])
        return REFUSE(b->l, "a constant with a batch of its own");
    return LM_OK;
}

static size_t row_width(const struct building *b)
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

static bool varies_over_sites(const struct building *b, const struct onnx_tensor *t)
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
    size_t width = row_width(b), rows = 1, columns = 1;
    if (t->count == 1) {
        *out = (struct operand){.kind = OPERAND_SCALAR, .width = 1, .scalar = number_at(t, 0)};
        return LM_OK;
    }
    *out = (struct operand){.kind = OPERAND_CHANNELS, .width = (uint32_t)width};
    if (varies_over_sites(b, t)) {
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
    if (value->spatial &&
        (v->rank != b->shape.rank || v->row_axis != b->shape.row_axis ||
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

static enum lm_status part_operand(struct building *b, const struct part *part, struct operand *out)
{
    return part->view ? view_operand(b, part->view, out) : constant_operand(b, part->constant, out);
}

static enum lm_status find_parts(struct lowering *l, const struct onnx_node *node, struct part *parts,
                                 size_t n)
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

static enum lm_status append(struct building *b, enum pointwise op, struct operand x,
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

static struct operand result_of(const struct building *b)
{
    return (struct operand){.kind = OPERAND_TEMPORARY, .index = b->program.length - 1,
                            .width = b->program.code[b->program.length - 1].width};
}

/* Turns what was built into a step and defines the node's output. */
static enum lm_status finish_building(struct building *b)
{
    struct value value = *view_value(b->l->graph, &b->shape);
    value.channels = (uint32_t)row_width(b);
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

static enum lm_status give_up_building(struct building *b, enum lm_status status)
{
    program_free(&b->program);
    return status;
}

/* x op channels right after a Conv: into its weights. */
static bool try_absorb(struct building *b, enum pointwise op, const struct part *parts)
{
    const struct part *view = parts[0].view ? &parts[0] : &parts[1];
    const struct part *other = parts[0].view ? &parts[1] : &parts[0];
    bool swapped = view != &parts[0];
    if (!other->constant || view->view->rank != b->shape.rank ||
        varies_over_sites(b, other->constant) ||
        (op != PW_ADD && op != PW_MUL && (swapped || (op != PW_SUB && op != PW_DIV))) ||
        memcmp(view->view->dims, b->shape.dims, b->shape.rank * sizeof *b->shape.dims) != 0)
        return false;
    size_t width = row_width(b);
    float *row = malloc(width * sizeof *row);
    if (!row)
        return false;
    for (size_t c = 0; c < width; c++) {
        float x = number_at(other->constant, constant_index(b, other->constant, 0, 0, c));
        row[c] = op == PW_SUB ? -x : op == PW_DIV ? 1.0f / x : x;
    }
    bool scale = op == PW_MUL || op == PW_DIV;
    bool done = conv_absorb_affine(b->l, view->symbol, scale ? row : NULL, scale ? NULL : row);
    free(row);
    return done;
}

static enum lm_status lower_binary(struct lowering *l, const struct onnx_node *node,
                                   enum pointwise op)
{
    struct building b = {.l = l, .node = node};
    struct part parts[2];
    struct operand x, y;
    enum lm_status status = find_parts(l, node, parts, 2);
    if (status == LM_OK)
        status = find_shape(&b, parts, 2);
    if (status != LM_OK)
        return status;
    if (try_absorb(&b, op, parts)) {
        const struct view *view = parts[0].view ? parts[0].view : parts[1].view;
        return output_view(l, node, 0, view);
    }
    if ((status = part_operand(&b, &parts[0], &x)) != LM_OK ||
        (status = part_operand(&b, &parts[1], &y)) != LM_OK ||
        (status = append(&b, op, x, y, NULL)) != LM_OK)
        return give_up_building(&b, status);
    return finish_building(&b);
}

static enum lm_status lower_unary(struct lowering *l, const struct onnx_node *node,
                                  enum pointwise op, float p0, float p1, float p2, float p3)
{
    struct building b = {.l = l, .node = node};
    const float parameters[4] = {p0, p1, p2, p3};
    struct part part;
    struct operand x;
    enum lm_status status = find_parts(l, node, &part, 1);
    if (status == LM_OK && !part.view)
        status = REFUSE(l, "input 0 is a constant");
    if (status == LM_OK)
        status = find_shape(&b, &part, 1);
    if (status == LM_OK)
        status = part_operand(&b, &part, &x);
    if (status == LM_OK)
        status = append(&b, op, x, (struct operand){.width = 1}, parameters);
    if (status == LM_OK && op == PW_LRN) /* it reads neighbours, so it cannot end where it reads */
        status = append(&b, PW_COPY, result_of(&b), (struct operand){.width = 1}, NULL);
    return status == LM_OK ? finish_building(&b) : give_up_building(&b, status);
}

/* ---- rules */

#define BINARY_RULE(name, op)                                                                      \
    static enum lm_status name(struct lowering *l, const struct onnx_node *node)                   \
    {                                                                                              \
        return lower_binary(l, node, op);                                                          \
    }

#define UNARY_RULE(name, op)                                                                       \
    static enum lm_status name(struct lowering *l, const struct onnx_node *node)                   \
    {                                                                                              \
        return lower_unary(l, node, op, 0, 0, 0, 0);                                               \
    }

BINARY_RULE(lower_add, PW_ADD)
BINARY_RULE(lower_sub, PW_SUB)
BINARY_RULE(lower_mul, PW_MUL)
BINARY_RULE(lower_div, PW_DIV)
BINARY_RULE(lower_pow, PW_POW)
BINARY_RULE(lower_prelu, PW_PRELU)
UNARY_RULE(lower_sigmoid, PW_SIGMOID)
UNARY_RULE(lower_hard_swish, PW_HARD_SWISH)
UNARY_RULE(lower_tanh, PW_TANH)
UNARY_RULE(lower_softplus, PW_SOFTPLUS)
UNARY_RULE(lower_mish, PW_MISH)
UNARY_RULE(lower_erf, PW_ERF)
UNARY_RULE(lower_exp, PW_EXP)
UNARY_RULE(lower_log, PW_LOG)
UNARY_RULE(lower_sqrt, PW_SQRT)
UNARY_RULE(lower_abs, PW_ABS)
UNARY_RULE(lower_neg, PW_NEG)
UNARY_RULE(lower_reciprocal, PW_RECIPROCAL)
UNARY_RULE(lower_floor, PW_FLOOR)
UNARY_RULE(lower_ceil, PW_CEIL)

static enum lm_status lower_relu(struct lowering *l, const struct onnx_node *node)
{
    return lower_unary(l, node, PW_CLAMP, 0, INFINITY, 0, 0);
}

static enum lm_status lower_clip(struct lowering *l, const struct onnx_node *node)
{
    float low, high;
    enum lm_status status = setting_float(l, node, "min", 1, -INFINITY, &low);
    if (status == LM_OK)
        status = setting_float(l, node, "max", 2, INFINITY, &high);
    return status == LM_OK ? lower_unary(l, node, PW_CLAMP, low, high, 0, 0) : status;
}

static enum lm_status lower_leaky_relu(struct lowering *l, const struct onnx_node *node)
{
    return lower_unary(l, node, PW_LEAKY_RELU, attribute_float(node, "alpha", 0.01f), 0, 0, 0);
}

static enum lm_status lower_elu(struct lowering *l, const struct onnx_node *node)
{
    return lower_unary(l, node, PW_ELU, attribute_float(node, "alpha", 1), 0, 0, 0);
}

static enum lm_status lower_hard_sigmoid(struct lowering *l, const struct onnx_node *node)
{
    return lower_unary(l, node, PW_HARD_SIGMOID, attribute_float(node, "alpha", 0.2f),
                       attribute_float(node, "beta", 0.5f), 0, 0);
}

/* Cast between floats is nothing: everything is computed in float32. */
static enum lm_status lower_cast(struct lowering *l, const struct onnx_node *node)
{
    int64_t to = attribute_int(node, "to", 1);
    if (to != 1 && to != 10 && to != 11 && to != 16)
        return REFUSE(l, "a Cast of image features to type %d", (int)to);
    return output_view(l, node, 0, input_view(l, node, 0));
}

static enum lm_status lower_lrn(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    int64_t size = attribute_int(node, "size", 0);
    if (!x || !view_is_channel_first(l->graph, x))
        return REFUSE(l, "only N,C,H,W is supported");
    if (size < 1 || size > GRAPH_MAX_CHANNELS)
        return lm_fail(l->error, LM_CORRUPT, "size %d", (int)size);
    return lower_unary(l, node, PW_LRN, (float)size, attribute_float(node, "alpha", 1e-4f),
                       attribute_float(node, "beta", 0.75f), attribute_float(node, "bias", 1));
}

static enum lm_status lower_softmax(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    uint32_t axis;
    if (!x || view_spatial(l->graph, x) || x->rank != 2 ||
        !view_axis(x, attribute_int(node, "axis", l->graph->opset >= 13 ? -1 : 1), &axis) ||
        axis != 1)
        return REFUSE(l, "only over the classes of N,C");
    return lower_unary(l, node, PW_SOFTMAX, 0, 0, 0, 0);
}

static enum lm_status lower_gelu(struct lowering *l, const struct onnx_node *node)
{
    bool tanh_form = !strcmp(attribute_string(node, "approximate", "none"), "tanh");
    struct building b = {.l = l, .node = node};
    struct part part;
    struct operand x, none = {.width = 1};
    enum lm_status status = find_parts(l, node, &part, 1);
    if (status == LM_OK)
        status = find_shape(&b, &part, 1);
    if (status == LM_OK)
        status = part_operand(&b, &part, &x);
    struct operand scale = {.kind = OPERAND_SCALAR, .width = 1, .scalar = 0.70710678f};
    struct operand half = scale, one = scale, cube = scale;
    half.scalar = 0.5f;
    one.scalar = 1;
    cube.scalar = 0.044715f;
    if (tanh_form) {
        scale.scalar = 0.79788456f;
        if (status == LM_OK && (status = append(&b, PW_MUL, x, x, NULL)) == LM_OK &&
            (status = append(&b, PW_MUL, result_of(&b), cube, NULL)) == LM_OK &&
            (status = append(&b, PW_ADD, result_of(&b), one, NULL)) == LM_OK)
            status = append(&b, PW_MUL, result_of(&b), x, NULL);
    } else if (status == LM_OK) {
        status = append(&b, PW_COPY, x, none, NULL);
    }
    if (status == LM_OK && (status = append(&b, PW_MUL, result_of(&b), scale, NULL)) == LM_OK &&
        (status = append(&b, tanh_form ? PW_TANH : PW_ERF, result_of(&b), none, NULL)) == LM_OK &&
        (status = append(&b, PW_ADD, result_of(&b), one, NULL)) == LM_OK &&
        (status = append(&b, PW_MUL, result_of(&b), x, NULL)) == LM_OK)
        status = append(&b, PW_MUL, result_of(&b), half, NULL);
    return status == LM_OK ? finish_building(&b) : give_up_building(&b, status);
}

/* Max, Min and Sum of any number of operands. */
static enum lm_status lower_variadic(struct lowering *l, const struct onnx_node *node)
{
    enum pointwise op = !strcmp(node->op, "Max") ? PW_MAX : !strcmp(node->op, "Min") ? PW_MIN : PW_ADD;
    enum { MOST = 32 };
    struct building b = {.l = l, .node = node};
    struct part parts[MOST];
    struct operand x, y;
    if (node->n_inputs > MOST)
        return REFUSE(l, "%zu operands (at most %d)", node->n_inputs, MOST);
    enum lm_status status = find_parts(l, node, parts, node->n_inputs);
    if (status == LM_OK)
        status = find_shape(&b, parts, node->n_inputs);
    if (status == LM_OK)
        status = part_operand(&b, &parts[0], &x);
    if (status == LM_OK && node->n_inputs == 1)
        status = append(&b, PW_COPY, x, (struct operand){.width = 1}, NULL);
    for (size_t i = 1; i < node->n_inputs && status == LM_OK; i++) {
        if ((status = part_operand(&b, &parts[i], &y)) == LM_OK)
            status = append(&b, op, x, y, NULL);
        if (status == LM_OK)
            x = result_of(&b);
    }
    return status == LM_OK ? finish_building(&b) : give_up_building(&b, status);
}

static enum lm_status channel_constants(struct lowering *l, const struct onnx_node *node,
                                        size_t first, size_t n, size_t channels,
                                        const float **rows)
{
    for (size_t i = 0; i < n; i++) {
        const struct onnx_tensor *t = input_constant(l, node, first + i);
        if (!t || t->type != ONNX_FLOAT || t->count != channels)
            return lm_fail(l->error, LM_CORRUPT, "input %zu is not %zu constants", first + i,
                           channels);
        rows[i] = t->f;
    }
    return LM_OK;
}

static enum lm_status owned_channels(struct building *b, const float *row, size_t n,
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

/* x * scale + shift, into the Conv before if possible. */
static enum lm_status lower_affine(struct lowering *l, const struct onnx_node *node,
                                   const float *scale, const float *shift, size_t channels)
{
    struct building b = {.l = l, .node = node};
    struct part part;
    struct operand x, factor, addend;
    enum lm_status status = find_parts(l, node, &part, 1);
    if (status == LM_OK && conv_absorb_affine(l, part.symbol, scale, shift))
        return output_view(l, node, 0, part.view);
    if (status == LM_OK)
        status = find_shape(&b, &part, 1);
    if (status == LM_OK && (status = part_operand(&b, &part, &x)) == LM_OK &&
        (status = owned_channels(&b, scale, channels, &factor)) == LM_OK &&
        (status = owned_channels(&b, shift, channels, &addend)) == LM_OK &&
        (status = append(&b, PW_MUL, x, factor, NULL)) == LM_OK)
        status = append(&b, PW_ADD, result_of(&b), addend, NULL);
    return status == LM_OK ? finish_building(&b) : give_up_building(&b, status);
}

static enum lm_status lower_batch_norm(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    const float *rows[4];
    if (!x || !view_is_channel_first(l->graph, x) || view_has_border(x))
        return REFUSE(l, "only N,C,H,W without a padded border is supported");
    if (attribute_int(node, "training_mode", 0))
        return REFUSE(l, "training mode; export the model for inference");
    size_t channels = (size_t)x->dims[1];
    enum lm_status status = channel_constants(l, node, 1, 4, channels, rows);
    if (status != LM_OK)
        return status;
    double epsilon = (double)attribute_float(node, "epsilon", 1e-5f);
    float *scale = malloc(2 * channels * sizeof *scale);
    if (!scale)
        return lm_fail(l->error, LM_NOMEM, "out of memory for a BatchNormalization");
    for (size_t c = 0; c < channels; c++) {
        double factor = (double)rows[0][c] / sqrt((double)rows[3][c] + epsilon);
        scale[c] = (float)factor;
        scale[channels + c] = (float)((double)rows[1][c] - (double)rows[2][c] * factor);
    }
    status = lower_affine(l, node, scale, scale + channels, channels);
    free(scale);
    return status;
}

static enum lm_status lower_layer_norm(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    const float *rows[2] = {NULL, NULL};
    uint32_t axis;
    if (!x || !view_axis(x, attribute_int(node, "axis", -1), &axis) || axis != x->rank - 1 ||
        view_axis_is_place(l->graph, x, axis) ||
        x->dims[axis] != (int64_t)view_value(l->graph, x)->channels)
        return REFUSE(l, "only over channels on the last axis");
    size_t channels = (size_t)x->dims[axis];
    bool shifted = node->n_inputs > 2 && node->inputs[2][0];
    enum lm_status status = channel_constants(l, node, 1, shifted ? 2 : 1, channels, rows);
    struct building b = {.l = l, .node = node};
    struct part part;
    struct operand in, centred, row, none = {.width = 1};
    struct operand epsilon = {.kind = OPERAND_SCALAR, .width = 1,
                              .scalar = attribute_float(node, "epsilon", 1e-5f)};
    if (status == LM_OK)
        status = find_parts(l, node, &part, 1);
    if (status == LM_OK)
        status = find_shape(&b, &part, 1);
    if (status == LM_OK && (status = part_operand(&b, &part, &in)) == LM_OK &&
        (status = append(&b, PW_ROW_MEAN, in, none, NULL)) == LM_OK &&
        (status = append(&b, PW_SUB, in, result_of(&b), NULL)) == LM_OK) {
        centred = result_of(&b);
        if ((status = append(&b, PW_MUL, centred, centred, NULL)) == LM_OK &&
            (status = append(&b, PW_ROW_MEAN, result_of(&b), none, NULL)) == LM_OK &&
            (status = append(&b, PW_ADD, result_of(&b), epsilon, NULL)) == LM_OK &&
            (status = append(&b, PW_SQRT, result_of(&b), none, NULL)) == LM_OK &&
            (status = append(&b, PW_DIV, centred, result_of(&b), NULL)) == LM_OK &&
            (status = owned_channels(&b, rows[0], channels, &row)) == LM_OK)
            status = append(&b, PW_MUL, result_of(&b), row, NULL);
        if (status == LM_OK && rows[1] &&
            (status = owned_channels(&b, rows[1], channels, &row)) == LM_OK)
            status = append(&b, PW_ADD, result_of(&b), row, NULL);
    }
    return status == LM_OK ? finish_building(&b) : give_up_building(&b, status);
}

enum lm_status lower_channel_mean(struct lowering *l, const struct onnx_node *node,
                                  const struct view *result)
{
    struct building b = {.l = l, .node = node};
    struct part part;
    struct operand x;
    enum lm_status status = find_parts(l, node, &part, 1);
    if (status == LM_OK)
        status = find_shape(&b, &part, 1);
    if (status == LM_OK)
        status = part_operand(&b, &part, &x);
    if (status == LM_OK)
        status = append(&b, PW_ROW_MEAN, x, (struct operand){.width = 1}, NULL);
    if (status != LM_OK)
        return give_up_building(&b, status);
    uint32_t value = b.shape.value;
    b.shape = *result;
    b.shape.value = value;
    return finish_building(&b);
}

const struct onnx_rule rules_pointwise[] = {
    {"Relu", lower_relu},
    {"Clip", lower_clip},
    {"LeakyRelu", lower_leaky_relu},
    {"PRelu", lower_prelu},
    {"Elu", lower_elu},
    {"Sigmoid", lower_sigmoid},
    {"HardSigmoid", lower_hard_sigmoid},
    {"HardSwish", lower_hard_swish},
    {"Gelu", lower_gelu},
    {"Tanh", lower_tanh},
    {"Softplus", lower_softplus},
    {"Mish", lower_mish},
    {"Erf", lower_erf},
    {"Exp", lower_exp},
    {"Log", lower_log},
    {"Sqrt", lower_sqrt},
    {"Abs", lower_abs},
    {"Neg", lower_neg},
    {"Reciprocal", lower_reciprocal},
    {"Floor", lower_floor},
    {"Ceil", lower_ceil},
    {"Add", lower_add},
    {"Sub", lower_sub},
    {"Mul", lower_mul},
    {"Div", lower_div},
    {"Pow", lower_pow},
    {"Max", lower_variadic},
    {"Min", lower_variadic},
    {"Sum", lower_variadic},
    {"Cast", lower_cast},
    {"LRN", lower_lrn},
    {"BatchNormalization", lower_batch_norm},
    {"LayerNormalization", lower_layer_norm},
    {"Softmax", lower_softmax},
    {NULL, NULL},
};
