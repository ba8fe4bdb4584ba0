/* Conv, Gemm and MatMul nodes become conv steps; their weights are packed for the products when
 * nothing is folded into them any more. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/conv_parts.h"
#include "ops/lower_window.h"

/* Columns of a product below which merging groups pays although it multiplies zeros. */
enum { MIN_COLUMNS = 16 };

/* Pooled features have no sites for the depthwise loop: there, it is a product like any other. */
static void choose_blocks(struct conv *conv, bool spatial)
{
    uint32_t in = conv->in_channels / conv->groups, out = conv->out_channels / conv->groups;
    uint32_t merged = 1;
    conv->depthwise = spatial && in == 1 && out == 1 && conv->groups > 1;
    while (!conv->depthwise && out * merged < MIN_COLUMNS && conv->groups % (merged * 2) == 0)
        merged *= 2;
    conv->blocks = conv->groups / merged;
    conv->block_in = in * merged;
    conv->block_out = out * merged;
}

/* Index of weight (tap, input channel of the group, output channel) in the matrices. */
static size_t matrix_index(const struct conv *conv, uint32_t tap, uint32_t in, uint32_t out)
{
    uint32_t taps = window_taps(&conv->window);
    if (conv->depthwise)
        return (size_t)tap * conv->out_channels + out;
    uint32_t block = out / conv->block_out, column = out % conv->block_out;
    uint32_t group_out = conv->out_channels / conv->groups;
    uint32_t group_in = conv->in_channels / conv->groups;
    uint32_t row = tap * conv->block_in + column / group_out * group_in + in;
    return ((size_t)block * taps * conv->block_in + row) * conv->block_out + column;
}

static size_t matrix_count(const struct conv *conv)
{
    size_t taps = window_taps(&conv->window);
    if (conv->depthwise)
        return taps * conv->out_channels;
    return taps * conv->block_in * conv->block_out * conv->blocks;
}

static size_t packed_count(const struct graph *graph, const struct conv *conv)
{
    size_t depth = (size_t)window_taps(&conv->window) * conv->block_in;
    return kernels_packed_floats(graph->kernels, depth, conv->block_out) * conv->blocks;
}

/* For the matrices, with room to pack them in place. */
static float *new_weights(struct lowering *l, struct conv *conv)
{
    size_t tiles = conv_winograd_plan(l->graph, conv);
    size_t count = conv->depthwise || l->graph->precision == LM_PRECISION_BFLOAT16
                       ? matrix_count(conv)
                   : tiles ? tiles
                           : packed_count(l->graph, conv);
    return graph_floats(l->graph, count, l->error);
}

/* weights: [out][in / groups][taps], as ONNX stores a Conv's. */
static bool read_weights(struct lowering *l, struct conv *conv, const float *weights,
                         const struct onnx_tensor *bias)
{
    uint32_t taps = window_taps(&conv->window), in = conv->in_channels / conv->groups;
    conv->weights = new_weights(l, conv);
    conv->bias = graph_floats(l->graph, conv->out_channels + KERNELS_SLACK, l->error);
    if (!conv->weights || !conv->bias)
        return false;
    memset(conv->weights, 0, matrix_count(conv) * sizeof *weights);
    memset(conv->bias, 0, (conv->out_channels + KERNELS_SLACK) * sizeof *conv->bias);
    for (uint32_t o = 0; o < conv->out_channels; o++) {
        conv->bias[o] = bias ? bias->f[o] : 0;
        for (uint32_t i = 0; i < in; i++)
            for (uint32_t t = 0; t < taps; t++)
                conv->weights[matrix_index(conv, t, i, o)] = *weights++;
    }
    return true;
}

static enum lm_status check_conv(struct lowering *l, const struct onnx_node *node,
                                 const struct view *x, const struct onnx_tensor *weights,
                                 const struct onnx_tensor *bias)
{
    if (!x || !weights || weights->type != ONNX_FLOAT)
        return REFUSE(l, "weights are computed from the image, or not floats");
    if (node->n_inputs > 2 && node->inputs[2][0] && !bias)
        return REFUSE(l, "the bias is computed from the image");
    if (weights->rank != 4 || x->rank != 4 || !view_is_channel_first(l->graph, x))
        return REFUSE(l, "only two-dimensional convolutions of N,C,H,W are supported");
    int64_t groups = attribute_int(node, "group", 1), out = weights->dims[0];
    if (groups < 1 || out < 1 || out > GRAPH_MAX_CHANNELS || out % groups || weights->dims[1] < 1 ||
        weights->dims[2] < 1 || weights->dims[3] < 1 || weights->dims[2] > GRAPH_MAX_WINDOW ||
        weights->dims[3] > GRAPH_MAX_WINDOW || x->dims[1] % groups ||
        weights->dims[1] != x->dims[1] / groups) {
        char a[96], b[96];
        return lm_fail(l->error, LM_CORRUPT,
                       "weights %s in %" PRId64 " groups do not fit an input of %s",
                       shape_text(weights->dims, 4, a), groups, shape_text(x->dims, 4, b));
    }
    if (bias && (bias->type != ONNX_FLOAT || bias->count != (size_t)out))
        return lm_fail(l->error, LM_CORRUPT, "%zu biases for %" PRId64 " channels", bias->count,
                       out);
    return LM_OK;
}

