/* Activations and arithmetic become pointwise steps of a few instructions; fusion joins them.
 *
 * A per-channel scale or shift right after a Conv goes into its weights instead. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/building.h"

/* x op channels right after a Conv: into its weights, if *done. */
static enum lm_status try_absorb(struct building *b, enum pointwise op, const struct part *parts,
                                 bool *done)
{
    const struct part *view = parts[0].view ? &parts[0] : &parts[1];
    const struct part *other = parts[0].view ? &parts[1] : &parts[0];
    bool swapped = view != &parts[0];
    if (!other->constant || view->view->rank != b->shape.rank ||
        constant_has_sites(b, other->constant) ||
        (op != PW_ADD && op != PW_MUL && (swapped || (op != PW_SUB && op != PW_DIV))) ||
        memcmp(view->view->dims, b->shape.dims, b->shape.rank * sizeof *b->shape.dims) != 0)
        return LM_OK;
    size_t width = building_width(b);
    float *row = malloc(width * sizeof *row);
    if (!row)
        return lm_fail(b->l->error, LM_NOMEM, "out of memory for a constant");
    for (size_t c = 0; c < width; c++) {
        float x = constant_channel(b, other->constant, c);
        row[c] = op == PW_SUB ? -x : op == PW_DIV ? 1.0f / x : x;
    }
    bool scale = op == PW_MUL || op == PW_DIV;
    *done = conv_absorb_affine(b->l, view->symbol, scale ? row : NULL, scale ? NULL : row);
    free(row);
    return LM_OK;
}

static enum lm_status lower_binary(struct lowering *l, const struct onnx_node *node,
                                   enum pointwise op)
{
    struct building b;
    struct part parts[2];
    struct operand x, y;
    enum lm_status status = building_start(&b, l, node, parts, 2);
    bool done = false;
    if (status == LM_OK)
        status = try_absorb(&b, op, parts, &done);
    if (done)
        return output_view(l, node, 0, parts[0].view ? parts[0].view : parts[1].view);
    if (status == LM_OK && (status = building_operand(&b, &parts[0], &x)) == LM_OK &&
        (status = building_operand(&b, &parts[1], &y)) == LM_OK)
        status = building_append(&b, op, x, y, NULL);
    return building_finish(&b, status);
}

static enum lm_status lower_unary(struct lowering *l, const struct onnx_node *node,
                                  enum pointwise op, float p0, float p1, float p2, float p3)
{
    const float parameters[4] = {p0, p1, p2, p3};
    struct building b;
    struct part part;
    struct operand x;
    enum lm_status status = building_start(&b, l, node, &part, 1);
    if (status == LM_OK && (status = building_operand(&b, &part, &x)) == LM_OK)
        status = building_append(&b, op, x, NO_OPERAND, parameters);
    if (status == LM_OK && op == PW_LRN) /* it reads neighbours, so it cannot end where it reads */
        status = building_append(&b, PW_COPY, building_result(&b), NO_OPERAND, NULL);
    return building_finish(&b, status);
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
        return REFUSE(l, "a Cast of image features to type %" PRId64, to);
    const struct view *x = input_view(l, node, 0);
    return x ? output_view(l, node, 0, x) : REFUSE(l, "input 0 is a constant");
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

/* x * (1 + erf(x / sqrt(2))) / 2, or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for erf. */
static enum lm_status lower_gelu(struct lowering *l, const struct onnx_node *node)
{
    bool tanh_form = !strcmp(attribute_string(node, "approximate", "none"), "tanh");
    struct building b;
    struct part part;
    struct operand x;
    enum lm_status status = building_start(&b, l, node, &part, 1);
    if (status == LM_OK && (status = building_operand(&b, &part, &x)) == LM_OK) {
        const struct operand scale = building_number(tanh_form ? 0.79788456f : 0.70710678f);
        status = building_append(&b, PW_MUL, x, tanh_form ? x : scale, NULL);
        if (status == LM_OK && tanh_form &&
            (status = building_append(&b, PW_MUL, building_result(&b), building_number(0.044715f),
                                      NULL)) == LM_OK &&
            (status = building_append(&b, PW_ADD, building_result(&b), building_number(1), NULL)) ==
                LM_OK &&
            (status = building_append(&b, PW_MUL, building_result(&b), x, NULL)) == LM_OK)
            status = building_append(&b, PW_MUL, building_result(&b), scale, NULL);
    }
    if (status == LM_OK &&
        (status = building_append(&b, tanh_form ? PW_TANH : PW_ERF, building_result(&b), NO_OPERAND,
                                  NULL)) == LM_OK &&
        (status = building_append(&b, PW_ADD, building_result(&b), building_number(1), NULL)) ==
            LM_OK &&
        (status = building_append(&b, PW_MUL, building_result(&b), x, NULL)) == LM_OK)
        status = building_append(&b, PW_MUL, building_result(&b), building_number(0.5f), NULL);
    return building_finish(&b, status);
}

/* Max, Min and Sum of any number of operands. */
static enum lm_status lower_variadic(struct lowering *l, const struct onnx_node *node)
{
    enum { MOST = 32 };
    enum pointwise op = !strcmp(node->op, "Max")   ? PW_MAX
                        : !strcmp(node->op, "Min") ? PW_MIN
                                                   : PW_ADD;
    struct building b;
    struct part parts[MOST];
    struct operand x, y;
    if (node->n_inputs > MOST)
        return REFUSE(l, "%zu operands (at most %d)", node->n_inputs, MOST);
    enum lm_status status = building_start(&b, l, node, parts, node->n_inputs);
    if (status == LM_OK && (status = building_operand(&b, &parts[0], &x)) == LM_OK &&
        node->n_inputs == 1)
        status = building_append(&b, PW_COPY, x, NO_OPERAND, NULL);
    for (size_t i = 1; i < node->n_inputs && status == LM_OK; i++) {
        if ((status = building_operand(&b, &parts[i], &y)) == LM_OK)
            status = building_append(&b, op, x, y, NULL);
        if (status == LM_OK)
            x = building_result(&b);
    }
    return building_finish(&b, status);
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
    {"Softmax", lower_softmax},
    {NULL, NULL},
};
