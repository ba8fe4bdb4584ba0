/* Normalisations: BatchNormalization into the Conv before it, LayerNormalization as a program, and
 * the mean over channels from which exporters build one. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/building.h"

static enum lm_status channel_constants(struct lowering *l, const struct onnx_node *node,
                                        size_t first, size_t n, size_t channels, const float **rows)
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

/* x * scale + shift, into the Conv before if possible. */
static enum lm_status lower_affine(struct lowering *l, const struct onnx_node *node,
                                   const float *scale, const float *shift, size_t channels)
{
    struct building b;
    struct part part;
    struct operand x, factor, addend;
    enum lm_status status = building_start(&b, l, node, &part, 1);
    if (status == LM_OK && conv_absorb_affine(l, part.symbol, scale, shift))
        return output_view(l, node, 0, part.view);
    if (status == LM_OK && (status = building_operand(&b, &part, &x)) == LM_OK &&
        (status = building_channels(&b, scale, channels, &factor)) == LM_OK &&
        (status = building_channels(&b, shift, channels, &addend)) == LM_OK &&
        (status = building_append(&b, PW_MUL, x, factor, NULL)) == LM_OK)
        status = building_append(&b, PW_ADD, building_result(&b), addend, NULL);
    return building_finish(&b, status);
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
    for (size_t c = 0; c < channels; c++)
        if (!isfinite(rows[0][c]) || !isfinite(rows[1][c]) || !isfinite(rows[2][c]) ||
            !((double)rows[3][c] + epsilon > 0) || !isfinite(rows[3][c]))
            return lm_fail(l->error, LM_CORRUPT,
                           "channel %zu: scale %g, bias %g, mean %g, variance %g, epsilon %g", c,
                           (double)rows[0][c], (double)rows[1][c], (double)rows[2][c],
                           (double)rows[3][c], epsilon);
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

/* (x - mean) / sqrt(variance + epsilon), appended to the program. */
static enum lm_status append_normalised(struct building *b, struct operand x, float epsilon)
{
    enum lm_status status = building_append(b, PW_ROW_MEAN, x, NO_OPERAND, NULL);
    if (status == LM_OK)
        status = building_append(b, PW_SUB, x, building_result(b), NULL);
    if (status != LM_OK)
        return status;
    struct operand centred = building_result(b);
    if ((status = building_append(b, PW_MUL, centred, centred, NULL)) == LM_OK &&
        (status = building_append(b, PW_ROW_MEAN, building_result(b), NO_OPERAND, NULL)) == LM_OK &&
        (status = building_append(b, PW_ADD, building_result(b), building_number(epsilon), NULL)) ==
            LM_OK &&
        (status = building_append(b, PW_SQRT, building_result(b), NO_OPERAND, NULL)) == LM_OK)
        status = building_append(b, PW_DIV, centred, building_result(b), NULL);
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
    if (status != LM_OK)
        return status;
    struct building b;
    struct part part;
    struct operand in, row;
    status = building_start(&b, l, node, &part, 1);
    if (status == LM_OK && (status = building_operand(&b, &part, &in)) == LM_OK &&
        (status = append_normalised(&b, in, attribute_float(node, "epsilon", 1e-5f))) == LM_OK &&
        (status = building_channels(&b, rows[0], channels, &row)) == LM_OK)
        status = building_append(&b, PW_MUL, building_result(&b), row, NULL);
    if (status == LM_OK && rows[1] &&
        (status = building_channels(&b, rows[1], channels, &row)) == LM_OK)
        status = building_append(&b, PW_ADD, building_result(&b), row, NULL);
    return building_finish(&b, status);
}

enum lm_status lower_channel_mean(struct lowering *l, const struct onnx_node *node,
                                  const struct view *result)
{
    struct building b;
    struct part part;
    struct operand x;
    enum lm_status status = building_start(&b, l, node, &part, 1);
    if (status == LM_OK && (status = building_operand(&b, &part, &x)) == LM_OK)
        status = building_append(&b, PW_ROW_MEAN, x, NO_OPERAND, NULL);
    if (status == LM_OK) {
        uint32_t value = b.shape.value;
        b.shape = *result;
        b.shape.value = value;
    }
    return building_finish(&b, status);
}

const struct onnx_rule rules_norm[] = {
    {"BatchNormalization", lower_batch_norm},
    {"LayerNormalization", lower_layer_norm},
    {NULL, NULL},
};