static struct conv new_conv(uint32_t in, uint32_t out, uint32_t groups)
{
    return (struct conv){.groups = groups,
                         .in_channels = in,
                         .out_channels = out,
                         .residual = GRAPH_NO_VALUE,
                         .low = -INFINITY,
                         .high = INFINITY,
                         .window = {.kernel_height = 1,
                                    .kernel_width = 1,
                                    .stride_y = 1,
                                    .stride_x = 1,
                                    .dilation_y = 1,
                                    .dilation_x = 1}};
}

static void free_conv(struct conv *conv)
{
    free(conv->weights);
    free(conv->bias);
    free(conv->border);
}

/* Adds the step; the conv is taken over, or freed on failure. */
static enum lm_status add_conv(struct lowering *l, const struct onnx_node *node, struct conv *conv,
                               uint32_t input, const struct value *value, uint32_t *id)
{
    struct step *step =
        graph_add_step(l->graph, &step_conv, node->name, &input, 1, value, l->error);
    if (!step) {
        free_conv(conv);
        return LM_NOMEM;
    }
    step->conv = *conv;
    *id = step->output;
    return LM_OK;
}

/* A border of zeros is padding; one of another constant keeps a row of it. */
static bool lower_border(struct lowering *l, struct conv *conv)
{
    struct window *w = &conv->window;
    if (w->border.constant == 0) {
        w->pad_top += w->border.top;
        w->pad_left += w->border.left;
        w->pad_bottom += w->border.bottom;
        w->pad_right += w->border.right;
        w->border = (struct border){0};
        return true;
    }
    conv->border = graph_floats(l->graph, conv->in_channels, l->error);
    for (uint32_t c = 0; conv->border && c < conv->in_channels; c++)
        conv->border[c] = w->border.constant;
    return conv->border != NULL;
}

static enum lm_status lower_conv(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    const struct onnx_tensor *weights = input_constant(l, node, 1);
    const struct onnx_tensor *bias = input_constant(l, node, 2);
    enum lm_status status = check_conv(l, node, x, weights, bias);
    if (status != LM_OK)
        return status;
    struct conv conv = new_conv((uint32_t)x->dims[1], (uint32_t)weights->dims[0],
                                (uint32_t)attribute_int(node, "group", 1));
    status = lower_window(l, node, x, (uint32_t)weights->dims[2], (uint32_t)weights->dims[3],
                          &conv.window);
    if (status != LM_OK)
        return status;
    bool spatial = view_spatial(l->graph, x);
    if (!spatial && window_taps(&conv.window) != 1)
        return REFUSE(l, "a kernel larger than 1x1 on pooled features");
    if (!spatial && (conv.window.out_height != 1 || conv.window.out_width != 1))
        return REFUSE(l, "padding of pooled features");
    choose_blocks(&conv, spatial);
    conv.pointwise = !spatial;
    conv.skips_zeros = l->graph->kernels->skips && graph_is_rectified(l->graph, x->value);
    if (!read_weights(l, &conv, weights->f, bias) || !lower_border(l, &conv)) {
        free_conv(&conv);
        return l->error ? l->error->status : LM_NOMEM;
    }
    struct value value = {.spatial = spatial,
                          .height = conv.window.out_height,
                          .width = conv.window.out_width,
                          .channels = conv.out_channels};
    struct view view = *x;
    view.border = (struct border){0};
    view.dims[1] = value.channels;
    view.dims[2] = value.height;
    view.dims[3] = value.width;
    status = add_conv(l, node, &conv, x->value, &value, &view.value);
    return status == LM_OK ? output_view(l, node, 0, &view) : status;
}

/* matrix[in][out], or [out][in] if transposed, scaled by alpha. */
static enum lm_status lower_dense(struct lowering *l, const struct onnx_node *node,
                                  const struct view *x, const struct onnx_tensor *matrix,
                                  bool transposed, float alpha, struct view *out)
{
    const struct value *value = view_value(l->graph, x);
    int64_t in = matrix->dims[transposed ? 1 : 0], n = matrix->dims[transposed ? 0 : 1];
    if (in != (int64_t)value->channels || n < 1 || n > GRAPH_MAX_CHANNELS) {
        char a[96], b[96];
        return lm_fail(l->error, LM_CORRUPT, "a matrix of %s does not fit an input of %s",
                       shape_text(matrix->dims, 2, a), shape_text(x->dims, x->rank, b));
    }
    struct conv conv = new_conv((uint32_t)in, (uint32_t)n, 1);
    conv.pointwise = true;
    choose_blocks(&conv, false);
    conv.weights = new_weights(l, &conv);
    conv.bias = graph_floats(l->graph, (size_t)n + KERNELS_SLACK, l->error);
    if (!conv.weights || !conv.bias) {
        free_conv(&conv);
        return l->error ? l->error->status : LM_NOMEM;
    }
    memset(conv.bias, 0, ((size_t)n + KERNELS_SLACK) * sizeof *conv.bias);
    for (size_t i = 0; i < (size_t)in; i++)
        for (size_t o = 0; o < (size_t)n; o++)
            conv.weights[i * (size_t)n + o] =
                alpha * matrix->f[transposed ? o * (size_t)in + i : i * (size_t)n + o];
    struct value result = *value;
    result.channels = (uint32_t)n;
    conv.window.in_height = conv.window.out_height = value->height;
    conv.window.in_width = conv.window.out_width = value->width;
    *out = *x;
    out->dims[x->rank - 1] = n;
    return add_conv(l, node, &conv, x->value, &result, &out->value);
}

static enum lm_status lower_gemm(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    const struct onnx_tensor *b = input_constant(l, node, 1), *c = input_constant(l, node, 2);
    if (!x || !b || b->type != ONNX_FLOAT || b->rank != 2 || (node->n_inputs > 2 && !c))
        return REFUSE(l, "only a view of the image times a constant matrix plus constants");
    if (x->rank != 2 || view_spatial(l->graph, x) || attribute_int(node, "transA", 0))
        return REFUSE(l, "only a matrix N,C that is not transposed");
    struct view view;
    enum lm_status status = lower_dense(l, node, x, b, attribute_int(node, "transB", 0) != 0,
                                        attribute_float(node, "alpha", 1), &view);
    if (status != LM_OK)
        return status;
    struct conv *conv = &l->graph->steps[l->graph->n_steps - 1].conv;
    float beta = attribute_float(node, "beta", 1);
    if (c && (c->type != ONNX_FLOAT || (c->count != 1 && c->count != conv->out_channels)))
        return lm_fail(l->error, LM_CORRUPT, "%zu biases for %u features", c->count,
                       conv->out_channels);
    for (uint32_t o = 0; c && o < conv->out_channels; o++)
        conv->bias[o] = beta * c->f[c->count == 1 ? 0 : o];
    return output_view(l, node, 0, &view);
}

static enum lm_status lower_matmul(struct lowering *l, const struct onnx_node *node)
{
    const struct view *x = input_view(l, node, 0);
    const struct onnx_tensor *b = input_constant(l, node, 1);
    if (!x || !b || b->type != ONNX_FLOAT || b->rank != 2)
        return REFUSE(l, "only a view of the image times a constant matrix");
    if (view_has_border(x))
        return REFUSE(l, "a padded border may only enter a Conv or pool");
    if (view_axis_is_place(l->graph, x, x->rank - 1) ||
        x->dims[x->rank - 1] != (int64_t)view_value(l->graph, x)->channels)
        return REFUSE(l, "only over channels on the last axis");
    struct view view;
    enum lm_status status = lower_dense(l, node, x, b, false, 1, &view);
    return status == LM_OK ? output_view(l, node, 0, &view) : status;
}

bool conv_absorb_affine(struct lowering *l, const struct symbol *symbol, const float *scale,
                        const float *shift)
{
    uint32_t producer = l->graph->values[symbol->view.value].producer;
    if (producer == GRAPH_NO_VALUE || symbol->uses != 1 ||
        l->graph->values[symbol->view.value].shared)
        return false;
    struct step *step = &l->graph->steps[producer];
    if (step->kind != &step_conv || step->output != symbol->view.value)
        return false;
    struct conv *conv = &step->conv;
    size_t columns = conv->depthwise ? conv->out_channels : conv->block_out;
    size_t rows = matrix_count(conv) / columns;
    for (size_t r = 0; r < rows && scale; r++) {
        size_t block = conv->depthwise ? 0 : r / (rows / conv->blocks);
        for (size_t c = 0; c < columns; c++)
            conv->weights[r * columns + c] = (float)((double)conv->weights[r * columns + c] *
                                                     (double)scale[block * columns + c]);
    }
    for (uint32_t o = 0; o < conv->out_channels; o++)
        conv->bias[o] = (float)((double)conv->bias[o] * (double)(scale ? scale[o] : 1.0f) +
                                (double)(shift ? shift[o] : 0.0f));
    return true;
}

static bool all_finite(const float *numbers, size_t n)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++)
        finite &= fabsf(numbers[i]) <= FLT_MAX;
    return finite;
}

/* A Relu would turn NaN into 0, and the answer would look sound. */
static enum lm_status check_finite(const struct step *step, const struct conv *conv,
                                   struct lm_error *error)
{
    char name[ONNX_QUOTE];
    bool weights = all_finite(conv->weights, matrix_count(conv));
    if (weights && all_finite(conv->bias, conv->out_channels))
        return LM_OK;
    return lm_fail(error, LM_CORRUPT,
                   "node '%s': its %s, with what was folded into them, hold NaN or inf",
                   onnx_quote(step->name, name), weights ? "biases" : "weights");
}

static void count_recalls(struct graph *graph)
{
    uint32_t all = 0, before = 0;
    for (size_t i = 0; i < graph->n_steps; i++)
        all += graph->steps[i].kind->recalls;
    for (size_t i = 0; i < graph->n_steps; i++) {
        struct step *step = &graph->steps[i];
        before += step->kind->recalls;
        if (step->kind != &step_conv)
            continue;
        step->conv.recall = before;
        step->conv.remembered = before < all;
    }
}

/* In place, from a copy: so that memory is left without holes.  copy: of scratch_count floats. */
static enum lm_status pack(struct graph *graph, struct conv *conv, float *copy,
                           struct lm_error *error)
{
    size_t matrix = matrix_count(conv) / conv->blocks;
    memcpy(copy, conv->weights, matrix_count(conv) * sizeof *copy);
    if (conv->winograd_side) {
        conv->winograd = conv->weights;
        conv->weights = NULL;
        conv_winograd_pack(graph, conv, copy, copy + matrix);
        if (!conv->remembered)
            return LM_OK; /* all rows are computed in tiles */
        conv->weights = graph_floats(graph, packed_count(graph, conv), error);
        if (!conv->weights)
            return error ? error->status : LM_NOMEM;
    }
    conv->block_floats = packed_count(graph, conv) / conv->blocks;
    for (uint32_t b = 0; b < conv->blocks; b++)
        kernels_pack(graph->kernels, copy + b * matrix, matrix / conv->block_out, conv->block_out,
                     conv->weights + b * conv->block_floats);
    return LM_OK;
}

static size_t scratch_count(const struct graph *graph)
{
    size_t most = 0;
    for (size_t i = 0; i < graph->n_steps; i++) {
        const struct conv *conv = &graph->steps[i].conv;
        if (graph->steps[i].kind != &step_conv || conv->depthwise)
            continue;
        size_t matrix = conv->winograd_side ? (size_t)conv->in_channels * conv->out_channels : 0;
        size_t count = matrix_count(conv) + matrix;
        most = count > most ? count : most;
    }
    return most;
}

enum lm_status graph_pack(struct graph *graph, struct lm_error *error)
{
    enum lm_status status = LM_OK;
    bool rounds = graph->precision == LM_PRECISION_BFLOAT16;
    float *copy = array_alloc(rounds ? 0 : scratch_count(graph), sizeof *copy);
    if (!copy)
        return lm_fail(error, LM_NOMEM, "out of memory for weights");
    if (rounds)
        graph_round(graph);
    count_recalls(graph);
    for (size_t i = 0; i < graph->n_steps && status == LM_OK; i++) {
        struct step *step = &graph->steps[i];
        if (step->kind != &step_conv)
            continue;
        status = check_finite(step, &step->conv, error);
        if (status == LM_OK && step->conv.before && step->conv.before->depthwise)
            status = check_finite(step, step->conv.before->depthwise, error);
        if (status == LM_OK && !step->conv.depthwise)
            status = rounds ? conv_bf16_round(graph, step, error)
                            : pack(graph, &step->conv, copy, error);
    }
    free(copy);
    return status;
}

const struct onnx_rule rules_conv[] = {
    {"Conv", lower_conv}, {"Gemm", lower_gemm}, {"MatMul", lower_matmul}, {NULL, NULL}};
